"""An energy of variables, between the forward and the backward pass of one frame."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire._frame.frame import Frame, check_length_scale
from phasewire._frame.result import Evaluation
from phasewire.errors import PhasewireError, make_error
from phasewire.variables.declaration import Variable
from phasewire.variables.evaluate import Adjoint, ForwardPass, evaluate
from phasewire.variables.schema import check_variables

F64 = NDArray[np.float64]
Energy = Callable[[F64], tuple[float, ArrayLike]]
"""Takes the values of the variables, shape (V,); returns E and dE/dV, shape (V,)."""

# A power of two within which that of a seed and its inverse are ordinary numbers.
_MOST_EXPONENT = 1000


@dataclass(frozen=True, eq=False)
class Task:
    """What `Analyser.evaluate_frame` was asked for, checked.

    Attributes
    ----------
    variables : tuple of Variable
    energy : callable
    energy_field : str
        The argument that the energy came by, for errors: ``energy`` or ``coefficients``.
    follows_cell : bool
        Whether a0 is (V/N)^(1/3), and changes with the cell.
    seconds : float or None
        Within which a server has to answer.
    """

    variables: tuple[Variable, ...]
    energy: Energy
    energy_field: str
    follows_cell: bool = False
    seconds: float | None = None

    def check_classes(self, phases: Sequence[str], aliases: Mapping[str, str]) -> None:
        """Raise ``BAD_OPTION`` unless the variables name classes of the model."""
        check_variables(self.variables, phases, aliases)


def linear_energy(coefficients: F64) -> Energy:
    """Return E = sum of coefficient times variable."""

    def energy(values: F64) -> tuple[float, F64]:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(coefficients @ values), coefficients

    return energy


class Demand:
    """What the energy asks of the backward pass.

    Attributes
    ----------
    seed : float32 array, shape (N, C), or None
        Of the backward pass; None: there is nothing to pass back. A power of two has been taken out of it, without
        rounding, since the pass is in single precision, which joules would leave.
    """

    def __init__(self, task: Task, forward: ForwardPass) -> None:
        """Evaluate the variables of a frame and ask for their energy.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for numbers that are not finite, and what `phasewire.variables.evaluate` raises.
            Whatever the energy raises goes through as it is.
        """
        self._task = task
        self._started = time.perf_counter()
        found = evaluate(task.variables, forward)
        energy, slopes = task.energy(found.values.copy())
        self._energy, self._slopes = _check_energy(energy, slopes, len(found.values), task.energy_field)
        self._values = found.values
        self._length_scale = forward.length_scale
        self._adjoint: Adjoint = found.pull(self._slopes)
        self.seed, self._unit = self._scaled_seed(forward) if self._adjoint.has_seed else (None, 1.0)

    def evaluation(self, gradient: F64 | None, virial: F64 | None, frame: Frame, started: float) -> Evaluation:
        """Return the evaluation, from what the backward pass made of `seed`.

        Parameters
        ----------
        gradient, virial : float64 arrays, shape (N, 3) and (3, 3)
            Of the backward pass; None if there was none.
        frame : Frame
        started : float
            ``time.perf_counter()`` when the evaluation began.
        """
        adjoint = self._adjoint
        with np.errstate(over="ignore", invalid="ignore"):
            forces = np.zeros((len(frame), 3)) if gradient is None else -self._unit * gradient
            total = np.zeros((3, 3)) if virial is None else self._unit * virial
            if self._task.follows_cell:
                # A strain changes a0 with the cell, so what it does to size alone is taken out (docs/variables.md).
                total -= (np.trace(total) + adjoint.by_log_length_scale) / 3 * np.eye(3)
            if adjoint.gradient is not None:
                forces -= adjoint.gradient
            total += adjoint.virial
        if not (np.isfinite(forces).all() and np.isfinite(total).all()):
            raise self._beyond()
        return Evaluation(
            values=self._values,
            energy=self._energy,
            forces=forces,
            virial=total,
            length_scale=self._length_scale,
            step=frame.step,
            seconds=time.perf_counter() - started,
            coefficients=self._slopes,
        )

    def _scaled_seed(self, forward: ForwardPass) -> tuple[NDArray[np.float32] | None, float]:
        with np.errstate(over="ignore", invalid="ignore"):
            seed = self._adjoint.seed(forward)
        largest = float(max(seed.max(), -seed.min()))
        if largest == 0:
            return None, 1.0
        if not math.isfinite(largest):
            raise self._beyond()
        exponent = min(max(math.frexp(largest)[1] - 1, -_MOST_EXPONENT), _MOST_EXPONENT)
        seed *= math.ldexp(1.0, -exponent)
        scaled = forward.room.array("scaled seed", seed.shape, np.float32)
        np.copyto(scaled, seed, casting="same_kind")
        return scaled, math.ldexp(1.0, exponent)

    def _beyond(self) -> PhasewireError:
        slopes = self._slopes.tolist()
        return make_error(
            "BAD_OPTION",
            f"with the derivatives {slopes} by the variables the forces are beyond double precision",
            field=self._task.energy_field,
            value=slopes,
            remedy="give smaller coefficients, in the energy unit of the simulation",
        )


def _check_energy(energy: Any, slopes: Any, count: int, where: str) -> tuple[float, F64]:
    derivatives = np.array(slopes, dtype=np.float64)
    if derivatives.shape != (count,):
        raise make_error(
            "BAD_OPTION",
            f"the energy must come with {count} derivatives, one a variable",
            field=where,
            value=derivatives.shape,
            remedy="return (E, dE/dV), dE/dV of the shape of the values",
        )
    if not (math.isfinite(energy) and np.isfinite(derivatives).all()):
        raise make_error(
            "BAD_OPTION",
            f"the energy {float(energy)} or its derivatives {derivatives.tolist()} are not finite",
            field=where,
            value=derivatives.tolist(),
            remedy="give smaller coefficients, in the energy unit of the simulation; an energy must be finite at all "
            "values that its variables can have",
        )
    return float(energy), derivatives


def resolve_length_scale(length_scale: float | str | None, frame: Frame) -> tuple[float | None, bool]:
    """Return a0, None if it is to be estimated, and whether it follows the cell.

    Raises
    ------
    InputError
        ``BAD_LENGTH_SCALE`` for ``"cell"`` where the frame is not periodic in all directions, and for what is no
        length.
    """
    if length_scale != "cell":
        return check_length_scale(length_scale), False  # type: ignore[arg-type]
    if frame.cell is None or not all(frame.periodic):
        raise make_error(
            "BAD_LENGTH_SCALE",
            'length_scale="cell" is the cell\'s volume an atom, which only a cell that is periodic in all three '
            "directions has",
            field="length_scale",
            value="cell",
            remedy="give a number: (volume per atom)^(1/3) of the phase looked at",
        )
    return float(np.cbrt(abs(np.linalg.det(frame.cell)) / len(frame))), True


def check_seconds(seconds: float | None) -> float | None:
    """Return a deadline in seconds, or raise ``BAD_OPTION`` unless it is above 0."""
    if seconds is None or (isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds > 0):
        return None if seconds is None else float(seconds)
    raise make_error(
        "BAD_OPTION", "a deadline must be greater than 0", field="deadline", value=seconds, remedy="give it in seconds"
    )
