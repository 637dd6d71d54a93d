"""A frame of atoms, checked before anything is computed or sent.

Conventions (docs/maths.md): rows of the cell are its vectors, positions may lie outside the cell, and only
equality of species counts. Lengths are in the simulation's own unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire._contract import limits
from phasewire.errors import PhasewireError, make_error, refusal, show

MAX_ATOMS = limits.whole("frame", "mostAtoms")
_FLAT_CELL = limits.number("frame", "flatCell")
# Largest whole number that every reader of a message takes (bridge/PROTOCOL.md, section 4).
_MOST_WHOLE = 2**53 - 1


GivenSpecies = tuple[NDArray[np.int32] | None, tuple[str, ...] | None]
"""Species of the atoms, and names of the species 0, 1, ..."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One snapshot of a system.

    Attributes
    ----------
    positions : float64 array, shape (N, 3)
    cell : float64 array, shape (3, 3), or None
        Rows are the cell vectors.
    periodic : tuple of three bool
    species : int32 array, shape (N,), or None
        None: all atoms count as the same species.
    names : tuple of str, or None
        Names of the species 0, 1, ...; for files only.
    ids : int64 array, shape (N,), or None
        The engine's atom ids.
    origin : float64 array, shape (3,)
        Corner of the cell; for files only, as the analysis does not depend on it.
    step : int
        The engine's step number.
    time : float or None
        The engine's time, in its own unit.
    selection : int64 array, shape (N,), or None
        Indices of these atoms among the given ones, ascending; None if all were selected.
    selected : str or None
        Description of these atoms: the selected species, or ``oxygen of water``.
    water : bool
        Whether they are the oxygens of water, recognised or selected.
    given : tuple, or None
        Species and names before they got others, for files; None if they are those above.
    """

    positions: NDArray[np.float64]
    cell: NDArray[np.float64] | None
    periodic: tuple[bool, bool, bool]
    species: NDArray[np.int32] | None = None
    names: tuple[str, ...] | None = None
    ids: NDArray[np.int64] | None = None
    origin: NDArray[np.float64] | None = None
    step: int = 0
    time: float | None = None
    selection: NDArray[np.int64] | None = None
    selected: str | None = None
    water: bool = False
    given: GivenSpecies | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def symbols(self) -> list[str]:
        """Return a species name for each atom, ``X`` where there are none."""
        species, names = (self.species, self.names) if self.given is None else self.given
        if species is None or names is None:
            return ["X"] * len(self)
        return [names[kind] for kind in species]


def make_frame(
    positions: ArrayLike,
    cell: ArrayLike | None = None,
    periodic: bool | Sequence[bool] | None = None,
    species: ArrayLike | Sequence[str] | None = None,
    *,
    names: Sequence[str] | None = None,
    ids: ArrayLike | None = None,
    origin: ArrayLike | None = None,
    step: int = 0,
    time: float | None = None,
    copy: bool = True,
) -> Frame:
    """Check a frame and convert it to the form that the core takes.

    Parameters
    ----------
    positions : array_like, shape (N, 3)
    cell : array_like, shape (3, 3) or (3,), optional
        Rows are the cell vectors; three numbers are the edges of a rectangular cell.
    periodic : bool or three bool, optional
        Default: periodic in all directions if there is a cell, in none otherwise.
    species : sequence of int or str, shape (N,), optional
        None ignores species.
    names : sequence of str, optional
        Names of the species 0, 1, ... if those are numbers; for files only.
    ids, origin, step, time
        See `Frame`.
    copy : bool
        False: the frame may hold the arrays given, which must not change while it is in use.

    Returns
    -------
    Frame
        With copies of the arrays, so that the caller may change its own, unless ``copy`` is False.

    Raises
    ------
    InputError
        ``EMPTY_FRAME``, ``SHAPE_MISMATCH``, ``NON_FINITE_POSITIONS``, ``TOO_LARGE``, ``MISSING_CELL``,
        ``NON_FINITE_CELL``, ``SINGULAR_CELL``, ``UNKNOWN_SPECIES`` or ``BAD_OPTION``.
    """
    checked_positions = _check_positions(positions, copy)
    checked_cell = _check_cell(cell)
    checked_periodic = _check_periodic(periodic, checked_cell)
    _check_volume(checked_cell, checked_periodic)
    numbers, species_names = _check_species(species, names, len(checked_positions), copy)
    return Frame(
        positions=checked_positions,
        cell=checked_cell,
        periodic=checked_periodic,
        species=numbers,
        names=species_names,
        ids=None if ids is None else _check_ids(ids, len(checked_positions), copy),
        origin=None if origin is None else np.array(origin, dtype=np.float64),
        step=_check_step(step),
        time=_check_time(time),
    )


def check_length_scale(length_scale: float | None) -> float | None:
    """Return a length scale as a float.

    Raises
    ------
    InputError
        ``BAD_LENGTH_SCALE`` unless it is a finite number greater than zero.
    """
    if length_scale is None:
        return None
    try:
        number = float(length_scale)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        shown = number if isinstance(length_scale, np.number) else length_scale
        raise refusal("badLengthScale", number=show(shown), value=length_scale)
    return number


def _as_numbers(values: ArrayLike, name: str, copy: bool = True) -> NDArray[np.float64]:
    try:
        if np.iscomplexobj(values):
            raise TypeError("the numbers are complex")
        if _has_masked(values):
            code = "NON_FINITE_CELL" if name == "cell" else "NON_FINITE_POSITIONS"
            raise make_error(code, f"{name} has masked entries, which hold no number", field=name)
        return (np.array if copy else np.asarray)(values, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, PhasewireError):
            raise
        raise make_error(
            "SHAPE_MISMATCH",
            f"{name} is not a rectangular array of numbers: {error}",
            field=name,
            remedy=f"give {name} as a numpy array or as lists of equal length",
        ) from error


def _has_masked(values: Any) -> bool:
    """Return whether a masked array, or one in a list, has masked entries, whose numbers mean nothing."""
    parts = values if isinstance(values, (list, tuple)) else (values,)
    return any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts)


def _check_step(step: Any) -> int:
    whole = isinstance(step, (int, np.integer)) or (isinstance(step, (float, np.floating)) and float(step).is_integer())
    if not whole or not abs(step) <= _MOST_WHOLE:
        raise make_error(
            "BAD_OPTION",
            f"the step is {show(step)}; a whole number of at most {_MOST_WHOLE} is needed",
            field="step",
            value=step,
            remedy="give the simulation's number of the step",
        )
    return int(step)


def _check_time(time: Any) -> float | None:
    if time is None:
        return None
    try:
        return float(time)
    except (TypeError, ValueError, OverflowError) as error:
        raise make_error(
            "BAD_OPTION",
            f"the time is {show(time)}; a number is needed",
            field="time",
            value=time,
            remedy="give the simulation's time, or None",
        ) from error


def _check_positions(positions: ArrayLike, copy: bool) -> NDArray[np.float64]:
    array = _as_numbers(positions, "positions", copy)
    if array.size == 0:
        raise refusal("emptyFrame")
    if array.ndim != 2 or array.shape[1] != 3:
        raise refusal("positionsShape", found=f"the shape {array.shape}", value=array.shape)
    if len(array) > MAX_ATOMS:
        raise refusal("tooManyAtoms", atoms=len(array), most=MAX_ATOMS, value=len(array))
    # All numbers are tested at once, which is many times faster than by atom; only the error needs the atom.
    if not np.isfinite(array).all():
        atom, axis = map(int, np.argwhere(~np.isfinite(array))[0])
        number = float(array[atom, axis])
        raise refusal("positionNotFinite", axis="xyz"[axis], atom=atom, number=number, value=number)
    return array


def _check_cell(cell: ArrayLike | None) -> NDArray[np.float64] | None:
    if cell is None:
        return None
    array = _as_numbers(cell, "cell")
    if array.shape == (3,):
        array = np.diag(array)
    if array.shape != (3, 3):
        raise refusal("cellShape", found=f"the shape {array.shape}", value=array.shape)
    if not np.isfinite(array).all():
        raise cell_not_finite(array)
    return np.ascontiguousarray(array)


def _check_periodic(
    periodic: bool | Sequence[bool] | None, cell: NDArray[np.float64] | None
) -> tuple[bool, bool, bool]:
    try:
        given = np.asarray((cell is not None) if periodic is None else periodic, dtype=object)
    except ValueError:
        # Arrays of different shapes in a list.
        raise refusal("periodicShape", found=show(periodic), value=periodic) from None
    flags = [given.item()] * 3 if given.ndim == 0 else given.tolist()
    # Only bool, 0 and 1: any text would count as true, even "fff".
    sound = all(isinstance(flag, (int, np.bool_, np.integer)) and flag in (0, 1) for flag in flags)
    if len(flags) != 3 or not sound:
        raise refusal("periodicShape", found=show(periodic), value=periodic)
    if any(flags) and cell is None:
        raise refusal("missingCell", axes=_names([bool(flag) for flag in flags]))
    return bool(flags[0]), bool(flags[1]), bool(flags[2])


def _check_volume(cell: NDArray[np.float64] | None, periodic: tuple[bool, bool, bool]) -> None:
    if cell is None:
        return
    vectors = cell[np.array(periodic)]
    if len(vectors) and not _spanned_share(vectors) > _FLAT_CELL:
        raise flat_cell(cell.tolist(), periodic)


def cell_not_finite(cell: NDArray[np.float64]) -> PhasewireError:
    """Build the error for a cell that holds NaN or infinite numbers."""
    vector, axis = map(int, np.argwhere(~np.isfinite(cell))[0])
    number = float(cell[vector, axis])
    return refusal("cellNotFinite", axis="xyz"[axis], vector="abc"[vector], number=number, value=cell.tolist())


def flat_cell(cell: list[list[float]], periodic: Sequence[bool]) -> PhasewireError:
    """Build the error for a cell whose periodic vectors span no volume."""
    extent = ("length", "area", "volume")[sum(periodic) - 1]
    return refusal("flatCell", extent=extent, axes=_names(periodic), value=cell)


def _names(periodic: Sequence[bool]) -> str:
    return ", ".join(name for name, flag in zip("abc", periodic, strict=True) if flag)


def _wrong_count(array: str, shape: tuple[int, ...], atoms: int) -> PhasewireError:
    found = f"{shape[0]} entries" if len(shape) == 1 else f"the shape {shape}"
    return refusal("countOfAtoms", array=array, found=found, atoms=atoms, value=shape)


def _spanned_share(vectors: NDArray[np.float64]) -> float:
    """Return the length, area or volume that up to three vectors span over the product of their lengths."""
    # Only directions matter, and products of scaled vectors neither overflow nor vanish.
    scaled = vectors / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    lengths = np.linalg.norm(scaled, axis=1)
    if not lengths.all():
        return 0.0
    units = scaled / lengths[:, None]
    if len(units) == 1:
        return 1.0
    # A Gram determinant would lose half of the digits.
    normal = np.cross(units[0], units[1])
    return float(np.linalg.norm(normal) if len(units) == 2 else abs(normal @ units[2]))


def _check_species(
    species: Any, names: Sequence[str] | None, atom_count: int, copy: bool
) -> tuple[NDArray[np.int32] | None, tuple[str, ...] | None]:
    if species is None:
        return None, None
    try:
        values = np.asarray(species)
    except ValueError:
        # Lists of different lengths.
        values = np.empty(len(species), dtype=object)
        values[:] = species
    if values.shape != (atom_count,):
        raise _wrong_count("species", values.shape, atom_count)
    if isinstance(species, np.ma.MaskedArray):
        _require_species(~np.ma.getmaskarray(species), species)
    if values.dtype.kind in "iu":
        limit = np.iinfo(np.int32).max if names is None else len(names) - 1
        _require_species((values >= 0) & (values <= limit), species)
        return values.astype(np.int32, copy=copy), None if names is None else tuple(names)
    if values.dtype.kind not in "UO":
        _require_species(np.zeros(atom_count, dtype=bool), species)
    _require_species(np.array([isinstance(value, str) and bool(value) for value in values]), species)
    distinct, numbers = np.unique(values.astype(str), return_inverse=True)
    # Halves of surrogate pairs are not text, and can be neither sent nor written.
    _require_species(np.array([_is_text(str(name)) for name in distinct])[numbers], species)
    return numbers.astype(np.int32), tuple(str(value) for value in distinct)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _require_species(known: NDArray[np.bool_], species: Any) -> None:
    if known.all():
        return
    first = int(np.argmin(known))
    name = np.asarray(species, dtype=object)[first]
    raise refusal("unusableSpecies", atom=first, name=show(name), value=name)


def _check_ids(ids: ArrayLike, atom_count: int, copy: bool) -> NDArray[np.int64]:
    if _has_masked(ids):
        raise _bad_ids("they have masked entries")
    try:
        given = np.asarray(ids)
        array = given.astype(np.int64, copy=copy) if given.dtype.kind in "iu" else _whole(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise _bad_ids(str(error)) from error
    if array.shape != (atom_count,):
        raise _wrong_count("ids", array.shape, atom_count)
    return array


def _whole(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Return numbers of another type as whole ones."""
    if numbers.dtype.kind == "c":
        raise TypeError("they are complex")
    exact = numbers.astype(np.float64)
    if not (np.abs(exact) <= _MOST_WHOLE).all() or (exact != np.floor(exact)).any():
        raise ValueError("a number is not whole, or is too large")
    return exact.astype(np.int64)


def _bad_ids(problem: str) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        f"the ids cannot be used: {problem}",
        field="ids",
        remedy="give a whole number for each atom",
    )
