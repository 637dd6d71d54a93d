"""An analyser with given results, to test the logic around analysers."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np

import phasewire
from phasewire._frame.snapshot import Snapshot
from phasewire.analysers.base import Analyser

PHASES = ("disordered", "fcc", "hcp")


def result_with(fcc: float, step: int = 0, count: int = 4) -> phasewire.Result:
    """Build a result with a share of fcc."""
    labels = (np.arange(count) < round(fcc * count)).astype(np.uint16)
    return phasewire.Result(
        phases=PHASES,
        aliases={"ccp": "fcc"},
        fractions={"disordered": 1 - fcc, "fcc": fcc, "hcp": 0.0},
        log_density=-2.0 * count,
        mean_log_density=-2.0,
        mean_margin=1.0 + fcc,
        length_scale=2.5,
        atom_count=count,
        step=step,
        time=0.5 * step,
        seconds=0.25,
        labels=labels,
    )


class Scripted(Analyser):
    """Returns the given shares of fcc one after the other; exceptions among them are raised."""

    model_name = "scripted"
    phases = PHASES
    aliases = {"ccp": "fcc"}  # noqa: RUF012

    def __init__(self, *shares) -> None:
        super().__init__()
        self.shares = list(shares)
        self.steps = []
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def _analyse(self, frame, options):
        self.gate.wait(30)
        self.steps.append(frame.step)
        share = self.shares.pop(0) if self.shares else 1.0
        if isinstance(share, Exception):
            raise share
        return replace(result_with(share, frame.step, len(frame)), time=frame.time)

    def _evaluate(self, frame, task, options):
        raise NotImplementedError

    def close(self):
        self.closed = True


def snapshot_at(step: int, count: int = 4) -> Snapshot:
    """Build a snapshot of a few atoms."""
    positions = np.arange(3.0 * count).reshape(count, 3)
    return Snapshot(positions, np.eye(3) * 20, (True, True, True), step=step, time=0.5 * step)
