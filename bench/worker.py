"""A process that answers requests of the benchmark: one JSON object per line on standard input, one per line back."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


def timed(action: Callable[[], object]) -> dict[str, float]:
    """CPU seconds of this process, over all threads, and wall-clock seconds that an action takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def answer(handlers: Mapping[str, Callable[..., Any]]) -> int:
    """Answer requests ``{"do": NAME, ...}`` by the handler of that name until there are no more.

    All other standard output goes to standard error, so that nothing comes between the answers.

    Returns
    -------
    int
        The exit status.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        result = handlers[request.pop("do")](**request)
        out.write(json.dumps(result) + "\n")
        out.flush()
    return 0
