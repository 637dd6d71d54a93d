"""Custom functions of the logits, and the check of their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire.errors import PhasewireError, make_error

LogitFunction = Callable[[NDArray[np.float64]], Any]

# Large enough for functions that compute in single precision, small enough for logits of about 10.
_CHECK_STEP = 1e-3
_CHECK_TOLERANCE = 1e-3
# Rounding error of differences, relative to the function, if it hardly depends on the logits.
_ROUNDING = 1e-14
_DIRECTIONS = 3
_STEP = 1e-5
_SEED = 20


class Function:
    """A function of the logits with its derivative, which is checked at its first use.

    Parameters
    ----------
    function : callable
        Maps float64 (N, C) to a number, or to one number per atom, shape (N,).
    derivative : callable, optional
        Maps float64 (N, C) to the derivatives of that number, or of each atom's number, by the logits, shape (N, C).
        None: central differences, only for functions that give one number per atom.
    is_of_all_atoms : bool
        Whether it gives one number for all atoms, and therefore needs a derivative.
    """

    def __init__(
        self, function: LogitFunction, derivative: LogitFunction | None, *, is_of_all_atoms: bool = False
    ) -> None:
        needed: dict[str, LogitFunction | None] = {"function": function}
        if derivative is not None or is_of_all_atoms:
            needed["derivative"] = derivative
        for role, given in needed.items():
            if not callable(given):
                raise make_error(
                    "BAD_OPTION",
                    f"the {role} must be callable",
                    field=role,
                    value=given,
                    remedy="give a Python function of the logits, an array of shape (N, C)",
                )
        self._function = function
        self._derivative = derivative
        self._is_of_all_atoms = is_of_all_atoms
        self._is_checked = False

    def whole(self, logits: NDArray[np.float64], where: str) -> float:
        """Return the value of the function of all logits."""
        value = np.asarray(self._function(logits), dtype=np.float64)
        if value.ndim != 0:
            raise _refused(f"the function must return one number, not an array of shape {value.shape}", where)
        return float(value)

    def per_atom(self, logits: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        """Return the value of the function for each atom, shape ``(N,)``."""
        values = np.array(self._function(logits), dtype=np.float64)
        if values.shape != (len(logits),):
            raise _refused(
                f"the function must return one number per atom, shape ({len(logits)},), not shape {values.shape}", where
            )
        return values

    def derivative(self, logits: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        """Return the derivatives by the logits, shape ``(N, C)``.

        Raises
        ------
        InputError
            ``BAD_OPTION`` if it has the wrong shape or, at its first use, differs from finite differences.
        """
        if self._derivative is None:
            return self._differences(logits, where)
        slopes = np.asarray(self._derivative(logits), dtype=np.float64)
        if slopes.shape != logits.shape:
            raise _refused(f"the derivative must have the shape {logits.shape}, not {slopes.shape}", where)
        if not self._is_checked:
            self._check(logits, slopes, where)
            self._is_checked = True
        return slopes

    def _differences(self, logits: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        slopes = np.empty_like(logits)
        moved = logits.copy()
        for column in range(logits.shape[1]):
            moved[:, column] = logits[:, column] + _STEP
            # The step after rounding.
            step = moved[:, column] - logits[:, column]
            above = self.per_atom(moved, where)
            moved[:, column] = logits[:, column] - step
            slopes[:, column] = (above - self.per_atom(moved, where)) / (2 * step)
            moved[:, column] = logits[:, column]
        return slopes

    def _values(self, logits: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        return np.array([self.whole(logits, where)]) if self._is_of_all_atoms else self.per_atom(logits, where)

    def _check(self, logits: NDArray[np.float64], slopes: NDArray[np.float64], where: str) -> None:
        random = np.random.default_rng(_SEED)
        for _ in range(_DIRECTIONS):
            direction = random.normal(size=logits.shape)
            above, below = (self._values(logits + sign * _CHECK_STEP * direction, where) for sign in (1, -1))
            found = (above - below) / (2 * _CHECK_STEP)
            said = np.atleast_1d((slopes * direction).sum(axis=None if self._is_of_all_atoms else 1))
            error = float(np.linalg.norm(found - said))
            # The norm of the derivative is its typical size along a direction.
            scale = max(float(np.linalg.norm(found)), float(np.linalg.norm(slopes)))
            rounding = _ROUNDING * float(np.linalg.norm(above)) / _CHECK_STEP
            if not error <= _CHECK_TOLERANCE * scale + rounding:
                raise _refused(
                    f"the derivative is wrong: along a random direction it is {np.linalg.norm(said):.6g}, by finite "
                    f"differences of the function {np.linalg.norm(found):.6g}; they differ by {error:.3g}",
                    where,
                )


def _refused(message: str, where: str) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        message,
        field=where,
        remedy="both take the logits as float64 of shape (N, C); per_atom needs no derivative",
    )
