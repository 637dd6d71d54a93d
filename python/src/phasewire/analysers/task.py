"""The task of an evaluation: variables, and an energy of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire._frame.frame import Frame, check_length_scale
from phasewire.errors import make_error
from phasewire.variables.declaration import Variable

F64 = NDArray[np.float64]
Energy = Callable[[F64], tuple[float, ArrayLike]]
"""Takes the values of the variables, shape (V,); returns E and dE/dV, shape (V,)."""


@dataclass(frozen=True, eq=False)
class Task:
    """The arguments of `Analyser.evaluate_frame`, checked.

    Attributes
    ----------
    variables : tuple of Variable
    energy : callable
    energy_field : str
        The argument that gave the energy, for errors: ``energy`` or ``coefficients``.
    follows_cell : bool
        Whether a0 is (V/N)^(1/3) and changes with the cell.
    seconds : float or None
        Seconds that a server may take.
    """

    variables: tuple[Variable, ...]
    energy: Energy
    energy_field: str
    follows_cell: bool = False
    seconds: float | None = None

    def energy_of(self, values: F64) -> tuple[float, F64]:
        """Return E and dE/dV, shape ``(V,)``, or raise ``BAD_OPTION`` for numbers that are not finite."""
        energy, slopes = self.energy(values.copy())
        return _check_energy(energy, slopes, len(values), self.energy_field)


def linear_energy(coefficients: F64) -> Energy:
    """Return E = sum of coefficient times variable."""

    def energy(values: F64) -> tuple[float, F64]:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(coefficients @ values), coefficients

    return energy


def check_coefficients(coefficients: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return finite coefficients, one per variable, or raise ``BAD_OPTION``."""
    weights = np.ones(count) if coefficients is None else np.atleast_1d(np.array(coefficients, dtype=np.float64))
    if weights.shape != (count,) or not np.isfinite(weights).all():
        raise make_error(
            "BAD_OPTION",
            f"coefficients must be {count} finite numbers, one per variable",
            field="coefficients",
            value=weights.tolist(),
            remedy="give one coefficient per variable; without any, all are 1",
        )
    return weights


def resolve_length_scale(length_scale: float | str | None, frame: Frame) -> tuple[float | None, bool]:
    """Return a0, None if it is to be estimated, and whether it follows the cell.

    Raises
    ------
    InputError
        ``BAD_LENGTH_SCALE`` for ``"cell"`` if the frame is not periodic in all directions, and for a value that is
        not a length.
    """
    if length_scale != "cell":
        return check_length_scale(length_scale), False  # type: ignore[arg-type]
    if frame.cell is None or not all(frame.periodic):
        raise make_error(
            "BAD_LENGTH_SCALE",
            'length_scale="cell" is the volume per atom of a cell that is periodic in all three directions',
            field="length_scale",
            value="cell",
            remedy="give a number: (volume per atom)^(1/3) of the phase of interest",
        )
    return float(np.cbrt(abs(np.linalg.det(frame.cell)) / len(frame))), True


def check_seconds(seconds: float | None) -> float | None:
    """Return a deadline in seconds, or raise ``BAD_OPTION`` unless it is above 0."""
    if seconds is None or (isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds > 0):
        return None if seconds is None else float(seconds)
    raise make_error(
        "BAD_OPTION", "a deadline must be greater than 0", field="deadline", value=seconds, remedy="give it in seconds"
    )


def _check_energy(energy: Any, slopes: Any, count: int, where: str) -> tuple[float, F64]:
    derivatives = np.array(slopes, dtype=np.float64)
    if derivatives.shape != (count,):
        raise make_error(
            "BAD_OPTION",
            f"the energy must come with {count} derivatives, one per variable",
            field=where,
            value=derivatives.shape,
            remedy="return (E, dE/dV), with dE/dV of the shape of the values",
        )
    if not (math.isfinite(energy) and np.isfinite(derivatives).all()):
        raise make_error(
            "BAD_OPTION",
            f"the energy {float(energy)} or its derivatives {derivatives.tolist()} are not finite",
            field=where,
            value=derivatives.tolist(),
            remedy="give smaller coefficients, in the energy unit of the simulation; the energy must be finite for "
            "all values of its variables",
        )
    return float(energy), derivatives
