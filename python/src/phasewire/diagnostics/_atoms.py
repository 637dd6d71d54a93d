"""The atoms of a result with their positions, which all diagnostics start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame, make_frame
from phasewire._frame.result import Result
from phasewire._model.class_names import class_number
from phasewire.errors import PhasewireError, make_error

if TYPE_CHECKING:
    from ase import Atoms

Phase = str | Sequence[str] | None


@dataclass(frozen=True, eq=False)
class Placed:
    """Atoms in their cell.

    Attributes
    ----------
    positions : float64 array, shape (N, 3)
        Relative to the origin of the cell; wrapped into it along periodic axes.
    cell : float64 array, shape (3, 3)
        Rows are its vectors; unit vectors for a frame without cell.
    periodic : bool array, shape (3,)
    """

    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    periodic: NDArray[np.bool_]

    def fractional(self) -> NDArray[np.float64]:
        """Return the fractional coordinates, within 0 and 1 along periodic axes, shape ``(N, 3)``."""
        fractions = self.positions @ np.linalg.inv(self.cell)
        return np.where(self.periodic, fractions - np.floor(fractions), fractions)

    def heights(self) -> NDArray[np.float64]:
        """Return the distances of opposite faces of the cell, shape ``(3,)``."""
        heights: NDArray[np.float64] = 1.0 / np.linalg.norm(np.linalg.inv(self.cell), axis=0)
        return heights

    def with_images(self, reach: float) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the atoms and their periodic images up to a distance from the cell.

        Parameters
        ----------
        reach : float
            Distance from the faces of the cell, in the simulation's unit.

        Returns
        -------
        positions : float64 array, shape (M, 3)
            The atoms first, in their order.
        owners : int array, shape (M,)
            The atom of each image.
        """
        fractions = self.fractional()
        owners = np.arange(len(fractions))
        # One axis after the other, images of images included, which also gives the corners.
        for axis in np.flatnonzero(self.periodic):
            margin = reach / self.heights()[axis]
            most = int(np.ceil(margin))
            parts, of = [fractions], [owners]
            for shift in [number for number in range(-most, most + 1) if number]:
                moved = fractions[:, axis] + shift
                near = (moved > -margin) & (moved < 1 + margin)
                image = fractions[near].copy()
                image[:, axis] += shift
                parts.append(image)
                of.append(owners[near])
            fractions, owners = np.concatenate(parts), np.concatenate(of)
        return fractions @ self.cell, owners


def place(result: Result, frame: Frame | Atoms, *, cell_needed: bool = True) -> Placed:
    """Return the atoms of a result, wrapped into their cell.

    Parameters
    ----------
    result : Result
    frame : Frame or ase.Atoms
        The analysed frame; if only some of its atoms were analysed, either those or all.
    cell_needed : bool
        Whether a frame without cell is refused.

    Raises
    ------
    InputError
        ``SHAPE_MISMATCH`` if frame and result have different atoms, ``BAD_OPTION`` if they have different steps,
        ``MISSING_CELL``, ``SINGULAR_CELL``.
    """
    checked = frame if isinstance(frame, Frame) else _frame_of(frame)
    # An Atoms object has no step.
    if checked is frame and checked.step != result.step:
        raise make_error(
            "BAD_OPTION",
            f"the frame is of step {checked.step}, the result of step {result.step}",
            field="frame",
            value=checked.step,
            remedy="give the frame that was analysed",
        )
    positions = checked.positions
    if len(positions) != result.atom_count and result.selection is not None:
        positions = _selected(positions, result.selection)
    if len(positions) != result.atom_count:
        raise make_error(
            "SHAPE_MISMATCH",
            f"the result is of {result.atom_count} atoms, the frame has {len(checked)}",
            field="frame",
            value=len(checked),
            remedy="give the frame that was analysed",
        )
    if checked.cell is None and cell_needed:
        raise make_error(
            "MISSING_CELL",
            "this diagnostic uses the axes of a cell, and the frame has no cell",
            field="cell",
            remedy="analyse with the cell; give periodic=False if it is only a box around the atoms",
        )
    cell = np.eye(3) if checked.cell is None else _spanning(checked.cell, np.array(checked.periodic))
    origin = np.zeros(3) if checked.origin is None else checked.origin
    placed = Placed(positions - origin, cell, np.array(checked.periodic))
    return Placed(placed.fractional() @ cell, cell, placed.periodic)


def membership(result: Result, phase: Phase) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which atoms have one of some labels, and the names of those classes.

    Parameters
    ----------
    result : Result
    phase : str, sequence of str or None
        Class names or aliases; None: every class except ``disordered``.

    Returns
    -------
    mask : bool array, shape (N,)
    names : tuple of str

    Raises
    ------
    InputError
        ``BAD_OPTION`` if the model has no such class, or the result has no labels.
    """
    # `where` refuses a result without labels.
    disordered = result.where(result.phases[0])
    if phase is None:
        return ~disordered, result.phases[1:]
    assert result.labels is not None
    numbers = numbers_of(result, phase)
    return np.isin(result.labels, numbers), tuple(result.phases[number] for number in numbers)


def numbers_of(result: Result, phase: str | Sequence[str]) -> list[int]:
    """Return the numbers of some classes, given by names or aliases."""
    names = [phase] if isinstance(phase, str) else list(phase)
    return [class_number(name, result.phases, result.aliases, "phase") for name in names]


def check_axis(axis: int) -> int:
    """Return the number of a cell axis, or raise ``BAD_OPTION``."""
    if isinstance(axis, (int, np.integer)) and not isinstance(axis, bool) and 0 <= axis <= 2:
        return int(axis)
    raise make_error(
        "BAD_OPTION", "an axis is 0, 1 or 2", field="axis", value=axis, remedy="give the number of a cell vector"
    )


def check_positive(number: Any, field: str, unit: str) -> float:
    """Return a finite number above 0, or raise ``BAD_OPTION``."""
    real = isinstance(number, (int, float, np.number)) and not isinstance(number, bool)
    if real and np.isfinite(number) and number > 0:
        return float(number)
    raise make_error(
        "BAD_OPTION", f"{field} must be a number above 0", field=field, value=number, remedy=f"it is {unit}"
    )


def missing(package: str, error: ModuleNotFoundError) -> ImportError:
    """Build the error for a missing package of the extra ``diagnostics``."""
    text = f'the Python package {package} is missing: pip install "phasewire[diagnostics]"'
    return ImportError(text, name=error.name)


def _frame_of(atoms: Atoms) -> Frame:
    try:
        cell = np.asarray(atoms.cell, dtype=np.float64)
        periodic = [bool(flag) for flag in atoms.pbc]
        return make_frame(atoms.positions, cell if cell.any() else None, periodic)
    except (AttributeError, TypeError) as error:
        raise make_error(
            "BAD_OPTION",
            "a frame is a phasewire.Frame or an ase.Atoms",
            field="frame",
            value=type(atoms).__name__,
            remedy="for instance monitor.last_frame, or ase.Atoms(positions=..., cell=..., pbc=...)",
        ) from error


def _selected(positions: NDArray[np.float64], selection: NDArray[np.int64]) -> NDArray[np.float64]:
    return positions[selection] if not len(selection) or selection[-1] < len(positions) else positions


def _spanning(cell: NDArray[np.float64], periodic: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return a cell that spans space: a zero vector along an open axis gets a direction and length 1."""
    whole = cell.copy()
    for axis in np.flatnonzero(~periodic & ~cell.any(axis=1)):
        normal = np.cross(whole[(axis + 1) % 3], whole[(axis + 2) % 3])
        length = np.linalg.norm(normal)
        whole[axis] = normal / length if length > 0 else np.eye(3)[axis]
    volume, edges = abs(np.linalg.det(whole)), np.prod(np.linalg.norm(whole, axis=1))
    if not volume > 1e-9 * edges:
        raise _singular(cell)
    return whole


def _singular(cell: NDArray[np.float64]) -> PhasewireError:
    return make_error(
        "SINGULAR_CELL",
        "the cell vectors are linearly dependent",
        field="cell",
        value=cell.tolist(),
        remedy="give three vectors that span a volume, also for open axes",
    )
