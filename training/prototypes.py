"""Ideal prototypes: the points that each class is made of, one atom per unit volume.

Built-in classes come from `ase`; a user adds one with any structure file (one file, one class).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import spglib
from ase import Atoms
from ase.build import bulk
from ase.io import read


@dataclass(frozen=True)
class Prototype:
    """A crystal class. `cell` rows and `positions` at one atom per unit volume; `species` from 0."""

    name: str
    label: str
    space_group: int
    cell: np.ndarray
    positions: np.ndarray
    species: np.ndarray
    aliases: tuple[str, ...] = ()
    # How often the class is drawn relative to the others; bcc is soft and needs more.
    weight: float = 1.0

    def info(self) -> dict:
        """The entry of the class table in the model file."""
        return {
            "name": self.name,
            "aliases": list(self.aliases),
            "prototype": self.label,
            "spaceGroup": self.space_group,
        }


def from_atoms(name: str, atoms: Atoms, label: str, aliases: tuple[str, ...] = (), weight: float = 1.0) -> Prototype:
    """Primitive cell, scaled to one atom per unit volume, checked by spglib."""
    lattice = (np.asarray(atoms.cell), atoms.get_scaled_positions(), atoms.get_atomic_numbers())
    primitive = spglib.find_primitive(lattice, symprec=1e-3)
    if primitive is None:
        raise ValueError(f"prototype {name}: spglib finds no primitive cell; check for overlapping atoms")
    cell, fractions, numbers = primitive
    group = spglib.get_symmetry_dataset(primitive, symprec=1e-3).number
    cell = cell / (abs(np.linalg.det(cell)) / len(numbers)) ** (1 / 3)
    species = np.unique(numbers, return_inverse=True)[1]
    return Prototype(name, label, int(group), cell, fractions @ cell, species, aliases, weight)


def _binary(structure: str, a: float, c: float | None = None) -> Callable[[], Atoms]:
    def build() -> Atoms:
        return bulk("NaCl", structure, a=a, c=c)

    return build


def _hexagonal_diamond() -> Atoms:
    atoms = bulk("ZnS", "wurtzite", a=1.0, c=sqrt(8 / 3), u=3 / 8)
    atoms.symbols[:] = "C"
    return atoms


def _cu3au() -> Atoms:
    return Atoms(
        "AuCu3",
        cell=np.eye(3),
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
        pbc=True,
    )


BUILT_IN: dict[str, tuple[Callable[[], Atoms], str, tuple[str, ...], float, int]] = {
    "fcc": (lambda: bulk("Cu", "fcc", a=1.0), "Cu (A1)", (), 1.5, 225),
    "hcp": (lambda: bulk("Mg", "hcp", a=1.0, c=sqrt(8 / 3)), "Mg (A3)", (), 1.5, 194),
    "bcc": (lambda: bulk("W", "bcc", a=1.0), "W (A2)", (), 2.5, 229),
    "sc": (lambda: bulk("Po", "sc", a=1.0), "Po (A_h)", (), 1.0, 221),
    "diamond": (lambda: bulk("C", "diamond", a=1.0), "C (A4)", ("ice-Ic",), 1.0, 227),
    "hexdiamond": (_hexagonal_diamond, "lonsdaleite", ("ice-Ih",), 1.0, 194),
    "B1": (_binary("rocksalt", 1.0), "NaCl (B1)", (), 1.0, 225),
    "B2": (_binary("cesiumchloride", 1.0), "CsCl (B2)", (), 1.5, 221),
    "B3": (_binary("zincblende", 1.0), "ZnS sphalerite (B3)", (), 1.0, 216),
    "B4": (
        lambda: bulk("ZnS", "wurtzite", a=1.0, c=sqrt(8 / 3), u=3 / 8),
        "ZnS wurtzite (B4)",
        (),
        1.0,
        186,
    ),
    "L1_2": (_cu3au, "Cu3Au (L1_2)", (), 1.0, 221),
}


def built_in(names: list[str]) -> list[Prototype]:
    """The named built-in prototypes, each with its space group verified."""
    prototypes = []
    for name in names:
        if name not in BUILT_IN:
            raise ValueError(f"unknown prototype {name!r}; built in are {', '.join(BUILT_IN)}")
        build, label, aliases, weight, group = BUILT_IN[name]
        prototype = from_atoms(name, build(), label, aliases, weight)
        if prototype.space_group != group:
            raise ValueError(f"{name}: spglib finds space group {prototype.space_group}, not {group}")
        prototypes.append(prototype)
    return prototypes


def from_file(path: Path) -> Prototype:
    """A user's class from one structure file that `ase` reads; the file's stem is its name."""
    atoms = read(path)
    if isinstance(atoms, list) or not atoms.pbc.all() or abs(atoms.get_volume()) < 1e-9:
        raise ValueError(f"{path}: a prototype needs one frame with a full periodic cell")
    return from_atoms(path.stem, atoms, atoms.get_chemical_formula())
