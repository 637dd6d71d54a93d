"""What a simulation hands over, before it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire._frame.frame import Frame, make_frame
from phasewire._frame.selection import choose_atoms, take_atoms


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a simulation hands over: copies of its arrays, not yet checked. See `make_frame` for the meaning.

    The arrays are the snapshot's to keep: frames, results and files made of it hold them without another copy.

    Attributes
    ----------
    atoms : int array or "all", optional
        Indices, ascending, of the atoms to analyse as if the others were absent. Default: the oxygens where ``names``
        are those of water, else all.
    selected : str, optional
        Which atoms those are, in words.
    observables : Mapping of str to float
        Values to keep beside the result.
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
    atoms: NDArray[np.int64] | Literal["all"] | None = None
    selected: str | None = None

    def checked(self) -> Frame:
        """Return the frame of the atoms to analyse, or raise the error that names what is wrong with it."""
        frame = make_frame(
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
        if self.atoms is None or isinstance(self.atoms, str):
            return choose_atoms(frame, self.atoms)
        return take_atoms(frame, self.atoms, self.selected or f"{len(self.atoms)} atoms")
