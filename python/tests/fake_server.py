"""A server for failure tests, with its own encoder, that misbehaves on request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgpack
import zmq

CLASSES = ["disordered", "fcc", "hcp"]
WELCOME = {
    "type": "welcome",
    "version": 3,
    "run": "fake-run",
    "server": {"name": "fake", "version": "0"},
    "capabilities": ["monitor", "request"],
    "model": {"name": "fake", "sha256": "0" * 64, "classes": CLASSES, "aliases": {"ccp": "fcc"}, "logitLength": 0.1},
    "limits": {"maxAtoms": 1000, "maxFrameBytes": 1 << 20},
}

Reply = list[bytes] | None
Handler = Callable[[dict[str, Any], "FakeServer"], Reply]


def result_for(header: dict[str, Any], **changes: Any) -> list[bytes]:
    """Encode an answer, which is correct unless changed."""
    count = header["arrays"][0]["shape"][0]
    body = {
        "type": "result",
        "sequence": header["sequence"],
        "run": "fake-run",
        "mode": header["mode"],
        "step": header["step"],
        "atomCount": count,
        "lengthScale": 2.5,
        "fractions": {"disordered": 0.25, "fcc": 0.75},
        "logDensity": -3,
        "meanLogDensityPerAtom": -3 / count,
        "meanMargin": 1.5,
        "dropped": 0,
        "queued": 0,
        "seconds": 0.001,
        "waitedSeconds": 0,
        "arrays": [{"name": "labels", "dtype": "u16", "shape": [count]}],
        **changes,
    }
    return [msgpack.packb(body), bytes([1, 0] * count)]


def error_for(header: dict[str, Any], code: str, **more: Any) -> list[bytes]:
    """Encode an error."""
    body = {"type": "error", "sequence": header["sequence"], "code": code, "message": "so told", "remedy": "none"}
    return [msgpack.packb({**body, **more})]


def answer(header: dict[str, Any], server: FakeServer) -> Reply:
    """Answer correctly."""
    if header["type"] == "hello":
        return [msgpack.packb({**WELCOME, "sequence": header["sequence"], "session": f"s{len(server.headers)}"})]
    if header["type"] == "analyse":
        return result_for(header)
    if header["type"] == "ping":
        return [msgpack.packb({"type": "pong", "sequence": header["sequence"]})]
    return None


def silent(header: dict[str, Any], server: FakeServer) -> Reply:
    """Never answer."""
    return None


def deaf_after_hello(header: dict[str, Any], server: FakeServer) -> Reply:
    """Begin a session, then stop answering."""
    return answer(header, server) if header["type"] == "hello" else None


class FakeServer:
    """A ROUTER socket on a thread; a function decides its answers.

    Attributes
    ----------
    endpoint : str
        Its address.
    headers : list of dict
        All received headers.
    identity : bytes
        Sender of the last one.
    """

    def __init__(self, endpoint: str, handler: Handler = answer, secret_key: bytes | None = None) -> None:
        self.handler = handler
        self.headers: list[dict[str, Any]] = []
        self.identity = b""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        if secret_key is not None:
            self._socket.curve_server = True
            self._socket.curve_secretkey = secret_key
        self._socket.bind(endpoint)
        self.endpoint = self._socket.last_endpoint.decode()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, parts: list[bytes]) -> None:
        """Send an additional message from a handler."""
        self._socket.send_multipart([self.identity, *parts])

    def between(self) -> int:
        """Do something between two messages of clients; return how many ms to wait for the next."""
        return 20

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Received headers of one type."""
        return [header for header in self.headers if header["type"] == kind]

    def close(self) -> None:
        """Disappear without a message."""
        self._stopping.set()
        self._thread.join()

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._socket.poll(self.between()):
                continue
            identity, *parts = self._socket.recv_multipart()
            self.identity = identity
            header = msgpack.unpackb(parts[0])
            self.headers.append(header)
            reply = self.handler(header, self)
            if reply is not None:
                self._socket.send_multipart([identity, *reply])
        self._socket.close()
        self._context.term()


class Flooding(FakeServer):
    """Sends one message over and over, once a client has asked for something or `floods_now` is set."""

    def __init__(self, endpoint: str, flood: list[bytes], handler: Handler = answer, **options: Any) -> None:
        self.flood = flood
        self.floods_now = False
        super().__init__(endpoint, handler, **options)

    def between(self) -> int:
        """Send many messages, if it floods."""
        if not (self.floods_now or any(header["type"] != "hello" for header in self.headers)):
            return 20
        for _ in range(200):
            self.send(self.flood)
        return 0
