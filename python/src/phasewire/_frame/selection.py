"""Selects the atoms of an engine that an analysis sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._frame.frame import Frame, GivenSpecies
from phasewire._frame.water import OXYGEN_OF_WATER, water_oxygens
from phasewire.errors import PhasewireError, make_error, refusal, show

_NAMED_SPECIES = limits.whole("names", "mostSpeciesListed")

Select = str | int | Sequence[str | int]

_SPECIES = read_table("species")
_UNKNOWN = frozenset(_SPECIES["unknown"])

ALL_ATOMS: tuple[str, ...] = (_SPECIES["all"],)
"""The choice that switches off the recognition of water."""


def choose_atoms(frame: Frame, select: Select | None) -> Frame:
    """Return the frame with only the selected atoms.

    Parameters
    ----------
    frame : Frame
    select : str, int or sequence of those, optional
        Names of species, or their numbers if they have no names; ``"all"``. Default: the oxygens of a frame that is
        water (`phasewire._frame.water`), else all atoms.

    Raises
    ------
    InputError
        ``EMPTY_SELECTION`` if no atom is selected, ``BAD_OPTION`` for an entry that is not a species.
    """
    if select is None:
        oxygens = water_oxygens(frame.species, frame.names)
        return require_known(frame) if oxygens is None else take_atoms(frame, oxygens, OXYGEN_OF_WATER)
    choice = as_choice(select)
    if choice == ALL_ATOMS:
        return require_known(frame)
    if frame.species is None:
        raise empty_selection(choice, ())
    kinds: list[int] = np.unique(frame.species).tolist()
    names: dict[int, str | int] = {kind: kind if frame.names is None else frame.names[kind] for kind in kinds}
    found = np.flatnonzero(np.isin(frame.species, [kind for kind in kinds if names[kind] in choice]))
    if not len(found):
        raise empty_selection(choice, names.values())
    return take_atoms(frame, found, describe_choice(choice))


def take_atoms(frame: Frame, atoms: NDArray[np.int64], selected: str) -> Frame:
    """Return the frame with only some of its atoms, in ascending order; ``selected`` describes them."""
    oxygens = water_oxygens(frame.species, frame.names)
    taken = replace(
        frame,
        positions=frame.positions[atoms],
        species=None if frame.species is None else frame.species[atoms],
        given=_taken(frame.given, atoms),
        ids=atoms if frame.ids is None else frame.ids[atoms],
        selection=atoms,
        selected=selected,
        water=oxygens is not None and np.array_equal(atoms, oxygens),
    )
    return require_known(taken)


def _taken(given: GivenSpecies | None, atoms: NDArray[np.int64]) -> GivenSpecies | None:
    if given is None or given[0] is None:
        return given
    return given[0][atoms], given[1]


def require_known(frame: Frame) -> Frame:
    """Return the frame, or raise ``UNKNOWN_SPECIES`` if one of its atoms has a name that means "not known"."""
    if frame.species is None or frame.names is None:
        return frame
    unknown = [number for number, name in enumerate(frame.names) if name.strip() in _UNKNOWN]
    wrong = np.flatnonzero(np.isin(frame.species, unknown))
    if not len(wrong):
        return frame
    row = int(wrong[0])
    name = frame.names[frame.species[row]]
    atom = row if frame.selection is None else int(frame.selection[row])
    raise refusal("unusableSpecies", atom=atom, name=show(name), value=name)


def describe_choice(choice: Sequence[str | int]) -> str:
    """Return a selection in words."""
    return ", ".join(map(str, choice))


def as_choice(select: Any) -> tuple[str | int, ...]:
    """Return a selection as a tuple of species names and type numbers.

    Raises
    ------
    InputError
        ``BAD_OPTION`` unless it is a name, a number or a sequence of those.
    """
    entries = (select,) if isinstance(select, (str, int, np.integer)) else select
    if isinstance(entries, Iterable):
        choice = tuple(int(entry) if isinstance(entry, np.integer) else entry for entry in entries)
        if all(isinstance(entry, (str, int)) and not isinstance(entry, bool) for entry in choice):
            return choice
    raise make_error(
        "BAD_OPTION",
        "select must be a species or a sequence of species",
        field="select",
        value=select,
        remedy='for example select="O", or select=("Si", "O")',
    )


def empty_selection(
    choice: Sequence[str | int], present: Iterable[str | int], none_found: str | None = None
) -> PhasewireError:
    """Build the error for a selection that finds nothing; ``none_found`` begins its message unless species failed."""
    names = list(dict.fromkeys(map(str, present)))
    more = ", ..." if len(names) > _NAMED_SPECIES else ""
    known = ", ".join(names[:_NAMED_SPECIES]) + more
    remedy = (
        f"Select among the species of the frame: {known}."
        if names
        else "The frame names no species, so none can be selected: omit the selection."
    )
    chosen = " or ".join(map(str, choice)) or "(none given)"
    if none_found is None:
        return refusal("noSuchSpecies", names=chosen, value=list(choice), remedy=remedy)
    return make_error("EMPTY_SELECTION", f"{none_found} {chosen}", field="select", value=list(choice), remedy=remedy)
