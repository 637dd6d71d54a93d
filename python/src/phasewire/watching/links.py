"""Ways from a simulation to an analyser: in the callback, on a thread, or to a server.

A link takes snapshots from the simulation's thread and hands outcomes to the monitor. `submit` of a link that works
in the background never waits: its queue is bounded, the oldest snapshot is dropped when another comes, and what was
dropped is counted.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire._analyser import Analyser, Options
from phasewire._frame.frame import Frame, make_frame
from phasewire._frame.result import Result
from phasewire._frame.selection import choose_atoms, take_atoms
from phasewire._server.client import analyse_message, check_limits
from phasewire._server.connection import Connection, Settings, Welcome
from phasewire._server.wire import Message, result_from_message, result_space
from phasewire.errors import PhasewireError, error_from_wire, make_error

UNSETTLED_FRAMES = 2
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
_NICENESS = 10


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a simulation hands over: copies of its arrays, not yet checked. See `make_frame` for the meaning.

    The arrays are the snapshot's to keep: frames, results and files made of it hold them without another copy.

    Attributes
    ----------
    atoms : int array or "all", optional
        Indices, ascending, of the atoms to analyse as if the others were absent. Default: the oxygens where ``names``
        are those of water, else all.
    selected : str, optional
        Which atoms those are, in words.
    observables : Mapping of str to float
        Values to keep beside the result.
    """

    positions: ArrayLike
    cell: ArrayLike | None
    periodic: tuple[bool, bool, bool]
    species: ArrayLike | None = None
    names: tuple[str, ...] | None = None
    ids: ArrayLike | None = None
    origin: ArrayLike | None = None
    step: int = 0
    time: float | None = None
    observables: Mapping[str, float] = field(default_factory=dict)
    atoms: NDArray[np.int64] | Literal["all"] | None = None
    selected: str | None = None

    def checked(self) -> Frame:
        """Return the frame of the atoms to analyse, or raise the error that names what is wrong with it."""
        frame = make_frame(
            self.positions,
            self.cell,
            self.periodic,
            self.species,
            names=self.names,
            ids=self.ids,
            origin=self.origin,
            step=self.step,
            time=self.time,
            copy=False,
        )
        if self.atoms is None or isinstance(self.atoms, str):
            return choose_atoms(frame, self.atoms)
        return take_atoms(frame, self.atoms, self.selected or f"{len(self.atoms)} atoms")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a snapshot: a result or an error, never both."""

    snapshot: Snapshot
    dropped: int
    frame: Frame | None = None
    result: Result | None = None
    error: PhasewireError | None = None


Deliver = Callable[[Outcome], None]
Report = Callable[[str, PhasewireError | None], None]


def as_phasewire_error(error: BaseException) -> PhasewireError:
    """Return the error itself, or an ``INTERNAL`` one that carries its text."""
    if isinstance(error, PhasewireError):
        return error
    return make_error(
        "INTERNAL", f"{type(error).__name__}: {error}", remedy="please report this with what the simulation did"
    )


class Link(ABC):
    """A way to an analyser."""

    @abstractmethod
    def submit(self, snapshot: Snapshot) -> None:
        """Take a snapshot."""

    @abstractmethod
    def flush(self, timeout: float) -> bool:
        """Wait until every snapshot taken is settled; return whether that came about in time."""

    @abstractmethod
    def close(self) -> None:
        """Stop, dropping what still waits."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """Snapshots dropped so far, by either side."""


class DirectLink(Link):
    """Analyse in the simulation's thread: the simulation waits for each analysis, and nothing is dropped."""

    def __init__(self, analyser: Analyser, options: Options, deliver: Deliver) -> None:
        self._analyser = analyser
        self._options = options
        self._deliver = deliver

    def submit(self, snapshot: Snapshot) -> None:
        """Analyse at once."""
        self._deliver(_analyse(self._analyser, self._options, snapshot, 0))

    def flush(self, timeout: float) -> bool:
        """Return at once."""
        return True

    def close(self) -> None:
        """Nothing to stop."""

    @property
    def dropped(self) -> int:
        """Always 0."""
        return 0


class _QueuedLink(Link):
    """A bounded queue and a thread that empties it."""

    def __init__(self, deliver: Deliver, queue: int) -> None:
        self._deliver = deliver
        self._bound = queue
        self._queue: deque[Snapshot] = deque()
        self._dropped = 0
        self._stopping = False
        self._state = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def submit(self, snapshot: Snapshot) -> None:
        """Queue a snapshot; drop the oldest one if the queue is full."""
        with self._state:
            if self._stopping:
                self._dropped += 1
                return
            self._queue.append(snapshot)
            if len(self._queue) > self._bound:
                self._queue.popleft()
                self._dropped += 1
            self._state.notify_all()
        self._wake()

    def flush(self, timeout: float) -> bool:
        """Wait until nothing is queued or under way."""
        with self._state:
            return self._state.wait_for(lambda: not self._queue and not self._busy(), timeout)

    def close(self) -> None:
        """End the thread; what still waits counts as dropped."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
        self._wake()
        self._thread.join()
        with self._state:
            self._dropped += len(self._queue)
            self._queue.clear()

    @property
    def dropped(self) -> int:
        """Snapshots dropped so far."""
        with self._state:
            return self._dropped

    def _wake(self) -> None:
        """Tell the thread that something is in the queue, if the condition alone does not."""

    @abstractmethod
    def _busy(self) -> bool:
        """Whether a snapshot has left the queue and is not settled."""

    @abstractmethod
    def _run(self) -> None:
        """Empty the queue until the link stops."""


class WorkerLink(_QueuedLink):
    """Analyse in this process, on a thread of its own, which yields to the simulation where they share a core."""

    def __init__(self, analyser: Analyser, options: Options, deliver: Deliver, queue: int) -> None:
        super().__init__(deliver, queue)
        self._analyser = analyser
        self._options = options
        self._working = False
        self._thread.start()

    def _busy(self) -> bool:
        return self._working

    def _run(self) -> None:
        _yield_to_simulation()
        while True:
            with self._state:
                self._state.wait_for(lambda: bool(self._queue) or self._stopping)
                if self._stopping:
                    return
                snapshot = self._queue.popleft()
                dropped = self._dropped
                self._working = True
            self._deliver(_analyse(self._analyser, self._options, snapshot, dropped))
            with self._state:
                self._working = False
                self._state.notify_all()


class ServerLink(_QueuedLink):
    """Send frames to a server, in mode monitor (bridge/PROTOCOL.md, sections 6 and 8).

    The server may come late, go, and come back: the link looks for it with growing pauses and goes on. Frames that
    were under way when it went count as dropped.
    """

    def __init__(self, settings: Settings, options: Options, deliver: Deliver, report: Report, queue: int) -> None:
        super().__init__(deliver, queue)
        self._settings = settings
        self._options = options
        self._report = report
        self._under_way: OrderedDict[int, tuple[Snapshot, Frame, float]] = OrderedDict()
        self._between = False
        """Whether a snapshot has left the queue and is not yet under way."""
        self._welcome: Welcome | None = None
        self._in_session = False
        self._dropped_by_server = 0
        self._hello_sequence: int | None = None
        self._next_hello = 0.0
        self._pause = FIRST_PAUSE
        self._losses = 0
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)
        self._connection = Connection(settings)
        self._connection.watch(self._awake.fileno())
        self._thread.start()

    def close(self) -> None:
        """End the thread; what waits or is under way counts as dropped."""
        if self._thread.is_alive():
            super().close()
        self._awake.close()
        self._waker.close()

    def _wake(self) -> None:
        # A full pipe already holds a wake-up call, and a closed one needs none.
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            return

    def _busy(self) -> bool:
        return self._between or bool(self._under_way)

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._turn()
                except Exception as error:
                    # The simulation must not notice, but the user must: it is reported, and the link begins anew.
                    self._lose(as_phasewire_error(error))
                    time.sleep(FIRST_PAUSE)
            if self._in_session:
                self._connection.send({"type": "goodbye"})
                self._connection.receive(0.1)
        finally:
            with self._state:
                self._dropped += len(self._under_way)
                self._under_way.clear()
            self._connection.close()

    def _turn(self) -> None:
        now = time.monotonic()
        if self._in_session:
            self._send_frames()
        elif now >= self._next_hello:
            self._say_hello(now)
        was_connected = self._connection.connected
        for message in self._connection.receive(self._wait(now)):
            if isinstance(message, PhasewireError):
                self._report("garbled", message)
            else:
                self._handle(message)
        self._drain_wakes()
        if self._connection.connected and not was_connected and self._hello_sequence is None:
            # The server has just come, and nobody has greeted it yet.
            self._next_hello = 0.0
        if self._connection.losses != self._losses:
            self._losses = self._connection.losses
            self._lose(
                make_error(
                    "SERVER_UNREACHABLE",
                    f"the server at {self._settings.endpoint} is gone",
                    field="endpoint",
                    value=self._settings.endpoint,
                    remedy="start it again with `phasewire serve`; the run goes on and finds it",
                )
            )
        self._check_deadline()

    def _wait(self, now: float) -> float:
        if not self._in_session:
            return max(0.0, self._next_hello - now)
        if self._under_way:
            oldest = next(iter(self._under_way.values()))[2]
            return max(0.0, oldest + self._settings.timeout - now)
        return LONGEST_PAUSE

    def _drain_wakes(self) -> None:
        try:
            while self._awake.recv(4096):
                pass
        except BlockingIOError:
            return

    def _say_hello(self, now: float) -> None:
        self._hello_sequence = self._connection.hello()
        self._next_hello = now + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)

    def _send_frames(self) -> None:
        assert self._welcome is not None
        while self._in_session and not self._stopping:
            with self._state:
                if not self._queue or len(self._under_way) >= UNSETTLED_FRAMES:
                    return
                snapshot = self._queue[0]
            try:
                frame = snapshot.checked()
                header, arrays = analyse_message(frame, self._options)
                check_limits(arrays, self._welcome.limits)
            except PhasewireError as error:
                if self._take(snapshot):
                    self._deliver(Outcome(snapshot, self.dropped, error=error))
                    self._end_between()
                continue
            header |= {"mode": "monitor", "observables": _finite(snapshot.observables)}
            # Checked before it is taken: the simulation may drop the oldest snapshot meanwhile, and does not wait.
            if not self._take(snapshot):
                continue
            space = result_space(self._options.fields, len(frame), len(self._welcome.phases))
            sequence = self._connection.send(header, arrays, space)
            with self._state:
                if sequence is None:
                    self._dropped += 1
                else:
                    self._under_way[sequence] = (snapshot, frame, time.monotonic())
            self._end_between()
            if self._connection.sharing_error is not None:
                self._report("shared", self._connection.sharing_error)
                self._connection.sharing_error = None
            if sequence is None:
                return

    def _take(self, snapshot: Snapshot) -> bool:
        with self._state:
            if self._queue and self._queue[0] is snapshot:
                self._queue.popleft()
                self._between = True
                return True
            return False

    def _end_between(self) -> None:
        with self._state:
            self._between = False
            self._state.notify_all()

    def _handle(self, message: Message) -> None:
        if message.type == "welcome":
            if message.sequence == self._hello_sequence:
                self._begin(Welcome.from_message(message))
        elif message.type == "goodbye" and message.sequence is None:
            self._lose(
                make_error(
                    "SERVER_UNREACHABLE",
                    f"the server at {self._settings.endpoint} shuts down",
                    field="endpoint",
                    value=self._settings.endpoint,
                    remedy="start it again with `phasewire serve`; the run goes on and finds it",
                )
            )
        elif message.type == "error":
            self._handle_error(message)
        elif message.type == "result":
            self._handle_result(message)

    def _begin(self, welcome: Welcome) -> None:
        self._welcome = welcome
        self._in_session = True
        self._dropped_by_server = 0
        self._pause = FIRST_PAUSE
        self._settings = replace(self._settings, run=welcome.run)
        self._connection.settings = self._settings
        self._report("connected", None)

    def _handle_error(self, message: Message) -> None:
        error = error_from_wire(message.header)
        if error.code == "NO_SESSION":
            self._lose(error)
            self._next_hello = 0.0
        elif message.sequence is not None and message.sequence in self._under_way:
            self._count_server_drops(message)
            if error.code == "SHARED_MEMORY":
                self._forget_shared(message.sequence, error)
                return
            self._settle_up_to(message.sequence, lambda snapshot, _, dropped: Outcome(snapshot, dropped, error=error))
        elif message.sequence is None or message.sequence == self._hello_sequence:
            self._report("refused", error)

    def _handle_result(self, message: Message) -> None:
        # Results of frames that were given up, or of an earlier session, have been counted as dropped.
        if message.sequence is None or message.sequence not in self._under_way:
            return
        self._count_server_drops(message)
        welcome = self._welcome
        assert welcome is not None

        def outcome(snapshot: Snapshot, frame: Frame, dropped: int) -> Outcome:
            try:
                result = result_from_message(message, welcome.phases, welcome.aliases, dropped)
                result = result.with_atoms_of(frame, welcome.water_names)
            except PhasewireError as error:
                return Outcome(snapshot, dropped, error=error)
            return Outcome(snapshot, dropped, frame, result)

        self._settle_up_to(message.sequence, outcome)

    def _count_server_drops(self, message: Message) -> None:
        dropped = message.header.get("dropped")
        if isinstance(dropped, (int, float)) and dropped > self._dropped_by_server:
            with self._state:
                self._dropped += int(dropped) - self._dropped_by_server
            self._dropped_by_server = int(dropped)

    def _settle_up_to(self, sequence: int, outcome: Callable[[Snapshot, Frame, int], Outcome]) -> None:
        """Settle a frame and forget earlier ones, which the server has dropped and counted."""
        with self._state:
            snapshot, frame, _ = self._under_way[sequence]
            dropped = self._dropped
        self._deliver(outcome(snapshot, frame, dropped))
        self._remove_up_to(sequence)

    def _forget_shared(self, sequence: int, error: PhasewireError) -> None:
        """Count a frame as dropped that the server could not read from shared memory; those to come go by message."""
        self._connection.stop_sharing()
        with self._state:
            self._dropped += 1
        self._remove_up_to(sequence)
        self._report("shared", error)

    def _remove_up_to(self, sequence: int) -> None:
        self._connection.settle(sequence)
        with self._state:
            for earlier in [number for number in self._under_way if number <= sequence]:
                del self._under_way[earlier]
            self._state.notify_all()

    def _check_deadline(self) -> None:
        if not self._under_way:
            return
        oldest = next(iter(self._under_way.values()))[2]
        if time.monotonic() - oldest >= self._settings.timeout:
            self._lose(
                make_error(
                    "TIMEOUT",
                    f"the server at {self._settings.endpoint} did not answer within {self._settings.timeout:g} s",
                    field="endpoint",
                    value=self._settings.endpoint,
                    remedy="look at the server; the run goes on, and asks again",
                )
            )

    def _lose(self, error: PhasewireError) -> None:
        """Give up the session and what was under way, and look for the server again after a pause."""
        with self._state:
            self._dropped += len(self._under_way)
            self._under_way.clear()
            self._state.notify_all()
        self._in_session = False
        self._hello_sequence = None
        self._next_hello = time.monotonic() + self._pause
        self._report("lost", error)


def _analyse(analyser: Analyser, options: Options, snapshot: Snapshot, dropped: int) -> Outcome:
    try:
        frame = snapshot.checked()
        result = analyser.analyse_frame(
            frame,
            length_scale=options.length_scale,
            denoise=options.denoise,
            fields=options.fields,
            classes=options.classes,
        )
    except Exception as error:
        # Whatever goes wrong in the analysis must not end the simulation; it is recorded with the step.
        return Outcome(snapshot, dropped, error=as_phasewire_error(error))
    return Outcome(snapshot, dropped, frame, replace(result, dropped=dropped))


def _yield_to_simulation() -> None:
    """Give the calling thread the niceness that a server has; only Linux has one for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def _finite(observables: Mapping[str, float]) -> dict[str, float] | None:
    """Return what a header may carry: finite numbers."""
    return {name: float(value) for name, value in observables.items() if math.isfinite(value)} or None
