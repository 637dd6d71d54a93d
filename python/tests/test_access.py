"""Users of one machine: which server a client believes, and where it looks for one."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time

import msgpack
import numpy as np
import pytest

import phasewire
from fake_server import FakeServer, answer
from phasewire._server.access import Greeting, runtime_folder, usual_endpoint
from runtime import free_address, leave_token
from server_process import MAIN, REPOSITORY, ServerProcess

TOKEN = "12" * 32
GRID = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)


@pytest.fixture
def loopback_server():
    process = ServerProcess(free_address())
    process.start()
    yield process
    process.stop()


def headers_of(name):
    return json.loads((REPOSITORY / "bridge" / "golden" / f"{name}.json").read_text(encoding="utf8"))["header"]


def test_the_default_address_is_that_of_the_server(monkeypatch, tmp_path):
    tmp_path.chmod(0o700)
    writable = tmp_path / "writable"
    writable.mkdir()
    writable.chmod(0o777)
    script = (
        f"import {{ usualEndpoint }} from {str(MAIN.parent / 'access' / 'folder.js')!r}; console.log(usualEndpoint())"
    )
    for base in (str(tmp_path), None, "", "relative", str(tmp_path / "none"), str(writable)):
        if base is None:
            monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        else:
            monkeypatch.setenv("XDG_RUNTIME_DIR", base)
        node = subprocess.run(
            ["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True, env=os.environ
        )
        assert node.stdout.strip() == usual_endpoint(), base
        if base != str(tmp_path):
            fallback = (f"/run/user/{os.getuid()}/phasewire", f"{tempfile.gettempdir()}/phasewire-{os.getuid()}")
            assert str(runtime_folder()) in fallback


def test_a_client_finds_the_server_that_was_started_without_an_address(monkeypatch):
    # A short path, since paths of Unix sockets are limited.
    with tempfile.TemporaryDirectory(prefix="pw-") as base:
        monkeypatch.setenv("XDG_RUNTIME_DIR", base)
        monkeypatch.delenv("PHASEWIRE_ENDPOINT", raising=False)
        process = ServerProcess(usual_endpoint())
        process.start()
        try:
            with phasewire.connect() as client:
                assert client.endpoint == f"ipc://{base}/phasewire/server.sock"
                assert client.analyse(GRID, length_scale=1.0).atom_count == 64
            assert os.stat(f"{base}/phasewire").st_mode & 0o777 == 0o700  # noqa: PTH116
            assert os.stat(f"{base}/phasewire/server.sock").st_mode & 0o777 == 0o600  # noqa: PTH116
            monkeypatch.setenv("PHASEWIRE_ENDPOINT", f"ipc://{base}/elsewhere")
            with pytest.raises(phasewire.ServerUnreachableError):
                phasewire.connect(timeout=0.1)
        finally:
            process.stop()


def test_a_client_finds_the_token_of_a_server_on_the_loopback_interface(loopback_server, monkeypatch):
    with phasewire.connect(loopback_server.endpoint) as client:
        assert client.analyse(GRID, length_scale=1.0).atom_count == 64
    with phasewire.connect(loopback_server.endpoint.replace("127.0.0.1", "localhost")) as client:
        assert client.ping() > 0
    monitor = phasewire.Monitor(loopback_server.endpoint)
    monitor.observe(phasewire.Snapshot(GRID, np.eye(3) * 4, (True, True, True)))
    assert monitor.flush(30)
    assert monitor.last is not None
    monitor.close()
    with tempfile.TemporaryDirectory() as other:
        monkeypatch.setenv("XDG_RUNTIME_DIR", other)
        with pytest.raises(phasewire.ProtocolError, match="has left a token") as caught:
            phasewire.connect(loopback_server.endpoint, timeout=5)
        assert (caught.value.code, caught.value.field) == ("ACCESS_DENIED", "endpoint")
        monkeypatch.setenv("PHASEWIRE_TOKEN", TOKEN)
        with pytest.raises(phasewire.ProtocolError, match="does not know the token of this server") as caught:
            phasewire.connect(loopback_server.endpoint, timeout=5)
        assert caught.value.code == "ACCESS_DENIED"


def test_a_client_needs_no_token_if_the_server_was_told_so():
    process = ServerProcess(free_address(), options=["--no-token"])
    process.start()
    try:
        with phasewire.connect(process.endpoint) as client:
            assert client.analyse(GRID, length_scale=1.0).atom_count == 64
    finally:
        process.stop()


@pytest.mark.parametrize("token", [None, TOKEN], ids=["no token", "a token that it does not know"])
def test_a_program_that_took_the_port_gets_no_frames(token):
    with FakeServer("tcp://127.0.0.1:*") as server:
        path = None if token is None else leave_token(server.endpoint, token)
        with pytest.raises(phasewire.ProtocolError) as caught:
            phasewire.connect(server.endpoint, timeout=5)
        assert caught.value.code == "ACCESS_DENIED"
        monitor = phasewire.Monitor(server.endpoint)
        for step in range(5):
            monitor.observe(phasewire.Snapshot(GRID, np.eye(3) * 4, (True, True, True), step=step))
            time.sleep(0.05)
        limit = time.monotonic() + 20
        while not any(incident.error.code == "ACCESS_DENIED" for incident in monitor.incidents if incident.error):
            assert time.monotonic() < limit
            time.sleep(0.02)
        monitor.close(2)
        assert monitor.last is None
        assert {header["type"] for header in server.headers} <= {"hello"}
        if token is None:
            assert server.headers == []
        # It never gets the token, only proofs of it.
        assert TOKEN not in json.dumps(server.headers)
        if path is not None:
            path.unlink()


def test_answers_that_repeat_the_clients_proof_are_not_believed():
    def echo(header, server):
        (welcome,) = answer(header, server)
        return [msgpack.packb({**msgpack.unpackb(welcome), "proof": header.get("proof")})]

    with FakeServer("tcp://127.0.0.1:*", echo) as server:
        leave_token(server.endpoint, TOKEN)
        with pytest.raises(phasewire.ProtocolError, match="does not know the token"):
            phasewire.connect(server.endpoint, timeout=3)


def test_proofs_are_those_of_the_golden_messages(monkeypatch):
    monkeypatch.setenv("PHASEWIRE_TOKEN", bytes(range(32)).hex())
    hello, welcome = headers_of("hello"), headers_of("welcome")
    monkeypatch.setattr("secrets.token_hex", lambda count: hello["nonce"])
    greeting = Greeting("tcp://127.0.0.1:1")
    assert greeting.keys == {"nonce": hello["nonce"], "proof": hello["proof"]}
    greeting.check(welcome)
    for proof in (None, "", hello["proof"], welcome["proof"][:-1], 7, b"x"):
        with pytest.raises(phasewire.ProtocolError):
            greeting.check({**welcome, "proof": proof})


def test_sockets_and_folders_of_others_are_not_used(endpoint, monkeypatch):
    with FakeServer(endpoint):
        phasewire.connect(endpoint, timeout=5).close()
        user = os.getuid()
        monkeypatch.setattr("os.getuid", lambda: user + 1)
        with pytest.raises(phasewire.ProtocolError, match="belongs to another user") as caught:
            phasewire.connect(endpoint, timeout=5)
        assert caught.value.code == "ACCESS_DENIED"
    monkeypatch.undo()
    leave_token("tcp://127.0.0.1:1", "open")
    Greeting("tcp://127.0.0.1:1")
    runtime_folder().chmod(0o755)
    try:
        with pytest.raises(phasewire.ProtocolError, match="is not a folder that only this user can enter"):
            Greeting("tcp://127.0.0.1:1")
    finally:
        runtime_folder().chmod(0o700)


def test_an_older_server_is_refused_by_name():
    """A server of protocol version 2 answers so to version 3."""

    def older(header, server):
        message = (
            f"the client supports protocol versions {', '.join(map(str, header['versions']))}; this server supports 2"
        )
        error = {
            "type": "error",
            "sequence": header["sequence"],
            "code": "PROTOCOL_VERSION",
            "field": "versions",
            "value": header["versions"],
            "supported": [2],
            "message": message,
            "remedy": "Install the same release of phasewire on both sides.",
        }
        return [msgpack.packb(error)]

    with FakeServer("tcp://127.0.0.1:*", older) as server:
        leave_token(server.endpoint, "open")
        with pytest.raises(phasewire.ProtocolError, match="versions 3; this server supports 2") as caught:
            phasewire.connect(server.endpoint, timeout=5)
        assert caught.value.code == "PROTOCOL_VERSION"
