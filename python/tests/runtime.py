"""The runtime folder of these tests, and the tokens that servers leave there."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from pathlib import Path

from phasewire._server.access import runtime_folder


def make_runtime_folder() -> None:
    """Give this process, and those that it starts, a runtime folder of their own."""
    base = tempfile.mkdtemp(prefix="pw-")
    os.environ["XDG_RUNTIME_DIR"] = base
    os.environ.pop("PHASEWIRE_TOKEN", None)
    atexit.register(shutil.rmtree, base, ignore_errors=True)


def free_address() -> str:
    """Return an address of the loopback interface at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def leave_token(endpoint: str, text: str) -> Path:
    """Write a token file as a server at a loopback address does."""
    folder = runtime_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    path = folder / f"token-{host}-{port}"
    path.write_text(text)
    return path
