"""Bulk crystals at several temperatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from ase import Atoms

from . import structures as s
from .checks import check_sites, density, shares
from .engine import engine
from .potentials import POTENTIALS
from .records import Record, Run, State

IDEAL = sqrt(8 / 3)


@dataclass(frozen=True)
class Crystal:
    """A crystal, its potential, and temperatures in K."""

    name: str
    phase: str
    unit: Atoms
    potential: str
    temperatures: tuple[float, ...]
    melting: float
    source: str
    pressure: float = 0.0
    atoms: int = 550
    least_edge: float = 15.0

    def make(self, temperature: float, seed: int) -> Iterator[Record]:
        potential = POTENTIALS[self.potential]
        start, repeats = s.supercell(self.unit, self.atoms, self.least_edge)
        with engine(start, potential, seed) as machine:
            machine.relax()
            machine.heat(2 * temperature)
            machine.settle(temperature, 3.0, self.pressure)
            frames, texts, kept, pressures = [], [], True, []
            for _ in range(2):
                machine.stage(temperature, 0.2, damping=0.5)
                sample = machine.sample(temperature, 0.8)
                sites = check_sites(self.unit, repeats, sample.mean, machine.edges())
                kept = kept and sites.kept
                frames.append(machine.atoms(sample.last))
                pressures.append(sample.pressure)
                texts.append(f"{sites}; T_mean {sample.temperature:.0f} K; P_mean {sample.pressure:.0f} bar")
            average = machine.atoms(sample.mean)
        checks = f"{texts[-1]}; PTM(inst,0.15): {shares(frames[-1], 0.15)}; PTM(0.8ps-avg): {shares(average, 0.15)}; "
        checks += f"rho {density(frames[-1]):.3f} g/cc"
        state = State(
            self.name, self.phase, temperature, potential.name, self.melting, self.source,
            sum(pressures) / len(pressures),
        )  # fmt: skip
        yield Record(f"{self.name}_{self.phase}_T{temperature:.0f}", "A_bulk", state, frames, checks, kept)

    def runs(self) -> list[Run]:
        return [
            Run(f"crystal-{self.name}-{self.phase}-{kelvin:.0f}", lambda seed, kelvin=kelvin: self.make(kelvin, seed))
            for kelvin in self.temperatures
        ]


_EXPERIMENT = "experiment"
_METASTABLE = "of the stable crystal, experiment; this one is metastable"
_ESTIMATE = "estimate"

CRYSTALS = [
    Crystal("Ti", "hcp", s.hcp("Ti", 2.95, 4.68), "Ti", (300, 800, 1150), 1941, _EXPERIMENT, atoms=400),
    Crystal("Ti", "bcc", s.bcc("Ti", 3.27), "Ti", (1550,), 1941, _EXPERIMENT, atoms=432),
    Crystal("Ti", "omega", s.omega("Ti", 4.58, 2.83), "Ti", (300, 700), 1941, _METASTABLE, atoms=400),
    Crystal("Zr", "hcp", s.hcp("Zr", 3.23, 5.15), "Zr", (640, 1280, 1500), 2128, _EXPERIMENT),
    Crystal("Zr", "bcc", s.bcc("Zr", 3.6), "Zr", (1550,), 2128, _EXPERIMENT),
    Crystal("Zr", "omega", s.omega("Zr", 5.04, 3.13), "Zr", (300, 600), 2128, _METASTABLE),
    Crystal("Co", "hcp", s.hcp("Co", 2.51, 4.1), "Co", (530, 1060), 1768, _EXPERIMENT),
    Crystal("Cu", "dhcp", s.dhcp("Cu", 2.556, 2 * 2.556 * IDEAL), "Cu", (400, 800, 1190), 1327, _METASTABLE),
    Crystal("Al", "dhcp", s.dhcp("Al", 2.86, 2 * 2.86 * IDEAL), "Al", (280, 555, 830), 926, _METASTABLE),
    Crystal("W", "A15", s.a15("W", 5.05), "W", (1110, 2220, 3000), 3695, _METASTABLE),
    Crystal("Ge", "diamond", s.diamond("Ge", 5.66), "Ge", (360, 730, 1090), 1211, _EXPERIMENT),
    Crystal("Sn", "beta-Sn", s.beta_tin("Sn", 5.83, 3.18), "Sn", (100, 300, 450), 505, _EXPERIMENT),
    Crystal("C", "graphite", s.graphite("C", 2.42, 6.7), "graphite", (300, 1200, 2400), 4800, _ESTIMATE, atoms=480),
    Crystal("KCl", "B1", s.b1("K", "Cl", 6.3), "KCl", (310, 625, 940), 1044, _EXPERIMENT, atoms=512),
    Crystal("MgO", "B1", s.b1("Mg", "O", 4.2), "MgO", (900, 1800, 2700), 3125, _EXPERIMENT, atoms=330),
    Crystal("CuZr", "B2", s.b2("Cu", "Zr", 3.27), "CuZr", (380, 760, 1100), 1230, "experiment (congruent)"),
    Crystal("FeAl", "B2", s.b2("Fe", "Al", 2.91), "FeAl", (450, 900, 1350), 1580, _EXPERIMENT),
    Crystal("CoAl", "B2", s.b2("Co", "Al", 2.86), "CoAl", (570, 1150, 1700), 1921, _EXPERIMENT),
    Crystal("GaN", "B3", s.b3("Ga", "N", 4.5), "GaN", (800, 1600, 2400), 2800, _ESTIMATE),
    Crystal("GaN", "B4", s.b4("Ga", "N", 3.18, 5.19), "GaN", (800, 1600, 2400), 2800, _ESTIMATE),
    Crystal("CdTe", "B3", s.b3("Cd", "Te", 6.48), "CdTe", (410, 820, 1230), 1365, _EXPERIMENT),
    Crystal("CdTe", "B4", s.b4("Cd", "Te", 4.58, 7.5), "CdTe", (410, 820, 1230), 1365, _METASTABLE),
    Crystal("SiC", "B4", s.b4("Si", "C", 3.08, 5.04), "SiC", (930, 1860, 2790), 3100, _METASTABLE),
    Crystal("InP", "B3", s.b3("In", "P", 5.87), "InP", (400, 800, 1200), 1335, _EXPERIMENT),
    Crystal("Cu3Au", "L1_2", s.l1_2("Au", "Cu", 3.75), "CuAu", (380, 760, 1100), 1240, _EXPERIMENT),
    Crystal("Co3Al", "L1_2", s.l1_2("Al", "Co", 3.6), "CoAl", (500, 1000, 1450), 1650, _ESTIMATE),
    Crystal("NiPt", "B2", s.b2("Ni", "Pt", 2.98), "NiPt", (1000, 1500), 1800, _ESTIMATE),
    Crystal("LJ-AB", "L1_0", s.l1_0("Ar", "Ne", 5.3, 5.2), "LJ-AB", (20, 40, 65), 85, _ESTIMATE, least_edge=21.0),
    Crystal("Fe3Al", "D0_3", s.d0_3("Al", "Fe", 5.79), "FeAl", (500, 1000, 1400), 1770, _EXPERIMENT),
    Crystal("Fe3P", "D0_3", s.d0_3("P", "Fe", 5.6), "FeP", (150, 300), 1440, _METASTABLE),
    Crystal("Ni3Al", "D0_19", s.d0_19("Al", "Ni", 5.04, 4.12), "NiAl", (500, 1000, 1500), 1663, _METASTABLE),
    Crystal("Co3Al", "D0_19", s.d0_19("Al", "Co", 5.08, 4.15), "CoAl", (500, 1000, 1450), 1650, _ESTIMATE),
    Crystal("CaF2", "C1", s.c1("Ca", "F", 5.46), "CaF2", (300, 700, 1100), 1691, _EXPERIMENT, atoms=330),
    Crystal("CeO2", "C1", s.c1("Ce", "O", 5.41), "CeO2", (800, 1600, 2400), 2750, _EXPERIMENT, atoms=330),
    Crystal("TiO2", "rutile", s.rutile("Ti", "O", 4.59, 2.96), "TiO2", (600, 1200, 1800), 2130, _EXPERIMENT, atoms=330),
    Crystal(
        "SrTiO3",
        "perovskite",
        s.perovskite("Sr", "Ti", "O", 3.92),
        "SrTiO3",
        (600, 1200, 1900),
        2350,
        _EXPERIMENT,
        atoms=330,
    ),
    Crystal("MgCu2", "C15", s.c15("Mg", "Cu", 7.03), "MgCu", (300, 600, 900), 1066, _EXPERIMENT),
    Crystal("Cu2Zr", "C15", s.c15("Zr", "Cu", 7.3), "CuZr", (350, 700, 1050), 1200, _ESTIMATE),
    Crystal("LJ-AB2", "C14", s.c14("Ar", "Ne", 6.2, 10.12), "Wahnstrom", (20, 40, 60), 75, _ESTIMATE, least_edge=21.0),
    Crystal("LJ-AB2", "C15", s.c15("Ar", "Ne", 8.77), "Wahnstrom", (20, 40, 60), 75, _ESTIMATE, least_edge=21.0),
]

RUNS = [run for crystal in CRYSTALS for run in crystal.runs()]
