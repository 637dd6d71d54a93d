"""Which atoms a variable looks at: by id, by species, or by a region that is smooth at its edges (docs/variables.md).

Fractional coordinates count from the cell's origin; the edge of a region is S(x) = x^3 (10 - 15 x + 6 x^2), which is 0
below x = 0 and 1 above x = 1, with two continuous derivatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire.errors import PhasewireError, make_error

_AXES = (0, 1, 2)
_SLACK = limits.number("variables", "regionSlack")
_NAMED = limits.whole("names", "mostSpeciesListed")


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


class Weights:
    """The weights w_a of a selection in a frame, and what they depend on.

    Attributes
    ----------
    values : float64 array, shape (N,), or None
        w_a; None: all are 1.
    total : float
        Sum of w_a.
    """

    def __init__(self, selection: AtomSelection | None, frame: Frame, where: str) -> None:
        """Weigh the atoms of a frame.

        Raises
        ------
        InputError
            ``EMPTY_SELECTION``, ``MISSING_CELL``, ``SINGULAR_CELL`` or ``BAD_OPTION``, with a field below ``where``.
        """
        self.values: NDArray[np.float64] | None = None
        self.total = float(len(frame))
        self._edge: _Edge | None = None
        self._chosen: NDArray[np.bool_] | None = None
        if selection is None:
            return
        self._chosen = _chosen_atoms(selection, frame, where)
        weights = None if self._chosen is None else self._chosen.astype(np.float64)
        if selection.region is not None:
            self._edge = _Edge.of(selection.region, frame, f"{where}.region")
            weights = self._edge.weights if weights is None else weights * self._edge.weights
        self.values = weights
        self.total = float(weights.sum()) if weights is not None else self.total

    @property
    def move(self) -> bool:
        """Whether the weights depend on the positions."""
        return self._edge is not None

    def pull(self, adjoint: NDArray[np.float64], gradient: NDArray[np.float64], virial: NDArray[np.float64]) -> None:
        """Add what a region contributes to derivatives: sum_a adjoint_a dw_a/dr_a and the virial of the same.

        Parameters
        ----------
        adjoint : float64 array, shape (N,)
            dV/dw_a.
        gradient : float64 array, shape (N, 3)
            Added to.
        virial : float64 array, shape (3, 3)
            Added to.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for a region with a sharp edge.
        """
        if self._edge is not None:
            self._edge.pull(adjoint if self._chosen is None else adjoint * self._chosen, gradient, virial)


def _chosen_atoms(selection: AtomSelection, frame: Frame, where: str) -> NDArray[np.bool_] | None:
    chosen = None
    if selection.ids is not None:
        chosen = _by_ids(selection.ids, frame, f"{where}.ids")
    if selection.species is not None:
        kinds = _by_species(selection.species, frame, f"{where}.species")
        chosen = kinds if chosen is None else chosen & kinds
    return chosen


def _by_ids(wanted: tuple[int, ...], frame: Frame, where: str) -> NDArray[np.bool_]:
    present = np.arange(len(frame)) if frame.ids is None else frame.ids
    numbers = np.array(wanted, dtype=object if max(map(abs, wanted)) >= 2**63 else np.int64)
    missing = numbers[~np.isin(numbers, present)]
    if len(missing):
        raise make_error(
            "EMPTY_SELECTION",
            f"the frame has no atom with the id {missing[0]}",
            field=where,
            value=int(missing[0]),
            remedy="give ids as the simulation numbers its atoms; frames without ids count from 0",
        )
    return np.isin(present, numbers)


def _by_species(wanted: tuple[str | int, ...], frame: Frame, where: str) -> NDArray[np.bool_]:
    species = np.zeros(0, dtype=np.int32) if frame.species is None else frame.species
    present: list[int] = np.unique(species).tolist()
    names: dict[int, str | int] = {kind: kind if frame.names is None else frame.names[kind] for kind in present}
    chosen = np.zeros(len(frame), dtype=bool)
    for name in wanted:
        matching = [kind for kind in present if name in (kind, names[kind])]
        if not matching:
            known = ", ".join(map(str, list(names.values())[:_NAMED]))
            raise make_error(
                "EMPTY_SELECTION",
                f"no atom has the species {name!r}",
                field=where,
                value=name,
                remedy=f"select one of {known}" if known else "hand the species over with the frame",
            )
        chosen |= np.isin(species, matching)
    return chosen


class _Edge:
    """Weights of a region, and their derivative along the direction in which they change."""

    def __init__(
        self,
        weights: NDArray[np.float64],
        slopes: NDArray[np.float64] | None,
        across: NDArray[np.float64],
        offsets: NDArray[np.float64] | None,
        where: str,
    ) -> None:
        self.weights = weights
        # dw_a/dr_a = slopes_a across_a; across is one vector for a slab, one an atom for a ball.
        self._slopes = slopes
        self._across = across
        # d_a of a ball. A strain leaves fractional coordinates, and so the weights of a slab, as they are.
        self._offsets = offsets
        self._where = where

    @classmethod
    def of(cls, region: Region, frame: Frame, where: str) -> _Edge:
        """Weigh the atoms of a frame by their places."""
        cell, inverse = _cell_and_inverse(frame, where)
        origin = np.zeros(3) if frame.origin is None else frame.origin
        heights = 1.0 / np.linalg.norm(inverse, axis=0)
        if isinstance(region, Slab):
            half = 0.5 * (region.stop - region.start)
            if frame.periodic[region.axis] and half + region.width > 0.5 + _SLACK:
                raise refused(
                    "along a periodic axis (to - from)/2 + width must not exceed 1/2, or the region would meet itself",
                    f"{where}.width",
                    region.width,
                )
            along = (frame.positions - origin) @ inverse[:, region.axis] - 0.5 * (region.start + region.stop)
            if frame.periodic[region.axis]:
                along -= np.rint(along)
            depth = np.abs(along) - half
            weights, slopes = _falling(depth, region.width)
            if slopes is not None:
                slopes *= np.sign(along)
            return cls(weights, slopes, inverse[:, region.axis], None, where)
        least = min((heights[axis] for axis in _AXES if frame.periodic[axis]), default=np.inf)
        if region.radius + region.width > (0.5 + _SLACK) * least:
            raise refused(
                f"radius + width must not exceed half of the cell's least height, {0.5 * least:.6g}, "
                "or the ball would meet itself",
                f"{where}.radius",
                region.radius,
            )
        # In fractional coordinates the nearest image of all that lies within half a height is found by rounding.
        fractional = (frame.positions - origin) @ inverse - np.array(region.centre)
        for axis in _AXES:
            if frame.periodic[axis]:
                fractional[:, axis] -= np.rint(fractional[:, axis])
        offsets = fractional @ cell
        distances = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        weights, slopes = _falling(distances - region.radius, region.width)
        across = offsets / np.maximum(distances, np.finfo(np.float64).tiny)[:, None]
        return cls(weights, slopes, across, offsets, where)

    def pull(self, adjoint: NDArray[np.float64], gradient: NDArray[np.float64], virial: NDArray[np.float64]) -> None:
        if self._slopes is None:
            raise refused(
                "a region with width 0 has a value, but no derivative",
                f"{self._where}.width",
                0.0,
                "give the region a width: a tenth of a cell vector, or one distance of neighbours, does well",
            )
        own = (adjoint * self._slopes)[:, None] * self._across
        gradient += own
        if self._offsets is not None:
            virial -= own.T @ self._offsets


def _cell_and_inverse(frame: Frame, where: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if frame.cell is None:
        raise make_error(
            "MISSING_CELL", "a region needs a cell", field=where, remedy="give the frame a cell, periodic or not"
        )
    try:
        inverse = np.asarray(np.linalg.inv(frame.cell), dtype=np.float64)
    except np.linalg.LinAlgError:
        inverse = np.full((3, 3), np.nan)
    if not np.isfinite(inverse).all():
        raise make_error(
            "SINGULAR_CELL",
            "a region needs three cell vectors that span a volume",
            field=where,
            value=frame.cell.tolist(),
            remedy="give the directions that are not periodic a vector too",
        )
    return frame.cell, inverse


def _falling(depth: NDArray[np.float64], width: float) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return S(1 - depth/width) and its derivative by depth, None where the edge is sharp."""
    if width == 0:
        return (depth <= 0).astype(np.float64), None
    x = np.clip(1.0 - depth / width, 0.0, 1.0)
    return x * x * x * (10.0 + x * (6.0 * x - 15.0)), (-30.0 / width) * np.square(x * (1.0 - x))
