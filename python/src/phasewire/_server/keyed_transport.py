"""The transport with CURVE keys: libzmq, which encrypts and makes sure that the server has its key.

The holder of the server's secret key is trusted with the memory of its clients. Input is never stopped by a high-water
mark: libzmq fails an assertion if a connection is reset while its input is stopped and a heartbeat follows.
"""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._server.transport import FIRST_PAUSE, SEND_MARK, Transport
from phasewire._server.zmtp import Part
from phasewire.errors import PhasewireError, make_error, refusal

_KEYS: dict[str, str] = read_table("protocol")["keys"]
_MOST_PART_BYTES = 2**31
_WATCHED = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class KeyedTransport(Transport):
    """A DEALER socket with the client's secret key and the server's public one."""

    def __init__(self, endpoint: str, keys: Path) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._keys = keys
        self._descriptors: list[int] = []
        self._context = zmq.Context()
        try:
            self._open()
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise make_error(
                "BAD_OPTION",
                f"ZeroMQ refuses the endpoint: {error}",
                field="endpoint",
                value=endpoint,
                remedy="give the address that `phasewire serve` prints",
            ) from error
        except PhasewireError:
            self._context.destroy(linger=0)
            raise

    def watch(self, descriptor: int) -> None:
        """Let `wait` also return when a file descriptor becomes readable."""
        self._descriptors.append(descriptor)
        self._poller.register(descriptor, zmq.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait for a message, a change of the peer, or a watched descriptor."""
        self._poller.poll(max(0, round(1000 * seconds)))
        while self._events.poll(0):
            event = recv_monitor_message(self._events)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.connected = True
            elif event == zmq.EVENT_DISCONNECTED:
                self.losses += self.connected
                self.connected = False

    def read(self) -> list[Part] | None:
        """Return the parts of the next message that has arrived, None without one."""
        try:
            # The decoder copies what it may not write to, out of ZeroMQ's memory.
            return [frame.buffer.toreadonly() for frame in self._socket.recv_multipart(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return None

    def send(self, parts: Sequence[Part]) -> bool:
        """Take a message; return False, and take nothing, without a peer or while too much is unsent."""
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False
        return True

    def allow(self, size: int) -> None:
        """Do nothing: libzmq bounds single parts."""

    def drop(self, fault: PhasewireError | None = None) -> None:
        """Disconnect the peer, and look for one again."""
        self.fault = fault
        self.losses += self.connected
        self.connected = False
        self._close_socket()
        time.sleep(FIRST_PAUSE)
        self._open()

    def drop_unsent(self) -> None:
        """Do nothing: libzmq has copied what is unsent."""

    def close(self) -> None:
        """Disconnect, and discard unsent messages."""
        if not self._socket.closed:
            self._close_socket()
            self._context.term()

    def _open(self) -> None:
        self._socket = self._context.socket(zmq.DEALER)
        for option, value in _options().items():
            self._socket.setsockopt(option, value)
        server_public, _ = _certificate(self._keys / _KEYS["server"])
        client_public, client_secret = _certificate(self._keys / _KEYS["clientSecret"])
        _check_secret(self._keys / _KEYS["clientSecret"])
        self._socket.curve_serverkey = server_public
        self._socket.curve_publickey = client_public
        self._socket.curve_secretkey = client_secret or b""
        self._events = self._socket.get_monitor_socket(_WATCHED)
        self._socket.connect(self._endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._events, zmq.POLLIN)
        for descriptor in self._descriptors:
            self._poller.register(descriptor, zmq.POLLIN)

    def _close_socket(self) -> None:
        self._socket.disable_monitor()
        self._events.close(linger=0)
        self._socket.close(linger=0)


def _options() -> dict[int, int]:
    return {
        zmq.LINGER: 0,
        zmq.IMMEDIATE: 1,
        zmq.SNDHWM: SEND_MARK,
        zmq.RCVHWM: 0,
        zmq.MAXMSGSIZE: _MOST_PART_BYTES,
        zmq.HEARTBEAT_IVL: limits.whole("transport", "heartbeatMs"),
        zmq.HEARTBEAT_TIMEOUT: limits.whole("transport", "heartbeatTimeoutMs"),
        zmq.HEARTBEAT_TTL: limits.whole("transport", "heartbeatTimeoutMs"),
        zmq.RECONNECT_IVL: limits.whole("transport", "reconnectMs"),
        zmq.RECONNECT_IVL_MAX: limits.whole("transport", "longestReconnectMs"),
    }


def _certificate(path: Path) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise make_error(
            "BAD_OPTION",
            f"the key file cannot be read: {error}",
            field="keys",
            value=str(path),
            remedy="make keys with `phasewire serve --generate-keys DIR`; "
            "a client needs server.key and client.key_secret",
        ) from error


def _check_secret(path: Path) -> None:
    """Raise ``ACCESS_DENIED`` if others may read a secret key."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if sys.platform != "win32" and mode & 0o077:
        raise refusal("openSecret", path=str(path), mode=f"{mode:03o}", value=str(path))
