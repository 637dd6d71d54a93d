"""Batches from separate processes. These import neither JAX nor the drawing of plots, so they start at once."""

from __future__ import annotations

import multiprocessing
from queue import Empty, Full
from typing import Any

import numpy as np

from .prototypes import Prototype
from .sampling import Sampler, SamplingConfig


def _produce(queue: Any, prototypes: list[Prototype], fluids: dict, config: SamplingConfig, seed: list[int]) -> None:
    """Fill the queue while the training process lives. If it is killed, this process ends too."""
    parent = multiprocessing.parent_process()
    for batch in Sampler(prototypes, fluids, config, seed).batches():
        while True:
            try:
                queue.put(batch, timeout=5)
                break
            except Full:
                if parent is None or not parent.is_alive():
                    queue.cancel_join_thread()
                    return


class BatchStream:
    """Batches from separate processes, made a few ahead of the optimiser, in a fixed order."""

    def __init__(
        self, prototypes: list[Prototype], fluids: dict, config: SamplingConfig, seed: list[int], workers: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._queues = [context.Queue(maxsize=4) for _ in range(workers)]
        self._processes = [
            context.Process(target=_produce, args=(queue, prototypes, fluids, config, [*seed, worker]), daemon=True)
            for worker, queue in enumerate(self._queues)
        ]
        self._drawn = 0
        for process in self._processes:
            process.start()

    def next(self) -> dict[str, np.ndarray]:
        """Wait for the next batch and return it.

        Raises
        ------
        RuntimeError
            If the process that makes it has ended.
        """
        worker = self._drawn % len(self._queues)
        self._drawn += 1
        while True:
            try:
                return self._queues[worker].get(timeout=5)
            except Empty:
                if not self._processes[worker].is_alive():
                    raise RuntimeError(
                        "the process that makes samples has ended; its message above has the reason"
                    ) from None

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
