"""Plots of docs/performance.md: ``python -m bench.plots docs/performance.json docs/images``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

OURS, OTHERS, FLOOR = "#c0392b", "#7f8c8d", "#2c3e50"
Record = dict[str, Any]


def peers(axes: Axes, record: Record) -> None:
    """CPU time per atom of every method, with the cheapest on top."""
    build = record["defaultBuild"]
    other = [name for name in record["builds"] if name != build]
    times = {
        name: values["cpu"]
        for name, values in record["microsecondsAnAtom"].items()
        # Each task has one bar: the core in Node with its default build.
        if ", Python," not in name and not any(name.endswith(f", {text}") for text in other)
    }
    names = sorted(times, key=lambda name: times[name]["median"], reverse=True)
    medians = [times[name]["median"] for name in names]
    errors = [
        [times[name]["median"] - times[name]["least"] for name in names],
        [times[name]["largest"] - times[name]["median"] for name in names],
    ]
    colours = [OURS if name.startswith("phasewire") else OTHERS for name in names]
    bars = axes.barh(names, medians, xerr=errors, color=colours, error_kw={"linewidth": 1})
    axes.bar_label(bars, labels=[f" {value:.2f}" for value in medians], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(right=2.5 * max(medians))
    axes.set_xlabel("CPU time of one thread, µs per atom")
    axes.grid(axis="y", visible=False)


def scale(axes: Axes, record: Record) -> None:
    """Cost per atom against the number of atoms."""
    atoms = [size["atoms"] for size in record["sizes"]]
    for task, label, colour in (("gradient", "with gradient", FLOOR), ("forward", "forward", OURS)):
        medians = [size[task]["median"] for size in record["sizes"]]
        low = [size[task]["least"] for size in record["sizes"]]
        high = [size[task]["largest"] for size in record["sizes"]]
        axes.plot(atoms, medians, "o-", color=colour, label=f"{label} (N^{record['exponent'][task]:.2f})")
        axes.fill_between(atoms, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("atoms")
    axes.set_ylabel("CPU time of one thread, µs per atom")
    axes.legend()


def stages(axes: Axes, record: Record) -> None:
    """Time of each stage, and its fraction of the peak."""
    rows = list(reversed(record["stages"]))
    medians = [row["microseconds"]["median"] for row in rows]
    bars = axes.barh([row["name"] for row in rows], medians, color=OURS)
    labels = [f" {100 * row['fractionOfPeak']:.0f} % of peak" if row["cost"] else "" for row in rows]
    axes.bar_label(bars, labels=labels, fontsize=8)
    axes.set_xlim(right=1.3 * max(medians))
    axes.set_xlabel("CPU time of one thread, µs per atom")
    axes.grid(axis="y", visible=False)


def bridge(axes: Axes, record: Record) -> None:
    """Transport of a frame, compared with bare echoes."""
    for path, label, colour, style in (
        (("shared", "total"), "analysis and transport", OTHERS, "o-"),
        (("messages", "transport"), "transport by messages", OURS, "o--"),
        (("shared", "transport"), "transport by shared memory", OURS, "o-"),
        (("zeroMqEcho",), "bare ZeroMQ echo", FLOOR, "s--"),
        (("unixSocketEcho",), "bare Unix socket echo", FLOOR, "^:"),
    ):
        medians = []
        for size in record["sizes"]:
            value = record["milliseconds"][str(size)]
            for key in path:
                value = value[key]
            medians.append(value["median"])
        axes.plot(record["sizes"], medians, style, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("atoms")
    axes.set_ylabel("round trip, ms")
    axes.legend()


PLOTS: dict[str, tuple[Callable[[Axes, Record], None], tuple[float, float]]] = {
    "peers": (peers, (7.0, 4.2)),
    "stages": (stages, (7.0, 4.6)),
    "scale": (scale, (6.0, 3.6)),
    "bridge": (bridge, (6.0, 3.6)),
}


def main() -> int:
    """Draw a plot for each record that has one, and return the exit status."""
    records = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    plt.rcParams.update({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True})
    # A key is a section, followed by @ and a model if that is not the default.
    for key, record in records.items():
        section = key.partition("@")[0]
        if section not in PLOTS:
            continue
        draw, size = PLOTS[section]
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        draw(axes, record)
        figure.savefig(folder / f"performance-{key.replace('@', '-')}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
