"""Values and derivatives of variables from a forward pass, in double precision (docs/variables.md).

Everything is one reverse pass: `evaluate` gives the values of some variables and remembers how each came about, and
`Values.pull` adds dE/dV times the derivatives of each to one `Adjoint`. Of N x C numbers there are few: probabilities,
and the seed at the end, whatever the number of variables. Inside, classes are rows (C x N), so that what concerns one
class lies together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire._model.class_names import class_number
from phasewire.errors import make_error
from phasewire.variables.declaration import JSON_KEYS, Switch, Variable
from phasewire.variables.regions import Weights

F64 = NDArray[np.float64]

# Below, a mean over a region is one over nothing.
_LEAST_WEIGHT = limits.number("variables", "leastWeight")
# log 0 of a class that is left out (docs/maths.md, "Prior over classes").
_LEFT_OUT = limits.number("core", "leftOut")
# Where the corner of the distance is smoothed: c of h(u) = u^3 / (u^2 + c).
_CORNER = limits.number("variables", "corner")

Pull = Callable[[float, "Adjoint"], None]
"""Adds a weight times the derivatives of a value to an adjoint."""


class Room:
    """Large arrays that the next frame of the same size uses again.

    Memory that is new to the process costs more than what is computed in it: without this, 4000 atoms take four times
    as long.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """Return an array that holds anything, and is the same one at the next call of its name, shape and dtype."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self._arrays[name] = np.empty(shape, dtype)
        return array


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """What of a model enters variables.

    Attributes
    ----------
    phases, aliases
        Names of the C classes.
    class_weights : float64 array, shape (C,), or None
        Weights of the prior; None: all are 1.
    ideal_logits : float64 array, shape (C,), or None
        Logit of each class on its own prototype, without prior; None where nobody knows.
    logit_length : float
        s, in units of a0.
    """

    phases: Sequence[str]
    aliases: Mapping[str, str]
    class_weights: F64 | None
    ideal_logits: F64 | None
    logit_length: float


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """What a forward pass says of a frame.

    Attributes
    ----------
    frame : Frame
        The atoms that were analysed; N of them.
    logits : array, shape (N, C)
        With the log-weights of the prior.
    length_scale : float
        a0.
    model : ModelFacts
    room : Room
        Where its large arrays lie; they last until another forward pass uses it.
    """

    frame: Frame
    logits: NDArray[np.floating]
    length_scale: float
    model: ModelFacts
    room: Room = field(default_factory=Room)

    def __len__(self) -> int:
        return len(self.logits)

    @cached_property
    def columns(self) -> F64:
        """Logits by class, shape ``(C, N)``."""
        columns = self.room.array("columns", self.logits.shape[::-1])
        np.copyto(columns, self.logits.T)
        return columns

    @cached_property
    def rows(self) -> F64:
        """Logits by atom, shape ``(N, C)``, for functions of the user's."""
        return np.array(self.logits, dtype=np.float64, order="C")

    @cached_property
    def _probabilities_and_densities(self) -> tuple[F64, F64]:
        highest = self.columns.max(axis=0)
        table = self.room.array("probabilities", self.columns.shape)
        np.subtract(self.columns, highest, out=table)
        np.exp(table, out=table)
        total = table.sum(axis=0)
        table /= total
        return table, highest + np.log(total)

    @property
    def probabilities(self) -> F64:
        """Probabilities by class, shape ``(C, N)``."""
        return self._probabilities_and_densities[0]

    @property
    def log_densities(self) -> F64:
        """Log P_a, shape ``(N,)``."""
        return self._probabilities_and_densities[1]

    def class_of(self, name: str, where: str) -> int:
        """Return the number of a class."""
        return class_number(name, self.model.phases, self.model.aliases, where)

    def log_weight(self, number: int) -> float:
        """Return the log-weight of a class in the prior."""
        weight = 1.0 if self.model.class_weights is None else float(self.model.class_weights[number])
        return float(np.log(weight)) if weight > 0 else _LEFT_OUT


@dataclass(eq=False)
class Adjoint:
    """Derivatives of an energy, to which variables add theirs.

    Attributes
    ----------
    seed_per_probability : float64 array, shape (N,), or None
        The part of the seed that is p_ac times one number an atom.
    seed_of_class : dict of int to float64 array, shape (N,)
        Parts of the seed of one class each.
    seed_in_full : float64 array, shape (N, C), or None
        The rest.
    gradient : float64 array, shape (N, 3), or None
        Directly by the positions, of regions; None without any.
    virial : float64 array, shape (3, 3)
        Of the same.
    by_log_length_scale : float
        dE/dlog a0, explicitly.
    """

    atom_count: int
    seed_per_probability: F64 | None = None
    seed_of_class: dict[int, F64] = field(default_factory=dict)
    seed_in_full: F64 | None = None
    gradient: F64 | None = None
    virial: F64 = field(default_factory=lambda: np.zeros((3, 3)))
    by_log_length_scale: float = 0.0

    @property
    def has_seed(self) -> bool:
        """Whether anything of the energy depends on the logits."""
        return not (self.seed_per_probability is None and not self.seed_of_class and self.seed_in_full is None)

    def seed(self, forward: ForwardPass) -> F64:
        """Return dE/dl, shape ``(N, C)``, in the room of the forward pass."""
        seed: F64 = forward.room.array("seed", forward.columns.shape)
        if self.seed_per_probability is None:
            seed.fill(0.0)
        else:
            np.multiply(forward.probabilities, self.seed_per_probability, out=seed)
        for number, part in self.seed_of_class.items():
            seed[number] += part
        if self.seed_in_full is not None:
            seed += self.seed_in_full.T
        return seed.T

    def add_to_class(self, number: int, part: F64) -> None:
        """Add to the seed of one class."""
        own = self.seed_of_class.get(number)
        self.seed_of_class[number] = part if own is None else own + part

    def add_per_probability(self, part: F64) -> None:
        """Add p_ac times one number an atom to the seed."""
        own = self.seed_per_probability
        self.seed_per_probability = part if own is None else own + part

    def add_in_full(self, part: F64) -> None:
        """Add to the seed of all atoms and classes."""
        self.seed_in_full = part if self.seed_in_full is None else self.seed_in_full + part


@dataclass(frozen=True, eq=False)
class Values:
    """Values of some variables in one frame, and their derivatives.

    Attributes
    ----------
    values : float64 array, shape (V,)
    """

    values: F64
    _pulls: tuple[Pull, ...]
    _atom_count: int

    def pull(self, coefficients: F64) -> Adjoint:
        """Return the derivatives of an energy from its derivatives by the values, shape ``(V,)``.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for a region with a sharp edge, and for a wrong derivative of a function of the user's.
        """
        adjoint = Adjoint(self._atom_count)
        for pull, coefficient in zip(self._pulls, coefficients, strict=True):
            if coefficient != 0:
                pull(float(coefficient), adjoint)
        return adjoint


def evaluate(variables: Sequence[Variable], forward: ForwardPass, where: str = "variables") -> Values:
    """Evaluate variables that `phasewire.variables.schema.check_variables` has checked.

    Raises
    ------
    InputError
        ``EMPTY_SELECTION``, ``MISSING_CELL``, ``SINGULAR_CELL`` or ``BAD_OPTION`` if a variable cannot be had of this
        frame, with a field such as ``variables[0].select.region.radius``.
    """
    found = [_evaluate(variable, forward, f"{where}[{index}]") for index, variable in enumerate(variables)]
    values = np.array([value for value, _ in found])
    for index, value in enumerate(values):
        if not np.isfinite(value):
            raise make_error(
                "BAD_OPTION",
                "the value of the variable is not finite",
                field=f"{where}[{index}]",
                value=float(value),
                remedy="check its function, weights and widths; and the frame, if it was finite before",
            )
    return Values(values, tuple(pull for _, pull in found), len(forward))


def _evaluate(variable: Variable, forward: ForwardPass, where: str) -> tuple[float, Pull]:
    match variable.kind:
        case "sum":
            return _sum(variable, forward, where)
        case "smoothMin" | "smoothMax":
            return _smooth_extreme(variable, forward, where)
        case "switch":
            return _switched(variable, forward, where)
        case "custom":
            return _custom(variable, forward, where)
        case _:
            return _over_atoms(variable, forward, where)


def _sum(variable: Variable, forward: ForwardPass, where: str) -> tuple[float, Pull]:
    value = variable.constant or 0.0
    parts: list[tuple[float, Pull]] = []
    for index, term in enumerate(variable.terms or ()):
        inner, pull = _evaluate(term.variable, forward, f"{where}.terms[{index}].variable")
        value += term.weight * inner
        parts.append((term.weight, pull))
    return value, _pull_all(parts)


def _smooth_extreme(variable: Variable, forward: ForwardPass, where: str) -> tuple[float, Pull]:
    found = [
        _evaluate(inner, forward, f"{where}.variables[{index}]") for index, inner in enumerate(variable.variables or ())
    ]
    values = np.array([value for value, _ in found])
    signed = float(variable.sharpness or 1.0) * (1 if variable.kind == "smoothMax" else -1)
    exponents = signed * values
    highest = exponents.max()
    terms = np.exp(exponents - highest)
    value = (highest + np.log(terms.mean())) / signed
    weights = terms / terms.sum()
    return float(value), _pull_all([(float(weight), pull) for weight, (_, pull) in zip(weights, found, strict=True)])


def _switched(variable: Variable, forward: ForwardPass, where: str) -> tuple[float, Pull]:
    assert variable.variable is not None
    inner, pull = _evaluate(variable.variable, forward, f"{where}.variable")
    value, slope = _logistic(np.array([inner]), Switch(variable.centre or 0.0, variable.width or 1.0))
    return float(value[0]), _pull_all([(float(slope[0]), pull)])


def _custom(variable: Variable, forward: ForwardPass, where: str) -> tuple[float, Pull]:
    function = variable.function
    assert function is not None
    value = function.whole(forward.rows, where)

    def pull(weight: float, adjoint: Adjoint) -> None:
        adjoint.add_in_full(weight * function.derivative(forward.rows, where))

    return value, pull


def _pull_all(parts: Sequence[tuple[float, Pull]]) -> Pull:
    def pull(weight: float, adjoint: Adjoint) -> None:
        for factor, inner in parts:
            if weight * factor != 0:
                inner(weight * factor, adjoint)

    return pull


def _over_atoms(variable: Variable, forward: ForwardPass, where: str) -> tuple[float, Pull]:
    """V = sum_a w_a f(q_a), or that divided by sum_a w_a."""
    weights = Weights(variable.select, forward.frame, f"{where}.select")
    if not variable.is_sum_over_atoms and not weights.total >= _LEAST_WEIGHT:
        raise make_error(
            "EMPTY_SELECTION",
            "no atom lies in the region, so there is nothing to take a mean of",
            field=f"{where}.select",
            value=weights.total,
            remedy='take another region or a larger one, or "reduce": "sum"',
        )
    q, pull_q = _quantity(variable, forward, where)
    f, slope = (q, None) if variable.switch is None else _logistic(q, variable.switch)
    norm = 1.0 if variable.is_sum_over_atoms else 1.0 / weights.total
    value = norm * float(f.sum() if weights.values is None else weights.values @ f)

    def pull(weight: float, adjoint: Adjoint) -> None:
        share = weight * norm
        by_q = np.full(len(q), share) if weights.values is None else share * weights.values
        pull_q(by_q if slope is None else by_q * slope, adjoint)
        if weights.move:
            if adjoint.gradient is None:
                adjoint.gradient = np.zeros((adjoint.atom_count, 3))
            by_weight = share * (f if variable.is_sum_over_atoms else f - value)
            weights.pull(by_weight, adjoint.gradient, adjoint.virial)

    return value, pull


PullAtoms = Callable[[F64, Adjoint], None]
"""Adds what follows from the derivatives by the q_a, shape (N,), to an adjoint."""


def _quantity(variable: Variable, forward: ForwardPass, where: str) -> tuple[F64, PullAtoms]:
    match variable.kind:
        case "fraction":
            return _share(variable, forward, where)
        case "meanLogit" | "logitDifference":
            return _logit(variable, forward, where)
        case "distance":
            return _distance(variable, forward, where)
        case "logDensity":
            return forward.log_densities, lambda by_q, adjoint: adjoint.add_per_probability(by_q)
        case _:
            function = variable.function
            assert function is not None

            def pull(by_q: F64, adjoint: Adjoint) -> None:
                adjoint.add_in_full(by_q[:, None] * function.derivative(forward.rows, where))

            return function.per_atom(forward.rows, where), pull


def _share(variable: Variable, forward: ForwardPass, where: str) -> tuple[F64, PullAtoms]:
    if variable.phases is None:
        numbers = [_class(variable, "phase", forward, where)]
    else:
        numbers = [forward.class_of(name, f"{where}.classes[{i}]") for i, name in enumerate(variable.phases)]
    parts = forward.probabilities[numbers]
    q = parts[0] if len(numbers) == 1 else parts.sum(axis=0)

    def pull(by_q: F64, adjoint: Adjoint) -> None:
        adjoint.add_per_probability(-by_q * q)
        for number, part in zip(numbers, parts, strict=True):
            adjoint.add_to_class(number, by_q * part)

    return q, pull


def _logit(variable: Variable, forward: ForwardPass, where: str) -> tuple[F64, PullAtoms]:
    number = _class(variable, "phase", forward, where)
    if variable.minus is None:
        return forward.columns[number], lambda by_q, adjoint: adjoint.add_to_class(number, by_q)
    other = _class(variable, "minus", forward, where)

    def pull(by_q: F64, adjoint: Adjoint) -> None:
        adjoint.add_to_class(number, by_q)
        adjoint.add_to_class(other, -by_q)

    return forward.columns[number] - forward.columns[other], pull


def _distance(variable: Variable, forward: ForwardPass, where: str) -> tuple[F64, PullAtoms]:
    """Distance q = a0 s sqrt(2 h(u)), h(u) = u^3 / (u^2 + c), u = l0 - l' above 0."""
    if forward.model.ideal_logits is None:
        raise make_error(
            "PROTOCOL_VERSION",
            "the server does not say the ideal logits of its model, which a distance is measured from",
            field=f"{where}.kind",
            value=variable.kind,
            remedy="take a server of this release, or phasewire.Local()",
        )
    number = _class(variable, "phase", forward, where)
    # The prior is taken out of the logits.
    u = np.maximum(forward.model.ideal_logits[number] + forward.log_weight(number) - forward.columns[number], 0.0)
    unit = forward.length_scale * forward.model.logit_length
    below = np.square(u) + _CORNER
    q = unit * u * np.sqrt(2.0 * u / below)

    def pull(by_q: F64, adjoint: Adjoint) -> None:
        # h'(u) / sqrt(2 h(u)) without a division by what may be 0.
        slope = np.sqrt(0.5 * u / below) * (below + 2.0 * _CORNER) / below
        adjoint.add_to_class(number, -unit * by_q * slope)
        adjoint.by_log_length_scale += float(by_q @ q)

    return q, pull


def _class(variable: Variable, attribute: str, forward: ForwardPass, where: str) -> int:
    return forward.class_of(getattr(variable, attribute), f"{where}.{JSON_KEYS[attribute]}")


def _logistic(q: F64, switch: Switch) -> tuple[F64, F64]:
    """Return f(q) = 1 / (1 + exp(-(q - centre) / width)) and its derivative, for any q."""
    x = (q - switch.centre) / switch.width
    # The exponential of a negative number alone, so that none overflows.
    small = np.exp(-np.abs(x))
    tail = small / (1.0 + small)
    value = np.where(x > 0, 1.0 - tail, tail)
    return value, value * (1.0 - value) / switch.width
