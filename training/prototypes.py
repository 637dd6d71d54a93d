"""Ideal prototypes: the points that each class consists of, at one atom per unit volume.

Built-in classes come from `ase`. A user adds a class with any structure file (one file, one class).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
import spglib
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.spacegroup import crystal


@dataclass(frozen=True)
class Prototype:
    """A crystal class. `cell` (rows) and `positions` have one atom per unit volume; `species` count from 0."""

    name: str
    label: str
    space_group: int
    cell: np.ndarray
    positions: np.ndarray
    species: np.ndarray
    aliases: tuple[str, ...] = ()
    # How often the class is drawn relative to the others. bcc is soft and needs more samples.
    weight: float = 1.0
    # Other assignments of species to the same points that keep the name, e.g. W and Cr3Si for A15.
    markings: tuple[np.ndarray, ...] = ()
    strukturbericht: str | None = None
    pearson: str | None = None
    aflow: str | None = None
    # Name of the class where the points are oxygen in water.
    water: str | None = None

    def info(self) -> dict:
        """The entry of the class in the model file's class table."""
        return {
            "name": self.name,
            "aliases": list(self.aliases),
            "prototype": self.label,
            "spaceGroup": self.space_group,
            "strukturbericht": self.strukturbericht,
            "pearson": self.pearson,
            "aflow": self.aflow,
            "water": self.water,
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


def _from_file(name: str) -> Callable[[], Atoms]:
    """A structure from the folder `structures`."""

    def build() -> Atoms:
        return read(Path(__file__).parent / "structures" / f"{name}.cif")

    return build


def _binary(structure: str, a: float, c: float | None = None) -> Callable[[], Atoms]:
    def build() -> Atoms:
        return bulk("NaCl", structure, a=a, c=c)

    return build


def _wurtzite() -> Atoms:
    return bulk("ZnS", "wurtzite", a=1.0, c=sqrt(8 / 3), u=3 / 8)


def _hexagonal_diamond() -> Atoms:
    atoms = _wurtzite()
    atoms.symbols[:] = "C"
    return atoms


def _cubic(symbols: str, sites: list[tuple[float, float, float]]) -> Callable[[], Atoms]:
    """A primitive cubic cell of unit edge."""

    def build() -> Atoms:
        return Atoms(symbols, cell=np.eye(3), scaled_positions=sites, pbc=True)

    return build


def _spacegroup(symbols: list[str], basis: list[tuple], group: int, cell: tuple, setting: int = 1) -> Callable:
    """Atoms of a space group's standard setting; `cell` holds a, b, c and the angles in degrees."""

    def build() -> Atoms:
        return crystal(symbols, basis, spacegroup=group, cellpar=cell, setting=setting)

    return build


def _tetragonal(ratio: float) -> tuple[float, ...]:
    return (1.0, 1.0, ratio, 90.0, 90.0, 90.0)


def _hexagonal(ratio: float) -> tuple[float, ...]:
    return (1.0, 1.0, ratio, 90.0, 90.0, 120.0)


CUBE = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0)
IDEAL_RATIO = sqrt(8 / 3)


@dataclass(frozen=True)
class Recipe:
    """How a built-in class is made, and what spglib must find."""

    build: Callable[[], Atoms]
    label: str
    space_group: int
    weight: float = 1.0
    aliases: tuple[str, ...] = ()
    water: str | None = None
    # The name also stands for the same points with a single species.
    also_elemental: bool = False


# The most common classes, in the order of the model's logits.
# Axial ratios and free parameters are those of the named substance, or ideal where the substance is close to ideal.
# Oxygen positions of the ices: III is from Londono et al. (J. Chem. Phys. 98, 4878, 1993), VI is from Kuhs et al.
# (J. Chem. Phys. 81, 3612, 1984). II, V and clathrate sI, in `structures/`, are lattices of the program GenIce
# (Matsumoto et al., J. Comput. Chem. 39, 61, 2018).
BUILT_IN: dict[str, Recipe] = {
    "fcc": Recipe(lambda: bulk("Cu", "fcc", a=1.0), "Cu", 225, 2.0),
    "hcp": Recipe(lambda: bulk("Mg", "hcp", a=1.0, c=IDEAL_RATIO), "Mg", 194, 1.8),
    "dhcp": Recipe(
        _spacegroup(["La", "La"], [(0, 0, 0), (1 / 3, 2 / 3, 1 / 4)], 194, _hexagonal(2 * IDEAL_RATIO)),
        "alpha-La",
        194,
    ),
    "bcc": Recipe(lambda: bulk("W", "bcc", a=1.0), "W", 229, 3.0, ("ice-VII", "ice-VIII"), "ice-VII"),
    "bct": Recipe(_spacegroup(["Pa"], [(0, 0, 0)], 139, _tetragonal(0.825)), "alpha-Pa", 139),
    "sc": Recipe(lambda: bulk("Po", "sc", a=1.0), "alpha-Po", 221),
    "omega": Recipe(
        _spacegroup(["Ti", "Ti"], [(0, 0, 0), (1 / 3, 2 / 3, 1 / 2)], 191, _hexagonal(0.613)), "omega-Ti", 191
    ),
    "diamond": Recipe(lambda: bulk("C", "diamond", a=1.0), "C", 227, 1.3, ("ice-Ic",), "ice-Ic"),
    "hexdiamond": Recipe(_hexagonal_diamond, "lonsdaleite", 194, 1.3, ("ice-Ih",), "ice-Ih"),
    "beta-Sn": Recipe(_spacegroup(["Sn"], [(0, 0, 0)], 141, _tetragonal(0.5456)), "beta-Sn", 141),
    "A15": Recipe(
        _spacegroup(["Si", "Cr"], [(0, 0, 0), (1 / 4, 0, 1 / 2)], 223, CUBE), "Cr3Si, beta-W", 223, also_elemental=True
    ),
    "graphite": Recipe(
        _spacegroup(["C", "C"], [(0, 0, 1 / 4), (1 / 3, 2 / 3, 1 / 4)], 194, _hexagonal(6.711 / 2.464)), "graphite", 194
    ),
    "B1": Recipe(_binary("rocksalt", 1.0), "NaCl", 225, 1.2),
    "B2": Recipe(_binary("cesiumchloride", 1.0), "CsCl", 221, 1.6),
    "B3": Recipe(_binary("zincblende", 1.0), "ZnS sphalerite", 216),
    "B4": Recipe(_wurtzite, "ZnS wurtzite", 186),
    "L1_2": Recipe(_cubic("AuCu3", [(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]), "Cu3Au", 221, 1.2),
    "L1_0": Recipe(
        _spacegroup(["Cu", "Au"], [(0, 0, 0), (0.5, 0.5, 0.5)], 123, _tetragonal(0.97 * sqrt(2))), "CuAu", 123
    ),
    "D0_3": Recipe(
        _spacegroup(["Bi", "F", "F"], [(0, 0, 0), (0.25, 0.25, 0.25), (0.5, 0.5, 0.5)], 225, CUBE), "BiF3", 225
    ),
    "D0_19": Recipe(
        _spacegroup(["Sn", "Ni"], [(1 / 3, 2 / 3, 1 / 4), (5 / 6, 2 / 3, 1 / 4)], 194, _hexagonal(IDEAL_RATIO / 2)),
        "Ni3Sn",
        194,
    ),
    "C1": Recipe(_spacegroup(["Ca", "F"], [(0, 0, 0), (0.25, 0.25, 0.25)], 225, CUBE), "CaF2 fluorite", 225),
    "C14": Recipe(
        _spacegroup(
            ["Mg", "Zn", "Zn"],
            [(1 / 3, 2 / 3, 1 / 16), (0, 0, 0), (5 / 6, 2 / 3, 1 / 4)],
            194,
            _hexagonal(IDEAL_RATIO),
        ),
        "MgZn2",
        194,
    ),
    "C15": Recipe(
        _spacegroup(["Mg", "Cu"], [(1 / 8, 1 / 8, 1 / 8), (1 / 2, 1 / 2, 1 / 2)], 227, CUBE, setting=2), "MgCu2", 227
    ),
    "rutile": Recipe(
        _spacegroup(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], 136, _tetragonal(0.644)), "TiO2 rutile", 136
    ),
    "perovskite": Recipe(
        _cubic("CaTiO3", [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]), "CaTiO3", 221
    ),
    "ice-II": Recipe(_from_file("ice-II"), "oxygen of ice II", 148, 0.8),
    "ice-III": Recipe(
        _spacegroup(
            ["O", "O"],
            [(0.1092, 0.3014, 0.2859), (0.3902, 0.3902, 0)],
            92,
            (6.666, 6.666, 6.936, 90, 90, 90),
        ),
        "oxygen of ice III",
        92,
        0.8,
        ("ice-IX",),
    ),
    "ice-V": Recipe(_from_file("ice-V"), "oxygen of ice V", 15, 0.8, ("ice-XIII",)),
    "ice-VI": Recipe(
        _spacegroup(
            ["O", "O"],
            [(0.75, 0.25, 0.25), (0.25, 0.4713, 0.3745)],
            137,
            (6.181, 6.181, 5.698, 90, 90, 90),
            setting=2,
        ),
        "oxygen of ice VI",
        137,
        0.8,
        ("ice-XV",),
    ),
    "clathrate-sI": Recipe(_from_file("clathrate-sI"), "oxygen of clathrate hydrate sI", 223, 0.8),
}


def built_in(names: list[str]) -> list[Prototype]:
    """The named built-in prototypes, each with its space group verified."""
    prototypes = []
    for name in names:
        if name not in BUILT_IN:
            raise ValueError(f"unknown prototype {name!r}; built in are {', '.join(BUILT_IN)}")
        recipe = BUILT_IN[name]
        prototype = from_atoms(name, recipe.build(), recipe.label, recipe.aliases, recipe.weight)
        if prototype.space_group != recipe.space_group:
            raise ValueError(f"{name}: spglib finds space group {prototype.space_group}, not {recipe.space_group}")
        markings = (np.zeros_like(prototype.species),) if recipe.also_elemental else ()
        prototypes.append(replace(prototype, water=recipe.water, markings=markings))
    return prototypes


def from_file(path: Path) -> Prototype:
    """A user's class from one structure file that `ase` can read. The stem of the file name is the class name."""
    atoms = read(path)
    if isinstance(atoms, list) or not atoms.pbc.all() or abs(atoms.get_volume()) < 1e-9:
        raise ValueError(f"{path}: a prototype needs exactly one frame, with a cell that is periodic in all directions")
    return from_atoms(path.stem, atoms, atoms.get_chemical_formula())
