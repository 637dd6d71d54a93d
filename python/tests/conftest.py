"""Fixtures: analysers, structures, and phase servers that can be killed."""

from __future__ import annotations

from pathlib import Path

import pytest

import phasewire
from runtime import make_runtime_folder
from server_process import ServerProcess

make_runtime_folder()
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def local():
    with phasewire.Local() as analyser:
        yield analyser


def short_endpoint(tmp_path_factory):
    # A short path, since paths of Unix sockets are limited to about 100 characters.
    return f"ipc://{tmp_path_factory.mktemp('s')}/socket"


@pytest.fixture
def endpoint(tmp_path_factory):
    return short_endpoint(tmp_path_factory)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server for all tests that leave it running."""
    process = ServerProcess(short_endpoint(tmp_path_factory))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def mortal_server(endpoint):
    """A server for one test, which may kill it."""
    process = ServerProcess(endpoint)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def late_server(endpoint):
    """A server that the test starts itself."""
    process = ServerProcess(endpoint)
    yield process
    process.stop()
