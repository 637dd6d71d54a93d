"""One ZeroMQ connection to a server: socket options, keys, shared memory, and the state of the peer."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._server.settings import Settings, is_local
from phasewire._server.shared import SMALLEST_SHARED, SharedArrays
from phasewire._server.wire import PROTOCOL_VERSION, Array, Message, decode, encode, wire_order
from phasewire._version import __version__
from phasewire.errors import PhasewireError, make_error

_KEYS: dict[str, str] = read_table("protocol")["keys"]
_MAX_MESSAGE_BYTES = 2**31
_WATCHED = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


@dataclass(frozen=True)
class Welcome:
    """The server's description of itself and its model."""

    session: str
    run: str
    server: str
    capabilities: tuple[str, ...]
    model_name: str
    model_sha256: str
    phases: tuple[str, ...]
    aliases: Mapping[str, str]
    water_names: Mapping[str, str]
    limits: Mapping[str, int]
    classes: Mapping[str, float] | None = None
    """Weights in effect, of ``disordered`` and of the allowed classes; None: all are equal."""
    shared_memory: bool = False
    """Whether large arrays go through shared memory instead of messages."""
    logit_length: float = math.nan
    """s, in units of a0."""
    ideal_logits: tuple[float, ...] | None = None
    """Logit of each class on its own prototype; None if the server does not send it."""

    @classmethod
    def from_message(cls, message: Message) -> Welcome:
        """Read a ``welcome`` message, or raise ``MESSAGE_FORMAT``."""
        header = message.header
        try:
            model, classes = header["model"], header.get("classes")
            return cls(
                session=str(header["session"]),
                run=str(header["run"]),
                server=f"{header['server']['name']} {header['server']['version']}",
                capabilities=tuple(header["capabilities"]),
                model_name=str(model["name"]),
                model_sha256=str(model["sha256"]),
                phases=tuple(str(name) for name in model["classes"]),
                aliases={str(alias): str(name) for alias, name in (model.get("aliases") or {}).items()},
                water_names={str(name): str(ice) for name, ice in (model.get("waterNames") or {}).items()},
                limits={str(key): int(value) for key, value in header["limits"].items()},
                classes=None if classes is None else {str(name): float(weight) for name, weight in classes.items()},
                shared_memory=header.get("shared") is True,
                logit_length=float(model["logitLength"]),
                ideal_logits=_ideal_logits(model),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise make_error(
                "MESSAGE_FORMAT",
                f"the server's welcome is incomplete: {error!r}",
                field="welcome",
                remedy="install the same release of phasewire on both sides",
            ) from error


def _ideal_logits(model: Mapping[str, Any]) -> tuple[float, ...] | None:
    given = model.get("idealLogits")
    if given is None:
        return None
    if len(given) != len(model["classes"]):
        raise ValueError("idealLogits has another length than classes")
    return tuple(float(logit) for logit in given)


class Connection:
    """A DEALER socket whose peer may appear and disappear.

    Sending never blocks, and queues nothing for an absent peer. Only the thread that made it may use it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connected = False
        """Whether a peer was present at the last `refresh`."""
        self.losses = 0
        """How often a peer was lost."""
        self.sharing_error: PhasewireError | None = None
        """Why arrays went by message although shared memory was agreed on. The reader clears it."""
        self._sequence = 0
        self._hello_sequence: int | None = None
        self._shared: SharedArrays | None = None
        self._has_shared = self._sharing = False
        self._context = zmq.Context()
        try:
            self._socket = self._context.socket(zmq.DEALER)
            self._configure(self._socket)
            self._events = self._socket.get_monitor_socket(_WATCHED)
            self._socket.connect(settings.endpoint)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise make_error(
                "BAD_OPTION",
                f"ZeroMQ refuses the endpoint: {error}",
                field="endpoint",
                value=settings.endpoint,
                remedy="give the address that `phasewire serve` prints",
            ) from error
        except PhasewireError:
            self._context.destroy(linger=0)
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._events, zmq.POLLIN)

    def watch(self, descriptor: int) -> None:
        """Let `receive` also wake when a file descriptor becomes readable."""
        self._poller.register(descriptor, zmq.POLLIN)

    def hello(self) -> int | None:
        """Send ``hello``; return its sequence number, or None without a peer.

        It offers a new shared file. The file of the session before and its contents are discarded.
        """
        self._end_sharing()
        if self.settings.shared_memory and is_local(self.settings.endpoint):
            self._shared = SharedArrays.create()
        self._hello_sequence = self.send(
            {
                "type": "hello",
                "versions": [PROTOCOL_VERSION],
                "client": {"name": "phasewire-python", "version": __version__},
                "run": self.settings.run,
                "engine": self.settings.engine,
                "title": self.settings.title,
                "classes": None if self.settings.classes is None else dict(self.settings.classes),
                "shared": None if self._shared is None else self._shared.offer,
            }
        )
        if self._hello_sequence is None:
            self._end_sharing()
        return self._hello_sequence

    def send(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array] | None = None, result_bytes: int = 0
    ) -> int | None:
        """Send a message; return its sequence number, or None if it could not be sent now.

        Parameters
        ----------
        header : Mapping
        arrays : Mapping of str to array, optional
            Large ones go through shared memory if that was agreed on.
        result_bytes : int
            Bytes that the arrays of the answer will take.
        """
        sequence = self._sequence
        ordered = {name: wire_order(array) for name, array in (arrays or {}).items()}
        offsets, more = self._share(sequence, ordered, result_bytes)
        try:
            parts = encode({**header, **more, "sequence": sequence}, ordered, offsets)
            self._socket.send_multipart(parts, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            if self._shared is not None:
                self._shared.forget(sequence)
            return None
        self._sequence += 1
        return sequence

    def settle(self, sequence: int) -> None:
        """Free the shared memory of a frame that was answered, and of all before it."""
        if self._shared is not None:
            self._shared.release(sequence)

    def stop_sharing(self) -> None:
        """Send arrays by message until the next session; answers that lie in shared memory are still read."""
        self._sharing = False

    def receive(self, seconds: float) -> list[Message | PhasewireError]:
        """Wait for an event, and return the messages that have arrived.

        Parameters
        ----------
        seconds : float
            The longest wait.

        Returns
        -------
        list
            Messages, or an error in place of a message that could not be decoded.
        """
        self._poller.poll(max(0, round(1000 * seconds)))
        # Messages come first: those that a peer sent before it disappeared still count.
        messages = self._read_messages()
        self.refresh()
        return messages

    def wait_for_peer(self, deadline: float) -> bool:
        """Wait until a peer is present or the monotonic clock reaches the deadline."""
        self.refresh()
        while not self.connected and time.monotonic() < deadline:
            self._poller.poll(max(1, round(1000 * (deadline - time.monotonic()))))
            self.refresh()
        return self.connected

    def close(self) -> None:
        """Close the socket and discard unsent messages."""
        self._end_sharing()
        if not self._socket.closed:
            self._socket.disable_monitor()
            self._events.close(linger=0)
            self._socket.close(linger=0)
            self._context.term()

    def _read_messages(self) -> list[Message | PhasewireError]:
        messages: list[Message | PhasewireError] = []
        while True:
            try:
                # Arrays are copied once, out of ZeroMQ's memory.
                parts = [frame.buffer for frame in self._socket.recv_multipart(zmq.NOBLOCK, copy=False)]
            except zmq.Again:
                return messages
            try:
                message = decode(parts, self._shared if self._has_shared else None)
            except PhasewireError as error:
                messages.append(error)
                continue
            if message.type == "welcome" and message.sequence == self._hello_sequence:
                self._begin_sharing(message.header.get("shared") is True)
            messages.append(message)

    def _begin_sharing(self, accepted: bool) -> None:
        if self._shared is None:
            return
        if accepted:
            self._shared.confirm()
            self._has_shared = self._sharing = True
        else:
            self._end_sharing()

    def _end_sharing(self) -> None:
        self._has_shared = self._sharing = False
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _share(
        self, sequence: int, arrays: Mapping[str, Array], result_bytes: int
    ) -> tuple[Mapping[str, int], dict[str, Any]]:
        """Put large arrays into shared memory; return their offsets, and additional keys of the header."""
        if not self._sharing or self._shared is None:
            return {}, {}
        large = {name: array for name, array in arrays.items() if array.nbytes >= SMALLEST_SHARED}
        room = result_bytes if result_bytes >= SMALLEST_SHARED else 0
        if not large and not room:
            return {}, {}
        try:
            stored = self._shared.store(sequence, large, room)
        except PhasewireError as error:
            self.stop_sharing()
            self.sharing_error = error
            return {}, {}
        if stored is None:
            return {}, {}
        offsets, space = stored
        return offsets, {"resultSpace": space} if room else {}

    def refresh(self) -> None:
        """Update `connected` and `losses`."""
        while self._events.poll(0):
            event = recv_monitor_message(self._events)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.connected = True
            elif event == zmq.EVENT_DISCONNECTED:
                self.losses += self.connected
                self.connected = False

    def _configure(self, socket: zmq.Socket[bytes]) -> None:
        options = {
            zmq.LINGER: 0,
            zmq.IMMEDIATE: 1,
            zmq.SNDHWM: limits.whole("transport", "clientSendMark"),
            zmq.RCVHWM: limits.whole("transport", "clientReceiveMark"),
            zmq.MAXMSGSIZE: _MAX_MESSAGE_BYTES,
            zmq.HEARTBEAT_IVL: limits.whole("transport", "heartbeatMs"),
            zmq.HEARTBEAT_TIMEOUT: limits.whole("transport", "heartbeatTimeoutMs"),
            zmq.HEARTBEAT_TTL: limits.whole("transport", "heartbeatTimeoutMs"),
            zmq.RECONNECT_IVL: limits.whole("transport", "reconnectMs"),
            zmq.RECONNECT_IVL_MAX: limits.whole("transport", "longestReconnectMs"),
        }
        for option, value in options.items():
            socket.setsockopt(option, value)
        if self.settings.keys is not None:
            server_public, _ = _certificate(self.settings.keys / _KEYS["server"])
            client_public, client_secret = _certificate(self.settings.keys / _KEYS["clientSecret"])
            socket.curve_serverkey = server_public
            socket.curve_publickey = client_public
            socket.curve_secretkey = client_secret or b""


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
