"""Selections of the atoms of a variable: by id, by species, or by a region with smooth edges (docs/variables.md).

Fractional coordinates are relative to the cell's origin. The edge of a region is S(x) = x^3 (10 - 15 x + 6 x^2), which
is 0 below x = 0 and 1 above x = 1, with two continuous derivatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Slab:
    """Atoms between two planes across a cell vector; made by `slab`.

    Attributes
    ----------
    axis : int
        Number of the cell vector that the planes cut: 0, 1 or 2.
    start, stop : float
        Positions of the planes, as fractions of the cell vector.
    width : float
        Distance outside either plane over which the weight falls from 1 to 0, as a fraction. 0: a sharp edge, without
        derivatives.
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
    """Atoms around a point in the cell; made by `ball`.

    Attributes
    ----------
    centre : tuple of three float
        In fractional coordinates.
    radius, width : float
        In the simulation's length unit: the weight falls from 1 to 0 between ``radius`` and ``radius + width``. Width
        0: a sharp edge, without derivatives.
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
    """Selection of the atoms of a variable; made by `atoms`. The weights of its conditions are multiplied."""

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
        Number of the cell vector that the planes cut: 0, 1 or 2.
    start, stop : float
        Positions of the planes, as fractions of the cell vector from the cell's origin. Along a periodic axis the
        region is periodic: from -0.1 to 0.1 lies at both ends of the cell.
    width : float
        Distance outside either plane over which the weight falls from 1 to 0, as a fraction. 0: a sharp edge, without
        derivatives.
    """
    return Slab(axis, start, stop, width)


def ball(centre: Sequence[float], radius: float, *, width: float) -> Ball:
    """Return the region around a point.

    Parameters
    ----------
    centre : sequence of three float
        In fractional coordinates, from the cell's origin.
    radius, width : float
        In the simulation's length unit: the weight falls from 1 to 0 between ``radius`` and ``radius + width``. Width
        0: a sharp edge, without derivatives.
    """
    return Ball(tuple(centre), radius, width)  # type: ignore[arg-type]


def atoms(
    *,
    ids: Iterable[int] | None = None,
    species: str | int | Iterable[str | int] | None = None,
    region: Region | None = None,
) -> AtomSelection:
    """Return a selection of atoms for a variable; all of several conditions must hold.

    Parameters
    ----------
    ids : iterable of int, optional
        The simulation's atom ids (LAMMPS's tags; without ids, atoms are numbered from 0).
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


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
