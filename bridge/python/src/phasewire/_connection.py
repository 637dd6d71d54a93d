"""One ZeroMQ connection to a server: socket options, addresses, and what ZeroMQ tells about the peer."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

from phasewire._classes import Classes, as_weights
from phasewire._version import __version__
from phasewire._wire import PROTOCOL_VERSION, Array, Message, decode, encode
from phasewire.errors import PhasewireError, make_error

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5757"
ENDPOINT_VARIABLE = "PHASEWIRE_ENDPOINT"
_MAX_MESSAGE_BYTES = 2**31
_WATCHED = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


@dataclass(frozen=True)
class Settings:
    """Whom to talk to, and as whom.

    Attributes
    ----------
    endpoint : str
    timeout : float
        Seconds to wait for an answer.
    keys : Path or None
        Folder with ``server.key`` and ``client.key_secret``.
    run, engine, title : str or None
        For ``hello``.
    classes : Mapping of str to float, or None
        Weights of the classes allowed, for ``hello``. None: the server's.
    """

    endpoint: str
    timeout: float
    keys: Path | None = None
    run: str | None = None
    engine: str | None = None
    title: str | None = None
    classes: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Welcome:
    """What the server said of itself and its model."""

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
    """Weights in effect, of ``disordered`` and of the classes that are not left out; None: all are equal."""

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
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise make_error(
                "MESSAGE_FORMAT",
                f"the server's welcome lacks something: {error!r}",
                field="welcome",
                remedy="install the same release of phasewire on both sides",
            ) from error


def make_settings(
    endpoint: str | None,
    *,
    timeout: float = 10.0,
    keys: str | Path | None = None,
    run: str | None = None,
    engine: str | None = None,
    title: str | None = None,
    classes: Classes | None = None,
) -> Settings:
    """Check an address and what goes with it.

    Raises
    ------
    InputError
        ``BAD_OPTION``, or ``ENDPOINT_INSECURE`` for an address of another machine without keys.
    """
    address = endpoint or os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT
    folder = None if keys is None else Path(keys).expanduser()
    if folder is None and not _is_local(address):
        raise make_error(
            "ENDPOINT_INSECURE",
            "an address outside this machine needs CURVE keys",
            field="endpoint",
            value=address,
            remedy="make keys with `phasewire serve --generate-keys DIR` and give keys=DIR, "
            "or use an ipc:// or tcp://127.0.0.1 address, for instance through an ssh tunnel",
        )
    if not timeout > 0:
        raise make_error(
            "BAD_OPTION", "timeout must be greater than 0", field="timeout", value=timeout, remedy="give it in seconds"
        )
    return Settings(address, float(timeout), folder, run, engine, title, as_weights(classes))


def _is_local(endpoint: str) -> bool:
    scheme, separator, rest = endpoint.partition("://")
    if not separator or scheme not in ("tcp", "ipc") or not rest:
        raise make_error(
            "BAD_OPTION",
            "an endpoint looks like tcp://127.0.0.1:5757 or ipc:///path/to/socket",
            field="endpoint",
            value=endpoint,
            remedy="give the address that `phasewire serve` prints",
        )
    if scheme == "ipc":
        return True
    host = rest.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Connection:
    """A DEALER socket whose peer may come and go.

    Sending never blocks and queues nothing for a peer that is not there. Used by the thread that made it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connected = False
        """Whether a peer is there, as of the last `refresh`."""
        self.losses = 0
        """How often a peer was lost."""
        self._sequence = 0
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
        """Send ``hello``; return its sequence number, or None if no peer is there."""
        return self.send(
            {
                "type": "hello",
                "versions": [PROTOCOL_VERSION],
                "client": {"name": "phasewire-python", "version": __version__},
                "run": self.settings.run,
                "engine": self.settings.engine,
                "title": self.settings.title,
                "classes": None if self.settings.classes is None else dict(self.settings.classes),
            }
        )

    def send(self, header: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> int | None:
        """Send a message; return its sequence number, or None if it could not be sent now."""
        sequence = self._sequence
        try:
            self._socket.send_multipart(encode({**header, "sequence": sequence}, arrays), zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return None
        self._sequence += 1
        return sequence

    def receive(self, seconds: float) -> list[Message | PhasewireError]:
        """Wait for something to happen, and return the messages that came.

        Parameters
        ----------
        seconds : float
            The longest wait.

        Returns
        -------
        list
            Messages; an error stands in the place of one that could not be decoded.
        """
        self._poller.poll(max(0, round(1000 * seconds)))
        # Messages first: what a peer sent before it went away still counts.
        messages = self._read_messages()
        self.refresh()
        return messages

    def wait_for_peer(self, deadline: float) -> bool:
        """Wait until a peer is there or the monotonic clock reaches the deadline."""
        self.refresh()
        while not self.connected and time.monotonic() < deadline:
            self._poller.poll(max(1, round(1000 * (deadline - time.monotonic()))))
            self.refresh()
        return self.connected

    def close(self) -> None:
        """Close the socket and forget what was not sent."""
        if not self._socket.closed:
            self._socket.disable_monitor()
            self._events.close(linger=0)
            self._socket.close(linger=0)
            self._context.term()

    def _read_messages(self) -> list[Message | PhasewireError]:
        messages: list[Message | PhasewireError] = []
        while True:
            try:
                parts: Sequence[bytes] = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return messages
            try:
                messages.append(decode(parts))
            except PhasewireError as error:
                messages.append(error)

    def refresh(self) -> None:
        """Bring `connected` and `losses` up to date."""
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
            zmq.SNDHWM: 4,
            zmq.RCVHWM: 64,
            zmq.MAXMSGSIZE: _MAX_MESSAGE_BYTES,
            zmq.HEARTBEAT_IVL: 2000,
            zmq.HEARTBEAT_TIMEOUT: 10000,
            zmq.HEARTBEAT_TTL: 10000,
            zmq.RECONNECT_IVL: 100,
            zmq.RECONNECT_IVL_MAX: 5000,
        }
        for option, value in options.items():
            socket.setsockopt(option, value)
        if self.settings.keys is not None:
            server_public, _ = _certificate(self.settings.keys / "server.key")
            client_public, client_secret = _certificate(self.settings.keys / "client.key_secret")
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
