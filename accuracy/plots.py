"""Plots in one style, with colours for colour-blind readers (Okabe and Ito) and small files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#8A8A8A"
# Colour, marker, line style and line width of each method. Raw is wide, so that it shows where denoised covers it.
STYLES = {
    "raw": (SKY, "o", "-", 2.8),
    "denoised": (BLACK, "s", "-", 1.1),
    "PTM 0.10": (VERMILION, "^", "--", 1.0),
    "PTM 0.15": (ORANGE, "v", "--", 1.0),
    "PTM no cutoff": (YELLOW, "D", "--", 1.0),
    "adaptive CNA": (GREEN, "x", ":", 1.0),
    "Ackland-Jones": (PURPLE, "+", ":", 1.0),
    "identify diamond": (BLUE, "1", ":", 1.0),
    "Chill+": (GREY, "*", ":", 1.0),
}
MARKERS = "osv^Dx+*<>"
# In this order, neighbouring colours also differ in lightness.
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, BLACK, SKY, PURPLE, GREY)


@contextmanager
def drawing(
    path: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.2, 3.0), **options: object
) -> Iterator[np.ndarray]:
    """Axes (rows, columns) to draw on. The figure is written as a small PNG when the block ends."""
    settings = {"font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    with plt.rc_context(settings):
        figure, axes = plt.subplots(
            rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False, layout="constrained", **options
        )
        try:
            yield axes
            _write(figure, path)
        finally:
            plt.close(figure)


def _write(figure: Figure, path: Path) -> None:
    """Write with few colours and no metadata. This halves the size, and the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.canvas.draw()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    with Image.open(path) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def hide_unused(axes: np.ndarray, used: int) -> None:
    """Hide the axes that hold nothing."""
    for axis in axes.flat[used:]:
        axis.set_visible(False)


def method_line(axis: Axes, name: str, x: object, y: object, markers: bool = True) -> None:
    """A line in the style of a method."""
    colour, marker, line, width = STYLES[name]
    above = {"raw": 2.0, "denoised": 3.0}.get(name, 2.5)
    marker = marker if markers else ""
    axis.plot(x, y, line, color=colour, marker=marker, markersize=3.4, linewidth=width, label=name, zorder=above)


def shared_legend(axes: np.ndarray, columns: int = 5) -> None:
    """One legend below all axes. Methods come first, in the order of the styles."""
    found = {}
    for axis in axes.flat:
        found |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    texts = sorted(found, key=lambda text: list(STYLES).index(text) if text in STYLES else len(STYLES))
    handles = [found[text] for text in texts]
    axes.flat[0].figure.legend(handles, texts, loc="outside lower center", ncols=min(columns, len(texts)), fontsize=7)


def colours() -> Iterator[str]:
    """An endless cycle of colours."""
    while True:
        yield from CYCLE
