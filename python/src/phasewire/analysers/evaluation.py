"""The order of steps from a frame to variables, their energy and its forces, for all analysers."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._core.variables import CoreVariables
from phasewire._frame.frame import Frame
from phasewire._frame.result import Evaluation
from phasewire._model.facts import ModelFacts
from phasewire.analysers.task import Task
from phasewire.analysers.variables import EvaluatedVariables
from phasewire.errors import PhasewireError, make_error

F64 = NDArray[np.float64]


class Passes(ABC):
    """The two passes of an analyser over one frame: `forward`, then `backward` at most once.

    Attributes
    ----------
    frame : Frame
    model : ModelFacts
        The model, and the prior for this frame.
    variables : CoreVariables
        Evaluates the variables.
    """

    def __init__(self, frame: Frame, model: ModelFacts, variables: CoreVariables) -> None:
        self.frame = frame
        self.model = model
        self.variables = variables

    @abstractmethod
    def forward(self) -> tuple[Mapping[str, NDArray[Any]], float]:
        """Return the arrays that variables depend on (`CoreVariables.evaluate`), and a0."""

    @property
    def seed_room(self) -> NDArray[np.float32] | None:
        """The array from which `backward` reads its seed; None if any array will do."""
        return None

    @abstractmethod
    def backward(self, seed: NDArray[np.float32]) -> tuple[F64, F64]:
        """Return gradient ``(N, 3)`` and virial ``(3, 3)`` of an L from its seed dL/dl, shape ``(N, C)``."""


def evaluate(passes: Passes, task: Task, started: float) -> Evaluation:
    """Evaluate the variables of a frame, and the forces of their energy.

    Parameters
    ----------
    passes : Passes
    task : Task
    started : float
        ``time.perf_counter()`` when the evaluation began.

    Raises
    ------
    InputError
        ``BAD_OPTION`` for numbers that are not finite; those of `CoreVariables`. Exceptions of the energy or of a
        custom function are passed on.
    """
    frame, model, core = passes.frame, passes.model, passes.variables
    program = core.program(task.variables, model, frame.names)
    arrays, length_scale = passes.forward()
    variables = EvaluatedVariables(core, program, frame, arrays, length_scale, model)
    energy, slopes = task.energy_of(variables.values)
    variables.pull(slopes)
    seed, unit = core.scale_seed(passes.seed_room)
    if math.isnan(unit):
        raise _beyond(task, slopes)
    through_logits = passes.backward(seed) if unit else (np.zeros((len(frame), 3)), np.zeros((3, 3)))
    gradient, virial = core.combine(*through_logits, unit, follows_cell=task.follows_cell)
    if not (np.isfinite(gradient).all() and np.isfinite(virial).all()):
        raise _beyond(task, slopes)
    return Evaluation(
        values=variables.values,
        energy=energy,
        forces=-gradient,
        virial=virial.copy(),
        length_scale=length_scale,
        step=frame.step,
        seconds=time.perf_counter() - started,
        coefficients=slopes,
    )


def _beyond(task: Task, slopes: F64) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        f"with the derivatives {slopes.tolist()} by the variables the forces exceed double precision",
        field=task.energy_field,
        value=slopes.tolist(),
        remedy="give smaller coefficients, in the energy unit of the simulation",
    )
