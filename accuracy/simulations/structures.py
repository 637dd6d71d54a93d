"""Ideal crystals as orthogonal unit cells with guessed lattice parameters. The barostat finds the right ones."""

from __future__ import annotations

from math import sqrt

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.lattice.cubic import BodyCenteredCubic, FaceCenteredCubic
from ase.spacegroup import crystal


def from_sites(symbols: list[str], sites: list[tuple[float, float, float]], group: int, *cell: float) -> Atoms:
    """Orthogonal cell of a space group. `cell` holds a, or a and c."""
    lengths = (cell[0],) * 3 if len(cell) == 1 else (cell[0], cell[0], cell[1])
    gamma = 120 if 143 <= group <= 194 else 90
    atoms = crystal(symbols, sites, spacegroup=group, cellpar=[*lengths, 90, 90, gamma])
    for name in list(atoms.arrays):
        if name not in ("numbers", "positions"):
            del atoms.arrays[name]
    atoms.info.clear()
    if gamma == 120:
        atoms = make_supercell(atoms, [[1, 0, 0], [1, 2, 0], [0, 0, 1]])
        # Rotate the cell so that its axes are those of the box.
        atoms.set_cell(np.diag([cell[0], sqrt(3) * cell[0], cell[1]]), scale_atoms=True)
    return atoms


def fcc(symbol: str, a: float) -> Atoms:
    return from_sites([symbol], [(0, 0, 0)], 225, a)


def bcc(symbol: str, a: float) -> Atoms:
    return from_sites([symbol], [(0, 0, 0)], 229, a)


def diamond(symbol: str, a: float) -> Atoms:
    return from_sites([symbol], [(0, 0, 0)], 227, a)


def hcp(symbol: str, a: float, c: float) -> Atoms:
    return from_sites([symbol], [(1 / 3, 2 / 3, 0.25)], 194, a, c)


def dhcp(symbol: str, a: float, c: float) -> Atoms:
    return from_sites([symbol, symbol], [(0, 0, 0), (1 / 3, 2 / 3, 0.25)], 194, a, c)


def omega(symbol: str, a: float, c: float) -> Atoms:
    return from_sites([symbol, symbol], [(0, 0, 0), (1 / 3, 2 / 3, 0.5)], 191, a, c)


def beta_tin(symbol: str, a: float, c: float) -> Atoms:
    return from_sites([symbol], [(0, 0, 0)], 141, a, c)


def a15(symbol: str, a: float) -> Atoms:
    return from_sites([symbol, symbol], [(0, 0, 0), (0.25, 0, 0.5)], 223, a)


def graphite(symbol: str, a: float, c: float) -> Atoms:
    return from_sites([symbol, symbol], [(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)], 194, a, c)


def b1(cation: str, anion: str, a: float) -> Atoms:
    return from_sites([cation, anion], [(0, 0, 0), (0.5, 0.5, 0.5)], 225, a)


def b2(first: str, second: str, a: float) -> Atoms:
    return from_sites([first, second], [(0, 0, 0), (0.5, 0.5, 0.5)], 221, a)


def b3(first: str, second: str, a: float) -> Atoms:
    return from_sites([first, second], [(0, 0, 0), (0.25, 0.25, 0.25)], 216, a)


def b4(first: str, second: str, a: float, c: float) -> Atoms:
    return from_sites([first, second], [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.375)], 186, a, c)


def l1_2(minor: str, major: str, a: float) -> Atoms:
    return from_sites([minor, major], [(0, 0, 0), (0.5, 0.5, 0)], 221, a)


def l1_0(first: str, second: str, a: float, c: float) -> Atoms:
    """L1_0 in the four-atom cell with the edges of fcc."""
    atoms = fcc(first, 1.0)
    atoms.set_cell([a, a, c], scale_atoms=True)
    atoms.symbols[np.isclose(atoms.get_scaled_positions()[:, 2], 0.5)] = second
    return atoms


def d0_3(minor: str, major: str, a: float) -> Atoms:
    return from_sites([minor, major, major], [(0, 0, 0), (0.25, 0.25, 0.25), (0.5, 0.5, 0.5)], 225, a)


def d0_19(minor: str, major: str, a: float, c: float) -> Atoms:
    return from_sites([minor, major], [(1 / 3, 2 / 3, 0.25), (5 / 6, 2 / 3, 0.25)], 194, a, c)


def c1(cation: str, anion: str, a: float) -> Atoms:
    return from_sites([cation, anion], [(0, 0, 0), (0.25, 0.25, 0.25)], 225, a)


def c14(large: str, small: str, a: float, c: float) -> Atoms:
    sites = [(1 / 3, 2 / 3, 0.062), (0, 0, 0), (0.8305, 0.661, 0.25)]
    return from_sites([large, small, small], sites, 194, a, c)


def c15(large: str, small: str, a: float) -> Atoms:
    return from_sites([large, small], [(0, 0, 0), (0.625, 0.625, 0.625)], 227, a)


def rutile(cation: str, anion: str, a: float, c: float) -> Atoms:
    return from_sites([cation, anion], [(0, 0, 0), (0.305, 0.305, 0)], 136, a, c)


def perovskite(large: str, small: str, anion: str, a: float) -> Atoms:
    return from_sites([large, small, anion], [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], 221, a)


def hcp_along(direction: str, symbol: str, a: float, c: float) -> Atoms:
    """hcp with the direction `0001` or `10-10` along z."""
    unit = hcp(symbol, a, c)
    if direction == "0001":
        return unit
    if direction != "10-10":
        raise ValueError(f"direction {direction!r} of hcp: expected 0001 or 10-10")
    # z lies along [01-10], which is equivalent. y along [000-1] keeps the axes right-handed.
    unit.positions = unit.positions[:, [0, 2, 1]] * (1, -1, 1)
    unit.set_cell(unit.cell.lengths()[[0, 2, 1]])
    unit.wrap()
    return unit


def cubic_along(direction: str, lattice: str, symbol: str, a: float) -> Atoms:
    """fcc or bcc with the direction `110` or `111` along z."""
    build = {"fcc": FaceCenteredCubic, "bcc": BodyCenteredCubic}[lattice]
    axes = {"110": [[0, 0, 1], [1, -1, 0], [1, 1, 0]], "111": [[1, -1, 0], [1, 1, -2], [1, 1, 1]]}[direction]
    unit = build(directions=axes, symbol=symbol, latticeconstant=a, pbc=True)
    return Atoms(unit.numbers, scaled_positions=unit.get_scaled_positions(), cell=unit.cell.lengths(), pbc=True)


def supercell(unit: Atoms, atoms: int = 550, least_edge: float = 15.0) -> tuple[Atoms, tuple[int, int, int]]:
    """A nearly cubic supercell of about `atoms` atoms, and the numbers of cells along its axes."""
    edges = unit.cell.lengths()
    edge = max((atoms * unit.get_volume() / len(unit)) ** (1 / 3), least_edge)
    repeats = tuple(max(int(np.ceil(least_edge / length)), round(edge / length), 1) for length in edges)
    return unit.repeat(repeats), repeats
