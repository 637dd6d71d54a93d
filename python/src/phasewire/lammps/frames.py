"""Converts the atoms of a LAMMPS instance to snapshots in the order of their ids, for monitors and biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.renaming import SpeciesMap, new_names
from phasewire._frame.selection import ALL_ATOMS, Select, as_choice, describe_choice, empty_selection
from phasewire._frame.snapshot import Snapshot
from phasewire.errors import make_error

if TYPE_CHECKING:
    from lammps import lammps

Types = Mapping[int, str] | Literal["ignore"] | None


class AtomReader:
    """Reads the atoms that a callback of ``fix external`` receives.

    Parameters
    ----------
    lmp : lammps.lammps
        An instance with a three-dimensional simulation box, on one MPI process.
    types, select, species_map
        As for `phasewire.lammps.attach`.

    Raises
    ------
    InputError
        ``MISSING_CELL``, ``BAD_OPTION``, ``UNKNOWN_SPECIES``, ``EMPTY_SELECTION``.
    """

    def __init__(self, lmp: lammps, types: Types, select: Select | None, species_map: SpeciesMap | None = None) -> None:
        _check(lmp)
        self._lmp = lmp
        type_count = lmp.extract_global("ntypes")
        self._names, self._species_of_type = _species_table(types, type_count)
        # Names and species before they got others.
        self._given: tuple[tuple[str, ...] | None, NDArray[np.int32]] | None = None
        if species_map is not None:
            renamed = _renamed(types, species_map, type_count)
            if self._species_of_type is not None:
                self._given = self._names, self._species_of_type
                self._names, self._species_of_type = _species_table(renamed, type_count)
            types = renamed
        choice = None if select is None else as_choice(select)
        self._select_all = choice == ALL_ATOMS
        self._selected = None if choice is None else describe_choice(choice)
        self._selected_types = _selected_types(choice, types, type_count)

    def read(
        self, step: int, count: int, tags: NDArray[np.integer], positions: NDArray[np.float64]
    ) -> tuple[Snapshot, NDArray[np.intp]]:
        """Return a snapshot, and the places of its atoms among those of LAMMPS.

        Raises
        ------
        InputError
            ``EMPTY_SELECTION`` if no atom has the selected types.
        """
        lmp = self._lmp
        # Taking atoms in this order copies them, so LAMMPS may change its arrays.
        order = order_of(tags)
        types = lmp.numpy.extract_atom("type", nelem=count)[:count]
        atoms: NDArray[np.int64] | Literal["all"] | None = "all" if self._select_all else None
        if self._selected_types is not None:
            atoms = np.flatnonzero(np.isin(types[order], self._selected_types))
            if not len(atoms):
                raise empty_selection(self._selected_types, np.unique(types), "no atom has the LAMMPS type")
        cell, origin, periodic = box_of(lmp)
        given = None if self._given is None else (self._given[1][types[order]], self._given[0])
        snapshot = Snapshot(
            positions=np.take(positions, order, axis=0),
            cell=cell,
            periodic=periodic,
            species=None if self._species_of_type is None else self._species_of_type[types[order]],
            names=self._names,
            given=given,
            ids=tags[order].astype(np.int64),
            origin=origin,
            step=int(step),
            time=time_of(lmp, step),
            atoms=atoms,
            selected=self._selected,
        )
        return snapshot, order


def box_of(lmp: lammps) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[bool, bool, bool]]:
    """Return the cell (rows are its vectors), its lower corner, and the periodic flags of a LAMMPS instance."""
    low, high, xy, yz, xz, periodic, _ = lmp.extract_box()
    lx, ly, lz = np.subtract(high, low)
    cell = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
    return cell, np.array(low), (bool(periodic[0]), bool(periodic[1]), bool(periodic[2]))


def time_of(lmp: lammps, step: int) -> float:
    """Return the time of a step of the present run, in LAMMPS's unit."""
    elapsed = (step - lmp.extract_global("atimestep")) * lmp.extract_global("dt")
    return float(lmp.extract_global("atime") + elapsed)


def order_of(tags: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the places of the atoms in the order of their ids.

    If the unique ids are 1 to N, this is the inverse permutation, which takes a twentieth of the time of a sort.
    Without ids, all ids are 0.
    """
    count = len(tags)
    if not (count and tags.min() == 1 and tags.max() == count):
        return np.argsort(tags, kind="stable")
    order = np.empty(count, dtype=np.intp)
    order[tags - 1] = np.arange(count)
    return order


def _species_table(
    types: Mapping[int, str] | Literal["ignore"] | None, type_count: int
) -> tuple[tuple[str, ...] | None, NDArray[np.int32] | None]:
    """Return the species names, and the species of each LAMMPS type (which count from 1)."""
    if types == "ignore":
        return None, None
    if types is None:
        return None, np.arange(-1, type_count, dtype=np.int32)
    if not isinstance(types, Mapping):
        raise make_error(
            "BAD_OPTION",
            'types must be a mapping, "ignore" or None',
            field="types",
            value=types,
            remedy='for example types={1: "Ni", 2: "Al"}',
        )
    missing = [number for number in range(1, type_count + 1) if not _is_name(types.get(number))]
    if missing:
        raise make_error(
            "UNKNOWN_SPECIES",
            f"types has no species name for the LAMMPS types {missing}",
            field="types",
            value=dict(types),
            remedy='name the species of every type, or give types="ignore"',
        )
    names = tuple(dict.fromkeys(types[number] for number in range(1, type_count + 1)))
    return names, np.array([-1, *(names.index(types[number]) for number in range(1, type_count + 1))], dtype=np.int32)


def _renamed(types: Types, species_map: SpeciesMap, type_count: int) -> dict[int, str]:
    """Return the new name of each LAMMPS type, which the map calls by number or name."""
    named = types if isinstance(types, Mapping) else {}
    numbers = range(1, type_count + 1)
    known = [(number, named[number]) if number in named else (number,) for number in numbers]
    return dict(zip(numbers, new_names(known, species_map), strict=True))


def _selected_types(
    choice: tuple[str | int, ...] | None, types: Mapping[int, str] | Literal["ignore"] | None, type_count: int
) -> list[int] | None:
    """Return the selected LAMMPS types; None if no types are named."""
    if choice is None or choice == ALL_ATOMS:
        return None
    names = types if isinstance(types, Mapping) else {}
    known = range(1, type_count + 1)
    found = [[number for number in known if entry in (number, names.get(number))] for entry in choice]
    if not (found and all(found)):
        missing = [entry for entry, numbers in zip(choice, found, strict=True) if not numbers]
        species = dict.fromkeys(names[number] for number in known if number in names)
        raise empty_selection(missing, [*species, *known], "there is no species or LAMMPS type")
    return sorted({number for numbers in found for number in numbers})


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name)


def _check(lmp: lammps) -> None:
    if not lmp.extract_setting("box_exist"):
        raise make_error(
            "MISSING_CELL",
            "the LAMMPS instance has no simulation box yet",
            field="lmp",
            remedy="create or read the atoms first, then attach",
        )
    if lmp.extract_setting("dimension") != 3:
        raise make_error(
            "BAD_OPTION",
            "the model knows only three-dimensional phases",
            field="lmp",
            value=lmp.extract_setting("dimension"),
            remedy="watch a simulation with `dimension 3`",
        )
    if lmp.extract_setting("world_size") > 1:
        raise make_error(
            "BAD_OPTION",
            "each MPI process sees only its own atoms",
            field="lmp",
            value=lmp.extract_setting("world_size"),
            remedy="run LAMMPS on one MPI process, with OpenMP threads (suffix omp) to use more cores",
        )
