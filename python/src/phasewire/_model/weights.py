"""The classes that are allowed, and their weights (docs/maths.md, "Prior over classes")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._model.class_names import class_number
from phasewire.errors import PhasewireError, make_error

Classes = str | Iterable[str] | Mapping[str, float]


def as_weights(classes: Classes | None) -> dict[str, float] | None:
    """Return the weights by name that a user gave, 1 for names without a weight; None for None.

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
        raise _refused("classes must be class names, or a mapping from class names to weights", classes)
    weights: dict[str, float] = {}
    for name, weight in given:
        if not isinstance(name, str):
            raise _refused("a class is named by a str", name)
        if name in weights:
            raise _refused(f"classes names {name} twice", name)
        if not isinstance(weight, (int, float, np.integer, np.floating)) or isinstance(weight, bool):
            raise _refused(f"the weight of {name} must be a number", weight)
        if not 0 <= weight < np.inf:
            raise _refused(f"the weight of {name} must be finite and at least 0", float(weight))
        weights[name] = float(weight)
    return weights


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
            raise _refused(f"classes names {phases[number]} twice, as {name} too", name)
        named.add(number)
        of_class[number] = weight
    if not of_class[1:].any():
        raise _refused("classes leaves no crystalline class", dict(weights))
    return of_class


def _refused(message: str, value: Any) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        message,
        field="classes",
        value=value,
        remedy="name the classes that are allowed, each once, with a weight above 0 if the weights are not equal: "
        'classes=("fcc", "hcp"), or classes={"fcc": 2, "hcp": 1}',
    )
