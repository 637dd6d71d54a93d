"""A real phase server in a separate process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import phasewire

REPOSITORY = Path(__file__).resolve().parents[2]
MAIN = REPOSITORY / "dist" / "bridge" / "server" / "main.js"


class ServerProcess:
    """`phasewire serve` at an endpoint."""

    def __init__(self, endpoint: str, keys: Path | None = None, options: Sequence[str] = ()) -> None:
        self.endpoint = endpoint
        self._keys = keys
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert MAIN.is_file(), f"{MAIN} is missing: run `npm run build` first"
        options = [*self._options, *([] if self._keys is None else ["--keys", str(self._keys)])]
        self._process = subprocess.Popen(
            ["node", str(MAIN), "serve", "--endpoint", self.endpoint, "--threads", "1", *options],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                phasewire.connect(self.endpoint, timeout=1, keys=self._keys).close()
            except phasewire.PhasewireError as error:
                if self._process.poll() is None and time.monotonic() < deadline:
                    continue
                self._process.kill()
                output = self._process.communicate()[0].decode()
                self._process = None
                raise AssertionError(f"the server did not start: {error}\n{output}") from error
            return

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        self._process = None
        if self.endpoint.startswith("ipc://"):
            # A killed process leaves its socket file, as it would for a user.
            assert os.path.exists(self.endpoint.removeprefix("ipc://"))  # noqa: PTH110

    def pause(self) -> None:
        """Let it hang with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=30)
            self._process = None
