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
    """

    def __init__(self, function: LogitFunction, derivative: LogitFunction | None) -> None:
        for role, given in (("function", function), ("derivative", derivative)):
            if not callable(given) and not (role == "derivative" and given is None):
                raise make_error(
                    "BAD_OPTION",
                    f"the {role} must be callable",
                    field=role,
                    value=given,
                    remedy="give a Python function of the logits, an array of shape (N, C)",
                )
        self._function = function
        self._derivative = derivative
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

    def derivative(self, logits: NDArray[np.float64], where: str, *, per_atom: bool) -> NDArray[np.float64]:
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
            self._check(logits, slopes, where, per_atom)
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

    def _check(self, logits: NDArray[np.float64], slopes: NDArray[np.float64], where: str, per_atom: bool) -> None:
        random = np.random.default_rng(_SEED)
        for _ in range(_DIRECTIONS):
            direction = random.normal(size=logits.shape)
            if per_atom:
                ends = [self.per_atom(logits + sign * _CHECK_STEP * direction, where) for sign in (1, -1)]
                found, said = (ends[0] - ends[1]) / (2 * _CHECK_STEP), (slopes * direction).sum(axis=1)
            else:
                whole = [self.whole(logits + sign * _CHECK_STEP * direction, where) for sign in (1, -1)]
                found, said = np.array((whole[0] - whole[1]) / (2 * _CHECK_STEP)), np.array((slopes * direction).sum())
            error = float(np.linalg.norm(found - said))
            # The norm of the derivative is what it typically says along a direction.
            scale = max(float(np.linalg.norm(found)), float(np.linalg.norm(slopes)))
            if not error <= _CHECK_TOLERANCE * scale:
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
