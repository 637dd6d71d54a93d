"""Watches the phases of a running simulation, and never stops it by accident.

The couplings to engines, `phasewire.lammps.attach` and `phasewire.ase.Monitor`, are built on this module. Any other
engine that runs from Python can call `Monitor.observe` directly.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypedDict

from phasewire import analysers
from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire._frame.options import Denoise, Options, check_options
from phasewire._frame.result import DEFAULT_FIELDS, FailedFrame, Result
from phasewire._frame.snapshot import Snapshot
from phasewire._model.class_names import class_number
from phasewire._model.weights import Classes, class_weights
from phasewire._server.settings import make_settings
from phasewire.analysers.base import Analyser
from phasewire.errors import PhasewireError, make_error
from phasewire.files.extxyz import write_extxyz
from phasewire.watching.crossings import QUANTITIES, Crossing
from phasewire.watching.links import DirectLink, Link, Outcome, WorkerLink
from phasewire.watching.series import Series

if TYPE_CHECKING:
    from typing_extensions import Self

_KEPT_INCIDENTS = 1000
_BUDGET = limits.number("server", "budget")
_ABOUT_CONNECTION = ("connected", "lost", "refused", "garbled", "shared")
_EXPLAINED = {
    "action": "a custom function raised",
    "record": "the labelled snapshot could not be written",
    "observe": "the snapshot could not be taken",
    "model": "snapshots are not labelled, because the server has another model,",
}


@dataclass(frozen=True)
class Incident:
    """A change of the connection, or an error in a function of the user, that did not affect the simulation.

    Attributes
    ----------
    kind : str
        ``connected``, ``lost``, ``refused``, ``garbled``: the connection. ``model``: the server was restarted with
        another model; snapshots are dropped until the earlier one is back. ``shared``: shared memory failed, and frames
        go by message until the next session. ``action``: a function of the user raised. ``record``: a file could not be
        written. ``observe``: a snapshot could not be taken.
    step : int or None
        The last observed step of the simulation.
    clock : float
        Seconds since the epoch.
    error : BaseException or None
    """

    kind: str
    step: int | None
    clock: float
    error: BaseException | None


@dataclass(frozen=True, eq=False)
class Event:
    """A quantity crossed its threshold.

    Attributes
    ----------
    monitor : Monitor
        The monitor that detected it; ``monitor.request_stop()`` ends the run.
    quantity : str
        A class name, for its fraction, or ``crystalline``, ``mean_log_density``, ``mean_margin``.
    direction : "above" or "below"
        The side on which the value is now.
    threshold, value : float
    step : int
        The simulation's step of the frame.
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


class MonitorOptions(TypedDict, total=False):
    """Keyword arguments of `Monitor`, which documents them; couplings to engines pass them on."""

    background: bool
    queue: int
    length_scale: float | None
    denoise: Denoise
    fields: Iterable[str]
    classes: Classes | None
    record: str | PathLike[str] | None
    engine: str | None


class Monitor:
    """Turns snapshots of a simulation into time series and events of its phases.

    Parameters
    ----------
    analyser : Analyser or str, optional
        `phasewire.Local`, `phasewire.connect`, or a server's address. Default: ``Local(budget=120)``, whose analyses
        take at most 120 s each.

        With a server, the monitor sends frames on its own thread and over its own connection: the simulation copies its
        arrays and continues. The server may start late, die and return.

        With ``Local`` the analysis runs *in* the simulation's callback, so every snapshot costs the simulation the time
        of the analysis (column ``seconds`` of the series), and none is dropped. With ``background=True`` it runs on a
        separate thread.
    background : bool
        For ``Local``, see above.
    queue : int
        Number of snapshots that may wait when the analysis falls behind. The next one displaces the oldest, which later
        results count as dropped.
    length_scale, denoise, fields, classes
        As for `Analyser.analyse`. The labels are always included.
    record : path, optional
        File to which every labelled snapshot is appended, as extended XYZ.
    engine : str, optional
        The engine and its version, which the server displays. The couplings fill it in.

    Notes
    -----
    Methods that a simulation calls never raise because of an analysis, a server, a file or a user's function. Such
    errors are recorded in `failures` and `incidents`. The first error of each kind in a user's function or a file
    gives a warning.

    Actions of events, and functions given to `on_result`, run in the simulation's thread, at the first observed step
    after the result has arrived, so they may use the engine. Results appear in `series` as soon as they arrive.
    """

    def __init__(
        self,
        analyser: Analyser | str | None = None,
        *,
        background: bool = False,
        queue: int = 1,
        length_scale: float | None = None,
        denoise: Denoise = 0,
        fields: Iterable[str] = DEFAULT_FIELDS,
        classes: Classes | None = None,
        record: str | PathLike[str] | None = None,
        engine: str | None = None,
    ) -> None:
        if not isinstance(queue, int) or queue < 1:
            raise make_error(
                "BAD_OPTION",
                "queue must be a whole number of at least 1",
                field="queue",
                value=queue,
                remedy="give the number of snapshots that may wait",
            )
        chosen = (fields,) if isinstance(fields, str) else tuple(fields)
        options = check_options(length_scale, denoise, ("labels", *chosen), classes)
        self.series = Series()
        """The results so far."""
        self._record = record
        self._lock = threading.Lock()
        self._fresh: deque[Outcome] = deque()
        self._last: Outcome | None = None
        self._last_step: int | None = None
        self._observed: Snapshot | None = None
        self._incidents: deque[Incident] = deque(maxlen=_KEPT_INCIDENTS)
        self._warned: set[str] = set()
        self._crossings: list[Crossing] = []
        self._listeners: list[Callable[[Result], object]] = []
        self._stop_reason: str | None = None
        self._stop_handed_over = False
        self._closed = False
        self._owned: Analyser | None = None
        if not (analyser is None or isinstance(analyser, (Analyser, str))):
            raise make_error(
                "BAD_OPTION",
                "the analyser must be a phasewire.Local, a phasewire.connect(...), or a server's address",
                field="analyser",
                value=analyser,
                remedy="leave it out to compute the phases in this process",
            )
        if analyser is None:
            analyser = self._owned = analysers.Local(budget=_BUDGET)
        elif isinstance(analyser, str):
            analyser = analysers.Client(make_settings(analyser, engine=engine))
        self._analyser = analyser
        self._connected = analyser.remote is None
        if options.classes is not None and self.phases:
            class_weights(options.classes, self.phases, self._analyser.aliases)
        self._link = self._make_link(background, queue, options)

    # -- for the engine's side ------------------------------------------------------------------------------------

    def observe(self, snapshot: Snapshot) -> None:
        """Take a snapshot of the simulation, and act on results that have arrived. Never raises.

        Parameters
        ----------
        snapshot : Snapshot
            With arrays that the simulation will not change.
        """
        self._last_step = snapshot.step
        self._forget_stop()
        try:
            if not self._closed:
                self._link.submit(snapshot)
            self.act()
        except Exception as error:
            self.note("observe", error)

    def observe_once(self, snapshot: Snapshot, observables: Callable[[], Mapping[str, float]] | None = None) -> None:
        """Call `observe` unless the snapshot repeats the previous one.

        The last step of a run is often the first step of the next. The repeated snapshot only triggers actions on
        results that have arrived.

        Parameters
        ----------
        snapshot : Snapshot
            With arrays that the simulation will not change.
        observables : function, optional
            Returns the values to store with the result. An error in it is an incident.
        """
        if self._observed is not None and snapshot.repeats(self._observed):
            self._forget_stop()
            self.act()
            return
        values: dict[str, float] = {}
        if observables is not None:
            try:
                values = {str(name): float(value) for name, value in observables().items()}
            except Exception as error:
                self.note("action", error)
        self._observed = snapshot
        self.observe(replace(snapshot, observables={**snapshot.observables, **values}))

    def act(self) -> None:
        """Call the functions given to `on_result`, and the actions of events, for results that have arrived.

        `observe`, `flush` and `close` call it. Call it from the simulation's thread to act earlier.
        """
        while True:
            with self._lock:
                if not self._fresh:
                    return
                outcome = self._fresh.popleft()
            assert outcome.result is not None
            assert outcome.frame is not None
            for listener in self._listeners:
                self._call(listener, outcome.result)
            for crossing in self._crossings:
                try:
                    value = crossing.check(outcome.result)
                except PhasewireError as error:
                    self.note("action", error)
                    continue
                if value is not None:
                    self._call(crossing.action, self._event(crossing, value, outcome.frame, outcome.result))

    def note(self, kind: str, error: BaseException | None) -> None:
        """Record an incident; warn of the first of its kind unless it is about the connection."""
        with self._lock:
            self._incidents.append(Incident(kind, self._last_step, time.time(), error))
        if kind not in _ABOUT_CONNECTION:
            self._warn(kind, f"{_EXPLAINED[kind]} at step {self._last_step}: {type(error).__name__}: {error}")

    def request_stop(self, reason: str = "asked for") -> None:
        """Ask the engine to end its current run after the present step.

        The couplings end the run (`phasewire.lammps`, `phasewire.ase`); a custom loop must check `hand_over_stop` after
        each `observe`.
        """
        self._stop_reason = reason

    @property
    def should_stop(self) -> bool:
        """Whether a stop of the run was requested."""
        return self._stop_reason is not None

    def hand_over_stop(self) -> bool:
        """Return `should_stop`. If True, the engine must end its run; the next `observe` belongs to another run."""
        self._stop_handed_over = self.should_stop
        return self._stop_handed_over

    @property
    def stop_reason(self) -> str | None:
        """The reason of the requested stop, None without one."""
        return self._stop_reason

    # -- for the user ---------------------------------------------------------------------------------------------

    def on_crossing(
        self,
        quantity: str,
        *,
        action: Action,
        below: float | None = None,
        above: float | None = None,
        hysteresis: float = 0.0,
        once: bool = False,
    ) -> None:
        """Call a function when a quantity crosses a value.

        Parameters
        ----------
        quantity : str
            A class name or alias, for the share of the atoms with that label; or ``crystalline``,
            ``mean_log_density``, ``mean_margin``.
        action : function of one `Event`
            `phasewire.stop`, ``phasewire.snapshot(path)``, or any other. Its exceptions are recorded in `incidents`.
        below, above : float
            One of the two: the side on which the event occurs. A run that begins there must first reach
            the other side.
        hysteresis : float
            Distance that the quantity must return before the event can occur again.
        once : bool
            Whether to call it only the first time.
        """
        phases = self.phases
        if phases and quantity not in QUANTITIES:
            class_number(quantity, phases, self._analyser.aliases, "quantity")
        self._crossings.append(Crossing(quantity, action, below=below, above=above, hysteresis=hysteresis, once=once))

    def on_result(self, function: Callable[[Result], object]) -> None:
        """Call a function with every result, in the simulation's thread."""
        self._listeners.append(function)

    @property
    def phases(self) -> tuple[str, ...]:
        """Class names; empty before the first contact with a server."""
        return self.series.phases or self._analyser.known_phases

    @property
    def last(self) -> Result | None:
        """The last result, None before the first."""
        outcome = self._last
        return None if outcome is None else outcome.result

    @property
    def last_frame(self) -> Frame | None:
        """The frame of the last result, None before the first."""
        outcome = self._last
        return None if outcome is None else outcome.frame

    @property
    def dropped(self) -> int:
        """Number of snapshots that were taken but not analysed."""
        return self._link.dropped

    @property
    def failures(self) -> tuple[FailedFrame, ...]:
        """Refused snapshots, with the reasons."""
        return self.series.failures

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """The last 1000 incidents of the connection, of files and of the user's functions."""
        with self._lock:
            return tuple(self._incidents)

    @property
    def connected(self) -> bool:
        """Whether the analyser is available at the moment; always True with ``Local``."""
        return self._connected

    def write_extxyz(self, path: str | PathLike[str], *, append: bool = False) -> None:
        """Write the last labelled snapshot as extended XYZ.

        Raises
        ------
        InputError
            ``EMPTY_FRAME`` if there is no result yet.
        """
        outcome = self._last
        if outcome is None or outcome.frame is None or outcome.result is None:
            raise make_error(
                "EMPTY_FRAME",
                "there is no result yet",
                field="last",
                remedy="run the simulation past an observed step; with a server, call flush() first",
            )
        write_extxyz(path, outcome.frame, outcome.result, append=append)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the time series as CSV."""
        self.series.to_csv(path)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait for the results of all snapshots, and act on them.

        Parameters
        ----------
        timeout : float
            Longest wait, in seconds.

        Returns
        -------
        bool
            Whether all snapshots are settled.
        """
        settled = self._link.flush(timeout)
        self.act()
        return settled

    def close(self, timeout: float = 10.0) -> None:
        """Wait for outstanding results as `flush` does, then end what is left and stop watching.

        May be called more than once.
        """
        if self._closed:
            return
        # A server that has not been found by now will hardly answer.
        self.flush(timeout if self.connected else min(timeout, 1.0))
        self._closed = True
        self._link.close()
        self.act()
        if self._owned is not None:
            self._owned.close()
        remote = self._analyser.remote
        if remote is not None and not len(self.series) and self.dropped:
            self._warn(
                "silence",
                f"no server answered at {remote.endpoint}, all {self.dropped} snapshots were dropped; "
                "start one with `phasewire serve`",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        last = "no results yet" if self.last is None else repr(self.last)
        state = "" if self.connected else ", not connected"
        return f"<{type(self).__name__}: {len(self.series)} results, {self.dropped} dropped{state}; last {last}>"

    # -- inside ---------------------------------------------------------------------------------------------------

    def _forget_stop(self) -> None:
        """Forget a stop that was handed over: the stopped run is over, and another one has begun."""
        if self._stop_handed_over:
            self._stop_handed_over = False
            self._stop_reason = None

    def _event(self, crossing: Crossing, value: float, frame: Frame, result: Result) -> Event:
        return Event(
            monitor=self,
            quantity=crossing.quantity,
            direction=crossing.direction,
            threshold=crossing.threshold,
            value=value,
            step=result.step,
            time=result.time,
            result=result,
            frame=frame,
        )

    def _make_link(self, background: bool, queue: int, options: Options) -> Link:
        remote = self._analyser.remote
        if remote is not None:
            # Only a server needs ZeroMQ.
            from phasewire.watching.server_link import ServerLink

            return ServerLink(remote, options, self._deliver, self._report, queue)
        if background:
            return WorkerLink(self._analyser, options, self._deliver, queue)
        return DirectLink(self._analyser, options, self._deliver)

    def _deliver(self, outcome: Outcome) -> None:
        """Store an outcome; called by the thread of the analysis."""
        snapshot = outcome.snapshot
        observables = dict(snapshot.observables)
        if outcome.error is not None:
            failed = FailedFrame(snapshot.step, snapshot.time, outcome.error)
            self.series.append_failure(failed, outcome.dropped, observables)
            self._warn("failure", f"the snapshot of step {snapshot.step} gave no result: {outcome.error}")
            return
        assert outcome.result is not None
        assert outcome.frame is not None
        self.series.append(outcome.result, observables)
        with self._lock:
            self._last = outcome
            self._fresh.append(outcome)
        if self._record is not None:
            try:
                write_extxyz(self._record, outcome.frame, outcome.result, append=True)
            except Exception as error:
                self.note("record", error)

    def _report(self, kind: str, error: PhasewireError | None) -> None:
        """Record a change of the connection; called by the thread of the analysis."""
        if kind != "shared":
            self._connected = kind == "connected"
        self.note(kind, error)

    def _call(self, function: Callable[..., object], argument: object) -> None:
        try:
            function(argument)
        except Exception as error:
            self.note("action", error)

    def _warn(self, kind: str, text: str) -> None:
        with self._lock:
            if kind in self._warned:
                return
            self._warned.add(kind)
        try:
            warnings.warn(f"phasewire: {text}", RuntimeWarning, stacklevel=2)
        except RuntimeWarning:
            # The user has turned warnings into errors. The simulation continues, and the incident or failure is
            # recorded.
            return
