"""The classes that are allowed, and their weights (docs/maths.md, "Prior over classes")."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._model.class_names import class_number
from phasewire.errors import refusal, show

Classes = str | Iterable[str] | Mapping[str, float]


def as_weights(classes: Classes | None) -> dict[str, float] | None:
    """Return the given weights by name, 1 for names without a weight; None for None.

    Raises
    ------
    InputError
        ``BAD_OPTION`` unless they are names, each once, with finite weights of at least 0.
    """
    if classes is None:
        return None
    if isinstance(classes, Mapping):
        given: list[tuple[Any, Any]] = list(classes.items())
    elif isinstance(classes, str):
        given = [(classes, 1.0)]
    elif isinstance(classes, Iterable):
        given = [(name, 1.0) for name in classes]
    else:
        raise refusal("classList", value=classes)
    weights: dict[str, float] = {}
    for name, weight in given:
        if not isinstance(name, str):
            raise refusal("classList", value=name)
        if name in weights:
            raise refusal("classTwice", name=name, also="", value=name)
        number = _as_number(weight)
        if not 0 <= number < math.inf:
            raise refusal("classWeight", name=name, found=show(weight), value=weight)
        weights[name] = number
    return weights


def _as_number(value: Any) -> float:
    """Return a number as a double: NaN for what is none, infinity for a whole number beyond doubles."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def class_weights(
    weights: Mapping[str, float], phases: Sequence[str], aliases: Mapping[str, str]
) -> NDArray[np.float64]:
    """Return the weight of every class of a model, shape ``(C,)``.

    Parameters
    ----------
    weights : Mapping of str to float
        From `as_weights`. Classes that it does not name get 0, ``disordered`` 1.
    phases, aliases
        Those of the model.

    Raises
    ------
    InputError
        ``BAD_OPTION`` for a class that the model lacks or that is named twice, or if no crystalline class is left.
    """
    of_class = np.zeros(len(phases))
    of_class[0] = 1.0
    named: set[int] = set()
    for name, weight in weights.items():
        number = class_number(name, phases, aliases, "classes")
        if number in named:
            raise refusal("classTwice", name=phases[number], also=f", as {name} too", value=name)
        named.add(number)
        of_class[number] = weight
    if not of_class[1:].any():
        raise refusal("noCrystallineClass", value=list(weights))
    return of_class
