"""Vacancies and interstitials in bulk crystals at half the melting temperature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from . import structures as s
from .checks import nearest_distance
from .engine import engine
from .potentials import POTENTIALS
from .records import Record, Run, State

BULK, SHELL, SHARED = 0, 1, 2
LEGEND = (
    "0 bulk; 1 first shell of a defect (on a site that is a nearest neighbour of an empty or a doubly occupied site, "
    "by the mean position over 0.5 ps); 2 shares a Wigner-Seitz site (interstitial)"
)
# Defects are no closer to each other than this many nearest-neighbour distances.
APART = 3.2


@dataclass(frozen=True)
class Host:
    """A perfect crystal, its potential and melting point, and the reach of its first shell in nearest distances."""

    name: str
    phase: str
    unit: Atoms
    potential: str
    melting: float
    source: str
    shell: float = 1.2
    atoms: int = 1400

    def make(self, kind: str, count: int, seed: int) -> Iterator[Record]:
        potential = POTENTIALS[self.potential]
        perfect, _ = s.supercell(self.unit, self.atoms)
        temperature = self.melting / 2
        start = _spoil(perfect, kind, count, np.random.default_rng(seed))
        frames, texts, kept = [], [], True
        with engine(start, potential, seed) as machine:
            machine.relax()
            machine.heat(2 * temperature)
            machine.settle(temperature, 3.0)
            for _ in range(3):
                machine.stage(temperature, 0.5, damping=0.5)
                sample = machine.sample(temperature, 0.5)
                label, empty, double = label_defects(perfect, sample.mean, machine.edges(), self.shell)
                atoms = machine.atoms(sample.last)
                atoms.set_array("label", label)
                frames.append(atoms)
                kept = kept and (empty, double) == ((count, 0) if kind == "vacancy" else (0, count))
                texts.append(f"empty {empty} double {double} (made {count})")
        labels = np.bincount(np.concatenate([atoms.arrays["label"] for atoms in frames]), minlength=3)
        checks = f"Wigner-Seitz sites: {', '.join(texts)}; labels 0: {labels[0]}, 1: {labels[1]}, 2: {labels[2]}; "
        checks += f"T_mean {sample.temperature:.0f} K; P_mean {sample.pressure:.0f} bar"
        state = State(
            f"{self.name}+{kind}", self.phase, temperature, potential.name, self.melting, self.source, sample.pressure
        )
        comment = {"defect": kind, "label_legend": LEGEND}
        yield Record(f"{self.name}_{self.phase}_{kind}", "D_defects", state, frames, checks, kept, comment)

    def runs(self) -> list[Run]:
        return [
            Run(f"{kind}-{self.name}", lambda seed, kind=kind, count=count: self.make(kind, count, seed))
            for kind, count in (("vacancy", 8), ("interstitial", 4))
        ]


def label_defects(perfect: Atoms, mean: np.ndarray, edges: np.ndarray, shell: float) -> tuple[np.ndarray, int, int]:
    """Labels (N,) of atoms by their mean positions, and the numbers of empty and overfull Wigner-Seitz sites.

    `perfect` gives the sites, scaled to the box `edges`. `shell` is the reach of the first shell in nearest distances.
    """
    sites = perfect.get_scaled_positions() * edges
    sites += _drift(sites, mean, edges)
    tree = cKDTree(sites % edges, boxsize=edges)
    site = tree.query(mean % edges)[1]
    occupants = np.bincount(site, minlength=len(sites))
    near = shell * nearest_distance(sites, edges)
    around = np.zeros(len(sites), dtype=bool)
    for odd in np.flatnonzero(occupants != 1):
        around[tree.query_ball_point(sites[odd] % edges, near)] = True
    label = np.where(around[site], SHELL, BULK)
    label[occupants[site] > 1] = SHARED
    return label, int((occupants == 0).sum()), int((occupants > 1).sum())


def _drift(sites: np.ndarray, mean: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Displacement of the crystal as a whole: the median offset of atoms from their nearest sites."""
    shift = np.zeros(3)
    for _ in range(3):
        moved = sites + shift
        nearest = cKDTree(moved % edges, boxsize=edges).query(mean % edges)[1]
        offset = mean - moved[nearest]
        shift += np.median(offset - edges * np.round(offset / edges), axis=0)
    return shift


def _spoil(perfect: Atoms, kind: str, count: int, rng: np.random.Generator) -> Atoms:
    """Remove atoms, or split atoms into pairs, at random places far from each other."""
    edges = perfect.cell.lengths()
    nearest = nearest_distance(perfect.positions, edges)
    chosen: list[int] = []
    for candidate in rng.permutation(len(perfect)):
        offsets = perfect.positions[chosen] - perfect.positions[candidate]
        distances = np.linalg.norm(offsets - edges * np.round(offsets / edges), axis=1)
        if (distances > APART * nearest).all():
            chosen.append(int(candidate))
        if len(chosen) == count:
            break
    else:
        raise ValueError(f"no room for {count} defects in {len(perfect)} atoms; use a larger cell")
    atoms = perfect.copy()
    if kind == "vacancy":
        del atoms[chosen]
        return atoms
    for place in chosen:
        # This is the pair of a split interstitial. Minimisation gives it the shape that the potential prefers.
        axis = rng.normal(size=3)
        axis *= 0.42 * nearest / np.linalg.norm(axis)
        pair = atoms[[place]]
        pair.positions -= axis
        atoms.positions[place] += axis
        atoms += pair
    return atoms


_FRAMES = "potential, as in the bulk frames"
HOSTS = [
    Host("Cu", "fcc", s.fcc("Cu", 3.64), "Cu", 1327, _FRAMES, atoms=1372),
    Host("Al", "fcc", s.fcc("Al", 4.07), "Al", 926, _FRAMES, atoms=1372),
    Host("Fe", "bcc", s.bcc("Fe", 2.87), "Fe", 1772, _FRAMES, 1.1, 1458),
    Host("W", "bcc", s.bcc("W", 3.18), "W", 3695, _FRAMES, 1.1, 1458),
    Host("Mg", "hcp", s.hcp("Mg", 3.2, 5.2), "Mg", 914, _FRAMES),
    Host("Si", "diamond", s.diamond("Si", 5.44), "Si-sw", 1683, _FRAMES, 1.2, 1728),
]

RUNS = [run for kind in (0, 1) for host in HOSTS for run in [host.runs()[kind]]]
