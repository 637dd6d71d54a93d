"""How much room for pairs the next frame gets."""

from __future__ import annotations

from phasewire._contract import limits

_HEADROOM = limits.number("core", "pairHeadroom")
_MOST_PAIRS = limits.whole("core", "mostPairs")
# Frames in a row that leave over half of the room unused before it is given back.
_PATIENCE = 8


class PairRoom:
    """Room for pairs per atom.

    It grows with a frame that needs more, because frames of a run are alike. It falls back to the core's usual room
    when a frame is refused, when the room does not fit, and when frames need far less: one dense frame costs no other.

    Attributes
    ----------
    per_atom : float
        0 leaves it to the core.
    """

    def __init__(self) -> None:
        self.per_atom = 0.0
        self._unused = 0

    def forget(self) -> None:
        """Begin the next frame with the core's usual room."""
        self.per_atom = 0.0
        self._unused = 0

    def grow(self, pairs: int, atom_count: int) -> float:
        """Return room with headroom for a frame that did not fit."""
        # A count that wrapped around is beyond any memory.
        self.per_atom = _HEADROOM * pairs / atom_count if pairs > 0 else float(_MOST_PAIRS)
        self._unused = 0
        return self.per_atom

    def used(self, pairs: int, atom_count: int) -> None:
        """Take note that a frame with so many pairs fitted."""
        self._unused = self._unused + 1 if 2 * pairs < self.per_atom * atom_count else 0
        if self._unused >= _PATIENCE:
            self.forget()
