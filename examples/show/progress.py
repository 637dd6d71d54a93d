"""A line with the progress of a run. On a terminal it is redrawn in place; elsewhere a new one appears now and then."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from show.terminal import bar

WIDTH = 30
# Seconds between lines if the stream is not a terminal.
PATIENCE = 20.0


class Progress:
    """Progress of a run of several stages.

    Parameters
    ----------
    total : int
        Total of what `advance` counts, such as steps.
    stream : text stream, optional
        Default: standard error, so that it does not mix with numbers on standard output.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = max(1, total)
        self._stream = sys.stderr if stream is None else stream
        self._in_place = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._done = 0
        self._began = self._shown = time.monotonic()
        self._began_at: int | None = None

    def skip(self, count: int) -> None:
        """Count work that an earlier run has done."""
        self._done += count

    def advance(self, count: int, stage: str) -> None:
        """Count finished work and show the progress."""
        if self._began_at is None:
            self._began_at = self._done
        self._done += count
        now = time.monotonic()
        done = min(1.0, self._done / self._total)
        left = (now - self._began) / max(1, self._done - self._began_at) * max(0, self._total - self._done)
        text = f"{bar(done, WIDTH)} {done:4.0%}  {stage}, {left / 60:.0f} min left"
        if self._in_place:
            self._stream.write(f"\r{text}\x1b[K")
        elif now - self._shown >= PATIENCE:
            self._shown = now
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._in_place:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
