"""Functions of one's own of the logits, and the check of their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire.errors import PhasewireError, make_error

LogitFunction = Callable[[NDArray[np.float64]], Any]

# Long enough for functions that compute in single precision, short enough for logits that are of the order of 10.
_CHECK_STEP = 1e-3
_CHECK_TOLERANCE = 1e-3
# Of differences of a function that hardly depends on the logits, relative to the function.
_ROUNDING = 1e-14
_DIRECTIONS = 3
_STEP = 1e-5
_SEED = 20


class Function:
    """A function of the logits with its derivative, which is checked when it is first used.

    Parameters
    ----------
    function : callable
        float64 (N, C) to a number, or to one number an atom, shape (N,).
    derivative : callable, optional
        float64 (N, C) to the derivatives of that number, or of each atom's number, by the logits, shape (N, C). None:
        central differences, for functions of each atom alone.
    is_of_all_atoms : bool
        Whether it makes one number of all atoms, and so cannot do without a derivative.
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
        """Return the number that the function makes of all logits."""
        value = np.asarray(self._function(logits), dtype=np.float64)
        if value.ndim != 0:
            raise _refused(f"the function must return one number, not an array of shape {value.shape}", where)
        return float(value)

    def per_atom(self, logits: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        """Return the number that the function makes of each atom's logits, shape ``(N,)``."""
        values = np.array(self._function(logits), dtype=np.float64)
        if values.shape != (len(logits),):
            raise _refused(
                f"the function must return one number an atom, shape ({len(logits)},), not shape {values.shape}", where
            )
        return values

    def derivative(self, logits: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        """Return the derivatives by the logits, shape ``(N, C)``.

        Raises
        ------
        InputError
            ``BAD_OPTION`` if it has the wrong shape or, when it is first called, differs from finite differences.
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
            # What was added in truth, after rounding.
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
            # The norm of the derivative is what it typically says along a direction.
            scale = max(float(np.linalg.norm(found)), float(np.linalg.norm(slopes)))
            rounding = _ROUNDING * float(np.linalg.norm(above)) / _CHECK_STEP
            if not error <= _CHECK_TOLERANCE * scale + rounding:
                raise _refused(
                    f"the derivative is wrong: along a random direction it says {np.linalg.norm(said):.6g}, finite "
                    f"differences of the function {np.linalg.norm(found):.6g}, and the two differ by {error:.3g}",
                    where,
                )


def _refused(message: str, where: str) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        message,
        field=where,
        remedy="both take the logits as float64 of shape (N, C); per_atom can do without a derivative",
    )
