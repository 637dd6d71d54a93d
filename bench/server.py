"""The server process of a benchmark: the cores that it runs on, and its CPU time."""

from __future__ import annotations

import os
from pathlib import Path


class Server:
    """The server process, with the cores that it runs on and its CPU time."""

    def __init__(self, endpoint: str, pid: int | None) -> None:
        self.endpoint = endpoint
        self._tasks = Path(f"/proc/{pid}/task") if pid is not None else None
        self.can_be_pinned = self._tasks is not None and self._tasks.is_dir() and hasattr(os, "sched_setaffinity")

    def pin(self, cores: set[int]) -> None:
        """Put all its threads on these cores."""
        assert self._tasks is not None
        for task in self._tasks.iterdir():
            os.sched_setaffinity(int(task.name), cores)

    def cpu_seconds(self) -> float:
        """CPU time of all its threads, including ended ones."""
        assert self._tasks is not None
        # proc(5): the 14th and 15th field, counted here from the end of the name in parentheses.
        fields = (self._tasks.parent / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
