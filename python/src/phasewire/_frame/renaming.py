"""Gives species other names before anything else looks at them, so that several can become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._frame.frame import Frame
from phasewire.errors import refusal, show

_NAMED_SPECIES = limits.whole("names", "mostSpeciesListed")
_UNKNOWN = frozenset(read_table("species")["unknown"])

SpeciesMap = Mapping[str | int, str]
"""From names or numbers of species to the names that they get."""


def rename_species(frame: Frame, species_map: SpeciesMap | None) -> Frame:
    """Return the frame with the new names; `Frame.symbols` still returns the given ones.

    Raises
    ------
    InputError
        ``BAD_OPTION`` if the map is not a mapping or is empty, or if it names a species that no atom has, or names one
        twice, or gives one a name that does not name a species.
    """
    if species_map is None:
        return frame
    if frame.species is None:
        return replace(frame, names=tuple(new_names([], species_map)))
    kinds, places = np.unique(frame.species, return_inverse=True)
    known = [(int(kind),) if frame.names is None else (frame.names[kind],) for kind in kinds]
    names, species = merged(new_names(known, species_map), places.reshape(-1))
    return replace(frame, species=species, names=names, given=(frame.species, frame.names))


def new_names(known: Sequence[Sequence[str | int]], species_map: SpeciesMap) -> list[str]:
    """Return the new name of each species.

    Parameters
    ----------
    known : sequence of sequences of str or int
        What the map can call each species, such as a LAMMPS type and its name. The last one is the name that the
        species keeps if the map does not name it.
    species_map : mapping

    Raises
    ------
    InputError
        As for `rename_species`.
    """
    if not isinstance(species_map, Mapping) or not species_map:
        raise refusal("speciesMap", found=show(species_map), value=species_map)
    found: dict[int, str] = {}
    for key, name in species_map.items():
        if not isinstance(name, str) or name.strip() in _UNKNOWN:
            raise refusal("speciesMapName", name=str(key), found=show(name), value=name)
        which = [number for number, own in enumerate(known) if key in own or key in [str(name) for name in own]]
        if not which:
            raise _not_known(key, known)
        for number in which:
            if number in found:
                raise refusal("speciesMapTwice", name=str(known[number][-1]), value=dict(species_map))
            found[number] = name
    return [found.get(number, str(own[-1])) for number, own in enumerate(known)]


def merged(names: Sequence[str], species: NDArray[np.integer]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Return the distinct names, and species that number these instead of ``names``."""
    distinct = tuple(dict.fromkeys(names))
    numbers = np.array([distinct.index(name) for name in names], dtype=np.int32)
    return distinct, numbers[species]


def _not_known(key: str | int, known: Sequence[Sequence[str | int]]) -> Exception:
    listed = list(dict.fromkeys(str(own[-1]) for own in known))[:_NAMED_SPECIES]
    remedy = (
        f"The species of the frame are {', '.join(listed)}." if listed else "The frame names no species: omit the map."
    )
    return refusal("speciesMapUnknown", name=str(key), value=key, remedy=remedy)
