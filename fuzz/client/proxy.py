"""A relay between the client and the hostile server that damages bytes on their way to the client."""

from __future__ import annotations

import random
import selectors
import socket
import threading
from contextlib import suppress
from pathlib import Path

_CHUNK = 1 << 16


class Proxy:
    """Listens on one Unix socket, and passes everything on to another one.

    The next bytes to the client are damaged once `damage` was called.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._damage: random.Random | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def damage(self, seed: int) -> None:
        """Damage the next bytes to the client."""
        self._damage = random.Random(seed)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._target))
            except OSError:
                # The server is away for a moment.
                client.close()
                continue
            threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as selector, suppress(OSError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    if source is server and self._damage is not None:
                        data, self._damage = damaged(data, self._damage), None
                    key.data.sendall(data)


def damaged(data: bytes, source: random.Random) -> bytes:
    """Return bytes with one to four mistakes."""
    for _ in range(source.randint(1, 4)):
        data = _mistake(data, source)
    return data


def _mistake(data: bytes, source: random.Random) -> bytes:
    at = source.randrange(len(data) + 1)
    before, after = data[:at], data[at:]
    return source.choice(
        [
            before + source.randbytes(1) + after[1:],
            before + source.randbytes(source.randint(1, 9)) + after,
            before + after[source.randint(1, 20) :],
            # The head of a frame that announces far more than follows.
            b"\x02" + source.choice([1 << 20, 1 << 40]).to_bytes(8, "big") + data,
            # Parts of a message that has many more.
            b"\x01\x00" * source.choice([10, 3000]) + data,
            b"\x04\x05\x04PING"[: source.randint(1, 7)] + data,
            b"",
        ]
    )
