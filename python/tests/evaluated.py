"""Variables of given logits, for the tests: values and derivatives by a core without a model."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from phasewire._core.build import build_file
from phasewire._core.instance import Instance
from phasewire._core.variables import CoreVariables
from phasewire._frame.frame import Frame
from phasewire._model.facts import ModelFacts
from phasewire.analysers.variables import EvaluatedVariables
from phasewire.variables.program import make_program


@functools.cache
def core_variables():
    return CoreVariables(Instance(build_file("baseline")))


@dataclass(frozen=True, eq=False)
class Forward:
    """The result of a forward pass."""

    frame: Frame
    logits: np.ndarray
    length_scale: float
    model: ModelFacts


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Derivatives of an energy: by the logits, and explicitly by positions, strain and log a0."""

    seed: np.ndarray
    gradient: np.ndarray
    virial: np.ndarray
    by_log_length_scale: float


class Evaluated:
    def __init__(self, variables, forward):
        frame, model = forward.frame, forward.model
        self._core = core_variables()
        arrays = {"LOGITS": forward.logits, "POSITIONS": frame.positions, "LOG_WEIGHTS": model.log_weights}
        arrays |= {} if model.ideal_logits is None else {"IDEAL_LOGITS": model.ideal_logits}
        arrays |= {} if frame.species is None else {"SPECIES": frame.species}
        program = make_program(variables, model, frame.names, self._core.instance.constants)
        self._found = EvaluatedVariables(self._core, program, frame, arrays, forward.length_scale, model)
        self._count = len(frame)
        self.values = self._found.values

    def pull(self, slopes):
        self._found.pull(np.asarray(slopes, dtype=float))
        seed = self._core.seed.copy()
        gradient, virial = self._combined(follows_cell=False)
        # Only this part of the explicit virial depends on whether a0 follows the cell.
        growth = np.trace(virial - self._combined(follows_cell=True)[1])
        return Derivatives(seed, gradient, virial, growth)

    def _combined(self, *, follows_cell):
        nothing = np.zeros((self._count, 3)), np.zeros((3, 3))
        found = self._core.combine(*nothing, 0.0, follows_cell=follows_cell)
        return tuple(array.copy() for array in found)
