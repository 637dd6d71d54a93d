"""The interface of transports: whole messages to and from a peer that may appear and disappear."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from phasewire._contract import limits
from phasewire._server.zmtp import Part
from phasewire.errors import PhasewireError, make_error

FIRST_PAUSE = limits.number("transport", "reconnectMs") / 1000
LONGEST_PAUSE = limits.number("transport", "longestReconnectMs") / 1000
SEND_MARK = limits.whole("transport", "clientSendMark")
MOST_UNASKED = limits.whole("transport", "mostUnasked")
UNASKED_PER_SECOND = limits.number("transport", "unaskedPerSecond")
TURN_MESSAGES = 64
"""Most messages that are read before the caller looks at the time again."""


class Allowance:
    """Counts what a server sends without being asked: `MOST_UNASKED` at once, and a few more per second."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._left = float(MOST_UNASKED)
        self._counted = time.monotonic()

    def spend(self) -> None:
        """Count one message or command.

        Raises
        ------
        ProtocolError
            ``MESSAGE_FLOOD`` if there were too many.
        """
        now = time.monotonic()
        self._left = min(self._left + UNASKED_PER_SECOND * (now - self._counted), float(MOST_UNASKED)) - 1
        self._counted = now
        if self._left < 0:
            self._left = float(MOST_UNASKED)
            raise make_error(
                "MESSAGE_FLOOD",
                f"the server sent more than {MOST_UNASKED} messages that were not asked for",
                field="endpoint",
                value=self._endpoint,
            )


class Transport(ABC):
    """Carries messages to and from one peer. Nothing waits except `wait`; only one thread may use it.

    Attributes
    ----------
    connected : bool
        Whether a peer is present.
    losses : int
        How often a peer was lost.
    fault : PhasewireError or None
        Why a peer was dropped. The reader clears it.
    problem : str
        Why there is no peer, as far as it is known; empty otherwise.
    """

    def __init__(self) -> None:
        self.connected = False
        self.losses = 0
        self.fault: PhasewireError | None = None
        self.problem = ""

    @abstractmethod
    def watch(self, descriptor: int) -> None:
        """Let `wait` also return when a file descriptor becomes readable."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Wait for a message, a change of the peer, or a watched descriptor, and make progress with both directions."""

    @abstractmethod
    def read(self) -> list[Part] | None:
        """Return the parts of the next message that has arrived, None without one."""

    @abstractmethod
    def send(self, parts: Sequence[Part]) -> bool:
        """Take a message; return False, and take nothing, without a peer or while too much is unsent.

        The parts must not change before they are sent.
        """

    @abstractmethod
    def allow(self, size: int) -> None:
        """Accept messages of this many bytes from the present peer; without this, only headers."""

    @abstractmethod
    def drop(self, fault: PhasewireError | None = None) -> None:
        """Disconnect the peer, and look for one again after a pause."""

    @abstractmethod
    def drop_unsent(self) -> None:
        """Disconnect the peer if a message is only half sent; its arrays are then no longer in use."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect, and discard unsent messages."""
