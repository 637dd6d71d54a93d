"""Which atoms of an engine an analysis is to see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from phasewire.errors import PhasewireError, make_error

_NAMED_SPECIES = 8

Select = str | int | Sequence[str | int]


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


def empty_selection(choice: Sequence[str | int], present: Iterable[str | int], where: str) -> PhasewireError:
    """Build the error for a selection that finds nothing, naming the species that there are."""
    names = list(dict.fromkeys(map(str, present)))
    more = ", .." if len(names) > _NAMED_SPECIES else ""
    known = ", ".join(names[:_NAMED_SPECIES]) + more
    return make_error(
        "EMPTY_SELECTION",
        f"{where} {' or '.join(map(str, choice)) or '(none given)'}",
        field="select",
        value=list(choice),
        remedy=f"select one of {known}" if names else "leave the selection out: there is no species to select",
    )
