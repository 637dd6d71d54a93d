"""The ways in which a call of the core ends before it is done: an abort, and a budget of time."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire.errors import refusal, show

_LONGEST = limits.number("core", "mostBudget")


class Ending:
    """Watches a call of the core.

    Parameters
    ----------
    word : int32 array, shape (1,)
        The word of the core's memory that stages read: they return soon after it becomes 1.
    """

    def __init__(self, word: NDArray[np.int32]) -> None:
        self._word = word
        self._lock = threading.Lock()
        self._thread = 0
        self._budget = math.inf
        self._deadline = math.inf

    def begin(self, budget: float | None) -> None:
        """Begin a call of this thread: forget earlier aborts, and start the clock of a budget in seconds."""
        with self._lock:
            self._thread = threading.get_ident()
            self._word[0] = 0
        self._budget = math.inf if budget is None else budget
        self._deadline = math.inf if budget is None else time.monotonic() + budget

    def abort(self, thread: int | None) -> None:
        """Make the call end soon if it is of this thread, or of any if None."""
        with self._lock:
            if thread in (None, self._thread):
                self._word[0] = 1

    def check(self, atom_count: int) -> None:
        """Raise if the call, on a frame of so many atoms, must end.

        Raises
        ------
        AbortedError
            ``ABORTED``.
        DeadlineError
            ``OVER_BUDGET``.
        """
        if self._word[0]:
            raise refusal("aborted")
        if time.monotonic() >= self._deadline:
            raise refusal("overBudget", atoms=atom_count, budget=self._budget, value=self._budget)


def check_budget(budget: float | None) -> float | None:
    """Return a budget as a float.

    Raises
    ------
    InputError
        ``BAD_OPTION`` unless it is a number of seconds above 0.
    """
    if budget is None:
        return None
    is_number = isinstance(budget, (int, float, np.number)) and not isinstance(budget, bool)
    if not (is_number and 0 < budget <= _LONGEST):
        raise refusal("budget", found=show(budget), most=_LONGEST, value=budget)
    return float(budget)
