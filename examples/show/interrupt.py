"""Ctrl-C as a flag that a run checks now and then, instead of an exception in the middle of its compiled code."""

from __future__ import annotations

import signal
from types import FrameType


class Interrupt:
    """True once SIGINT or SIGTERM has arrived. A second one ends the process at once.

    Examples
    --------
    >>> interrupt = Interrupt()
    >>> bool(interrupt)
    False
    """

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, signal.SIG_DFL)

    def __bool__(self) -> bool:
        return self._asked
