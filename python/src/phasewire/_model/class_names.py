"""Looks up classes by name, and builds the error for an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from phasewire._contract import limits
from phasewire.errors import PhasewireError, refusal, show

# Messages list all classes only of models with at most this many.
_MOST_LISTED = limits.whole("names", "mostClassesListed")
_MOST_SUGGESTED = limits.whole("names", "mostClassesSuggested")
_SIMILAR = 0.6
_LONGEST_NAME = limits.whole("message", "longestName")


def class_number(name: str, phases: Sequence[str], aliases: Mapping[str, str], where: str) -> int:
    """Return the number of a class from its name or an alias.

    Raises
    ------
    InputError
        ``BAD_OPTION`` with the field ``where`` if the model has no such class.
    """
    resolved = aliases.get(name, name)
    if resolved not in phases:
        raise unknown_class(name, phases, aliases, where)
    return phases.index(resolved)


def unknown_class(name: Any, phases: Sequence[str], aliases: Mapping[str, str], where: str) -> PhasewireError:
    """Build the error for a class name that the model does not have; it suggests similar names."""
    near = _near(str(name), [*phases, *aliases])
    remedy = f"Did you mean {' or '.join(near)}? " if near else ""
    if len(phases) <= _MOST_LISTED:
        remedy += f"The classes are {', '.join(phases)}."
    else:
        remedy += "`phasewire models --search TEXT` finds classes by all their names."
    return refusal("unknownClass", field=where, name=show(name), value=name, remedy=remedy)


def _near(name: str, known: Sequence[str]) -> list[str]:
    """Return the names that resemble a name, the most similar first."""
    # The comparison takes time in proportion to the length of both names.
    if len(name) > _LONGEST_NAME:
        return []
    # Of two names that read the same the first one stays, so a class comes before its aliases.
    plain = {_letters(other): other for other in reversed(known)}
    found = difflib.get_close_matches(_letters(name), plain, n=_MOST_SUGGESTED, cutoff=_SIMILAR)
    return [plain[match] for match in found]


def _letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case: ``L12``, ``l1_2`` and ``L1_2`` are the same."""
    return "".join(character for character in name.lower() if character.isalnum())
