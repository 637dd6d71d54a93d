"""One connection to a server: numbers of messages, shared memory, and bounds on what the server may send."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phasewire._server.access import Greeting
from phasewire._server.local_transport import LocalTransport
from phasewire._server.settings import Settings, is_local
from phasewire._server.shared import SMALLEST_SHARED, SharedArrays
from phasewire._server.transport import TURN_MESSAGES, Allowance, Transport
from phasewire._server.wire import PROTOCOL_VERSION, Array, Message, decode, encode, wire_order
from phasewire._server.zmtp import Part
from phasewire._version import __version__
from phasewire.errors import PhasewireError, make_error

# Requests whose answers may still come, given-up ones included.
_MOST_AWAITED = 64


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
    """Messages to and from a peer that may appear and disappear.

    Sending never blocks, and queues nothing for an absent peer. A peer that sends too much is disconnected. Only the
    thread that made it may use it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sharing_error: PhasewireError | None = None
        """Why arrays went by message although shared memory was agreed on. The reader clears it."""
        self._sequence = 0
        self._hello_sequence: int | None = None
        self._greeting: Greeting | None = None
        self._awaited: deque[int] = deque(maxlen=_MOST_AWAITED)
        self._allowance = Allowance(settings.endpoint)
        self._shared: SharedArrays | None = None
        self._has_shared = self._sharing = False
        self._transport = _make_transport(settings, self._allowance)

    @property
    def connected(self) -> bool:
        """Whether a peer was present at the last `refresh`."""
        return self._transport.connected

    @property
    def losses(self) -> int:
        """How often a peer was lost."""
        return self._transport.losses

    @property
    def problem(self) -> str:
        """Why there is no peer, as far as it is known; empty otherwise."""
        return self._transport.problem

    def watch(self, descriptor: int) -> None:
        """Let `receive` also wake when a file descriptor becomes readable."""
        self._transport.watch(descriptor)

    def hello(self) -> int | None:
        """Send ``hello``; return its sequence number, or None without a peer.

        It offers a new shared file. The file of the session before and its contents are discarded.

        Raises
        ------
        ProtocolError
            ``ACCESS_DENIED`` if the server is not this user's.
        """
        self._end_sharing()
        self._hello_sequence = None
        if not self.connected:
            return None
        self._greeting = None if self.settings.keys is not None else Greeting(self.settings.endpoint)
        if self.settings.shared_memory and is_local(self.settings.endpoint):
            self._shared = SharedArrays.create()
        self._hello_sequence = self.send(
            {
                "type": "hello",
                "versions": [PROTOCOL_VERSION],
                "client": {"name": "phasewire-python", "version": __version__, "process": _process()},
                "run": self.settings.run,
                "engine": self.settings.engine,
                "title": self.settings.title,
                "classes": None if self.settings.classes is None else dict(self.settings.classes),
                "shared": None if self._shared is None else self._shared.offer,
                **({} if self._greeting is None else self._greeting.keys),
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
        if not self._transport.send(encode({**header, **more, "sequence": sequence}, ordered, offsets)):
            if self._shared is not None:
                self._shared.forget(sequence)
            return None
        self._transport.allow(result_bytes)
        self._awaited.append(sequence)
        self._sequence += 1
        return sequence

    def give_up(self) -> None:
        """Let go of the arrays of messages that are not sent yet: the caller no longer waits for an answer."""
        self._transport.drop_unsent()

    def settle(self, sequence: int) -> None:
        """Free the shared memory of a frame that was answered, and of all before it."""
        if self._shared is not None:
            self._shared.release(sequence)

    def stop_sharing(self) -> None:
        """Send arrays by message until the next session; answers that lie in shared memory are still read."""
        self._sharing = False

    def receive(self, seconds: float) -> list[Message | PhasewireError]:
        """Wait for an event, and return the messages that have arrived, up to a bounded number of them.

        Parameters
        ----------
        seconds : float
            The longest wait.

        Returns
        -------
        list
            Messages, or an error in place of a message that could not be decoded, and of a peer that was disconnected
            because it sent too much (``MESSAGE_FLOOD``, ``MESSAGE_LENGTH``) or something else than messages.
        """
        self._transport.wait(seconds)
        messages: list[Message | PhasewireError] = []
        try:
            while len(messages) < TURN_MESSAGES and (parts := self._transport.read()) is not None:
                messages.append(self._read(parts))
        except PhasewireError as error:
            self._transport.drop(error)
        if self._transport.fault is not None:
            messages.append(self._transport.fault)
            self._transport.fault = None
        return messages

    def refresh(self) -> None:
        """Update `connected` and `losses`."""
        self._transport.wait(0.0)

    def wait_for_peer(self, deadline: float) -> bool:
        """Wait until a peer is present or the monotonic clock reaches the deadline."""
        self.refresh()
        while not self.connected and (left := deadline - time.monotonic()) > 0:
            self._transport.wait(left)
        return self.connected

    def part(self, seconds: float) -> None:
        """Send ``goodbye``, wait for its answer, and close.

        Parameters
        ----------
        seconds : float
            The longest wait. Without keys the kernel has the message at once, and none is needed.
        """
        sequence = self.send({"type": "goodbye"})
        deadline = time.monotonic() + seconds
        while sequence is not None and (left := deadline - time.monotonic()) > 0 and self.connected:
            answers = self.receive(left)
            if any(isinstance(answer, Message) and answer.sequence == sequence for answer in answers):
                break
        self.close()

    def close(self) -> None:
        """Close the connection and discard unsent messages."""
        self._end_sharing()
        self._transport.close()

    def _read(self, parts: list[Part]) -> Message | PhasewireError:
        """Decode a message; raise ``MESSAGE_FLOOD`` if it is one too many, ``ACCESS_DENIED`` if it proves nothing."""
        try:
            message = decode(parts, self._shared if self._has_shared else None)
        except PhasewireError as error:
            self._allowance.spend()
            return error
        if message.sequence is not None and message.sequence in self._awaited:
            self._awaited.remove(message.sequence)
        else:
            self._allowance.spend()
        if message.type == "welcome" and message.sequence == self._hello_sequence:
            if self._greeting is not None:
                self._greeting.check(message.header)
            self._begin_sharing(message.header.get("shared") is True)
        return message

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


def _make_transport(settings: Settings, allowance: Allowance) -> Transport:
    if settings.keys is None:
        return LocalTransport(settings.endpoint, allowance)
    # Only keys need libzmq.
    from phasewire._server.keyed_transport import KeyedTransport

    return KeyedTransport(settings.endpoint, settings.keys)


def _process() -> str:
    """Return a name of this process, so that the server lets processes take turns, and not their connections."""
    return f"{socket.gethostname()[:64]}:{os.getpid()}"
