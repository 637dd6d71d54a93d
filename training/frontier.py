"""Draw accuracy against cost by shape: `python -m training.frontier docs/shape.csv --out FILE`.

A row of the table is one shape: `shape` (its name), `us` (microseconds per atom for one pass), `loss` (of the labels,
mean over the same steps of every run) and `schedule` (the number of steps over which its learning rate falls).
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Point:
    """One shape: its cost in microseconds per atom, the loss of its labels, the length of its run in steps."""

    shape: str
    us: float
    loss: float
    schedule: int


def read_points(path: Path) -> list[Point]:
    """Rows of the table, the cheapest first.

    Raises
    ------
    ValueError
        If the table has no rows.
    """
    with path.open(newline="") as file:
        points = [
            Point(row["shape"], float(row["us"]), float(row["loss"]), int(row["schedule"]))
            for row in csv.DictReader(file)
        ]
    if not points:
        raise ValueError(f"{path} has no rows")
    return sorted(points, key=lambda point: (point.us, point.loss))


def frontier(points: list[Point]) -> list[Point]:
    """The points that no cheaper point matches. `points` must be sorted by cost."""
    best: list[Point] = []
    for point in points:
        if not best or point.loss < best[-1].loss:
            best.append(point)
    return best


def draw(points: list[Point], out: Path) -> Path:
    """Draw the points, and one frontier per schedule, since only its losses are comparable. Returns the file."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for index, schedule in enumerate(sorted({point.schedule for point in points})):
        own = [point for point in points if point.schedule == schedule]
        line, colour = frontier(own), f"C{index}"
        axes.plot([p.us for p in line], [p.loss for p in line], color=colour, alpha=0.4, zorder=1)
        axes.scatter([p.us for p in own], [p.loss for p in own], color=colour, label=f"runs of {schedule} steps")
        # Names of every other schedule stand to the left, so that the names of neighbours do not overlap.
        side, alignment = ((5, 5), "left") if index % 2 == 0 else ((-5, -11), "right")
        for point in own:
            axes.annotate(
                point.shape, (point.us, point.loss), side, textcoords="offset points", ha=alignment, fontsize=8
            )
    axes.set_xlabel("one pass, µs per atom")
    axes.set_ylabel("loss of the labels")
    axes.margins(0.2, 0.12)
    axes.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    print(draw(read_points(arguments.table), arguments.out))


if __name__ == "__main__":
    main()
