"""ZMTP 3.1 for one client without keys (https://rfc.zeromq.org/spec/37/): bytes to messages and back.

The decoder takes no memory for a frame before it has compared its size with what the client asked for. It knows no
socket. libzmq is not used for this because a peer can end the process through it: its input stops at a high-water mark,
and a heartbeat that it then finds or sends on a reset connection fails an assertion. Nor does it bound messages of many
parts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire.errors import make_error

Part = bytes | bytearray | memoryview

MOST_HEADER_BYTES = limits.whole("message", "mostHeaderBytes")
MOST_PARTS = 1 + limits.whole("message", "mostArrays")
_MOST_COMMAND_BYTES = 4096
_BUFFER_BYTES = 65536
NOT_A_SERVER = "another program listens"
_MORE, _LONG, _COMMAND = 1, 2, 4
_MECHANISM = b"NULL"
_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
GREETING = _SIGNATURE + bytes([3, 1]) + _MECHANISM.ljust(20, b"\0") + bytes(32)


@dataclass(frozen=True)
class Command:
    """A command of the peer's ZeroMQ, such as ``PING``."""

    name: bytes
    body: bytes


def command(name: bytes, body: bytes = b"") -> bytes:
    """Encode a command of at most 255 bytes."""
    content = bytes([len(name)]) + name + body
    return bytes([_COMMAND, len(content)]) + content


READY = command(b"READY", b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER")


def encode_frames(parts: Sequence[Part]) -> list[Part]:
    """Return the buffers of a message in the order in which they are sent; parts are not copied."""
    buffers: list[Part] = []
    for index, part in enumerate(parts):
        size = len(part)
        flags = _MORE if index + 1 < len(parts) else 0
        buffers.append(bytes([flags, size]) if size < 256 else struct.pack(">BQ", flags | _LONG, size))
        if size:
            buffers.append(part)
    return buffers


def check_greeting(greeting: bytes) -> str:
    """Return why a peer with this greeting is not a server without keys; empty if it is one."""
    if greeting[:1] != _SIGNATURE[:1] or greeting[9:10] != _SIGNATURE[9:] or greeting[10] < 3:
        return NOT_A_SERVER
    mechanism = greeting[12:32].rstrip(b"\0")
    if mechanism != _MECHANISM:
        return "the server needs keys" if mechanism == b"CURVE" else NOT_A_SERVER
    return ""


def check_ready(ready: Command) -> str:
    """Return why a peer with this first command is not a phase server; empty if it may be one."""
    if ready.name == b"READY" and b"\x0bSocket-Type\0\0\0\x06ROUTER" in ready.body:
        return ""
    return NOT_A_SERVER


class Decoder:
    """Splits the bytes of a peer, after its greeting, into commands and messages.

    Attributes
    ----------
    most_bytes : int
        Most bytes of a message, over all its parts.
    """

    def __init__(self) -> None:
        self.most_bytes = MOST_HEADER_BYTES
        self._buffer = bytearray(_BUFFER_BYTES)
        self._start = self._end = 0
        self._large: NDArray[np.uint8] | None = None
        self._filled = 0
        self._large_flags = 0
        self._parts: list[Part] = []
        self._bytes = 0

    def room(self) -> memoryview:
        """Return memory for the next bytes; `add` takes what was written there."""
        if self._large is not None:
            return self._large.data[self._filled :]
        if self._start:
            # An incomplete frame, and mostly nothing, is left.
            self._buffer[: self._end - self._start] = self._buffer[self._start : self._end]
            self._start, self._end = 0, self._end - self._start
        return memoryview(self._buffer)[self._end :]

    def add(self, count: int) -> None:
        """Take bytes that were written to `room`."""
        if self._large is not None:
            self._filled += count
        else:
            self._end += count

    def take_bytes(self, count: int) -> bytes | None:
        """Return the next bytes as they are, None if fewer have arrived."""
        if self._end - self._start < count:
            return None
        self._start += count
        return bytes(self._buffer[self._start - count : self._start])

    def take(self) -> Command | list[Part] | None:
        """Return the next command or message, None if none is complete.

        Raises
        ------
        ProtocolError
            ``MESSAGE_FORMAT`` or ``MESSAGE_LENGTH``: the connection is of no further use.
        """
        while (frame := self._next_frame()) is not None:
            flags, content = frame
            if flags & _COMMAND:
                return _read_command(bytes(content))
            self._parts.append(content)
            if not flags & _MORE:
                parts, self._parts, self._bytes = self._parts, [], 0
                return parts
        return None

    def _next_frame(self) -> tuple[int, Part] | None:
        if self._large is not None:
            if self._filled < len(self._large):
                return None
            content, self._large = self._large.data, None
            return self._large_flags, content
        available = self._end - self._start
        if available < 2:
            return None
        flags = self._buffer[self._start]
        head = 9 if flags & _LONG else 2
        if available < head:
            return None
        size = int.from_bytes(self._buffer[self._start + 1 : self._start + head], "big")
        begin = self._start + head
        self._check(flags, size)
        if available < head + size <= _BUFFER_BYTES:
            return None
        if not flags & _COMMAND:
            self._bytes += size
        if available >= head + size:
            self._start = begin + size
            # A copy of its own, which the arrays of the message may use.
            return flags, self._buffer[begin : self._start]
        self._large, self._large_flags = np.empty(size, np.uint8), flags
        self._filled = self._end - begin
        self._large[: self._filled] = memoryview(self._buffer)[begin : self._end]
        self._start = self._end = 0
        return None

    def _check(self, flags: int, size: int) -> None:
        if flags & ~(_MORE | _LONG | _COMMAND) or (flags & _COMMAND and (flags & _MORE or size > _MOST_COMMAND_BYTES)):
            raise make_error("MESSAGE_FORMAT", "the server sent bytes that are not ZeroMQ's", field="endpoint")
        if not flags & _COMMAND and (len(self._parts) >= MOST_PARTS or self._bytes + size > self.most_bytes):
            raise make_error(
                "MESSAGE_LENGTH",
                f"the server sent a message of more than {self.most_bytes} bytes or {MOST_PARTS} parts, "
                "which is more than was asked for",
                field="endpoint",
                value=self._bytes + size,
            )


def _read_command(content: bytes) -> Command:
    length = content[0] if content else 0
    if not content or len(content) < 1 + length:
        raise make_error("MESSAGE_FORMAT", "the server sent a command without a name", field="endpoint")
    return Command(content[1 : 1 + length], content[1 + length :])
