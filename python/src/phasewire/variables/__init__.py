"""Order parameters of a frame (docs/variables.md), which analysers evaluate and differentiate.

Values have no unit, except `distance`, a length. The coefficients of an energy carry the simulation's energy unit.
Variables can be added, subtracted and multiplied by numbers: ``0.5 * fraction("fcc") - fraction("hcp")``.
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
    """Mean probability of a class over the atoms, or of several classes together, between 0 and 1.

    Parameters
    ----------
    *phases : str
        Class names or aliases.
    select : AtomSelection, optional
        The atoms to use, from `atoms`. Default: all.
    switch : Switch or (centre, width), optional
        Count the atoms above ``centre`` instead of taking the mean probability.
    reduce : {"mean", "sum"}, optional
        Take the mean over the atoms, or the sum. Default: the mean.
    name : str, optional
        Its name in result files. Default: kind and classes, such as ``fraction.fcc``.

    Raises
    ------
    InputError
        ``BAD_OPTION`` that names the key, as for all functions below.
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
    """Mean logit of a class over the atoms; keywords as for `fraction`."""
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
    """Mean difference of two classes' logits over the atoms, smooth along a path between the two classes.

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
    """Mean distance of the atoms from a phase, a length; keywords as for `fraction`.

    It is the distance of the per-atom results, smoothed at the ideal phase.
    """
    return _checked(Variable("distance", phase, **_means(select, switch, reduce, name)))


def log_density(
    *,
    select: AtomSelection | None = None,
    switch: Switching | None = None,
    reduce: str | None = None,
    name: str | None = None,
) -> Variable:
    """``logP``, the sum of the log densities of the atoms; keywords as for `fraction`."""
    return _checked(Variable("logDensity", **_means(select, switch, reduce, name)))


def weighted_sum(
    terms: Iterable[tuple[float, Variable]], *, constant: float = 0.0, name: str | None = None
) -> Variable:
    """Sum of weight times variable, and a constant; the result of ``+``, ``-`` and ``*``."""
    parts = tuple(Term(float(weight), variable) for weight, variable in terms)
    return _checked(Variable("sum", terms=parts, constant=float(constant), name=name))


def smooth_min(*variables: Variable, sharpness: float, name: str | None = None) -> Variable:
    """Smooth minimum of some variables: -(1/b) log mean_i exp(-b V_i) with b = ``sharpness`` > 0."""
    return _checked(Variable("smoothMin", variables=tuple(variables), sharpness=sharpness, name=name))


def smooth_max(*variables: Variable, sharpness: float, name: str | None = None) -> Variable:
    """Smooth maximum of some variables: (1/b) log mean_i exp(b V_i) with b = ``sharpness`` > 0."""
    return _checked(Variable("smoothMax", variables=tuple(variables), sharpness=sharpness, name=name))


def switch(variable: Variable, centre: float, width: float, *, name: str | None = None) -> Variable:
    """Return 1 / (1 + exp(-(variable - centre) / width)), ``width`` > 0.

    To switch each atom before the mean is taken, use the keyword ``switch`` of `fraction`.
    """
    return _checked(Variable("switch", variable=variable, centre=centre, width=width, name=name))


def custom(function: LogitFunction, derivative: LogitFunction, *, name: str | None = None) -> Variable:
    """Any smooth function of the logits of all atoms.

    Parameters
    ----------
    function : callable
        Takes the logits, float64 of shape (N, C), log-weights of the classes included; returns a number.
    derivative : callable
        Takes the same; returns the derivative by each logit, shape (N, C). At its first use it is
        compared with finite differences along random directions, and refused if it is wrong.
    name : str, optional
        Its name in result files. Default: ``custom``.
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
    """Mean of any smooth function of an atom's logits over the atoms.

    Parameters
    ----------
    function : callable
        Takes the logits, float64 of shape (N, C), log-weights of the classes included; returns one number per atom,
        shape (N,), which depends only on the row of that atom.
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
        ``BAD_OPTION`` for keys and values that docs/variables.md does not allow; the field names the key, such as
        ``variable.select.region.width``.
    """
    return read_variable(body, where)


def variables_from_list(bodies: Sequence[Mapping[str, Any]], where: str = "variables") -> tuple[Variable, ...]:
    """Read variables from a list of JSON objects; errors as for `variable_from_dict`."""
    return read_list(bodies, where)


def read_variables(path: str | Path) -> tuple[Variable, ...]:
    """Read a JSON file with a list of variables, the format of the command line.

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
