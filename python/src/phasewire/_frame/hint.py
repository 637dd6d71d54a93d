"""Hints that come with results (docs/hints.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Hint:
    """Advice for a frame that is probably not what its labels show.

    Attributes
    ----------
    code : str
        Its stable name: ``"MERGE_SPECIES"`` or ``"LIGHT_ATOMS"``.
    message : str
        What a second look at the frame showed.
    remedy : str
        Options of the command line that show it.
    phase : str
        The class that most atoms then have.
    share : float
        Their share.
    species_map : Mapping of str to str, or None
        For ``"MERGE_SPECIES"``: the argument ``species_map`` that shows it.
    select : tuple of str, or None
        For ``"LIGHT_ATOMS"``: the argument ``select`` that shows it.
    """

    code: str
    message: str
    remedy: str
    phase: str
    share: float
    species_map: Mapping[str, str] | None = None
    select: tuple[str, ...] | None = None
