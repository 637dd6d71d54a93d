"""The link from a simulation to a server, which may start late, disappear and return."""

from __future__ import annotations

import atexit
import math
import os
import socket
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire._frame.options import Options
from phasewire._frame.snapshot import Snapshot
from phasewire._server.connection import Connection, Welcome
from phasewire._server.settings import Settings
from phasewire._server.transport import FIRST_PAUSE, LONGEST_PAUSE
from phasewire._server.wire import (
    Message,
    analyse_message,
    check_limits,
    require_answer_to,
    result_from_message,
    result_space,
)
from phasewire.errors import PhasewireError, as_phasewire_error, error_from_wire, make_error
from phasewire.watching.links import Deliver, Outcome, QueuedLink, Report

_PARTING_SECONDS = limits.number("transport", "partingMs") / 1000
UNSETTLED_FRAMES = limits.whole("server", "monitorQueue")
PING_SECONDS = limits.number("transport", "pingMs") / 1000
"""Silence after which the link asks whether the server is still there, which also keeps the session alive."""


class ServerLink(QueuedLink):
    """Send frames to a server, in mode monitor (bridge/PROTOCOL.md, sections 6 and 8).

    The server may start late, disappear and return: the link looks for it with growing pauses. Frames without an
    answer when it disappears count as dropped.
    """

    def __init__(self, settings: Settings, options: Options, deliver: Deliver, report: Report, queue: int) -> None:
        super().__init__(deliver, queue)
        self._settings = settings
        self._options = options
        self._report = report
        self._under_way: OrderedDict[int, tuple[Snapshot, Frame, float]] = OrderedDict()
        self._between = False
        """Whether a snapshot has left the queue and is not yet sent."""
        self._welcome: Welcome | None = None
        """That of the last session."""
        self._other_model: str | None = None
        """SHA-256 of a model that was refused."""
        self._in_session = False
        self._dropped_by_server = 0
        self._hello_sequence: int | None = None
        self._next_hello = 0.0
        self._pause = FIRST_PAUSE
        self._losses = 0
        self._heard = 0.0
        """When the server last answered, or the session began."""
        self._ping: tuple[int, float] | None = None
        """Number and time of a ping without an answer."""
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)
        self._connection = Connection(settings)
        self._connection.watch(self._awake.fileno())
        self._thread.start()
        _running.add(self)

    def close(self) -> None:
        """End the thread; snapshots that wait or are unanswered count as dropped."""
        _running.discard(self)
        if self._thread.is_alive():
            super().close()
        self._awake.close()
        self._waker.close()

    def _wake(self) -> None:
        if not self._stopping and not (self._in_session and len(self._under_way) < UNSETTLED_FRAMES):
            # The thread looks at the queue when a session begins or an answer arrives; it can send nothing before.
            return
        # A full pipe already holds a wake-up call, and a closed pipe needs none.
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
                    # The simulation continues, but the user must know: the error is reported, and the link restarts.
                    self._lose(as_phasewire_error(error))
                    time.sleep(FIRST_PAUSE)
            if self._in_session:
                self._connection.part(_PARTING_SECONDS)
        finally:
            with self._state:
                self._dropped += len(self._under_way)
                self._under_way.clear()
            self._connection.close()

    def _turn(self) -> None:
        now = time.monotonic()
        if self._in_session:
            self._send_frames()
            self._send_ping(now)
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
            # The server has just appeared, and no hello has been sent to it.
            self._next_hello = 0.0
        if self._connection.losses != self._losses:
            self._losses = self._connection.losses
            self._lose(
                make_error(
                    "SERVER_UNREACHABLE",
                    f"the server at {self._settings.endpoint} is gone",
                    field="endpoint",
                    value=self._settings.endpoint,
                    remedy="start it again with `phasewire serve`; the run continues and finds it",
                )
            )
        self._check_deadline()

    def _wait(self, now: float) -> float:
        if not self._in_session:
            return max(0.0, self._next_hello - now)
        asked = self._asked()
        if asked is not None:
            return max(0.0, asked + self._settings.timeout - now)
        return max(0.0, self._heard + PING_SECONDS - now)

    def _asked(self) -> float | None:
        """Return the time of the oldest message that waits for its answer."""
        times = [sent for _, _, sent in self._under_way.values()]
        times += [] if self._ping is None else [self._ping[1]]
        return min(times, default=None)

    def _send_ping(self, now: float) -> None:
        if now < self._heard + PING_SECONDS or self._asked() is not None:
            return
        sequence = self._connection.send({"type": "ping"})
        if sequence is None:
            self._heard = now
        else:
            self._ping = sequence, now

    def _drain_wakes(self) -> None:
        try:
            while self._awake.recv(4096):
                pass
        except BlockingIOError:
            return

    def _say_hello(self, now: float) -> None:
        self._next_hello = now + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        self._hello_sequence = None
        try:
            self._hello_sequence = self._connection.hello()
        except PhasewireError as error:
            self._report("refused", error)

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
            # Checked before it is taken: the simulation does not wait, and may drop the oldest snapshot meanwhile.
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
                    remedy="start it again with `phasewire serve`; the run continues and finds it",
                )
            )
        elif message.type == "pong":
            if self._ping is not None and message.sequence == self._ping[0]:
                self._settle_ping()
        elif message.type == "error":
            self._handle_error(message)
        elif message.type == "result":
            self._handle_result(message)

    def _begin(self, welcome: Welcome) -> None:
        if self._welcome is not None and self._welcome.model_sha256 != welcome.model_sha256:
            self._refuse_model(self._welcome, welcome)
            return
        self._welcome, self._other_model = welcome, None
        self._in_session = True
        self._dropped_by_server = 0
        self._pause = FIRST_PAUSE
        self._settle_ping()
        self._settings = replace(self._settings, run=welcome.run)
        self._connection.settings = self._settings
        self._report("connected", None)

    def _refuse_model(self, before: Welcome, now: Welcome) -> None:
        """Leave a server whose labels do not belong into the series, and look for the one with the model before."""
        self._connection.send({"type": "goodbye"})
        self._hello_sequence = None
        self._next_hello = time.monotonic() + LONGEST_PAUSE
        if self._other_model == now.model_sha256:
            return
        self._other_model = now.model_sha256
        self._report(
            "model",
            make_error(
                "MODEL_HASH",
                f"the server at {self._settings.endpoint} has the model {now.model_name} (SHA-256 "
                f"{now.model_sha256[:12]}...), but the series is of {before.model_name} "
                f"({before.model_sha256[:12]}...)",
                field="model",
                value=now.model_name,
                remedy="start the server with the earlier model, and the series continues; "
                "for the other model make a new monitor",
            ),
        )

    def _handle_error(self, message: Message) -> None:
        error = error_from_wire(message.header)
        sequence = message.sequence
        if sequence is None:
            # The server could not read the number of a message: it answers in order, so this was the oldest.
            sequence = next(iter(self._under_way), None)
        if error.code == "NO_SESSION":
            # Outside a session it answers a frame of an earlier one, while a hello is under way.
            if self._in_session:
                self._lose(error)
                self._next_hello = 0.0
        elif sequence is not None and sequence in self._under_way:
            self._count_server_drops(message)
            if error.code == "SHARED_MEMORY":
                self._forget_shared(sequence, error)
                return
            self._settle_up_to(sequence, lambda snapshot, _, dropped: Outcome(snapshot, dropped, error=error))
        elif sequence is None or sequence == self._hello_sequence:
            self._report("refused", error)

    def _handle_result(self, message: Message) -> None:
        # Frames that were given up, or of an earlier session, are already counted as dropped.
        if message.sequence is None or message.sequence not in self._under_way:
            return
        self._count_server_drops(message)
        welcome = self._welcome
        assert welcome is not None

        def outcome(snapshot: Snapshot, frame: Frame, dropped: int) -> Outcome:
            try:
                require_answer_to(frame, message)
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
        """Count a frame that the server could not read from shared memory as dropped; later ones go by message."""
        self._connection.stop_sharing()
        with self._state:
            self._dropped += 1
        self._remove_up_to(sequence)
        self._report("shared", error)

    def _settle_ping(self) -> None:
        self._ping, self._heard = None, time.monotonic()

    def _remove_up_to(self, sequence: int) -> None:
        self._connection.settle(sequence)
        self._settle_ping()
        with self._state:
            for earlier in [number for number in self._under_way if number <= sequence]:
                del self._under_way[earlier]
            self._state.notify_all()

    def _check_deadline(self) -> None:
        asked = self._asked()
        if asked is not None and time.monotonic() - asked >= self._settings.timeout:
            self._lose(
                make_error(
                    "TIMEOUT",
                    f"the server at {self._settings.endpoint} did not answer within {self._settings.timeout:g} s",
                    field="endpoint",
                    value=self._settings.endpoint,
                    remedy="check the server; the run continues, and asks again",
                )
            )

    def _lose(self, error: PhasewireError) -> None:
        """Give up the session and unanswered frames, and look for the server again after a pause."""
        self._connection.give_up()
        with self._state:
            self._dropped += len(self._under_way)
            self._under_way.clear()
            self._state.notify_all()
        self._in_session = False
        self._ping = None
        self._hello_sequence = None
        self._next_hello = time.monotonic() + self._pause
        self._report("lost", error)


_running: weakref.WeakSet[ServerLink] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    # A forked process has none of the threads.
    os.register_at_fork(after_in_child=_running.clear)


@atexit.register
def _part() -> None:
    """End the sessions of links that a script left open, without holding it up."""
    links = list(_running)
    for link in links:
        link.stop()
    deadline = time.monotonic() + _PARTING_SECONDS
    for link in links:
        link.wait_until_stopped(max(0.0, deadline - time.monotonic()))


def _finite(observables: Mapping[str, float]) -> dict[str, float] | None:
    """Return the finite numbers, which are all that a header may hold."""
    return {name: float(value) for name, value in observables.items() if math.isfinite(value)} or None
