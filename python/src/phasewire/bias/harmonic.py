"""Harmonic restraints, fixed and moving.

E = sum_i 1/2 k_i (V_i - c_i)^2, dE/dV_i = k_i (V_i - c_i).

In a moving one, c and k are piecewise linear in the step. The work of the motion until step n is the sum over the steps
of the change of E by the change of c and k only, at the values of the step (C. Jarzynski, Phys. Rev. Lett.
78, 2690, 1997):

W_n = W_m + E(V_n; c_n, k_n) - E(V_n; c_m, k_m), m the step before.

That is exact for a propagation with the forces of step m up to step n. PLUMED's MOVINGRESTRAINT takes the mean of the
forces at both ends; the two agree to first order in the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire.bias._base import (
    BiasPotential,
    Values,
    as_points,
    bad_option,
    per_variable,
    require_keys,
    step_of,
    step_state,
)


class Harmonic(BiasPotential):
    """Hold variables near a centre: umbrella windows, interface pinning.

    Parameters
    ----------
    variables : Variable or sequence of Variable
    centre : float or sequence of float
        c, in the unit of the variable.
    strength : float or sequence of float
        k, energy per square of the variable's unit. kT / k is the variance in a flat landscape.
    name : str

    Raises
    ------
    InputError
        ``BAD_OPTION`` for the wrong number of numbers, for numbers that are not finite, and for a strength below 0.
    """

    def __init__(self, variables: Any, centre: ArrayLike, strength: ArrayLike, *, name: str = "harmonic") -> None:
        super().__init__(variables, name=name)
        count = len(self.variables)
        self.centre = per_variable(centre, count, f"{name}.centre")
        self.strength = _strengths(strength, count, f"{name}.strength")

    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Return the energy and its derivatives; the step does not matter."""
        energy, derivatives = _harmonic(self._check_values(values), self.centre, self.strength)
        self._last_energy = energy
        return energy, derivatives

    def energies(self, points: ArrayLike) -> tuple[Values, Values]:
        """Return the energies at many points, shape (P,), and their derivatives, shape (P, V)."""
        away = as_points(points, len(self.variables), self.name) - self.centre
        return 0.5 * np.sum(self.strength * away * away, axis=1), self.strength * away

    def settings(self) -> dict[str, Any]:
        """Return centre and strength."""
        return self._describe(centre=self.centre, strength=self.strength)


class Moving(BiasPotential):
    """Pull variables along a schedule, and measure the work.

    Parameters
    ----------
    variables : Variable or sequence of Variable
    steps : sequence of int, shape (M,)
        The simulation's steps of the schedule, ascending. Nothing moves before the first and after the last.
    centres : array_like, shape (M,) or (M, V)
        c at those steps, linear in between.
    strengths : float or array_like, shape (M,) or (M, V)
        k at those steps, or one for all.
    name : str

    Raises
    ------
    InputError
        ``BAD_OPTION`` for a schedule whose steps do not ascend, or that does not have one row per step.
    """

    def __init__(
        self, variables: Any, steps: Sequence[int], centres: ArrayLike, strengths: ArrayLike, *, name: str = "moving"
    ) -> None:
        super().__init__(variables, name=name)
        self.steps = np.array(steps, dtype=np.float64)
        if self.steps.ndim != 1 or len(self.steps) < 1 or not (np.diff(self.steps) > 0).all():
            raise bad_option(f"{name}.steps", steps, "one or more ascending steps")
        self.centres = self._table(centres, f"{name}.centres")
        self.strengths = self._table(strengths, f"{name}.strengths")
        if (self.strengths < 0).any():
            raise bad_option(f"{name}.strengths", strengths, "numbers of at least 0")
        self.work = 0.0
        self._step: int | None = None
        # From the last `energy`, for `columns`: its step, and the work since the step before, which `update` will add.
        self._evaluated: int | None = None
        self._increment = 0.0

    def at(self, step: int) -> tuple[Values, Values]:
        """Return centre and strength of a step, shape (V,) each."""
        return self._interpolate(self.centres, step), self._interpolate(self.strengths, step)

    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Return the energy of this step and its derivatives."""
        checked = self._check_values(values)
        energy, derivatives = _harmonic(checked, *self.at(step))
        self._last_energy = energy
        self._evaluated, self._increment = int(step), self._work_since(checked, step)
        return energy, derivatives

    def update(self, values: ArrayLike, step: int, time: float | None = None) -> None:
        """Add the work of the motion since the step before."""
        self.work += self._work_since(self._check_values(values), step)
        self._step, self._increment = int(step), 0.0

    def columns(self) -> dict[str, float]:
        """Return the bias of the last `energy`, the work until then, and the centres."""
        columns = {**super().columns(), f"{self.name}.work": self.work + self._increment}
        centres = np.full(len(self.variables), np.nan) if self._evaluated is None else self.at(self._evaluated)[0]
        for variable, centre in zip(self.variables, centres, strict=True):
            columns[f"{self.name}.{variable.name}_cntr"] = float(centre)
        return columns

    def settings(self) -> dict[str, Any]:
        """Return the schedule."""
        return self._describe(steps=self.steps, centres=self.centres, strengths=self.strengths)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the work, and the step up to which it is counted."""
        return {"work": np.array(self.work, dtype=np.float64), **step_state(self._step)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the work of a state."""
        require_keys(state, ("work", "step", "begun"), self.name)
        self.work = float(state["work"])
        self._step = step_of(state)
        self._increment = 0.0

    def _work_since(self, values: Values, step: int) -> float:
        """Return the work of the motion from the step of the last `update` to this one, at these values."""
        if self._step is None or step == self._step:
            return 0.0
        return _harmonic(values, *self.at(step))[0] - _harmonic(values, *self.at(self._step))[0]

    def _table(self, numbers: ArrayLike, field: str) -> Values:
        table = np.array(numbers, dtype=np.float64)
        rows, count = len(self.steps), len(self.variables)
        if table.ndim == 1 and table.shape == (rows,):
            table = table[:, None]
        try:
            table = np.broadcast_to(table, (rows, count)).copy()
        except ValueError:
            table = np.full((rows, count), np.nan)
        if not np.isfinite(table).all():
            raise bad_option(field, numbers, f"finite numbers, one row for each of {rows} steps")
        return table

    def _interpolate(self, table: Values, step: int) -> Values:
        return np.array([np.interp(step, self.steps, column) for column in table.T])


def _harmonic(values: Values, centre: Values, strength: Values) -> tuple[float, Values]:
    away = values - centre
    return float(0.5 * np.sum(strength * away * away)), strength * away


def _strengths(strength: ArrayLike, count: int, field: str) -> Values:
    strengths = per_variable(strength, count, field)
    if (strengths < 0).any():
        raise bad_option(field, strength, "numbers of at least 0")
    return strengths
