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
from phasewire.errors import make_error

MAX_ATOMS = limits.whole("frame", "mostAtoms")
_FLAT_CELL = limits.number("frame", "flatCell")


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
        Names of the species 0, 1, ..; for files only.
    ids : int64 array, shape (N,), or None
        The engine's atom ids.
    origin : float64 array, shape (3,)
        Corner of the cell; for files only, as the analysis does not depend on it.
    step : int
        The engine's step number.
    time : float or None
        The engine's time, in its own unit.
    selection : int64 array, shape (N,), or None
        Indices of these atoms among those that were handed over, ascending; None if these are all.
    selected : str or None
        Which atoms those are, in words: the species selected, or ``oxygen of water``.
    water : bool
        Whether they are the oxygens of water, recognised or selected.
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

    def __len__(self) -> int:
        return len(self.positions)

    def symbols(self) -> list[str]:
        """Return a species name for each atom, ``X`` where there are none."""
        if self.species is None or self.names is None:
            return ["X"] * len(self)
        return [self.names[kind] for kind in self.species]


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
    """Check a frame and bring it into the form that the core takes.

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
        Names of the species 0, 1, .. if those are numbers; for files only.
    ids, origin, step, time
        See `Frame`.
    copy : bool
        False: the frame may hold the arrays given, which must not change while it is in use.

    Returns
    -------
    Frame
        With copies of the arrays, unless told otherwise, so that the caller may go on changing its own.

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
        step=int(step),
        time=None if time is None else float(time),
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
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise make_error(
            "BAD_LENGTH_SCALE",
            "the length scale must be a finite number greater than 0",
            field="length_scale",
            value=length_scale,
            remedy="give (volume per atom)^(1/3) of the phase looked at, or leave it out to have it estimated",
        )
    return number


def _as_numbers(values: ArrayLike, name: str, copy: bool = True) -> NDArray[np.float64]:
    try:
        if np.iscomplexobj(values):
            raise TypeError("the numbers are complex")
        return (np.array if copy else np.asarray)(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise make_error(
            "SHAPE_MISMATCH",
            f"{name} is no rectangular array of numbers: {error}",
            field=name,
            remedy=f"give {name} as a numpy array or as lists of equal length",
        ) from error


def _check_positions(positions: ArrayLike, copy: bool) -> NDArray[np.float64]:
    array = _as_numbers(positions, "positions", copy)
    if array.size == 0:
        raise make_error("EMPTY_FRAME", "the frame has no atoms", field="positions", remedy="give at least one atom")
    if array.ndim != 2 or array.shape[1] != 3:
        raise make_error(
            "SHAPE_MISMATCH",
            "positions must have the shape (N, 3)",
            field="positions",
            value=array.shape,
            remedy="give one row of x, y, z for each atom",
        )
    if len(array) > MAX_ATOMS:
        raise make_error(
            "TOO_LARGE",
            f"the frame has more than {MAX_ATOMS} atoms",
            field="positions",
            value=len(array),
            remedy="analyse a part of the system at a time",
        )
    # Over all numbers at once, which is many times as fast as atom by atom; that is for the error alone.
    if not np.isfinite(array).all():
        finite = np.isfinite(array).all(axis=1)
        first = int(np.argmin(finite))
        raise make_error(
            "NON_FINITE_POSITIONS",
            f"{int((~finite).sum())} of {len(array)} atoms have NaN or infinite coordinates, the first is atom {first}",
            field=f"positions[{first}]",
            value=array[first].tolist(),
            remedy="the simulation has probably blown up: look at its time step and overlaps",
        )
    return array


def _check_cell(cell: ArrayLike | None) -> NDArray[np.float64] | None:
    if cell is None:
        return None
    array = _as_numbers(cell, "cell")
    if array.shape == (3,):
        array = np.diag(array)
    if array.shape != (3, 3):
        raise make_error(
            "SHAPE_MISMATCH",
            "the cell must have the shape (3, 3), or (3,) for a rectangular one",
            field="cell",
            value=array.shape,
            remedy="give the three cell vectors as rows",
        )
    if not np.isfinite(array).all():
        raise make_error(
            "NON_FINITE_CELL",
            "the cell holds NaN or infinite numbers",
            field="cell",
            value=array.tolist(),
            remedy="the simulation has probably blown up: look at its barostat",
        )
    return np.ascontiguousarray(array)


def _check_periodic(
    periodic: bool | Sequence[bool] | None, cell: NDArray[np.float64] | None
) -> tuple[bool, bool, bool]:
    given = np.asarray((cell is not None) if periodic is None else periodic, dtype=object)
    flags = [given.item()] * 3 if given.ndim == 0 else given.tolist()
    # Nothing but 0 and 1 beside bool: any text would count as true, "fff" too.
    sound = all(isinstance(flag, (int, np.bool_, np.integer)) and flag in (0, 1) for flag in flags)
    if len(flags) != 3 or not sound:
        raise make_error(
            "SHAPE_MISMATCH",
            "periodic must be one bool, or three",
            field="periodic",
            value=periodic,
            remedy="give one flag for each cell vector",
        )
    if any(flags) and cell is None:
        raise make_error(
            "MISSING_CELL",
            "a periodic frame needs a cell",
            field="cell",
            remedy="give the cell vectors, or periodic=False for a cluster",
        )
    return bool(flags[0]), bool(flags[1]), bool(flags[2])


def _check_volume(cell: NDArray[np.float64] | None, periodic: tuple[bool, bool, bool]) -> None:
    if cell is None:
        return
    vectors = cell[np.array(periodic)]
    if len(vectors) and not _spanned_share(vectors) > _FLAT_CELL:
        raise make_error(
            "SINGULAR_CELL",
            "the periodic cell vectors are zero or linearly dependent",
            field="cell",
            value=cell.tolist(),
            remedy="give vectors that span a volume, or declare the flat direction as not periodic",
        )


def _spanned_share(vectors: NDArray[np.float64]) -> float:
    """Return the length, area or volume that up to three vectors span over the product of their lengths."""
    # Directions only, so that no unit of length is too small or too large for the products.
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
    values = np.asarray(species)
    if values.shape != (atom_count,):
        raise make_error(
            "SHAPE_MISMATCH",
            f"there are {atom_count} atoms, but species has the shape {values.shape}",
            field="species",
            value=values.shape,
            remedy="give one species for each atom, or None to ignore species",
        )
    if values.dtype.kind in "iu":
        limit = np.iinfo(np.int32).max if names is None else len(names) - 1
        _require_species((values >= 0) & (values <= limit), species)
        return values.astype(np.int32, copy=copy), None if names is None else tuple(names)
    if values.dtype.kind not in "UO":
        _require_species(np.zeros(atom_count, dtype=bool), species)
    _require_species(np.array([isinstance(value, str) and bool(value) for value in values]), species)
    distinct, numbers = np.unique(values.astype(str), return_inverse=True)
    return numbers.astype(np.int32), tuple(str(value) for value in distinct)


def _require_species(known: NDArray[np.bool_], species: Any) -> None:
    if known.all():
        return
    first = int(np.argmin(known))
    raise make_error(
        "UNKNOWN_SPECIES",
        f"atom {first} has no usable species",
        field=f"species[{first}]",
        value=np.asarray(species, dtype=object)[first],
        remedy="give all atoms names, or all atoms whole numbers from 0 on; or species=None to ignore species",
    )


def _check_ids(ids: ArrayLike, atom_count: int, copy: bool) -> NDArray[np.int64]:
    array = (np.array if copy else np.asarray)(ids, dtype=np.int64)
    if array.shape != (atom_count,):
        raise make_error(
            "SHAPE_MISMATCH",
            f"there are {atom_count} atoms, but ids has the shape {array.shape}",
            field="ids",
            value=array.shape,
            remedy="give one id for each atom",
        )
    return array
