"""Reacting to what happens to the phases of a running simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Literal

from phasewire._frame.frame import Frame
from phasewire._frame.result import Result
from phasewire._model.class_names import class_number
from phasewire.errors import make_error
from phasewire.files.extxyz import write_extxyz

if TYPE_CHECKING:
    from phasewire.watching.monitor import Monitor

QUANTITIES = ("crystalline", "mean_log_density", "mean_margin")


@dataclass(frozen=True, eq=False)
class Event:
    """A quantity crossed its threshold.

    Attributes
    ----------
    monitor : Monitor
        Where it happened; ``monitor.request_stop()`` ends the run.
    quantity : str
        A class name, for its fraction, or ``crystalline``, ``mean_log_density``, ``mean_margin``.
    direction : "above" or "below"
        The side it is on now.
    threshold, value : float
    step : int
        The simulation's step of the frame concerned.
    time : float or None
    result : Result
    frame : Frame
    """

    monitor: Monitor
    quantity: str
    direction: Literal["above", "below"]
    threshold: float
    value: float
    step: int
    time: float | None
    result: Result
    frame: Frame

    def __str__(self) -> str:
        return f"{self.quantity} = {self.value:.4g} is {self.direction} {self.threshold:g} at step {self.step}"


Action = Callable[[Event], object]


def stop(event: Event) -> None:
    """End the simulation's current run after its present step: an action for events."""
    event.monitor.request_stop(str(event))


def snapshot(path: str | PathLike[str], *, append: bool = True) -> Action:
    """Make an action that writes the labelled frame as extended XYZ.

    Parameters
    ----------
    path : path
        The file.
    append : bool
        Add each snapshot to the file instead of keeping the last one only.
    """

    def write(event: Event) -> None:
        write_extxyz(path, event.frame, event.result, append=append)

    return write


class Crossing:
    """A threshold that a quantity may cross, and what then happens.

    It is armed by a value on the other side, so a run that begins beyond the threshold does not trigger it.
    """

    def __init__(
        self,
        quantity: str,
        action: Action,
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
                remedy="give the amount by which the quantity must swing back before the event can occur again",
            )
        self.quantity = quantity
        self.action = action
        self.direction: Literal["above", "below"] = "below" if below is not None else "above"
        self.threshold = float(below if below is not None else above)  # type: ignore[arg-type]
        self.hysteresis = float(hysteresis)
        self.once = once
        self._armed = False
        self._spent = False

    def check(self, monitor: Monitor, frame: Frame, result: Result) -> Event | None:
        """Return an event if this result has just crossed the threshold."""
        value = quantity_of(result, self.quantity)
        # Positive beyond the threshold, in the direction watched.
        beyond = (value - self.threshold) * (1.0 if self.direction == "above" else -1.0)
        if self._spent or not (self._armed or beyond <= -self.hysteresis):
            return None
        if not beyond > 0:
            self._armed = True
            return None
        self._armed = False
        self._spent = self.once
        return Event(
            monitor=monitor,
            quantity=self.quantity,
            direction=self.direction,
            threshold=self.threshold,
            value=value,
            step=result.step,
            time=result.time,
            result=result,
            frame=frame,
        )


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
