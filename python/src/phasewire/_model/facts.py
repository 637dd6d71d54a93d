"""The properties of a model that variables depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits

# Stands for log 0, for a class that is left out (docs/maths.md, "Prior over classes").
_LEFT_OUT = limits.number("core", "leftOut")


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """Names and numbers of a model, and the prior over its classes.

    Attributes
    ----------
    phases : tuple of str
        Names of the C classes.
    aliases : Mapping of str to str
        Other names of them.
    class_weights : float64 array, shape (C,), or None
        Weights of the prior; None: all are 1.
    ideal_logits : float64 array, shape (C,), or None
        Logit of each class on its own prototype, without prior; None if unknown.
    logit_length : float
        s, in units of a0.
    """

    phases: tuple[str, ...]
    aliases: Mapping[str, str]
    class_weights: NDArray[np.float64] | None
    ideal_logits: NDArray[np.float64] | None
    logit_length: float

    @property
    def log_weights(self) -> NDArray[np.float64]:
        """The term that the prior adds to the logits, shape ``(C,)``."""
        if self.class_weights is None:
            return np.zeros(len(self.phases))
        logarithms = np.full(len(self.phases), _LEFT_OUT)
        np.log(self.class_weights, out=logarithms, where=self.class_weights > 0)
        return logarithms
