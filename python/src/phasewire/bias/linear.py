"""A linear bias, E = sum_i a_i V_i: a constant force on each variable, such as a difference of chemical potentials."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from phasewire.bias._base import BiasPotential, Values, per_variable


class Linear(BiasPotential):
    """Push variables with a constant force.

    Parameters
    ----------
    variables : Variable or sequence of Variable
    slope : float or sequence of float
        a, energy per unit of the variable; the force on the variable is its negative.
    name : str

    Raises
    ------
    InputError
        ``BAD_OPTION`` for the wrong number of numbers, or numbers that are not finite.
    """

    def __init__(self, variables: Any, slope: ArrayLike, *, name: str = "linear") -> None:
        super().__init__(variables, name=name)
        self.slope = per_variable(slope, len(self.variables), f"{name}.slope")

    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Return the energy and its derivatives; the step does not matter."""
        energy = float(np.sum(self.slope * self._check_values(values)))
        self._last_energy = energy
        return energy, self.slope.copy()

    def settings(self) -> dict[str, Any]:
        """Return the slope."""
        return self._describe(slope=self.slope)
