"""Detects when a quantity of the results crosses a threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from phasewire._frame.result import Result
from phasewire._model.class_names import class_number
from phasewire.errors import make_error

QUANTITIES = ("crystalline", "mean_log_density", "mean_margin")


class Crossing:
    """A threshold of a quantity, and the action when the quantity crosses it.

    A value on the other side arms it, so a run that begins beyond the threshold does not trigger it.
    """

    def __init__(
        self,
        quantity: str,
        action: Callable[..., object],
        *,
        below: float | None,
        above: float | None,
        hysteresis: float,
        once: bool,
    ) -> None:
        if (below is None) == (above is None):
            raise make_error(
                "BAD_OPTION",
                "give exactly one of below and above",
                field="below",
                value=below,
                remedy='for example on_crossing("fcc", below=0.5, action=stop)',
            )
        if not callable(action):
            raise make_error(
                "BAD_OPTION",
                "the action must be a function of one event",
                field="action",
                value=action,
                remedy="give phasewire.stop, phasewire.snapshot(path), or a function of your own",
            )
        if not hysteresis >= 0:
            raise make_error(
                "BAD_OPTION",
                "hysteresis must not be negative",
                field="hysteresis",
                value=hysteresis,
                remedy="give the distance that the quantity must return before the event can occur again",
            )
        self.quantity = quantity
        self.action = action
        self.direction: Literal["above", "below"] = "below" if below is not None else "above"
        self.threshold = float(below if below is not None else above)  # type: ignore[arg-type]
        self.hysteresis = float(hysteresis)
        self.once = once
        self._armed = False
        self._spent = False

    def check(self, result: Result) -> float | None:
        """Return the quantity's value if this result has just crossed the threshold."""
        value = quantity_of(result, self.quantity)
        # Positive beyond the threshold, in the watched direction.
        beyond = (value - self.threshold) * (1.0 if self.direction == "above" else -1.0)
        if self._spent or not (self._armed or beyond <= -self.hysteresis):
            return None
        if not beyond > 0:
            self._armed = True
            return None
        self._armed = False
        self._spent = self.once
        return value


def quantity_of(result: Result, quantity: str) -> float:
    """Return a quantity of a result by its name.

    Raises
    ------
    InputError
        ``BAD_OPTION`` if there is no such class or quantity.
    """
    if quantity in QUANTITIES:
        return float(getattr(result, quantity))
    number = class_number(quantity, result.phases, result.aliases, "quantity")
    return result.fractions[result.phases[number]]
