"""The engines that phasewire can watch and bias, by name (docs/engine-contract.md).

Examples
--------
>>> sorted(couplings())
['ase', 'lammps']
>>> monitor = couplings()["ase"].attach(dyn, every=100)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from phasewire.errors import make_error

if TYPE_CHECKING:
    from phasewire.driving.attached import AttachedBias
    from phasewire.watching.monitor import Monitor

__all__ = ["Coupling", "couplings", "register"]

# Packages that register a coupling when they are imported, which does not import their engine.
_PACKAGES = ("phasewire.ase", "phasewire.lammps")


@dataclass(frozen=True)
class Coupling:
    """The functions that join phasewire to the runs of an engine.

    Attributes
    ----------
    name : str
        A short word, such as ``"lammps"``.
    attach : function
        Takes the engine's run, ``every`` and an analyser, and returns a `phasewire.Monitor`.
    bias : function
        Takes the engine's run and biases, and returns an `AttachedBias`.
    """

    name: str
    attach: Callable[..., Monitor]
    bias: Callable[..., AttachedBias]


_registered: dict[str, Coupling] = {}


def register(coupling: Coupling) -> None:
    """Add a coupling under its name.

    Raises
    ------
    InputError
        ``BAD_OPTION`` if another one has that name.
    """
    if coupling.name in _registered and _registered[coupling.name] != coupling:
        raise make_error(
            "BAD_OPTION",
            f"there is already a coupling with the name {coupling.name!r}",
            field="name",
            value=coupling.name,
            remedy="give the coupling another name",
        )
    _registered[coupling.name] = coupling


def couplings() -> Mapping[str, Coupling]:
    """Return the couplings by name: those of this package and those that the program registered."""
    for package in _PACKAGES:
        import_module(package)
    return MappingProxyType(_registered)
