"""Clients of a mixed load, in a process of their own: ``python -m fuzz.soak.clients KIND ENDPOINT``.

``monitor`` watches a run; ``large`` does so with frames that go through shared memory; ``bias`` asks for
forces, which must be the same bits whatever happens to the server. Each prints a line of JSON with its counts twice a
second, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import phasewire
from phasewire._frame.snapshot import Snapshot
from phasewire.errors import PhasewireError

Counts = dict[str, Any]
_TIMEOUT = 3.0
_PERIODIC = (True, True, True)


def crystal(cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and cell of a hot fcc crystal with four atoms per cell."""
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    places = np.array([base + np.array([x, y, z]) for x in range(cells) for y in range(cells) for z in range(cells)])
    noise = np.random.default_rng(1).normal(0, 0.02, (4 * cells**3, 3))
    return 3.6 * (places.reshape(-1, 3) + noise), 3.6 * cells * np.eye(3)


def watch(endpoint: str, cells: int, pause: float, counts: Counts, ends: Callable[[], bool]) -> None:
    """Observe a run until the end."""
    positions, cell = crystal(cells)
    monitor = phasewire.Monitor(endpoint, queue=2)
    step = 0
    while not ends():
        monitor.observe(Snapshot(positions.copy(), cell, _PERIODIC, step=step))
        step += 1
        counts.update(observed=step, rows=len(monitor.series.step), dropped=monitor.dropped)
        counts.update(failures=len(monitor.failures))
        # The series keeps a row for each result. A long run would grow by that alone.
        time.sleep(pause)
    monitor.close(timeout=_TIMEOUT)


def bias(endpoint: str, counts: Counts, ends: Callable[[], bool]) -> None:
    """Ask for forces until the end."""
    positions, cell = crystal(4)
    first: np.ndarray | None = None
    client = phasewire.connect(endpoint, timeout=_TIMEOUT, lazy=True)
    step = 0
    while not ends():
        try:
            found = client.forces(
                positions, cell, variables=phasewire.fraction("fcc"), length_scale="cell", step=step, deadline=_TIMEOUT
            )
        except PhasewireError as error:
            counts[error.code] = counts.get(error.code, 0) + 1
            time.sleep(0.2)
            continue
        first = found.forces if first is None else first
        counts["wrong"] += not np.array_equal(first, found.forces) or found.step != step
        step += 1
        counts["evaluated"] = step
        time.sleep(0.02)
    client.close()


def main() -> None:
    """Run a client until standard input ends."""
    warnings.simplefilter("ignore")
    kind, endpoint = sys.argv[1:]
    counts: Counts = {"kind": kind, "wrong": 0}
    ending = threading.Event()

    def report() -> None:
        while not ending.wait(0.5):
            sys.stdout.write(json.dumps(counts) + "\n")
            sys.stdout.flush()

    threading.Thread(target=report, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    if kind == "bias":
        bias(endpoint, counts, ending.is_set)
    else:
        watch(endpoint, 4 if kind == "monitor" else 20, 0.05, counts, ending.is_set)
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
