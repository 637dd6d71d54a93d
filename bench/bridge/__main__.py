"""Times round trips on request: of a frame to a phase server and back, and of as many bytes to bare echoes.

``bench/sections/bridge.mjs`` starts this program, the server and the echoes (``bench/lib/echo.mjs``).
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import phasewire
import zmq

from bench.worker import answer

# Bytes per atom: positions of a frame in double precision, and labels of its result.
FRAME_BYTES, RESULT_BYTES = 24, 2


class Bridge:
    """The client, and the sockets to the echoes."""

    def __init__(self) -> None:
        self._frames: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def start(self, server: str, echo: str, socket_path: str) -> dict[str, Any]:
        """Connect to a phase server, to a ZeroMQ echo and to an echo on a Unix socket."""
        self._clients = {
            "shared": phasewire.connect(server, timeout=60.0),
            "messages": phasewire.connect(server, timeout=60.0, shared_memory=False),
        }
        self._dealer = zmq.Context.instance().socket(zmq.DEALER)
        self._dealer.linger = 0
        self._dealer.connect(echo)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(socket_path)
        sharing = self._clients["shared"].server.shared_memory
        return {"pyzmq": zmq.__version__, "libzmq": zmq.zmq_version(), "sharedMemory": sharing}

    def frame(self, file: str, edge: float) -> int:
        """Read positions (N x 3 doubles) from a file, with the edge of their cubic cell. Returns N."""
        positions = np.fromfile(Path(file)).reshape(-1, 3)
        self._frames[len(positions)] = (positions, np.eye(3) * edge)
        return len(positions)

    def analyse(self, atoms: int, way: str) -> dict[str, float]:
        """Wall-clock seconds of a round trip to the server, and of the analysis in it.

        ``way`` is ``"shared"`` for arrays in shared memory or ``"messages"`` for arrays in messages.
        """
        positions, cell = self._frames[atoms]
        begin = time.perf_counter()
        result = self._clients[way].analyse(positions, cell, fields=("labels",))
        return {"total": time.perf_counter() - begin, "analysis": result.seconds}

    def zeromq(self, atoms: int) -> dict[str, float]:
        """Wall-clock seconds of a round trip of as many bytes through ZeroMQ."""
        positions, _ = self._frames[atoms]
        length = struct.pack("<I", RESULT_BYTES * atoms)

        def trip() -> int:
            self._dealer.send_multipart([length, positions])
            return len(self._dealer.recv_multipart()[0])

        return _checked(trip, atoms)

    def unix_socket(self, atoms: int) -> dict[str, float]:
        """Wall-clock seconds of a round trip of as many bytes through a Unix socket."""
        positions, _ = self._frames[atoms]
        header = struct.pack("<II", FRAME_BYTES * atoms, RESULT_BYTES * atoms)

        def trip() -> int:
            self._socket.sendall(header)
            self._socket.sendall(positions)
            reply = bytearray(RESULT_BYTES * atoms)
            view, received = memoryview(reply), 0
            while received < len(reply):
                count = self._socket.recv_into(view[received:])
                if count == 0:
                    raise ConnectionError("the echo closed its socket")
                received += count
            return received

        return _checked(trip, atoms)


def _checked(trip: Callable[[], int], atoms: int) -> dict[str, float]:
    begin = time.perf_counter()
    received = trip()
    seconds = time.perf_counter() - begin
    if received != RESULT_BYTES * atoms:
        raise ValueError(f"the echo answered with {received} bytes instead of {RESULT_BYTES * atoms}")
    return {"total": seconds}


def main() -> int:
    """Answer requests until there are no more and return the exit status."""
    bridge = Bridge()
    handlers = {
        "start": bridge.start,
        "frame": bridge.frame,
        "analyse": bridge.analyse,
        "zeromq": bridge.zeromq,
        "unixSocket": bridge.unix_socket,
    }
    return answer(handlers)


if __name__ == "__main__":
    sys.exit(main())
