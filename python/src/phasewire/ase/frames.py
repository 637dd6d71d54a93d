"""Converts ASE atoms to frames, for monitors, single analyses and biases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

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
    select : str or sequence of str, optional
        As for `phasewire.ase.attach`.
    """

    def __init__(self, *, ignore_species: bool = False, select: str | Sequence[str] | None = None) -> None:
        self._ignore_species = ignore_species
        self._select = select
        self._described = None if select is None else describe_choice(as_choice(select))

    def read(self, atoms: Atoms, step: int, time: float | None) -> Snapshot:
        """Return a snapshot with copies of the arrays.

        Raises
        ------
        InputError
            ``EMPTY_SELECTION`` if no atom is selected.
        """
        names, species = None, None
        if not self._ignore_species:
            numbers, species = np.unique(atoms.get_atomic_numbers(), return_inverse=True)
            names = tuple(_symbol(number) for number in numbers)
        cell = atoms.cell.array.copy()
        return Snapshot(
            positions=atoms.get_positions(),
            cell=cell if cell.any() else None,
            periodic=tuple(bool(flag) for flag in atoms.pbc),  # type: ignore[arg-type]
            species=species,
            names=names,
            step=step,
            time=time,
            atoms=None if self._select is None else chosen(atoms, self._select),
            selected=self._described,
        )


def chosen(atoms: Atoms, select: str | Sequence[str]) -> NDArray[np.int64] | Literal["all"]:
    """Return the indices of the selected atoms, or ``"all"``."""
    choice = as_choice(select)
    if choice == ALL_ATOMS:
        return "all"
    symbols = np.array(atoms.get_chemical_symbols())
    indices = np.flatnonzero(np.isin(symbols, [str(name) for name in choice]))
    if not len(indices):
        raise empty_selection(choice, np.unique(symbols))
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
