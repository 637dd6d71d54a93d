"""Variables as objects: the keys of docs/variables.md as attributes, and arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phasewire.errors import make_error
from phasewire.variables.functions import Function
from phasewire.variables.regions import AtomSelection


@dataclass(frozen=True)
class Switch:
    """Counts values above ``centre``: q becomes 1 / (1 + exp(-(q - centre) / width))."""

    centre: float
    width: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"centre": self.centre, "width": self.width}


@dataclass(frozen=True)
class Term:
    """A variable in a sum, with its weight."""

    weight: float
    variable: Variable

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"weight": self.weight, "variable": self.variable.to_dict()}


@dataclass(frozen=True)
class Variable:
    """An order parameter; make one with `fraction`, `log_density`, `smooth_min` and similar functions.

    The attributes are the keys of docs/variables.md; those that the kind does not have are None. ``class`` is
    ``phase`` here, and ``classes`` is ``phases``.
    """

    kind: str
    phase: str | None = None
    minus: str | None = None
    phases: tuple[str, ...] | None = None
    name: str | None = None
    reduce: str | None = None
    select: AtomSelection | None = None
    switch: Switch | None = None
    terms: tuple[Term, ...] | None = None
    constant: float | None = None
    variables: tuple[Variable, ...] | None = None
    sharpness: float | None = None
    variable: Variable | None = None
    centre: float | None = None
    width: float | None = None
    function: Function | None = None

    # Makes numpy numbers leave arithmetic to this class instead of treating it as an array.
    __array_ufunc__ = None

    @property
    def is_sum_over_atoms(self) -> bool:
        """Whether the variable is a sum over atoms; otherwise it is a mean."""
        return (self.reduce or ("sum" if self.kind == "logDensity" else "mean")) == "sum"

    @property
    def inner(self) -> tuple[Variable, ...]:
        """The variables that this one is made of."""
        of_terms = tuple(term.variable for term in self.terms or ())
        return of_terms + (self.variables or ()) + (() if self.variable is None else (self.variable,))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of docs/variables.md.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for a custom function.
        """
        if self.function is not None:
            raise make_error(
                "BAD_OPTION",
                "a custom function is code and cannot be written",
                field="kind",
                value=self.kind,
                remedy="keep it in the script that uses it",
            )
        body: dict[str, Any] = {"kind": self.kind}
        for attribute, key in JSON_KEYS.items():
            value = getattr(self, attribute)
            if value is None:
                continue
            if isinstance(value, tuple):
                body[key] = [item if isinstance(item, str) else item.to_dict() for item in value]
            else:
                body[key] = value.to_dict() if hasattr(value, "to_dict") else value
        return body

    def to_wire(self) -> dict[str, Any]:
        """Return the map that the protocol sends."""
        return self.to_dict()

    def __add__(self, other: Variable | float) -> Variable:
        if isinstance(other, Variable):
            return _total((*_as_terms(self), *_as_terms(other)), _constant(self) + _constant(other))
        return _total(_as_terms(self), _constant(self) + float(other)) if _is_number(other) else NotImplemented

    __radd__ = __add__

    def __mul__(self, factor: float) -> Variable:
        if not _is_number(factor):
            return NotImplemented
        scaled = tuple(Term(float(factor) * term.weight, term.variable) for term in _as_terms(self))
        return _total(scaled, float(factor) * _constant(self))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Variable:
        return self * (1.0 / float(divisor)) if _is_number(divisor) else NotImplemented

    def __neg__(self) -> Variable:
        return -1.0 * self

    def __sub__(self, other: Variable | float) -> Variable:
        return self + -other if isinstance(other, Variable) or _is_number(other) else NotImplemented

    def __rsub__(self, other: float) -> Variable:
        return -self + other


JSON_KEYS = {
    "name": "name",
    "phase": "class",
    "phases": "classes",
    "minus": "minus",
    "reduce": "reduce",
    "select": "select",
    "switch": "switch",
    "terms": "terms",
    "constant": "constant",
    "variables": "variables",
    "sharpness": "sharpness",
    "variable": "variable",
    "centre": "centre",
    "width": "width",
}
"""The key of each attribute of a `Variable` in JSON."""


def variable_names(variables: Sequence[Variable]) -> tuple[str, ...]:
    """Return the names of some variables in result files, each name once.

    A variable without a name gets its kind and classes as its name, such as ``fraction.fcc``. Further variables with
    the same kind and classes get ``.2``, ``.3`` and so on appended.
    """
    taken = {variable.name for variable in variables if variable.name is not None}
    names: list[str] = []
    for variable in variables:
        if variable.name is not None:
            names.append(variable.name)
            continue
        classes = (variable.phase, *(variable.phases or ()), variable.minus)
        stem = ".".join([variable.kind, *(name for name in classes if name is not None)])
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}.{count}"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, Variable)


def _as_terms(variable: Variable) -> tuple[Term, ...]:
    """Return the terms of a sum without a name, or the variable as the only term."""
    if variable.kind == "sum" and variable.name is None:
        return variable.terms or ()
    return (Term(1.0, variable),)


def _constant(variable: Variable) -> float:
    return variable.constant or 0.0 if variable.kind == "sum" and variable.name is None else 0.0


def _total(terms: tuple[Term, ...], constant: float) -> Variable:
    return Variable("sum", terms=terms, constant=constant)
