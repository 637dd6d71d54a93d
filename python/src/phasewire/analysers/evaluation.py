"""From a frame to variables, their energy and its forces: the one order of steps, whoever computes the passes."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame
from phasewire._frame.result import Evaluation
from phasewire.analysers.task import Task
from phasewire.errors import PhasewireError, make_error
from phasewire.variables.evaluate import Adjoint, ForwardPass, ModelFacts, Room
from phasewire.variables.evaluate import evaluate as evaluate_variables
from phasewire.variables.schema import check_variables

F64 = NDArray[np.float64]

# A power of two within which that of a seed and its inverse are ordinary numbers.
_MOST_EXPONENT = 1000


class Passes(ABC):
    """The two passes over one frame that an analyser computes: `forward`, then `backward` at most once.

    Attributes
    ----------
    frame : Frame
    model : ModelFacts
        The model that computes, and the prior that the frame gets.
    room : Room
        Where large arrays lie.
    """

    def __init__(self, frame: Frame, model: ModelFacts, room: Room) -> None:
        self.frame = frame
        self.model = model
        self.room = room

    @abstractmethod
    def forward(self) -> tuple[NDArray[np.float32], float]:
        """Return the logits, log-weights of the prior included, shape ``(N, C)``, and a0."""

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
        ``BAD_OPTION`` for numbers that are not finite, and what `phasewire.variables.evaluate` raises.
        Whatever the energy raises goes through as it is.
    """
    frame, model = passes.frame, passes.model
    check_variables(task.variables, model.phases, model.aliases)
    logits, length_scale = passes.forward()
    forward = ForwardPass(frame, logits, length_scale, model, passes.room)
    found = evaluate_variables(task.variables, forward)
    energy, slopes = task.energy_of(found.values)
    adjoint = found.pull(slopes)
    seed, unit = _scaled_seed(adjoint, forward, task, slopes)
    through_logits = None if seed is None else passes.backward(seed)
    forces, virial = _combined(through_logits, unit, adjoint, task.follows_cell)
    if not (np.isfinite(forces).all() and np.isfinite(virial).all()):
        raise _beyond(task, slopes)
    return Evaluation(
        values=found.values,
        energy=energy,
        forces=forces,
        virial=virial,
        length_scale=length_scale,
        step=frame.step,
        seconds=time.perf_counter() - started,
        coefficients=slopes,
    )


def _scaled_seed(
    adjoint: Adjoint, forward: ForwardPass, task: Task, slopes: F64
) -> tuple[NDArray[np.float32] | None, float]:
    """Return the seed of the backward pass, and the power of two that was taken out of it; None: nothing to pass back.

    That is done without rounding, since the pass is in single precision, which joules would leave.
    """
    if not adjoint.has_seed:
        return None, 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        seed = adjoint.seed(forward)
    largest = float(max(seed.max(), -seed.min()))
    if largest == 0:
        return None, 1.0
    if not math.isfinite(largest):
        raise _beyond(task, slopes)
    exponent = min(max(math.frexp(largest)[1] - 1, -_MOST_EXPONENT), _MOST_EXPONENT)
    seed *= math.ldexp(1.0, -exponent)
    scaled = forward.room.array("scaled seed", seed.shape, np.float32)
    np.copyto(scaled, seed, casting="same_kind")
    return scaled, math.ldexp(1.0, exponent)


def _combined(
    through_logits: tuple[F64, F64] | None, unit: float, adjoint: Adjoint, follows_cell: bool
) -> tuple[F64, F64]:
    """Return forces and virial, of what the energy does through the logits and directly."""
    with np.errstate(over="ignore", invalid="ignore"):
        forces, virial = np.zeros((adjoint.atom_count, 3)), np.zeros((3, 3))
        if through_logits is not None:
            forces, virial = -unit * through_logits[0], unit * through_logits[1]
        if follows_cell:
            # A strain changes a0 with the cell, so what it does to size alone is taken out (docs/variables.md).
            virial -= (np.trace(virial) + adjoint.by_log_length_scale) / 3 * np.eye(3)
        if adjoint.gradient is not None:
            forces -= adjoint.gradient
        virial += adjoint.virial
    return forces, virial


def _beyond(task: Task, slopes: F64) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        f"with the derivatives {slopes.tolist()} by the variables the forces are beyond double precision",
        field=task.energy_field,
        value=slopes.tolist(),
        remedy="give smaller coefficients, in the energy unit of the simulation",
    )
