"""Systems without crystals: liquids, glasses, droplets, films and gases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from . import structures as s
from .checks import crystalline_share, density, nearest_distance, neighbours, neighbours_kept
from .engine import Engine, Sample, engine
from .potentials import POTENTIALS
from .records import Record, Run, State

# Largest share of atoms in a fluid that template matching may assign to a crystal by chance.
MOST_CRYSTALLINE = 0.03
# Largest share of its twelve initial neighbours that an atom may keep. With more, the melt remembers its crystal.
MOST_KEPT = 0.35
# If the density differs from the crystal's by more than this share, the melt has boiled.
MOST_DENSITY_CHANGE = 0.3


@dataclass(frozen=True)
class Liquid:
    """A crystal melted at `hot` K and brought to `temperature` in `cooling` ps. It is a glass if that is cold."""

    name: str
    start: Atoms
    potential: str
    temperature: float
    hot: float
    melting: float
    source: str
    phase: str = "liquid"
    cooling: float = 1.0
    pressure: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.name}_{self.phase}_T{self.temperature:.0f}"

    def make(self, seed: int) -> Iterator[Record]:
        potential = POTENTIALS[self.potential]
        with engine(self.start, potential, seed) as machine:
            # Models with slow dynamics get time in proportion to their time step.
            scale = potential.timestep / 0.001
            machine.heat(self.hot)
            # The volume is that of the crystal, so that nothing boils.
            machine.stage(self.hot, 2.0 * scale)
            machine.stage((self.hot, self.temperature), self.cooling * scale)
            machine.settle(self.temperature, 2.0 * scale, self.pressure, "iso")
            first = machine.unwrapped()
            samples = [machine.sample(self.temperature, 1.0 * scale, 0.1 * scale) for _ in range(2)]
            frames = [machine.atoms(sample.last) for sample in samples]
            ok, text = self._check(machine, first, samples)
        checks = f"{text}; rho {density(frames[-1]):.3f} g/cc; T_mean {samples[-1].temperature:.0f} K"
        state = State(
            self.name, self.phase, self.temperature, potential.name, self.melting, self.source,
            float(np.mean([sample.pressure for sample in samples])),
        )  # fmt: skip
        yield Record(self.key, "B_liquid", state, frames, checks, ok)

    def _check(self, machine: Engine, first: np.ndarray, samples: list[Sample]) -> tuple[bool, str]:
        edges, last = machine.edges(), samples[-1].last
        heavy = np.array(machine.symbols) != "H"
        atoms, average = machine.atoms(last)[heavy], machine.atoms(samples[-1].mean)[heavy]
        moved = ((last - first)[heavy] ** 2).sum(axis=1).mean()
        begun = neighbours(self.start.positions[heavy], self.start.cell.lengths(), 12)
        kept = neighbours_kept(begun, neighbours(last[heavy], edges, 12)).mean() / 12
        crystal, settled = crystalline_share(atoms), crystalline_share(average)
        dense = density(machine.atoms()) / density(self.start)
        ok = max(crystal, settled) <= MOST_CRYSTALLINE and kept <= MOST_KEPT and abs(dense - 1) <= MOST_DENSITY_CHANGE
        return ok, (
            f"PTM(0.10) crystalline: inst {crystal:.3f}, mean {settled:.3f}; MSD {moved:.1f} A2; "
            f"{100 * kept:.0f} % of the neighbours of the starting crystal kept"
        )


@dataclass(frozen=True)
class Body:
    """A liquid with free surfaces in vacuum, cut from a crystal and melted at `hot` K. `shape` is drop or film."""

    name: str
    unit: Atoms
    potential: str
    temperature: float
    hot: float
    melting: float
    source: str
    shape: str
    atoms: int = 900
    # Edge of the empty box, in units of the body's own thickness.
    room: float = 2.2

    def make(self, seed: int) -> Iterator[Record]:
        potential = POTENTIALS[self.potential]
        with engine(self._start(), potential, seed) as machine:
            scale = potential.timestep / 0.001
            machine.heat(self.hot)
            machine.stage(self.hot, 3.0 * scale)
            machine.stage((self.hot, self.temperature), 2.0 * scale)
            frames, shares = [], []
            for _ in range(2):
                machine.stage(self.temperature, 2.0 * scale, damping=0.5 * scale)
                atoms = machine.atoms()
                atoms.set_array("label", _surroundings(atoms))
                frames.append(atoms)
                shares.append(crystalline_share(atoms))
        counts = np.bincount(frames[-1].arrays["label"], minlength=3)
        checks = f"PTM(0.10) crystalline {max(shares):.3f}; inside {counts[0]} surface {counts[1]} gas {counts[2]}"
        state = State(self.name, self.phase, self.temperature, potential.name, self.melting, self.source)
        comment = {"label_legend": "0 liquid, inside; 1 liquid, at the surface; 2 gas (fewer than four neighbours)"}
        name = f"{self.name}_{self.shape}_T{self.temperature:.0f}"
        yield Record(name, "B_liquid", state, frames, checks, max(shares) <= MOST_CRYSTALLINE, comment)

    @property
    def phase(self) -> str:
        return "droplet" if self.shape == "drop" else "liquid film"

    def _start(self) -> Atoms:
        block, _ = s.supercell(self.unit, 2 * self.atoms if self.shape == "drop" else self.atoms)
        edges = block.cell.lengths()
        if self.shape == "drop":
            middle = edges / 2 + 0.01
            nearest_first = np.argsort(np.linalg.norm(block.positions - middle, axis=1), kind="stable")
            block = block[np.sort(nearest_first[: self.atoms])]
            block.set_cell(np.full(3, self.room * edges.max() * 0.8))
        else:
            block.set_cell([*edges[:2], self.room * edges[2]])
        block.center()
        return block


@dataclass(frozen=True)
class Gas:
    """A Lennard-Jones fluid at a number density and temperature in units of argon's sigma and epsilon."""

    density: float
    reduced: float
    phase: str
    atoms: int = 500

    def make(self, seed: int) -> Iterator[Record]:
        potential, sigma, kelvin = POTENTIALS["Ar"], 3.405, 119.8
        spacing = (4 / self.density) ** (1 / 3) * sigma
        start = s.fcc("Ar", spacing).repeat(5)
        temperature = round(self.reduced * kelvin, 1)
        with engine(start, potential, seed) as machine:
            machine.heat(2 * temperature)
            machine.stage(temperature, 40.0, damping=1.0)
            frames = []
            for _ in range(2):
                machine.stage(temperature, 15.0, damping=1.0)
                frames.append(machine.atoms())
        shares = max(map(crystalline_share, frames))
        state = State("Ar", self.phase, temperature, potential.name, 83.0, _FRAMES)
        checks = f"reduced density {self.density}, temperature {self.reduced}; PTM(0.10) crystalline {shares:.3f}"
        name = f"Ar_{self.phase}_rho{self.density}_T{temperature:.0f}"
        yield Record(name, "B_liquid", state, frames, checks, shares <= MOST_CRYSTALLINE)

    @property
    def name(self) -> str:
        return f"{self.phase}-Ar-{self.density}-{self.reduced}"


def _surroundings(atoms: Atoms) -> np.ndarray:
    """0 inside, 1 at the surface, 2 in the gas, by the number of neighbours within 1.5 nearest distances, (N,)."""
    edges = atoms.cell.lengths()
    tree = cKDTree(atoms.positions % edges, boxsize=edges)
    reach = 1.5 * nearest_distance(atoms.positions, edges)
    count = np.array([len(found) - 1 for found in tree.query_ball_point(atoms.positions % edges, reach)])
    typical = np.percentile(count, 90)
    return np.select([count < 4, count < 0.75 * typical], [2, 1], 0)


def _cell(unit: Atoms, atoms: int = 500, least_edge: float = 15.0) -> Atoms:
    return s.supercell(unit, atoms, least_edge)[0]


def _alloy(unit: Atoms, symbol: str, share: float, seed: int = 5) -> Atoms:
    """A random solid solution to melt."""
    atoms = _cell(unit, 686)
    chosen = np.random.default_rng(seed).permutation(len(atoms))[: round(share * len(atoms))]
    atoms.symbols[chosen] = symbol
    return atoms


def _cristobalite() -> Atoms:
    """Ideal beta-cristobalite: silicon as in diamond, oxygen halfway between neighbours."""
    return s.from_sites(["Si", "O"], [(0, 0, 0), (0.125, 0.125, 0.125)], 227, 7.16)


_SALT = s.b1("Na", "Cl", 5.9)
_ION = 16.5
_EXPERIMENT = "experiment"
_GUESS = "potential, estimate"
_FRAMES = "potential, as in the bulk frames"

LIQUIDS = [
    Liquid("NaCl", _cell(_SALT, 400, _ION), "NaCl", 1090, 4000, 1074, _FRAMES),
    Liquid("NaCl", _cell(_SALT, 400, _ION), "NaCl", 1500, 4000, 1074, _FRAMES),
    Liquid("KCl", _cell(s.b1("K", "Cl", 6.6), 400, _ION), "KCl", 1070, 4000, 1044, _EXPERIMENT),
    Liquid("KCl", _cell(s.b1("K", "Cl", 6.6), 400, _ION), "KCl", 1400, 4000, 1044, _EXPERIMENT),
    Liquid("LiCl", _cell(s.b1("Li", "Cl", 5.4), 400, _ION), "LiCl", 950, 4000, 883, _EXPERIMENT),
    Liquid("NaI", _cell(s.b1("Na", "I", 6.8), 400, _ION), "NaI", 1000, 4000, 934, _EXPERIMENT),
    Liquid("MgO", _cell(s.b1("Mg", "O", 4.4), 400, _ION), "MgO", 4300, 8000, 3125, _EXPERIMENT),
    Liquid("CaF2", _cell(s.c1("Ca", "F", 5.7), 400, _ION), "CaF2", 1900, 4500, 1691, _EXPERIMENT),
    Liquid("TiO2", _cell(s.rutile("Ti", "O", 4.7, 3.05), 400, _ION), "TiO2", 2700, 6000, 2130, _EXPERIMENT),
    Liquid("Si", _cell(s.diamond("Si", 5.43)), "Si-sw", 1720, 3500, 1683, _FRAMES),
    Liquid("Si", _cell(s.diamond("Si", 5.43)), "Si-sw", 2600, 3500, 1683, _FRAMES),
    Liquid("Si-Tersoff", _cell(s.diamond("Si", 5.43)), "Si-tersoff", 2900, 5000, 2550, _GUESS),
    Liquid("Ge", _cell(s.diamond("Ge", 5.66)), "Ge", 3200, 5500, 2900, _GUESS),
    Liquid("Fe", _cell(s.bcc("Fe", 2.9)), "Fe", 1950, 3500, 1772, _FRAMES),
    Liquid("W", _cell(s.bcc("W", 3.2)), "W", 4300, 8000, 3695, _FRAMES),
    Liquid("Zr", _cell(s.bcc("Zr", 3.6)), "Zr", 2350, 4500, 2128, _EXPERIMENT),
    Liquid("Ti", _cell(s.bcc("Ti", 3.3), 432), "Ti", 2200, 4500, 1941, _EXPERIMENT),
    Liquid("Al", _cell(s.fcc("Al", 4.1)), "Al", 880, 2000, 926, _FRAMES),
    Liquid("Cu", _cell(s.fcc("Cu", 3.7)), "Cu", 2000, 3000, 1327, _FRAMES),
    Liquid("Ni3Al", _cell(s.l1_2("Al", "Ni", 3.6)), "NiAl", 1900, 3500, 1663, _FRAMES),
    Liquid("NiAl", _cell(s.b2("Ni", "Al", 2.9)), "NiAl", 2100, 3500, 1911, _FRAMES),
    Liquid("CuZr", _cell(s.b2("Cu", "Zr", 3.3)), "CuZr", 1400, 3000, 1230, _EXPERIMENT),
    Liquid("GaN", _cell(s.b4("Ga", "N", 3.2, 5.2)), "GaN", 5500, 9000, 0, "unknown"),
    Liquid("Sn", _cell(s.beta_tin("Sn", 5.83, 3.18)), "Sn", 1000, 4000, 505, _EXPERIMENT),
    Liquid("mW", _cell(s.diamond("O", 6.4)), "mW", 240, 500, 274.6, _FRAMES),
    Liquid("mW", _cell(s.diamond("O", 6.4)), "mW", 350, 500, 274.6, _FRAMES),
    Liquid("SiO2", _cell(_cristobalite()), "SiO2", 3500, 7000, 1996, _EXPERIMENT),
    Liquid("SiO2", _cell(_cristobalite()), "SiO2", 300, 7000, 1996, _EXPERIMENT, "glass", 15.0),
    Liquid(
        "Si-Tersoff",
        _cell(s.diamond("Si", 5.43)),
        "Si-tersoff",
        300,
        5000,
        2550,
        _GUESS,
        "glass",
        60.0,
    ),
    Liquid("C", _cell(s.diamond("C", 3.65)), "C", 300, 12000, 0, "unknown", "glass", 12.0),
    Liquid("SiC", _cell(s.b3("Si", "C", 4.4)), "SiC", 300, 9000, 3100, _EXPERIMENT, "glass", 12.0),
    Liquid("GaN", _cell(s.b4("Ga", "N", 3.2, 5.2)), "GaN", 300, 9000, 0, "unknown", "glass", 12.0),
    Liquid("Cu64Zr36", _alloy(s.fcc("Cu", 4.0), "Zr", 0.36), "CuZr", 300, 2500, 1200, "estimate", "glass", 25.0),
    Liquid("Cu46Zr54", _alloy(s.fcc("Cu", 4.1), "Zr", 0.54), "CuZr", 300, 2500, 1200, "estimate", "glass", 25.0),
    Liquid("Kob-Andersen", _alloy(s.fcc("Ar", 5.3), "Ne", 0.2), "Kob-Andersen", 20, 80, 0, "none", "glass", 20.0),
    Liquid("LJ-AB2", _cell(s.c15("Ar", "Ne", 8.9)), "Wahnstrom", 80, 160, 75, "estimate"),
]
BODIES = [
    Body("Ar", s.fcc("Ar", 5.4), "Ar", 75, 110, 83, _FRAMES, "drop"),
    Body("Ar", s.fcc("Ar", 5.4), "Ar", 90, 110, 83, _FRAMES, "drop", 400),
    Body("Ar", s.fcc("Ar", 5.4), "Ar", 90, 110, 83, _FRAMES, "film"),
    Body("Al", s.fcc("Al", 4.1), "Al", 1100, 2000, 926, _FRAMES, "film"),
    Body("Cu", s.fcc("Cu", 3.7), "Cu", 1500, 2500, 1327, _FRAMES, "drop", 700),
    Body("mW", s.diamond("O", 6.4), "mW", 290, 400, 274.6, _FRAMES, "drop"),
    Body("mW", s.diamond("O", 6.4), "mW", 290, 400, 274.6, _FRAMES, "film"),
    Body("Si", s.diamond("Si", 5.43), "Si-sw", 1900, 3000, 1683, _FRAMES, "drop", 600),
]
GASES = [Gas(0.005, 1.2, "gas"), Gas(0.05, 1.5, "gas"), Gas(0.3, 1.6, "gas"), Gas(0.6, 2.0, "liquid")]

RUNS = [
    *(Run(f"{liquid.phase}-{liquid.name}-{liquid.temperature:.0f}", liquid.make) for liquid in LIQUIDS),
    *(Run(f"{body.shape}-{body.name}-{body.temperature:.0f}-{body.atoms}", body.make) for body in BODIES),
    *(Run(gas.name, gas.make) for gas in GASES),
]
