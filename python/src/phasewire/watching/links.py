"""Links from a simulation to an analyser: in the callback, or on a thread of this process.

A link takes snapshots from the simulation's thread and hands outcomes to the monitor. `submit` of a link that works
in the background never waits. Its queue is bounded; if it is full, the oldest snapshot is dropped and counted. The link
to a server is in `phasewire.watching.server_link`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire._frame.options import Options
from phasewire._frame.result import Result
from phasewire._frame.snapshot import Snapshot
from phasewire.analysers.base import Analyser
from phasewire.errors import PhasewireError, as_phasewire_error

_NICENESS = limits.whole("server", "niceness")
# Seconds between two tries to end an analysis.
_PATIENCE = 0.2


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of a snapshot: a result or an error, never both."""

    snapshot: Snapshot
    dropped: int
    frame: Frame | None = None
    result: Result | None = None
    error: PhasewireError | None = None


Deliver = Callable[[Outcome], None]
Report = Callable[[str, PhasewireError | None], None]


class Link(ABC):
    """A connection to an analyser."""

    @abstractmethod
    def submit(self, snapshot: Snapshot) -> None:
        """Take a snapshot."""

    @abstractmethod
    def flush(self, timeout: float) -> bool:
        """Wait until every snapshot taken is settled; return whether all were in time."""

    @abstractmethod
    def close(self) -> None:
        """Stop; snapshots that still wait are dropped."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """Number of snapshots dropped so far, by either side."""


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


class QueuedLink(Link):
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
        """Wait until the queue is empty and nothing is in progress."""
        with self._state:
            return self._state.wait_for(lambda: not self._queue and not self._busy(), timeout)

    def close(self) -> None:
        """End the thread; snapshots that still wait count as dropped."""
        self.stop()
        self.wait_until_stopped()
        with self._state:
            self._dropped += len(self._queue)
            self._queue.clear()

    def stop(self) -> None:
        """Let the thread end after its present turn."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
        self._wake()

    def wait_until_stopped(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(seconds)

    @property
    def dropped(self) -> int:
        """Number of snapshots dropped so far."""
        with self._state:
            return self._dropped

    def _wake(self) -> None:
        """Wake the thread if notifying the condition does not."""

    @abstractmethod
    def _busy(self) -> bool:
        """Whether a snapshot has left the queue and is not yet settled."""

    @abstractmethod
    def _run(self) -> None:
        """Empty the queue until the link stops."""


class WorkerLink(QueuedLink):
    """Analyse in this process, on a separate thread, which yields to the simulation if they share a core."""

    def __init__(self, analyser: Analyser, options: Options, deliver: Deliver, queue: int) -> None:
        super().__init__(deliver, queue)
        self._analyser = analyser
        self._options = options
        self._working = False
        self._thread.start()

    def close(self) -> None:
        """End the thread and its analysis; snapshots that still wait count as dropped."""
        self.stop()
        while self._thread.is_alive():
            # Others may share the analyser: only a call of this thread is ended, also one that waits for its turn.
            self._analyser.abort(self._thread.ident)
            self.wait_until_stopped(_PATIENCE)
        super().close()

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
        # An error in the analysis must not end the simulation; it is recorded with the step.
        return Outcome(snapshot, dropped, error=as_phasewire_error(error))
    return Outcome(snapshot, dropped, frame, replace(result, dropped=dropped))


def _yield_to_simulation() -> None:
    """Give the calling thread the niceness of a server; only Linux has a niceness per thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
