"""A server that speaks ZMTP by hand, so that it can send what no ZeroMQ sends, and break off anywhere."""

from __future__ import annotations

import socket
import struct

import msgpack

from fake_server import WELCOME
from runtime import leave_token

PING = bytes([4, 7]) + b"\x04PING" + b"\0\0"


def frame(content: bytes, more: bool = False) -> bytes:
    """Encode a frame of a message."""
    if len(content) < 256:
        return bytes([int(more), len(content)]) + content
    return struct.pack(">BQ", 2 + int(more), len(content)) + content


def header_frame(more: bool = False, **header) -> bytes:
    """Encode the first part of a message."""
    return frame(msgpack.packb(header), more)


class RawServer:
    """Listens at a port of the loopback interface, and serves one client at a time."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        leave_token(self.endpoint, "open")
        self.peer: socket.socket | None = None

    def accept_any(self) -> socket.socket:
        """Wait for a client, and return the connection as it is."""
        return self._listener.accept()[0]

    def accept(self) -> None:
        """Wait for a client, and greet it as a ROUTER socket does."""
        self._close_peer()
        self.peer, _ = self._listener.accept()
        self.peer.settimeout(30)
        self.peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32))
        self._read(64)
        self._read_frame()
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"ROUTER"
        self.peer.sendall(bytes([4, len(ready)]) + ready)

    def read(self) -> dict:
        """Return the header of the next message, and drop its arrays."""
        flags, content = self._read_frame()
        while flags & 1:
            flags, _ = self._read_frame()
        return msgpack.unpackb(content)

    def welcome(self) -> None:
        """Wait for a client's hello, and begin a session."""
        self.accept()
        hello = self.read()
        self.send(header_frame(**{**WELCOME, "sequence": hello["sequence"], "session": "raw"}))

    def send(self, data: bytes) -> None:
        """Send bytes."""
        assert self.peer is not None
        self.peer.sendall(data)

    def vanish(self) -> None:
        """Break the connection off, so that the client gets an error instead of an end, and listen no more."""
        self._listener.close()
        assert self.peer is not None
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_peer()
        self._listener.close()

    def _close_peer(self) -> None:
        if self.peer is not None:
            self.peer.close()

    def _read_frame(self) -> tuple[int, bytes]:
        flags, size = self._read(2)
        if flags & 2:
            size = int.from_bytes(bytes([size]) + self._read(7), "big")
        return flags, self._read(size)

    def _read(self, count: int) -> bytes:
        assert self.peer is not None
        data = b""
        while len(data) < count:
            more = self.peer.recv(count - len(data))
            assert more, "the client is gone"
            data += more
        return data
