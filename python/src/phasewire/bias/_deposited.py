"""The base of biases that deposit hills or kernels along the run."""

from __future__ import annotations

from abc import abstractmethod

from numpy.typing import ArrayLike

from phasewire.bias._base import BiasPotential, Values, as_points


class Deposited(BiasPotential):
    """A bias that depends on its deposits so far, and not on the step."""

    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Return the energy and its derivatives; the step does not matter.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for values outside a grid.
        """
        energy, derivatives = self._evaluate(self._check_values(values))
        self._last_energy = energy
        return energy, derivatives

    def energies(self, points: ArrayLike) -> tuple[Values, Values]:
        """Return the energies at many points, shape (P,), and their derivatives, shape (P, V).

        Parameters
        ----------
        points : array_like, shape (P,) or (P, V)
        """
        return self._evaluate_many(as_points(points, len(self.variables), self.name))

    def _evaluate(self, point: Values) -> tuple[float, Values]:
        energies, derivatives = self._evaluate_many(point[None])
        return float(energies[0]), derivatives[0]

    @abstractmethod
    def _evaluate_many(self, points: Values) -> tuple[Values, Values]:
        """Return energies, shape (P,), and derivatives, shape (P, V)."""
