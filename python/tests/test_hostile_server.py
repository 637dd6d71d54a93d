"""A server that floods, breaks off or talks nonsense costs a client its answer, never its time, memory or process."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq
from zmq.auth import create_certificates

import phasewire
from fake_server import FakeServer, Flooding, answer, deaf_after_hello, result_for
from raw_server import PING, RawServer, frame, header_frame
from scripted import snapshot_at

ATOMS = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
SEED = 14
# A deadline of 1 s plus all that a busy machine may add.
IN_TIME = 20.0
MOST_MEMORY = 96 << 20

HUGE = bytes(1 << 20)
FLOODS = {
    "pongs": [msgpack.packb({"type": "pong", "sequence": 10_000})],
    "results of other frames": result_for(
        {"sequence": 10_000, "mode": "request", "step": 0, "arrays": [{"shape": [2, 3]}]},
    ),
    "huge parts": [msgpack.packb({"type": "result", "sequence": 10_000}), *[HUGE] * 12],
    "many parts": [msgpack.packb({"type": "result", "sequence": 10_000}), *[b""] * 100],
    "observed": [msgpack.packb({"type": "observed", "run": "other", "step": 1})],
    "unknown types": [msgpack.packb({"type": "advertisement"})],
    "garbage": [random.Random(SEED).randbytes(200)],
}
CODES = {"huge parts": "MESSAGE_LENGTH", "many parts": "MESSAGE_LENGTH", "garbage": "MESSAGE_FORMAT"}


@pytest.fixture
def memory():
    """Return a function that gives the most memory of Python so far, in bytes."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_defeats_no_deadline(endpoint, memory, name):
    with Flooding(endpoint, FLOODS[name], deaf_after_hello), phasewire.connect(endpoint, timeout=1) as client:
        began = time.monotonic()
        with pytest.raises(phasewire.PhasewireError) as caught:
            client.analyse(ATOMS)
        assert caught.value.code == CODES.get(name, "MESSAGE_FLOOD")
        assert time.monotonic() - began < IN_TIME
        assert memory() < MOST_MEMORY


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_does_not_hold_a_monitor(endpoint, memory, name):
    with Flooding(endpoint, FLOODS[name], deaf_after_hello):
        monitor = phasewire.Monitor(phasewire.connect(endpoint, timeout=1, lazy=True))
        began = time.monotonic()
        monitor.observe(snapshot_at(0))
        while not any(incident.error is not None for incident in monitor.incidents):
            assert time.monotonic() - began < IN_TIME
            time.sleep(0.01)
        began = time.monotonic()
        with pytest.warns(RuntimeWarning, match="no server answered"):
            monitor.close(timeout=1)
        assert time.monotonic() - began < IN_TIME
        codes = {incident.error.code for incident in monitor.incidents if incident.error is not None}
        assert CODES.get(name, "MESSAGE_FLOOD") in codes
        assert memory() < MOST_MEMORY


def test_a_few_messages_that_were_not_asked_for_are_dropped(endpoint):
    def chatty(header, server):
        for _ in range(5):
            server.send([msgpack.packb({"type": "observed"})])
        return answer(header, server)

    with FakeServer(endpoint, chatty), phasewire.connect(endpoint) as client:
        for step in range(5):
            assert client.analyse(ATOMS, step=step).step == step


def send_often(server, block):
    for _ in range(1000):
        server.send(block)


def test_an_idle_client_takes_no_memory_from_a_flood(memory):
    with RawServer() as server:
        connected = threading.Thread(target=server.welcome)
        connected.start()
        client = phasewire.connect(server.endpoint, timeout=5)
        connected.join()
        server.peer.settimeout(0.5)
        block = frame(HUGE) * 4
        # The kernel's buffers fill, and the server has to wait.
        with pytest.raises(TimeoutError):
            send_often(server, block)
        assert memory() < MOST_MEMORY
        client.close()


ABORTS = {
    # libzmq fails an assertion at its next heartbeat.
    "messages": lambda message: message * 5000,
    # It does so at once when it finds a heartbeat among what it had not read yet.
    "messages and a heartbeat": lambda message: message * 80 + PING + message * 40,
    "half a message": lambda message: message * 80 + message[: len(message) // 2],
}
SCRIPT = """
import sys, time, numpy as np, phasewire
client = phasewire.connect(sys.argv[1], timeout=5)
monitor = None
if sys.argv[2] == "monitor":
    client.close()
    monitor = phasewire.Monitor(sys.argv[1])
    while not monitor.connected:
        time.sleep(0.01)
print("ready", flush=True)
sys.stdin.readline()
time.sleep(0.5)
if monitor is None:
    try:
        client._settings = phasewire._server.settings.make_settings(sys.argv[1], timeout=0.5)
        client.ping()
    except phasewire.PhasewireError as error:
        print(error.code)
else:
    monitor.close(timeout=0)
print("alive", flush=True)
"""


@pytest.mark.parametrize("kind", ["client", "monitor"])
@pytest.mark.parametrize("name", ABORTS)
def test_a_server_that_floods_and_vanishes_ends_no_process(name, kind):
    message = header_frame(type="pong", sequence=7)
    with RawServer() as server:
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, server.endpoint, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.welcome()
        if kind == "monitor":
            server.welcome()
        assert child.stdout.readline() == "ready\n"
        server.send(ABORTS[name](message))
        server.vanish()
        out, err = child.communicate("\n", timeout=60)
    assert child.returncode == 0, err
    assert out.endswith("alive\n")


class Relay:
    """Carries bytes between a client and a server, until it breaks off towards the client."""

    def __init__(self, endpoint):
        self._to = endpoint.removeprefix("tcp://").split(":")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(self._to)
        other = {client: server, server: client}
        while not self._ends.is_set():
            for end in select.select(list(other), [], [], 0.02)[0]:
                other[end].sendall(end.recv(65536))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        server.close()

    def break_off(self):
        self._listener.close()
        self._ends.set()
        self._thread.join()


def test_neither_does_one_with_keys(tmp_path):
    """libzmq would end the process at its next heartbeat if a high-water mark had stopped its input."""
    public, secret = zmq.curve_keypair()
    _, client_secret = create_certificates(tmp_path, "client")
    Path(client_secret).chmod(0o600)
    (tmp_path / "server.key").write_text(f'curve\n    public-key = "{public.decode()}"\n')
    script = SCRIPT.replace("timeout=5)", "timeout=5, keys=sys.argv[3])").replace("sleep(0.5)", "sleep(3)")
    with Flooding("tcp://127.0.0.1:*", FLOODS["pongs"], secret_key=secret) as server:
        relay = Relay(server.endpoint)
        child = subprocess.Popen(
            [sys.executable, "-c", script, relay.endpoint, "client", str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "ready\n"
        server.floods_now = True
        time.sleep(0.2)
        relay.break_off()
    out, err = child.communicate("\n", timeout=60)
    assert child.returncode == 0, err
    assert out.endswith("alive\n")


NOT_SERVERS = {
    "silence": b"",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" * 3,
    "random bytes": random.Random(SEED).randbytes(5000),
    "zeros": bytes(100_000),
    "old ZeroMQ": b"\xff" + bytes(8) + b"\x7f\x01\x05" + bytes(100),
    "a server with keys": b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\x01" + bytes(31),
    "no READY": b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32) + frame(b"hello"),
    "a publisher": b"\xff"
    + bytes(8)
    + b"\x7f\x03\x01"
    + b"NULL".ljust(20, b"\0")
    + bytes(32)
    + b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB",
}


@pytest.mark.parametrize("name", NOT_SERVERS)
def test_programs_that_are_not_servers(name):
    with RawServer() as server:

        def serve():
            for _ in range(2):
                try:
                    peer = server.accept_any()
                    peer.sendall(NOT_SERVERS[name])
                    kept.append(peer)
                except OSError:
                    return

        kept = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        began = time.monotonic()
        with pytest.raises(phasewire.ServerUnreachableError) as caught:
            phasewire.connect(server.endpoint, timeout=0.5)
        assert time.monotonic() - began < IN_TIME
        if name == "a server with keys":
            assert "the server needs keys" in str(caught.value)
        for peer in kept:
            peer.close()


def test_random_bytes_after_the_handshake():
    """Mutated streams of a right conversation: an answer or an error, in time."""
    print(f"seed {SEED}")
    generator = random.Random(SEED)
    for _ in range(60):
        with RawServer() as server:
            right = header_frame(more=True, **_result(generator)) + frame(b"\1\0\1\0")
            stream = bytearray(right * generator.randint(1, 3))
            for _ in range(generator.randint(1, 6)):
                place = generator.randrange(len(stream))
                stream[place : place + generator.randint(0, 4)] = generator.randbytes(generator.randint(0, 4))

            def serve(server=server, stream=bytes(stream)):
                server.welcome()
                server.read()
                server.send(stream)
                server.peer.close()

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            began = time.monotonic()
            with phasewire.connect(server.endpoint, timeout=5) as client:
                client._settings = phasewire._server.settings.make_settings(server.endpoint, timeout=0.1)
                with contextlib.suppress(phasewire.PhasewireError):
                    assert client.analyse(ATOMS).atom_count == 2
            assert time.monotonic() - began < IN_TIME
            thread.join(10)


def _result(generator):
    header = {"sequence": 1, "mode": "request", "step": 0, "arrays": [{"shape": [2, 3]}]}
    return msgpack.unpackb(result_for(header)[0]) | {"seconds": generator.random()}
