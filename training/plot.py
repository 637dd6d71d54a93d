"""Draw the log of a run: `python -m training.plot training/runs/NAME`. Every training ends with this picture.

It shows the parts of the loss, the share of wrong labels and the learning rate against the step. Thin lines are the
logged values, thick lines are smoothed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
import optax
from matplotlib.figure import Figure

from .config import TrainingConfig

# Columns that are neither parts of the loss nor shares of right labels.
OTHER = ("step", "finite")


def schedule(training: TrainingConfig) -> optax.Schedule:
    """Learning rate by step: a linear rise, then half a cosine."""
    return optax.warmup_cosine_decay_schedule(
        0.0, training.learning_rate, training.warmup, training.steps, training.final_learning_rate
    )


def read_log(path: Path) -> dict[str, np.ndarray]:
    """Columns of a log, NaN where a row lacks one.

    Raises
    ------
    ValueError
        If nothing has been logged.
    """
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if not rows:
        raise ValueError(f"{path} holds no step yet; train first")
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Centred running mean over `width` rows, fewer at the ends. NaN rows are left out."""
    kernel = np.ones(width)
    known = np.isfinite(values)
    count = np.convolve(known, kernel, mode="same")
    total = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def plot_run(run: Path, out: Path) -> Path:
    """Draw the log in a run's folder. The suffix of `out` selects a format of matplotlib. Returns `out`."""
    training = TrainingConfig.load(run / "config.json")
    columns = read_log(run / "log.jsonl")
    steps = columns["step"]
    width = min(len(steps), max(1, len(steps) // 25)) | 1
    losses = {name: v for name, v in columns.items() if name not in OTHER and not name.startswith("accuracy")}
    wrong = {
        name.replace("accuracy0", "of class 0").replace("accuracy", "all"): 1.0 - v
        for name, v in columns.items()
        if name.startswith("accuracy")
    }
    with matplotlib.rc_context({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "svg.hashsalt": run.name}):
        figure = Figure(figsize=(7.5, 7.5), layout="constrained")
        axes = figure.subplots(3, 1, sharex=True, height_ratios=[3, 2, 1])
        for axis, curves, label in ((axes[0], losses, "loss"), (axes[1], wrong, "share of wrong labels")):
            for index, (name, values) in enumerate(sorted(curves.items(), key=lambda curve: curve[0] != "loss")):
                # A logarithmic axis cannot show zero.
                values = np.where(values > 0, values, np.nan)
                colour = f"C{index}"
                axis.plot(steps, values, color=colour, linewidth=0.6, alpha=0.4)
                axis.plot(steps, smooth(values, width), color=colour, linewidth=1.6, label=name)
            axis.set_yscale("log")
            axis.set_ylabel(label)
            axis.legend(loc="upper right", ncols=3, fontsize=8)
        every = np.unique(np.linspace(1, steps[-1], 400).astype(int))
        axes[2].plot(every, schedule(training)(every), color="black", linewidth=1.2)
        axes[2].set_yscale("log")
        axes[2].set_ylabel("learning rate")
        axes[2].set_xlabel("step")
        figure.suptitle(f"{run.name}: {int(steps[-1])} of {training.steps} steps, {training.batch_atoms} atoms each")
        figure.savefig(out, dpi=130, metadata={"Date": None} if out.suffix == ".svg" else None)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument(
        "--out", type=Path, help="picture to write, .png or .svg; default: training.png in the run's folder"
    )
    arguments = parser.parse_args()
    try:
        print(plot_run(arguments.run, arguments.out or arguments.run / "training.png"))
    except (ValueError, OSError) as error:
        raise SystemExit(f"plot: {error}") from error


if __name__ == "__main__":
    main()
