"""Grids: a phase on the points of a regular grid in the cell, for pictures and volume viewers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame
from phasewire._frame.result import Result
from phasewire.diagnostics._atoms import Phase, check_positive, membership, missing, place
from phasewire.diagnostics.profiles import crystallinity
from phasewire.errors import make_error

if TYPE_CHECKING:
    from ase import Atoms
    from scipy.spatial import cKDTree

RADIUS = 1.5
"""Radius of the balls of the average, in units of a0: about 14 atoms."""
_CHUNK = 20_000
_MOST_POINTS = 2**27
NO_ATOM = -1
"""Label of a point without an atom in its ball."""


@dataclass(frozen=True, eq=False, repr=False)
class Grid:
    """A phase on the points of a grid.

    Attributes
    ----------
    share : float32 array, shape (X, Y, Z)
        Mean of the phase's probability, or of its label, over the atoms near a point; 0 without atoms.
    labels : int32 array, shape (X, Y, Z)
        Label of the nearest atom, -1 without an atom nearby.
    cell : float64 array, shape (3, 3)
        Point (i, j, k) is at i/X, j/Y, k/Z of the cell vectors.
    origin : float64 array, shape (3,)
    phases : tuple of str
        Class names, for `labels`.
    counted : tuple of str
        Classes that `share` counts.
    step : int
    """

    share: NDArray[np.float32]
    labels: NDArray[np.int32]
    cell: NDArray[np.float64]
    origin: NDArray[np.float64]
    phases: tuple[str, ...]
    counted: tuple[str, ...]
    step: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of points along each cell vector."""
        x, y, z = self.share.shape
        return x, y, z

    def points(self) -> NDArray[np.float64]:
        """Return the positions of the points, shape ``(X, Y, Z, 3)``."""
        return _fractions(self.shape).reshape(*self.shape, 3) @ self.cell + self.origin

    def write_cube(self, path: str | PathLike[str], atoms: Atoms | None = None) -> None:
        """Write `share` as a Gaussian cube file, which OVITO, VMD and ASE read.

        Parameters
        ----------
        path : path
        atoms : ase.Atoms, optional
            Atoms to write to the same file. Default: none.

        Raises
        ------
        ImportError
            Without ASE.

        Notes
        -----
        The format stores lengths in Bohr radii, so the lengths must be in angstrom.
        """
        try:
            from ase import Atoms as Structure
            from ase.io.cube import write_cube
        except ModuleNotFoundError as error:
            raise missing("ase", error) from error
        shown = Structure() if atoms is None else atoms.copy()
        shown.set_cell(self.cell)
        with Path(path).open("w", encoding="utf-8") as stream:
            comment = f"share of {' + '.join(self.counted[:4])}{' ...' if len(self.counted) > 4 else ''}"
            write_cube(stream, shown, data=self.share.astype(np.float64), origin=self.origin, comment=comment)

    def __repr__(self) -> str:
        return f"<Grid step {self.step}: {' x '.join(map(str, self.shape))} points, mean share {self.share.mean():.3f}>"


def grid(
    result: Result,
    frame: Frame | Atoms,
    shape: int | Sequence[int] = 32,
    phase: Phase = None,
    *,
    radius: float = RADIUS,
) -> Grid:
    """Map a phase to a grid: the mean over the atoms in a ball around each point, weighted by (1 - (d/radius)^2)^2.

    Parameters
    ----------
    result : Result
        A result with labels; `Grid.share` uses probabilities if there are any.
    frame : Frame or ase.Atoms
        The analysed frame, with a cell.
    shape : int or three int
        Numbers of points along the cell vectors, or one number for all.
    phase : str or sequence of str, optional
        The phase that `Grid.share` counts. Default: every class except ``disordered``.
    radius : float
        Radius of the ball, in units of a0.

    Raises
    ------
    InputError
        ``BAD_OPTION``, ``SHAPE_MISMATCH``, ``MISSING_CELL``.
    ImportError
        Without scipy.
    """
    try:
        from scipy.spatial import cKDTree as Tree
    except ModuleNotFoundError as error:
        raise missing("scipy", error) from error
    points = _check_shape(shape)
    reach = check_positive(radius, "radius", "in units of a0, usually 1.5") * result.length_scale
    _, counted = membership(result, phase)
    assert result.labels is not None
    placed = place(result, frame)
    values = crystallinity(result, phase)
    positions, owners = placed.with_images(reach)
    tree = Tree(positions)
    fractions = _fractions(points)
    label_of = np.append(result.labels[owners].astype(np.int32), NO_ATOM)
    share = np.empty(len(fractions), dtype=np.float32)
    labels = np.empty(len(fractions), dtype=np.int32)
    for begin in range(0, len(fractions), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        share[part], nearest = _average(tree, fractions[part] @ placed.cell, reach, values[owners])
        labels[part] = label_of[nearest]
    origin = frame.origin if isinstance(frame, Frame) and frame.origin is not None else np.zeros(3)
    return Grid(share.reshape(points), labels.reshape(points), placed.cell, origin, result.phases, counted, result.step)


def _check_shape(shape: int | Sequence[int]) -> tuple[int, int, int]:
    numbers = [shape] * 3 if isinstance(shape, (int, np.integer)) else list(shape)
    whole = all(isinstance(number, (int, np.integer)) and not isinstance(number, bool) for number in numbers)
    if len(numbers) == 3 and whole and min(numbers) >= 1 and np.prod(numbers, dtype=np.float64) <= _MOST_POINTS:
        return int(numbers[0]), int(numbers[1]), int(numbers[2])
    raise make_error(
        "BAD_OPTION",
        f"shape must be three whole numbers above 0, or one for all, and at most {_MOST_POINTS} points",
        field="shape",
        value=shape,
        remedy="give the points along each cell vector, such as (40, 40, 60)",
    )


def _fractions(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    axes = np.meshgrid(*(np.arange(count) / count for count in shape), indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, 3)


def _average(
    tree: cKDTree, points: NDArray[np.float64], reach: float, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the weighted mean near each point and the nearest atom or image, ``tree.n`` without any."""
    most = int(tree.query_ball_point(points, reach, return_length=True).max())
    distances, near = tree.query(points, k=list(range(1, max(1, most) + 1)), distance_upper_bound=reach)
    # Missing neighbours have infinite distance and the number tree.n: weight 0, and an extra value.
    weights = np.clip(1.0 - (distances / reach) ** 2, 0.0, None) ** 2
    total = weights.sum(axis=1)
    weighted = (weights * np.append(values, 0.0)[near]).sum(axis=1)
    return np.divide(weighted, total, out=np.zeros_like(total), where=total > 0), near[:, 0]
