"""The transport without keys, to a server on this machine: one socket of the operating system, and no thread.

The kernel reports the end of a peer on the same machine, so there are no heartbeats. While nothing is read, the
kernel's buffers fill and the peer has to wait: an idle client holds no memory for what a server sends.
"""

from __future__ import annotations

import itertools
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence

from phasewire._server.transport import FIRST_PAUSE, LONGEST_PAUSE, SEND_MARK, TURN_MESSAGES, Allowance, Transport
from phasewire._server.zmtp import (
    GREETING,
    MOST_HEADER_BYTES,
    NOT_A_SERVER,
    READY,
    Command,
    Decoder,
    Part,
    check_greeting,
    check_ready,
    command,
    encode_frames,
)
from phasewire.errors import PhasewireError, make_error

_HANDSHAKE_SECONDS = 5.0
_PAUSE_AFTER_FAULT = 1.0
# Most bytes that one call of `wait` reads, so that its caller looks at the time again.
_TURN_BYTES = 1 << 25
_BUFFERS_AT_ONCE = 64
_UNIX_BUFFER_BYTES = 1 << 20
_WRITABLE = selectors.EVENT_READ | selectors.EVENT_WRITE

Address = tuple[str, int] | str


class LocalTransport(Transport):
    """Speaks ZMTP over a Unix socket or the loopback interface."""

    def __init__(self, endpoint: str, allowance: Allowance) -> None:
        super().__init__()
        self._family, self._address = _resolve(endpoint)
        self._allowance = allowance
        self._selector = selectors.DefaultSelector()
        self._socket: socket.socket | None = None
        self._connecting = False
        self._greeted = False
        self._decoder = Decoder()
        self._inbox: deque[list[Part]] = deque()
        self._outbox: deque[memoryview] = deque()
        # Buffers of the outbox that end each unsent message.
        self._unsent: deque[int] = deque()
        self._mask = 0
        self._pause = FIRST_PAUSE
        self._next_attempt = 0.0
        self._handshake_ends = 0.0

    def watch(self, descriptor: int) -> None:
        """Let `wait` also return when a file descriptor becomes readable."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, seconds: float) -> None:
        """Wait for a message, a change of the peer, or a watched descriptor, and make progress with both directions."""
        now = time.monotonic()
        if self._socket is None and now >= self._next_attempt:
            self._connect(now)
        if self._socket is None:
            limit = self._next_attempt - now
        elif not self.connected:
            limit = self._handshake_ends - now
        else:
            limit = seconds
        self._take_messages()
        if self._inbox:
            limit = 0.0
        for key, mask in self._selector.select(max(0.0, min(seconds, limit))):
            if key.fileobj is self._socket:
                self._progress(mask)
        if self._socket is not None and not self.connected and time.monotonic() >= self._handshake_ends:
            self._disconnect(NOT_A_SERVER)

    def read(self) -> list[Part] | None:
        """Return the parts of the next message that has arrived, None without one."""
        return self._inbox.popleft() if self._inbox else None

    def send(self, parts: Sequence[Part]) -> bool:
        """Take a message; return False, and take nothing, without a peer or while too much is unsent."""
        if not self.connected or len(self._unsent) >= SEND_MARK:
            return False
        self._put(encode_frames(parts))
        self._flush()
        return self.connected

    def allow(self, size: int) -> None:
        """Accept messages of this many bytes from the present peer; without this, only headers."""
        self._decoder.most_bytes = max(self._decoder.most_bytes, MOST_HEADER_BYTES + size)

    def drop(self, fault: PhasewireError | None = None) -> None:
        """Disconnect the peer, and look for one again after a pause."""
        self.fault = fault
        self._inbox.clear()
        self._disconnect("")
        self._next_attempt += _PAUSE_AFTER_FAULT

    def drop_unsent(self) -> None:
        """Disconnect the peer if a message is only half sent; its arrays are then no longer in use."""
        if self._unsent:
            self._disconnect("")

    def close(self) -> None:
        """Disconnect, and discard unsent messages."""
        if self._socket is not None:
            self._disconnect("")
        self._selector.close()

    # -- the peer -------------------------------------------------------------------------------------------------

    def _connect(self, now: float) -> None:
        self._decoder, self._greeted, self._connecting = Decoder(), False, True
        self._handshake_ends = now + _HANDSHAKE_SECONDS
        try:
            self._socket = socket.socket(self._family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            if self._family == getattr(socket, "AF_UNIX", None):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNIX_BUFFER_BYTES)
            else:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._set_mask(_WRITABLE)
            self._socket.connect(self._address)
        except BlockingIOError as error:
            # A Unix socket whose queue is full is not connecting.
            if isinstance(self._address, str):
                self._disconnect(str(error.strerror))
        except ValueError as error:
            # The path holds a zero byte, or is not text.
            self._disconnect(str(error).encode("utf-8", "backslashreplace").decode())
        except OSError as error:
            self._disconnect("")
            self._check(error)

    def _check(self, error: OSError) -> None:
        """Keep a reason that differs from nothing listening there."""
        if not isinstance(error, (FileNotFoundError, ConnectionError)):
            self.problem = str(error.strerror or error)

    def _progress(self, mask: int) -> None:
        if self._connecting:
            assert self._socket is not None
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._disconnect("")
                self._check(OSError(number, os.strerror(number)))
                return
            self._connecting = False
            self._put([GREETING, READY])
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ and self._socket is not None:
            self._receive()

    def _disconnect(self, problem: str) -> None:
        if self._socket is not None:
            if self._mask:
                self._selector.unregister(self._socket)
            self._socket.close()
        self._socket, self._mask = None, 0
        self._outbox.clear()
        self._unsent.clear()
        self.problem = problem
        self.losses += self.connected
        # A server that was present may be back at once, one that was not is looked for with growing pauses.
        self._pause = FIRST_PAUSE if self.connected else min(LONGEST_PAUSE, 2 * self._pause)
        self._next_attempt = time.monotonic() + self._pause
        self.connected = False

    # -- from the peer --------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        left = _TURN_BYTES
        while left > 0 and len(self._inbox) < TURN_MESSAGES and self._socket is not None:
            room = self._decoder.room()
            try:
                count = self._socket.recv_into(room)
            except BlockingIOError:
                return
            except OSError:
                count = 0
            if count == 0:
                # Messages that a peer sent before it disappeared still count.
                self._disconnect("")
                return
            left -= count
            self._decoder.add(count)
            self._take_messages()
            if count < len(room):
                return

    def _take_messages(self) -> None:
        """Move complete messages to the inbox, and answer commands."""
        try:
            if self._socket is None or not (self._greeted or self._take_greeting()):
                return
            while self._socket is not None and len(self._inbox) < TURN_MESSAGES:
                item = self._decoder.take()
                if item is None:
                    return
                if isinstance(item, Command):
                    self._obey(item)
                elif self.connected:
                    self._inbox.append(item)
                else:
                    self._disconnect(NOT_A_SERVER)
        except PhasewireError as error:
            self.drop(error)

    def _take_greeting(self) -> bool:
        greeting = self._decoder.take_bytes(len(GREETING))
        if greeting is None:
            return False
        self._greeted = True
        problem = check_greeting(greeting)
        if problem:
            self._disconnect(problem)
        return not problem

    def _obey(self, item: Command) -> None:
        if not self.connected:
            problem = check_ready(item)
            if problem:
                self._disconnect(problem)
                return
            self.connected, self.problem, self._pause = True, "", FIRST_PAUSE
            return
        self._allowance.spend()
        if item.name == b"PING" and not self._unsent:
            self._put([command(b"PONG", item.body[2:18])])
            self._flush()

    # -- to the peer ----------------------------------------------------------------------------------------------

    def _put(self, buffers: Sequence[Part]) -> None:
        self._outbox.extend(memoryview(buffer).cast("B") for buffer in buffers)
        self._unsent.append(len(buffers))

    def _flush(self) -> None:
        """Send as much as the kernel takes."""
        while self._outbox and self._socket is not None:
            try:
                count = _send(self._socket, list(itertools.islice(self._outbox, _BUFFERS_AT_ONCE)))
            except BlockingIOError:
                break
            except OSError:
                # Messages that the peer sent before it disappeared are still read; the end of its data disconnects it.
                self._outbox.clear()
                self._unsent.clear()
                break
            self._forget(count)
        if self._socket is not None:
            self._set_mask(_WRITABLE if self._outbox else selectors.EVENT_READ)

    def _forget(self, count: int) -> None:
        """Remove bytes that were sent from the outbox."""
        while self._outbox and count >= len(self._outbox[0]):
            count -= len(self._outbox.popleft())
            self._unsent[0] -= 1
            if not self._unsent[0]:
                self._unsent.popleft()
        if count:
            self._outbox[0] = self._outbox[0][count:]

    def _set_mask(self, mask: int) -> None:
        assert self._socket is not None
        if not self._mask:
            self._selector.register(self._socket, mask)
        elif mask != self._mask:
            self._selector.modify(self._socket, mask)
        self._mask = mask


def _resolve(endpoint: str) -> tuple[int, Address]:
    """Return family and address of an endpoint on this machine."""
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc":
        if not hasattr(socket, "AF_UNIX"):
            raise _refuse(endpoint, "this platform has no Unix sockets")
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise _refuse(endpoint, "the port must be a number from 1 to 65535")
    if host.startswith("["):
        return socket.AF_INET6, (host.strip("[]"), int(port))
    return socket.AF_INET, ("127.0.0.1" if host == "localhost" else host, int(port))


def _refuse(endpoint: str, problem: str) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        problem,
        field="endpoint",
        value=endpoint,
        remedy="give the address that `phasewire serve` prints",
    )


def _send(to: socket.socket, buffers: list[memoryview]) -> int:
    return to.sendmsg(buffers) if hasattr(to, "sendmsg") else to.send(buffers[0])
