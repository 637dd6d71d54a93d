"""Which atoms a variable looks at: by id, by species, or by a region that is smooth at its edges (docs/variables.md).

Fractional coordinates count from the cell's origin; the edge of a region is S(x) = x^3 (10 - 15 x + 6 x^2), which is 0
below x = 0 and 1 above x = 1, with two continuous derivatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phasewire.errors import PhasewireError, make_error

_AXES = (0, 1, 2)


@dataclass(frozen=True)
class Slab:
    """Atoms between two planes across a cell vector; made by `slab`.

    Attributes
    ----------
    axis : int
        0, 1 or 2: the cell vector that is cut.
    start, stop : float
        Where along it, as fractions of it.
    width : float
        Over which the weight falls from 1 to 0 outside either plane, as a fraction; 0: at once, without derivative.
    """

    axis: int
    start: float
    stop: float
    width: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"axis": self.axis, "from": self.start, "to": self.stop, "width": self.width}


@dataclass(frozen=True)
class Ball:
    """Atoms around a place in the cell; made by `ball`.

    Attributes
    ----------
    centre : tuple of three float
        In fractional coordinates.
    radius, width : float
        In the simulation's length unit: the weight falls from 1 to 0 between ``radius`` and ``radius + width``. Width
        0: at once, without derivative.
    """

    centre: tuple[float, float, float]
    radius: float
    width: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"centre": list(self.centre), "radius": self.radius, "width": self.width}


Region = Slab | Ball


@dataclass(frozen=True)
class AtomSelection:
    """Which atoms a variable looks at; made by `atoms`. What is given is multiplied."""

    ids: tuple[int, ...] | None = None
    species: tuple[str | int, ...] | None = None
    region: Region | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        body: dict[str, Any] = {}
        if self.ids is not None:
            body["ids"] = list(self.ids)
        if self.species is not None:
            body["species"] = list(self.species)
        if self.region is not None:
            body["region"] = self.region.to_dict()
        return body


def slab(axis: int, start: float, stop: float, *, width: float) -> Slab:
    """Return the region between two planes across a cell vector.

    Parameters
    ----------
    axis : int
        0, 1 or 2: the cell vector that is cut.
    start, stop : float
        Where along it, as fractions of it from the cell's origin. Where the axis is periodic, so is the region:
        from -0.1 to 0.1 lies at both ends of the cell.
    width : float
        Over which the weight falls from 1 to 0 outside either plane, as a fraction; 0: at once, without derivative.
    """
    return Slab(axis, start, stop, width)


def ball(centre: Sequence[float], radius: float, *, width: float) -> Ball:
    """Return the region around a place.

    Parameters
    ----------
    centre : sequence of three float
        In fractional coordinates, from the cell's origin.
    radius, width : float
        In the simulation's length unit: the weight falls from 1 to 0 between ``radius`` and ``radius + width``. Width
        0: at once, without derivative.
    """
    return Ball(tuple(centre), radius, width)  # type: ignore[arg-type]


def atoms(
    *,
    ids: Iterable[int] | None = None,
    species: str | int | Iterable[str | int] | None = None,
    region: Region | None = None,
) -> AtomSelection:
    """Return which atoms a variable is to look at; of several conditions all must hold.

    Parameters
    ----------
    ids : iterable of int, optional
        The simulation's atom ids (LAMMPS's tags; where frames have none, numbers from 0).
    species : str, int or iterable of those, optional
        Names or numbers of species.
    region : Slab or Ball, optional
        From `slab` or `ball`.
    """
    kinds = (species,) if isinstance(species, (str, int, np.integer)) else species
    return AtomSelection(
        None if ids is None else tuple(_plain(value) for value in ids),
        None if kinds is None else tuple(_plain(value) for value in kinds),
        region,
    )


def check_selection(selection: Any, where: str) -> None:
    """Raise ``BAD_OPTION`` that names the key, unless a selection is one that docs/variables.md allows."""
    if not isinstance(selection, AtomSelection):
        raise refused("select must be made by phasewire.atoms(..)", where, selection)
    if selection == AtomSelection():
        raise refused("select says nothing", where, None, "give ids, species or region, or leave select out")
    if selection.ids is not None:
        _check_list(selection.ids, f"{where}.ids", "atom ids", lambda value: _is_whole(value))
    if selection.species is not None:
        _check_list(selection.species, f"{where}.species", "names or numbers of species", _is_species)
    if selection.region is not None:
        _check_region(selection.region, f"{where}.region")


def _check_region(region: Any, where: str) -> None:
    if isinstance(region, Slab):
        if region.axis not in _AXES or isinstance(region.axis, bool):
            raise refused("axis must be 0, 1 or 2", f"{where}.axis", region.axis)
        check_number(region.start, f"{where}.from")
        check_number(region.stop, f"{where}.to")
        if region.stop < region.start:
            raise refused("to must not lie below from", f"{where}.to", region.stop)
    elif isinstance(region, Ball):
        if len(region.centre) != len(_AXES):
            raise refused("centre must be three numbers", f"{where}.centre", list(region.centre))
        for axis in _AXES:
            check_number(region.centre[axis], f"{where}.centre[{axis}]")
        check_number(region.radius, f"{where}.radius", at_least=0)
    else:
        raise refused("region must be made by phasewire.slab(..) or phasewire.ball(..)", where, region)
    check_number(region.width, f"{where}.width", at_least=0)


def check_number(value: Any, where: str, *, at_least: float | None = None, above: float | None = None) -> None:
    """Raise ``BAD_OPTION`` unless a value is a finite number within the bounds."""
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool) or not np.isfinite(value):
        raise refused("a finite number is needed", where, value)
    if at_least is not None and value < at_least:
        raise refused(f"the number must be at least {at_least:g}", where, value)
    if above is not None and value <= above:
        raise refused(f"the number must be above {above:g}", where, value)


def refused(message: str, where: str, value: Any, remedy: str = "see docs/variables.md") -> PhasewireError:
    """Build the error for a declaration that is wrong at a key."""
    return make_error("BAD_OPTION", message, field=where, value=value, remedy=remedy)


def _check_list(values: Any, where: str, what: str, fits: Any) -> None:
    if not isinstance(values, tuple) or not values:
        raise refused(f"a list of {what} is needed, with one entry at least", where, values)
    if not all(fits(value) for value in values):
        raise refused(f"a list of {what} is needed", where, list(values))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_species(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or _is_whole(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
