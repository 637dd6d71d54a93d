"""The base of all biases: an energy of a few numbers, which may change once per step.

A bias sees numbers, not atoms. Energies and kT are in the simulation's own energy unit, values in the units of the
variables (docs/biasing.md, "Interfaces").
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire.errors import PhasewireError, make_error
from phasewire.variables import Variable, variable_names

Values = NDArray[np.float64]


class BiasPotential(ABC):
    """An energy of the values of some variables.

    Parameters
    ----------
    variables : Variable or sequence of Variable
        The variables of the values, in order.
    name : str
        Prefix of its columns in COLVAR; unique among the biases of a run.

    Attributes
    ----------
    name : str
    variables : tuple of Variable

    Notes
    -----
    A step calls `energy`, then `update`. `energy` may be called any number of times, at any values: it does not affect
    the run. `state` holds everything that `update` changes.
    """

    def __init__(self, variables: Any, *, name: str) -> None:
        self.name = name
        self.variables: tuple[Any, ...] = as_variables(variables, f"{name}.variables")
        self._last_energy = math.nan

    @abstractmethod
    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Return the energy at some values, and its derivatives.

        Parameters
        ----------
        values : array_like, shape (V,)
        step : int
            The simulation's step, for a bias that follows a schedule.

        Returns
        -------
        energy : float
        derivatives : ndarray, shape (V,), float64
            dE/dV; the forces on the variables are their negative.

        Raises
        ------
        InputError
            ``SHAPE_MISMATCH`` or ``BAD_OPTION`` for the wrong number of values, or values that are not finite.
        """

    def energies(self, points: ArrayLike) -> tuple[Values, Values]:
        """Return the energies at many points, shape (P,), and their derivatives, shape (P, V), at step 0.

        Parameters
        ----------
        points : array_like, shape (P,) or (P, V)
        """
        found = [self.energy(point, 0) for point in as_points(points, len(self.variables), self.name)]
        return np.array([energy for energy, _ in found]), np.array([derivatives for _, derivatives in found])

    def update(self, values: ArrayLike, step: int, time: float | None = None) -> None:  # noqa: B027
        """Move on, once per step, after `energy`. A static bias does nothing.

        Parameters
        ----------
        values : array_like, shape (V,)
        step : int
        time : float, optional
            The simulation's time, for files. Default: the step.
        """

    def columns(self) -> dict[str, float]:
        """Return the columns for COLVAR from the last `energy` and `update`: at least ``NAME.bias``."""
        return {f"{self.name}.bias": self._last_energy}

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return all parameters of the bias as JSON values."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that `update` has changed, as arrays that ``numpy.savez`` writes without pickle."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a `state`, to the last bit.

        Raises
        ------
        InputError
            ``FILE_FORMAT`` for the state of another kind of bias.
        """
        require_keys(state, (), self.name)

    def check_settings(self, stored: Mapping[str, Any]) -> None:
        """Refuse to continue a run with other settings.

        Raises
        ------
        InputError
            ``BAD_OPTION``, with the first setting that differs as its field, such as ``metad.height``.
        """
        mine = self.settings()
        for key in [*mine, *(key for key in stored if key not in mine)]:
            if key not in stored or key not in mine or not _equal(mine[key], stored[key]):
                raise make_error(
                    "BAD_OPTION",
                    f"the run to continue had {stored.get(key, 'no such setting')!r} here",
                    field=f"{self.name}.{key}",
                    value=mine.get(key),
                    remedy="give the bias the settings of that run, or begin a new run",
                )

    def _describe(self, **settings: Any) -> dict[str, Any]:
        """Return settings with those that every bias has, and arrays as lists."""
        described: dict[str, Any] = {"kind": type(self).__name__, "variables": [v.name for v in self.variables]}
        for key, value in settings.items():
            described[key] = value.tolist() if isinstance(value, np.ndarray) else value
        return described

    def _check_values(self, values: ArrayLike) -> Values:
        checked = np.asarray(values, dtype=np.float64)
        if checked.shape != (len(self.variables),):
            raise make_error(
                "SHAPE_MISMATCH",
                f"the bias has {len(self.variables)} variables",
                field=f"{self.name}.values",
                value=checked.shape,
                remedy="give one value for each",
            )
        if not np.isfinite(checked).all():
            raise make_error(
                "BAD_OPTION",
                "a value is not a finite number",
                field=f"{self.name}.values",
                value=checked.tolist(),
                remedy="check its frame: the run has probably blown up",
            )
        return checked


def as_variables(variables: Any, field: str) -> tuple[Any, ...]:
    """Return one variable or several as a tuple; those without a name get that of `variable_names`.

    Raises
    ------
    InputError
        ``BAD_OPTION`` if there is none, or one has no name, or two have the same name.
    """
    several = isinstance(variables, Iterable) and not isinstance(variables, str | Mapping)
    found = tuple(variables) if several else (variables,)
    if found and all(isinstance(variable, Variable) for variable in found):
        # They need different names as columns of files.
        found = tuple(replace(variable, name=name) for variable, name in zip(found, variable_names(found), strict=True))
    names = [getattr(variable, "name", None) for variable in found]
    if not found or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise make_error(
            "BAD_OPTION",
            "a bias needs one or more variables with different names",
            field=field,
            value=names,
            remedy="give variables, such as phasewire.fraction('fcc')",
        )
    return found


def as_points(points: ArrayLike, count: int, name: str) -> Values:
    """Return points as an array of shape (P, V); with one variable, a list of numbers is enough.

    Raises
    ------
    InputError
        ``SHAPE_MISMATCH``.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim == 1 and count == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != count or len(array) == 0:
        raise make_error(
            "SHAPE_MISMATCH",
            f"points in {count} variables are an array of shape (P, {count})",
            field=f"{name}.points",
            value=array.shape,
            remedy="give a row for each point",
        )
    return array


def per_variable(value: ArrayLike, count: int, field: str, *, positive: bool = False) -> Values:
    """Return one finite number for each variable; a single number counts for all.

    Raises
    ------
    InputError
        ``BAD_OPTION`` for another number of them, or numbers that are not finite or, with ``positive``, not above 0.
    """
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.ndim == 0:
        numbers = np.full(count, float(numbers))
    if numbers.shape != (count,) or not np.isfinite(numbers).all() or (positive and not (numbers > 0).all()):
        wanted = "number above 0" if positive else "finite number"
        raise bad_option(field, value, f"{wanted} for each of {count} variables, or one for all")
    return numbers


def bad_option(field: str, value: Any, wanted: str) -> PhasewireError:
    """Build the error for an invalid parameter."""
    return make_error(
        "BAD_OPTION", "the bias cannot have this value", field=field, value=value, remedy=f"give {wanted}"
    )


def positive_number(value: Any, field: str, *, least: float = 0.0) -> float:
    """Return a finite number above ``least``.

    Raises
    ------
    InputError
        ``BAD_OPTION``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least < value < math.inf:
        raise bad_option(field, value, f"a finite number above {least:g}")
    return float(value)


def positive_integer(value: Any, field: str) -> int:
    """Return a whole number above 0.

    Raises
    ------
    InputError
        ``BAD_OPTION``.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise bad_option(field, value, "a whole number above 0")
    return int(value)


def require_keys(state: Mapping[str, Any], keys: Iterable[str], name: str) -> None:
    """Refuse a state that another kind of bias wrote.

    Raises
    ------
    InputError
        ``FILE_FORMAT``, with the missing and surplus keys.
    """
    missing, surplus = set(keys) - set(state), set(state) - set(keys)
    if missing or surplus:
        raise make_error(
            "FILE_FORMAT",
            "the state does not belong to this kind of bias",
            field=f"{name}.state",
            value=sorted(missing | surplus),
            remedy="restore it to the bias that wrote it",
        )


def step_state(step: int | None) -> dict[str, NDArray[Any]]:
    """Return the last step of `update` as arrays of a state; None before the first."""
    # A run may begin at any step, so a separate flag marks one that has not begun.
    return {"step": np.array(0 if step is None else step, dtype=np.int64), "begun": np.array(step is not None)}


def step_of(state: Mapping[str, NDArray[Any]]) -> int | None:
    """Return the step of `step_state`."""
    return int(state["step"]) if bool(state["begun"]) else None


def passed(pace: int, before: int | None, step: int) -> bool:
    """Return whether a multiple of ``pace`` lies after ``before`` and not after ``step``.

    So a bias that is called only at every k-th step also keeps its pace. The first step of a run, with ``before`` None,
    gives False.
    """
    return before is not None and step // pace > before // pace


def _equal(mine: Any, theirs: Any) -> bool:
    # JSON has only lists. NaN equals nothing, so it counts as different.
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    return bool(mine == theirs)
