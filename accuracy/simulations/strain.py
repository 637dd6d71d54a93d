"""Crystals compressed along one axis with the others held: the strain behind a shock front, without the front."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from . import structures as s
from .checks import check_sites, shares
from .engine import engine
from .potentials import POTENTIALS
from .records import Record, Run, State

TEMPERATURE = 300.0
STRAINS = (0.05, 0.10, 0.15, 0.20, 0.25)
PIECES = 10
# Beyond this rms distance of mean positions from their sites, in nearest distances, the lattice becomes unstable.
MOST_SPREAD = 0.08


@dataclass(frozen=True)
class Compression:
    """A crystal whose z axis is the direction that it is compressed along."""

    name: str
    phase: str
    direction: str
    unit: Atoms
    potential: str
    melting: float
    atoms: int = 500

    def make(self, seed: int) -> Iterator[Record]:
        potential = POTENTIALS[self.potential]
        start, repeats = s.supercell(self.unit, self.atoms)
        with engine(start, potential, seed) as machine:
            machine.relax()
            machine.heat(2 * TEMPERATURE)
            machine.settle(TEMPERATURE, 2.0)
            edges = machine.edges()
            before = 0.0
            for strain in STRAINS:
                for piece in range(1, PIECES + 1):
                    now = before + (strain - before) * piece / PIECES
                    machine.set_edges(edges * (1, 1, 1 - now))
                    machine.stage(TEMPERATURE, 0.03)
                before = strain
                machine.stage(TEMPERATURE, 0.4)
                sample = machine.sample(TEMPERATURE, 0.5)
                sites = check_sites(self.unit, repeats, sample.mean, machine.edges(), strained=True)
                kept = sites.kept and sites.spread < MOST_SPREAD * sites.nearest
                frame = machine.atoms(sample.last)
                checks = (
                    f"{sites}; PTM(inst,0.15): {shares(frame, 0.15)}; PTM(0.5ps-avg,0.15): "
                    f"{shares(machine.atoms(sample.mean), 0.15)}; T_mean {sample.temperature:.0f} K"
                )
                state = State(
                    f"{self.name}-strained", self.phase, TEMPERATURE, potential.name, self.melting,
                    "as in the bulk frames", sample.pressure,
                )  # fmt: skip
                frame.set_array("label", np.ones(len(frame), dtype=int))
                comment = {
                    "direction": self.direction, "compression": f"{100 * strain:.0f} %",
                    "label_legend": "1 compressed crystal",
                }  # fmt: skip
                name = f"{self.name}_{self.phase}_{self.direction}_compressed{100 * strain:02.0f}"
                yield Record(name, "S_strain", state, [frame], checks, kept, comment)


COMPRESSIONS = [
    Compression("Ti", "hcp", "0001", s.hcp_along("0001", "Ti", 2.947, 4.671), "Ti", 1941, 360),
    Compression("Ti", "hcp", "10-10", s.hcp_along("10-10", "Ti", 2.947, 4.671), "Ti", 1941, 360),
    Compression("Mg", "hcp", "0001", s.hcp_along("0001", "Mg", 3.2, 5.2), "Mg", 914),
    Compression("Mg", "hcp", "10-10", s.hcp_along("10-10", "Mg", 3.2, 5.2), "Mg", 914),
    Compression("Cu", "fcc", "111", s.cubic_along("111", "fcc", "Cu", 3.63), "Cu", 1327),
    Compression("Cu", "fcc", "110", s.cubic_along("110", "fcc", "Cu", 3.63), "Cu", 1327),
    Compression("Fe", "bcc", "111", s.cubic_along("111", "bcc", "Fe", 2.86), "Fe", 1772),
    Compression("Fe", "bcc", "110", s.cubic_along("110", "bcc", "Fe", 2.86), "Fe", 1772),
]

RUNS = [Run(f"strain-{case.name}-{case.direction}", case.make) for case in COMPRESSIONS]
