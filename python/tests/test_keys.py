"""CURVE: only clients with keys are accepted."""

from __future__ import annotations

import socket
import subprocess

import numpy as np
import pytest

import phasewire
from server_process import MAIN, ServerProcess


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "keys"
    subprocess.run(["node", str(MAIN), "serve", "--generate-keys", str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def secure_server(keys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = ServerProcess(f"tcp://127.0.0.1:{port}", keys=keys)
    process.start()
    yield process
    process.stop()


def test_a_client_with_keys_is_let_in_and_others_are_not(secure_server, keys):
    positions = np.random.default_rng(0).random((50, 3)) * 10
    with phasewire.connect(secure_server.endpoint, keys=keys) as client:
        assert client.analyse(positions, length_scale=1.5).atom_count == 50
    with pytest.raises(phasewire.ServerUnreachableError):
        phasewire.connect(secure_server.endpoint, timeout=0.5)
