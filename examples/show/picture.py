"""A picture of a run: phases against time at the top, slices of atoms coloured by phase at the bottom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from phasewire import Series

from show.palette import colour_of

SLICES = 4
# Phases below this share throughout the run are drawn, but get no entry in the legend.
WORTH_NAMING = 0.01


def draw_picture(
    path: Path, title: str, series: Series, trajectory: Path, thickness: float, *, picosecond: float = 1.0
) -> None:
    """Draw the picture of a finished run.

    Parameters
    ----------
    path : Path
        Picture to write. Its extension selects PNG or SVG.
    title : str
    series : Series
        Results with the observable ``temperature`` in kelvin.
    trajectory : Path
        Labelled frames as extended XYZ. Four are drawn: the first, the most molten, one halfway back, the last.
    thickness : float
        Thickness of the slice through the middle, along the second axis, in the trajectory's length unit.
    picosecond : float
        One picosecond in the time unit of series and trajectory.
    """
    figure = Figure(figsize=(10, 6.6), dpi=110, layout="constrained")
    grid = figure.add_gridspec(2, SLICES, height_ratios=[1.15, 1])
    figure.suptitle(title, fontsize=13)
    frames = _four(read(trajectory, index=":"))
    times = [frame.info["time"] / picosecond for frame in frames]
    _draw_series(figure.add_subplot(grid[0, :]), series, picosecond, times)
    # All slices have the same limits, although their cells differ, so that their titles stand at one height.
    width, height = (max(frame.cell[axis, axis] for frame in frames) for axis in (0, 2))
    for column, (frame, time) in enumerate(zip(frames, times, strict=True)):
        axes = figure.add_subplot(grid[1, column])
        _draw_slice(axes, frame, thickness, 1.06 * width, 1.06 * height)
        axes.set_title(f"{time:.1f} ps: {_crystalline(frame):.0%} crystalline", fontsize=10)
    figure.savefig(path)


def _crystalline(frame: Atoms) -> float:
    return float(np.mean(frame.arrays["phase"] != "disordered"))


def _four(frames: list[Atoms]) -> list[Atoms]:
    crystalline = np.array([_crystalline(frame) for frame in frames])
    molten = int(crystalline.argmin())
    half = (crystalline[molten] + crystalline[-1]) / 2
    growing = molten + int(np.abs(crystalline[molten:] - half).argmin())
    return [frames[index] for index in (0, molten, growing, len(frames) - 1)]


def _draw_series(axes: Axes, series: Series, picosecond: float, marks: list[float]) -> None:
    time, fractions = series.time / picosecond, series.fractions
    kept = np.isfinite(time) & np.isfinite(fractions).all(axis=1)
    time, fractions = time[kept], fractions[kept]
    shown = [index for index in range(fractions.shape[1]) if fractions[:, index].max() > 0]
    axes.stackplot(
        time,
        fractions[:, shown].T,
        colors=[colour_of(series.phases[index]) for index in shown],
        labels=[
            series.phases[index] if fractions[:, index].max() >= WORTH_NAMING else "_" + series.phases[index]
            for index in shown
        ],
    )
    axes.set(xlabel="time / ps", ylabel="share of atoms", xlim=(time[0], time[-1]), ylim=(0, 1))
    for mark in marks:
        axes.axvline(mark, color="white", linewidth=0.9, linestyle=":")
    right = axes.twinx()
    right.plot(time, series.observable("temperature")[kept], color="black", linewidth=1.2)
    right.set(ylabel="temperature / K", ylim=(0, None))
    handles, _ = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", linewidth=1.2, label="temperature"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=len(handles), frameon=False)


def _draw_slice(axes: Axes, frame: Atoms, thickness: float, width: float, height: float) -> None:
    positions = frame.get_positions(wrap=True)
    order = np.argsort(positions[:, 1])
    inside = order[np.abs(positions[order, 1] - frame.cell[1, 1] / 2) < thickness / 2]
    axes.scatter(
        positions[inside, 0],
        positions[inside, 2],
        s=34,
        c=[colour_of(phase) for phase in frame.arrays["phase"][inside]],
        edgecolors="white",
        linewidths=0.4,
    )
    middle_x, middle_z = frame.cell[0, 0] / 2, frame.cell[2, 2] / 2
    axes.set(
        xlim=(middle_x - width / 2, middle_x + width / 2),
        ylim=(middle_z - height / 2, middle_z + height / 2),
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
