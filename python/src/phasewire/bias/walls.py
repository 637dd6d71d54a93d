"""Walls: no energy on one side, a steep one on the other.

Upper: E = sum_i k_i ((V_i - a_i + o_i) / e_i)^x_i where V_i - a_i + o_i > 0, else 0.
Lower: E = sum_i k_i ((a_i - V_i + o_i) / e_i)^x_i where a_i - V_i + o_i > 0, else 0.

a is the position of the wall, o the distance before it at which it begins, e a length, x the exponent. As in PLUMED's
UPPER_WALLS and LOWER_WALLS, there is no factor of 1/2. Forces are continuous for x > 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from phasewire.bias._base import BiasPotential, Values, bad_option, per_variable


class _Wall(BiasPotential):
    """The base of both walls; ``_side`` is +1 if the energy is above the wall, -1 if it is below."""

    _side: float

    def __init__(
        self,
        variables: Any,
        at: ArrayLike,
        strength: ArrayLike,
        *,
        exponent: ArrayLike = 2.0,
        offset: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
        name: str,
    ) -> None:
        super().__init__(variables, name=name)
        count = len(self.variables)
        self.at = per_variable(at, count, f"{name}.at")
        self.strength = per_variable(strength, count, f"{name}.strength", positive=True)
        self.exponent = per_variable(exponent, count, f"{name}.exponent", positive=True)
        if not (self.exponent > 1).all():
            raise bad_option(f"{name}.exponent", exponent, "numbers above 1, since forces would jump at the wall")
        self.offset = per_variable(offset, count, f"{name}.offset")
        self.scale = per_variable(scale, count, f"{name}.scale", positive=True)

    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Return the energy and its derivatives; the step does not matter."""
        inside = (self._side * (self._check_values(values) - self.at) + self.offset) / self.scale
        depth = np.maximum(inside, 0.0)
        energy = float(np.sum(self.strength * depth**self.exponent))
        slope = self._side * self.strength * self.exponent * depth ** (self.exponent - 1.0) / self.scale
        self._last_energy = energy
        return energy, slope

    def settings(self) -> dict[str, Any]:
        """Return position and steepness of the wall."""
        return self._describe(
            at=self.at, strength=self.strength, exponent=self.exponent, offset=self.offset, scale=self.scale
        )


class UpperWall(_Wall):
    """Keep variables below a value.

    Parameters
    ----------
    variables : Variable or sequence of Variable
    at : float or sequence of float
        Position of the wall.
    strength : float or sequence of float
        k, an energy.
    exponent : float or sequence of float
        x, above 1.
    offset : float or sequence of float
        Distance before ``at`` at which the wall begins.
    scale : float or sequence of float
        e: the depth in the wall at which the energy is ``strength``.
    name : str

    Raises
    ------
    InputError
        ``BAD_OPTION`` for a strength or scale that is not above 0, and an exponent that is not above 1.
    """

    _side = 1.0

    def __init__(self, variables: Any, at: ArrayLike, strength: ArrayLike, *, name: str = "uwall", **more: Any) -> None:
        super().__init__(variables, at, strength, name=name, **more)


class LowerWall(_Wall):
    """Keep variables above a value; parameters as for `UpperWall`."""

    _side = -1.0

    def __init__(self, variables: Any, at: ArrayLike, strength: ArrayLike, *, name: str = "lwall", **more: Any) -> None:
        super().__init__(variables, at, strength, name=name, **more)
