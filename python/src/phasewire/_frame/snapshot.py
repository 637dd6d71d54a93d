"""Snapshots that a simulation hands over, before they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire._frame.frame import Frame, GivenSpecies, make_frame
from phasewire._frame.selection import choose_atoms, take_atoms

# Share of the longest cell vector by which wrapping into the cell may change a position.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Copies of the arrays of a simulation, not yet checked. See `make_frame` for their meaning.

    The snapshot owns the arrays: frames, results and files made from it use them without another copy.

    Attributes
    ----------
    given : tuple, optional
        Species and names before they got others, for files.
    atoms : int array or "all", optional
        Indices, ascending, of the atoms to analyse as if the others were absent. Default: the oxygens where ``names``
        are those of water, else all.
    selected : str, optional
        Description of these atoms.
    observables : Mapping of str to float
        Values to store with the result.
    """

    positions: ArrayLike
    cell: ArrayLike | None
    periodic: tuple[bool, bool, bool]
    species: ArrayLike | None = None
    names: tuple[str, ...] | None = None
    ids: ArrayLike | None = None
    origin: ArrayLike | None = None
    step: int = 0
    time: float | None = None
    observables: Mapping[str, float] = field(default_factory=dict)
    given: GivenSpecies | None = None
    atoms: NDArray[np.int64] | Literal["all"] | None = None
    selected: str | None = None

    def checked(self) -> Frame:
        """Return the frame of the atoms to analyse, or raise the error that names the problem."""
        made = make_frame(
            self.positions,
            self.cell,
            self.periodic,
            self.species,
            names=self.names,
            ids=self.ids,
            origin=self.origin,
            step=self.step,
            time=self.time,
            copy=False,
        )
        frame = made if self.given is None else replace(made, given=self.given)
        if self.atoms is None or isinstance(self.atoms, str):
            return choose_atoms(frame, self.atoms)
        return take_atoms(frame, self.atoms, self.selected or f"{len(self.atoms)} atoms")

    def repeats(self, other: Snapshot) -> bool:
        """Whether both are of the same step, and no atom and no periodic cell vector has changed.

        Engines may wrap atoms into the cell when a run begins, so whole periodic vectors do not count.
        """
        if self.step != other.step or self.periodic != other.periodic:
            return False
        for mine, its in ((self.ids, other.ids), (self.species, other.species), (self.atoms, other.atoms)):
            if not _equal_or_none(mine, its):
                return False
        positions, before = np.asarray(self.positions), np.asarray(other.positions)
        if positions.shape != before.shape:
            return False
        if self.cell is None or other.cell is None:
            return self.cell is other.cell and np.array_equal(positions, before)
        periodic = np.array(self.periodic)
        cell = np.asarray(self.cell)
        if not np.array_equal(cell[periodic], np.asarray(other.cell)[periodic]):
            return False
        moved = positions - before
        # The vector of an axis that is not periodic may be zero.
        shares = np.where(periodic, np.round(moved @ np.linalg.pinv(cell)), 0.0)
        return bool((np.abs(moved - shares @ cell) < _ROUNDING * np.abs(cell).max()).all())


def _equal_or_none(first: ArrayLike | None, second: ArrayLike | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)
