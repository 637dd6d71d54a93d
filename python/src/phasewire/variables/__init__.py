"""Order parameters of a frame, declared once (docs/variables.md): what an analyser evaluates and differentiates.

Values have no unit, but for `distance`, a length; the coefficients that make an energy of them carry the simulation's
energy unit. Variables can be added, subtracted and multiplied by numbers: ``0.5 * fraction("fcc") - fraction("hcp")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phasewire._model.class_names import class_number, unknown_class
from phasewire.variables.declaration import Switch, Term, Variable, variable_names
from phasewire.variables.functions import Function, LogitFunction
from phasewire.variables.regions import AtomSelection, Ball, Region, Slab, atoms, ball, slab
from phasewire.variables.schema import check_variable, read_file, read_list, read_variable

__all__ = [
    "AtomSelection",
    "Ball",
    "Region",
    "Slab",
    "Switch",
    "Term",
    "Variable",
    "atoms",
    "ball",
    "class_number",
    "custom",
    "distance",
    "fraction",
    "log_density",
    "logit_difference",
    "mean_logit",
    "per_atom",
    "read_variables",
    "slab",
    "smooth_max",
    "smooth_min",
    "switch",
    "unknown_class",
    "variable_from_dict",
    "variable_names",
    "variables_from_list",
    "weighted_sum",
]

Switching = Switch | tuple[float, float]


def fraction(
    *phases: str | Iterable[str],
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """Mean over the atoms of the probability of a class, or of several together, between 0 and 1.

    Parameters
    ----------
    *phases : str
        Class names or aliases.
    select : AtomSelection, optional
        From `atoms`: which atoms. Default: all.
    switch : Switch or (centre, width), optional
        Count the atoms beyond ``centre`` instead of taking the mean of the probability itself.
    reduce : {"mean", "sum"}, optional
        Mean over the atoms, or their sum. Default: the mean.
    name : str, optional
        What files of results call it. Default: after kind and classes, such as ``fraction.fcc``.

    Raises
    ------
    InputError
        ``BAD_OPTION`` that names the key, here and in all the functions below.
    """
    lists = (part if isinstance(part, Iterable) and not isinstance(part, str) else (part,) for part in phases)
    names = tuple(name for part in lists for name in part)
    chosen = {"phase": names[0]} if len(names) == 1 else {"phases": names}
    return _checked(Variable("fraction", **chosen, **_means(select, switch, reduce, name)))


def mean_logit(
    phase: str,
    *,
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """Mean over the atoms of the logit of a class; keywords as for `fraction`."""
    return _checked(Variable("meanLogit", phase, **_means(select, switch, reduce, name)))


def logit_difference(
    phase: str,
    minus: str,
    *,
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """Mean over the atoms of the difference of two classes' logits, smooth along a path between the two.

    Keywords as for `fraction`.
    """
    return _checked(Variable("logitDifference", phase, minus, **_means(select, switch, reduce, name)))


def distance(
    phase: str,
    *,
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """Mean over the atoms of their distance from a phase, a length; keywords as for `fraction`.

    That of the per-atom results, with the corner at the ideal phase smoothed away.
    """
    return _checked(Variable("distance", phase, **_means(select, switch, reduce, name)))


def log_density(
    *,
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """``logP``, the sum over the atoms of the logarithm of their density; keywords as for `fraction`."""
    return _checked(Variable("logDensity", **_means(select, switch, reduce, name)))


def weighted_sum(
    terms: Iterable[tuple[float, Variable]], *, constant: float = 0.0, name: str | None = None
) -> Variable:
    """Sum of weight times variable, and a constant; what ``+``, ``-`` and ``*`` make."""
    parts = tuple(Term(float(weight), variable) for weight, variable in terms)
    return _checked(Variable("sum", terms=parts, constant=float(constant), name=name))


def smooth_min(*variables: Variable, sharpness: float, name: str | None = None) -> Variable:
    """Nearly the least of some variables: -(1/b) log mean_i exp(-b V_i) with b = ``sharpness`` > 0."""
    return _checked(Variable("smoothMin", variables=tuple(variables), sharpness=sharpness, name=name))


def smooth_max(*variables: Variable, sharpness: float, name: str | None = None) -> Variable:
    """Nearly the largest of some variables: (1/b) log mean_i exp(b V_i) with b = ``sharpness`` > 0."""
    return _checked(Variable("smoothMax", variables=tuple(variables), sharpness=sharpness, name=name))


def switch(variable: Variable, centre: float, width: float, *, name: str | None = None) -> Variable:
    """Return 1 / (1 + exp(-(variable - centre) / width)), ``width`` > 0.

    For a switch of each atom instead, before the mean is taken, see the keyword ``switch`` of `fraction`.
    """
    return _checked(Variable("switch", variable=variable, centre=centre, width=width, name=name))


def custom(function: LogitFunction, derivative: LogitFunction, *, name: str | None = None) -> Variable:
    """Any smooth function of the logits of all atoms.

    Parameters
    ----------
    function : callable
        Takes the logits, float64 of shape (N, C), log-weights of the classes included; returns a number.
    derivative : callable
        Takes the same; returns the derivative by each logit, shape (N, C). It is compared with finite differences
        along random directions when it is first used, and refused if it is wrong.
    name : str, optional
        What files of results call it. Default: ``custom``.
    """
    return _checked(Variable("custom", name=name, function=Function(function, derivative, is_of_all_atoms=True)))


def per_atom(
    function: LogitFunction,
    derivative: LogitFunction | None = None,
    *,
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """Mean over the atoms of any smooth function of each atom's logits.

    Parameters
    ----------
    function : callable
        Takes the logits, float64 of shape (N, C), log-weights of the classes included; returns one number an atom,
        shape (N,), each of which depends on its own row alone.
    derivative : callable, optional
        Takes the same; returns the derivative of each atom's number by its logits, shape (N, C); checked like that of
        `custom`. Default: central differences, which call ``function`` twice for each class.
    select, switch, reduce, name
        As for `fraction`.
    """
    return _checked(
        Variable("perAtom", function=Function(function, derivative), **_means(select, switch, reduce, name))
    )


def variable_from_dict(body: Mapping[str, Any], where: str = "variable") -> Variable:
    """Read a variable from its JSON object.

    Raises
    ------
    InputError
        ``BAD_OPTION`` for keys and values that docs/variables.md does not have; the field names the key, such as
        ``variable.select.region.width``.
    """
    return read_variable(body, where)


def variables_from_list(bodies: Sequence[Mapping[str, Any]], where: str = "variables") -> tuple[Variable, ...]:
    """Read variables from a list of JSON objects; errors as for `variable_from_dict`."""
    return read_list(bodies, where)


def read_variables(path: str | Path) -> tuple[Variable, ...]:
    """Read a JSON file of variables: a list of them, as the command line takes it.

    Raises
    ------
    InputError
        ``FILE_ACCESS`` or ``FILE_FORMAT`` for the file, ``BAD_OPTION`` for a variable.
    """
    return read_file(Path(path))


def _means(
    select: AtomSelection | None, switch: Switching | None, reduce: str | None, name: str | None
) -> dict[str, Any]:
    made = Switch(*switch) if isinstance(switch, tuple) else switch
    return {"select": select, "switch": made, "reduce": reduce, "name": name}


def _checked(variable: Variable) -> Variable:
    check_variable(variable, "")
    return variable
