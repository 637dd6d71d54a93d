"""Water with hydrogens: ices from genice2, and the liquid. Classifiers need only the oxygens."""

from __future__ import annotations

import contextlib
import io
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from .checks import density, shares
from .engine import engine
from .liquids import Liquid
from .potentials import POTENTIALS
from .records import Record, Run, State

MELTING = (270.0, "TIP4P/Ice ice Ih at 1 bar")
NOTE = {"note": "select species O for a classifier; 3 atoms per molecule in order O H H"}
# Oxygens closer than BOND at the start are hydrogen-bonded. The bond lasts up to a distance of LOOSE_BOND.
BOND, LOOSE_BOND = 3.15, 3.5


def ice(lattice: str, repeats: tuple[int, int, int], seed: int) -> Atoms:
    """Proton-disordered ice of an orthogonal lattice of genice2, without net dipole. Atoms are in order O H H."""
    from genice2.genice import GenIce
    from genice2.plugin import Format, Lattice, Molecule

    # genice2 draws from both generators and logs a lot.
    random.seed(seed)
    np.random.seed(seed)
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            maker = GenIce(Lattice(lattice), reshape=np.diag(repeats))
            text = maker.generate_ice(formatter=Format("gromacs"), water=Molecule("tip4p"), depol="strict")
    finally:
        logging.disable(logging.NOTSET)
    *rows, box = text.strip().split("\n")[2:]
    edges = 10 * np.array(box.split()[:3], float)
    positions = 10 * np.array([[row[20:28], row[28:36], row[36:44]] for row in rows], float)
    # The fourth site of each molecule has a charge and no mass. LAMMPS places it itself.
    positions = positions.reshape(-1, 4, 3)[:, :3]
    # Molecules must be in one piece, since bonds are made from these positions.
    arms = positions[:, 1:] - positions[:, :1]
    positions[:, 1:] -= edges * np.round(arms / edges)
    return Atoms("OHH" * len(positions), positions.reshape(-1, 3), cell=edges, pbc=True)


@dataclass(frozen=True)
class Ice:
    """An ice, with repetitions of genice2's cell, its temperature in K and its pressure in bar."""

    phase: str
    lattice: str
    repeats: tuple[int, int, int]
    temperature: float
    pressure: float

    def make(self, seed: int) -> Iterator[Record]:
        start = ice(self.lattice, self.repeats, seed)
        potential = POTENTIALS["TIP4P/Ice"]
        frames, texts, kept = [], [], True
        with engine(start, potential, seed) as machine:
            machine.heat(self.temperature)
            machine.settle(self.temperature, 6.0, self.pressure)
            for _ in range(2):
                sample = machine.sample(self.temperature, 1.0)
                frames.append(machine.atoms(sample.last))
                off, bonds = _compare(start, sample.mean, machine.edges())
                kept = kept and off < 0.5 and bonds > 0.98
                texts.append(
                    f"mean O off the start lattice {off:.2f} A rms; start O-O pairs <{BOND} A still <{LOOSE_BOND} A "
                    f"{bonds:.3f}; T_mean {sample.temperature:.0f} K; P_mean {sample.pressure:.0f} bar"
                )
        oxygen = frames[-1][frames[-1].numbers == 8]
        checks = f"{len(start) // 3} molecules; {texts[-1]}; O PTM(0.15): {shares(oxygen, 0.15)}; "
        checks += f"rho {density(frames[-1]):.3f} g/cc"
        state = State("H2O-TIP4P/Ice", self.phase, self.temperature, potential.name, *MELTING, self.pressure)
        name = f"TIP4PIce_{self.phase}_T{self.temperature:.0f}"
        yield Record(name, "A_ice_tip4p", state, frames, checks, kept, NOTE)


def _compare(start: Atoms, mean: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    """Rms distance of oxygens from their start, in the current box, and the share of hydrogen bonds that last."""
    oxygen = start.numbers == 8
    begun = start.get_scaled_positions(wrap=False)[oxygen] * edges
    offset = mean[oxygen] - begun
    offset -= offset.mean(axis=0)

    def distances(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
        vectors = positions[:, None] - positions[None]
        vectors -= box * np.round(vectors / box)
        return np.linalg.norm(vectors, axis=2)

    bonded = distances(start.positions[oxygen], start.cell.lengths()) < BOND
    np.fill_diagonal(bonded, False)
    lasting = distances(mean[oxygen], edges)[bonded] < LOOSE_BOND
    return float(np.sqrt((offset**2).sum(axis=1).mean())), float(lasting.mean())


ICES = [
    Ice("ice-III", "3", (3, 3, 3), 130, 3000.0),
    Ice("ice-III", "3", (3, 3, 3), 245, 3000.0),
    Ice("ice-VI", "6", (3, 3, 3), 130, 11000.0),
    Ice("ice-VI", "6", (3, 3, 3), 250, 11000.0),
    Ice("clathrate-sI", "CS1", (2, 2, 2), 130, 1.0),
    Ice("clathrate-sI", "CS1", (2, 2, 2), 250, 1.0),
    Ice("ice-Ic", "1c", (3, 3, 3), 230, 1.0),
]


def _liquid(model: str, temperature: float, melting: float) -> Run:
    def make(seed: int) -> Iterator[Record]:
        start = ice("1h", (2, 2, 2), seed)
        name = f"H2O-{model}"
        liquid = Liquid(name, start, model, temperature, 450, melting, model, cooling=2.0, pressure=1.0)
        for record in liquid.make(seed):
            yield Record(
                record.name.replace("/", ""), record.group, record.state, record.frames, record.checks, record.ok, NOTE
            )

    return Run(f"liquid-{model.replace('/', '')}-{temperature:.0f}", make)


RUNS = [
    *(Run(f"{ice_.phase}-{ice_.temperature:.0f}", ice_.make) for ice_ in ICES),
    _liquid("TIP4P/2005", 260, 252),
    _liquid("TIP4P/2005", 300, 252),
    _liquid("TIP4P/2005", 330, 252),
    _liquid("TIP4P/Ice", 280, 270),
]
