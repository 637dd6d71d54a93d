"""Order parameters whose values and derivatives an analyser computes (bridge/PROTOCOL.md, "Variables").

Values have no unit; the coefficients that make an energy of them carry the simulation's energy unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phasewire.errors import PhasewireError, make_error


@dataclass(frozen=True)
class Variable:
    """An order parameter; make one with `fraction`, `log_density`, `mean_logit` or `logit_difference`."""

    kind: str
    phase: str | None = None
    minus: str | None = None

    def to_wire(self) -> dict[str, str]:
        """Return the map that the protocol sends."""
        wire = {"kind": self.kind}
        if self.phase is not None:
            wire["class"] = self.phase
        if self.minus is not None:
            wire["minus"] = self.minus
        return wire


def fraction(phase: str) -> Variable:
    """Mean over the atoms of the probability of a class, between 0 and 1."""
    return Variable("fraction", phase)


def log_density() -> Variable:
    """``logP``, the sum over the atoms of the logarithm of their density."""
    return Variable("logDensity")


def mean_logit(phase: str) -> Variable:
    """Mean over the atoms of the logit of a class."""
    return Variable("meanLogit", phase)


def logit_difference(phase: str, minus: str) -> Variable:
    """Mean over the atoms of the difference of two classes' logits, smooth along a path between the two."""
    return Variable("logitDifference", phase, minus)


def class_number(name: str, phases: Sequence[str], aliases: Mapping[str, str], where: str) -> int:
    """Return the number of a class from its name or an alias.

    Raises
    ------
    InputError
        ``BAD_OPTION`` with the field ``where`` if the model has no such class.
    """
    resolved = aliases.get(name, name)
    if resolved not in phases:
        raise unknown_class(name, phases, where)
    return phases.index(resolved)


def unknown_class(name: Any, phases: Sequence[str], where: str) -> PhasewireError:
    """Build the error for a class name that the model does not have."""
    return make_error(
        "BAD_OPTION",
        f"the model has no class {name!r}",
        field=where,
        value=name,
        remedy=f"use one of {', '.join(phases)}",
    )
