"""Decides at which steps a run that continues without bias asks a server again after it failed."""

from __future__ import annotations

import time

from phasewire.analysers.base import Analyser
from phasewire.errors import DeadlineError, PhasewireError, ServerUnreachableError

_LONGEST_PAUSE = 60.0


class Outage:
    """The failures of a server in a row. A run waits for a lost server once, not at every step.

    A server that is gone or does not greet is not asked at all. One that greets but is too slow for its deadline is
    asked after pauses that double, from the time that the run has waited for it.
    """

    def __init__(self) -> None:
        self._error: PhasewireError | None = None
        self._pause = 0.0
        self._ends = 0.0

    def begin(self, error: Exception, waited: float) -> None:
        """Take note of a step that failed, after a wait in seconds."""
        if not isinstance(error, (ServerUnreachableError, DeadlineError)):
            return
        self._error = error
        if isinstance(error, DeadlineError):
            self._pause = min(_LONGEST_PAUSE, max(waited, 2 * self._pause))
            self._ends = time.monotonic() + self._pause

    def end(self) -> None:
        """Take note of a step that had its forces."""
        self._error, self._pause, self._ends = None, 0.0, 0.0

    def error(self, analyser: Analyser) -> PhasewireError | None:
        """Return the error of this step if the server should not be asked, else None. Never waits."""
        if self._error is None or (time.monotonic() >= self._ends and analyser.available()):
            return None
        return self._error
