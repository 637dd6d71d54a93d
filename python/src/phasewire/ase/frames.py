"""Converts ASE atoms to frames, for monitors, single analyses and biases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import GivenSpecies
from phasewire._frame.renaming import SpeciesMap, merged, new_names
from phasewire._frame.selection import ALL_ATOMS, as_choice, describe_choice, empty_selection
from phasewire._frame.snapshot import Snapshot
from phasewire.errors import make_error

if TYPE_CHECKING:
    from ase import Atoms
    from ase.optimize.optimize import BaseDynamics


class AtomsReader:
    """Makes snapshots of ``Atoms``.

    Parameters
    ----------
    ignore_species : bool
        Treat all atoms as one species.
    species_map, select
        As for `phasewire.ase.attach`.
    """

    def __init__(
        self,
        *,
        ignore_species: bool = False,
        species_map: SpeciesMap | None = None,
        select: str | Sequence[str] | None = None,
    ) -> None:
        self._ignore_species = ignore_species
        self._species_map = species_map
        self._select = select
        self._described = None if select is None else describe_choice(as_choice(select))

    def read(self, atoms: Atoms, step: int, time: float | None) -> Snapshot:
        """Return a snapshot with copies of the arrays.

        Raises
        ------
        InputError
            ``EMPTY_SELECTION`` if no atom is selected; ``BAD_OPTION`` for a species map that does not fit.
        """
        names, species, given = self._species(atoms)
        chosen = None if self._select is None else _choose(names, species, self._select)
        told = not self._ignore_species
        cell = atoms.cell.array.copy()
        return Snapshot(
            positions=atoms.get_positions(),
            cell=cell if cell.any() else None,
            periodic=tuple(bool(flag) for flag in atoms.pbc),  # type: ignore[arg-type]
            species=species if told else None,
            names=names if told else None,
            given=given if told else None,
            step=step,
            time=time,
            atoms=chosen,
            selected=self._described,
        )

    def _species(self, atoms: Atoms) -> tuple[tuple[str, ...], NDArray[np.int32], GivenSpecies | None]:
        """Return names and species of the atoms, and those before they got others."""
        numbers, places = np.unique(atoms.get_atomic_numbers(), return_inverse=True)
        symbols = tuple(_symbol(number) for number in numbers)
        own = places.astype(np.int32)
        if self._species_map is None:
            return symbols, own, None
        names, species = merged(new_names([(symbol,) for symbol in symbols], self._species_map), own)
        return names, species, (own, symbols)


def _choose(
    names: tuple[str, ...], species: NDArray[np.int32], select: str | Sequence[str]
) -> NDArray[np.int64] | Literal["all"]:
    """Return the indices of the selected atoms, or ``"all"``."""
    choice = as_choice(select)
    if choice == ALL_ATOMS:
        return "all"
    wanted = [number for number, name in enumerate(names) if name in [str(entry) for entry in choice]]
    indices = np.flatnonzero(np.isin(species, wanted))
    if not len(indices):
        raise empty_selection(choice, names)
    return indices


def atoms_of(dynamics: BaseDynamics) -> Atoms:
    """Return the atoms that a run moves, also behind a filter."""
    from ase import Atoms

    found = dynamics.atoms
    # A filter, such as one that also relaxes the cell, wraps the atoms.
    while not isinstance(found, Atoms):
        found = getattr(found, "atoms", None)
        if found is None:
            raise make_error(
                "BAD_OPTION",
                f"the run moves a {type(dynamics.atoms).__name__}, which is not a single structure",
                field="atoms",
                remedy="say which atoms to watch: atoms=...",
            )
    return found


def remove_observer(dynamics: BaseDynamics, observer: Callable[..., object]) -> None:
    """Remove a function from those that a run calls."""
    # A new list, since the run may be iterating over the old one.
    dynamics.observers = [entry for entry in dynamics.observers if entry[0] != observer]


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])
