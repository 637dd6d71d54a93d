"""Helpers for the tests of biases: crystals, an analyser that fails on request, a bias that counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase.build import bulk

from phasewire._frame.frame import make_frame
from phasewire.analysers.base import Analyser
from phasewire.bias import BiasPotential


def copper(cells=3, noise=0.08, seed=2):
    atoms = bulk("Cu", cubic=True) * cells
    atoms.rattle(noise, seed=seed)
    return atoms


def frame_at(step=0, atoms=None, time=None, **changes):
    atoms = copper() if atoms is None else atoms
    frame = make_frame(atoms.positions, atoms.cell.array, True, step=step, time=time)
    return replace(frame, **changes)


class Faulty(Analyser):
    """Another analyser, except for the evaluations in `at`, which are counted from 0.

    An exception in `at` is raised; a function changes the evaluation.
    """

    def __init__(self, inner, at=None) -> None:
        super().__init__()
        self.inner = inner
        self.at = dict(at or {})
        self.asked = 0
        self.scales = []

    model_name = property(lambda self: self.inner.model_name)
    phases = property(lambda self: self.inner.phases)
    aliases = property(lambda self: self.inner.aliases)

    def evaluate_frame(self, frame, **options):
        fault = self.at.get(self.asked)
        self.asked += 1
        self.scales.append(options["length_scale"])
        if isinstance(fault, BaseException):
            raise fault
        evaluation = self.inner.evaluate_frame(frame, **options)
        return evaluation if fault is None else fault(evaluation)

    def _analyse(self, frame, options):
        raise NotImplementedError

    def _evaluate(self, *_):
        raise NotImplementedError

    def close(self):
        pass


class Counting(BiasPotential):
    """E = k V (1 + number of updates), which remembers its updates."""

    def __init__(self, variable, k=1.0, name="counting") -> None:
        super().__init__(variable, name=name)
        self.k = k
        self.steps = []
        self.times = []

    def energy(self, values, step):
        factor = self.k * (1 + len(self.steps))
        self._last_energy = factor * float(np.sum(values))
        return self._last_energy, np.full(len(values), factor)

    def update(self, values, step, time=None):
        self.steps.append(step)
        self.times.append(np.nan if time is None else time)

    def settings(self):
        return {"k": self.k}

    def state(self):
        return {"steps": np.array(self.steps, dtype=np.int64), "times": np.array(self.times)}

    def restore(self, state):
        self.steps, self.times = state["steps"].tolist(), state["times"].tolist()
