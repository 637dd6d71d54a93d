"""Generated structures with a known truth: noisy ideal crystals, point defects, gases, droplets, slabs."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from training.catalogue import tier
from training.prototypes import BUILT_IN, Prototype, built_in

from .metrics import minimal_images
from .systems import DISORDERED, Snapshot

# Any different elements will do, since only equality of species counts. The first is species 0.
SYMBOLS = ("Cu", "Al", "O", "Zn", "Ni", "Fe")
# Width of supercells, wider than two cutoffs of the model, so that no atom is its own neighbour.
WIDTH = 6.0
LARGEST_TIER = "all"
# Least distance between atoms, in a0.
LEAST_DISTANCE = 0.1
VACUUM = 4.0


def generator(*words: object) -> np.random.Generator:
    """A random generator. The same words give the same numbers in every run and on every machine."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, words)).encode()))


def prototypes(names: Iterable[str]) -> tuple[list[Prototype], list[str]]:
    """The prototypes of classes, and the names that neither tier has a structure for."""
    names = list(names)
    known = {prototype.name: prototype for prototype in built_in([name for name in names if name in BUILT_IN])}
    if len(known) < len(names):
        known = _largest_tier() | known
    return [known[name] for name in names if name in known], [name for name in names if name not in known]


@cache
def _largest_tier() -> dict[str, Prototype]:
    return {prototype.name: prototype for prototype in tier(LARGEST_TIER)}


@dataclass(frozen=True)
class Crystal:
    """A periodic supercell at one atom per unit volume, and the ideal site of every atom (N, 3)."""

    name: str
    atoms: Atoms
    sites: np.ndarray


def ideal(prototype: Prototype, width: float = WIDTH) -> Crystal:
    """A supercell at least `width` wide between opposite faces, in units of a0."""
    cell = np.asarray(prototype.cell)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    repeats = np.maximum(1, np.ceil(width / heights - 1e-9)).astype(int)
    units = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 1, 3)
    sites = (units @ cell + prototype.positions).reshape(-1, 3)
    symbols = [SYMBOLS[kind] for kind in np.tile(prototype.species, len(units))]
    atoms = Atoms(symbols, positions=sites, cell=cell * repeats[:, None], pbc=True)
    return Crystal(prototype.name, atoms, sites)


def noised(crystal: Crystal, sigma: float, seed: int = 0) -> Crystal:
    """Add white Gaussian displacements with standard deviation sigma per component and no common shift.

    Displacements that bring two atoms closer than `LEAST_DISTANCE` are drawn again, since analyses refuse coincident
    atoms.
    """
    random = generator(crystal.name, sigma, seed)
    noise = random.normal(size=crystal.sites.shape) * sigma
    cell = np.asarray(crystal.atoms.cell)
    while (clashing := _later_of_close_pairs(crystal.sites + noise, cell)).any():
        noise[clashing] = random.normal(size=(int(clashing.sum()), 3)) * sigma
    atoms = crystal.atoms.copy()
    atoms.positions = crystal.sites + noise - noise.mean(axis=0)
    return replace(crystal, atoms=atoms)


def _later_of_close_pairs(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Mask of the atoms that have an earlier atom within `LEAST_DISTANCE`, (N,)."""
    distances = np.linalg.norm(minimal_images(positions[None] - positions[:, None], cell), axis=-1)
    return np.tril(distances < LEAST_DISTANCE, -1).any(axis=1)


def strained(crystal: Crystal, largest: float, seed: int = 0) -> Crystal:
    """Apply a homogeneous strain to atoms and sites. All six components are uniform up to `largest`."""
    random = generator(crystal.name, "strain", seed).uniform(-largest, largest, (3, 3))
    deformation = np.eye(3) + np.triu(random) + np.triu(random, 1).T
    atoms = crystal.atoms.copy()
    atoms.set_cell(np.asarray(atoms.cell) @ deformation)
    atoms.positions = crystal.sites @ deformation
    return replace(crystal, atoms=atoms, sites=crystal.sites @ deformation)


@dataclass(frozen=True)
class Defective:
    """A frame with point defects. `first_shell` (N,) marks their neighbours; `counted` (N,) excludes inserted atoms."""

    atoms: Atoms
    first_shell: np.ndarray
    counted: np.ndarray


def vacancies(atoms: Atoms, sites: np.ndarray, share: float, seed: int) -> Defective:
    """Remove atoms far from one another. The ideal `sites` of all atoms define the first shells."""
    cell = np.asarray(atoms.cell)
    scale = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    gone: list[int] = []
    for candidate in generator("vacancies", seed).permutation(len(atoms)):
        if all(np.linalg.norm(minimal_images(sites[candidate] - sites[k], cell)) > 3.2 * scale for k in gone):
            gone.append(int(candidate))
        if len(gone) >= max(1, round(share * len(atoms))):
            break
    first_shell = np.zeros(len(atoms), dtype=bool)
    for atom in gone:
        first_shell |= _first_shell(np.linalg.norm(minimal_images(sites - sites[atom], cell), axis=1))
    kept = np.setdiff1d(np.arange(len(atoms)), gone)
    return Defective(atoms[kept], first_shell[kept], np.ones(len(kept), dtype=bool))


def interstitials(atoms: Atoms, share: float, seed: int) -> Defective:
    """Insert atoms into the deepest of a few hundred random voids, then push overlapping neighbours apart."""
    random = generator("interstitials", seed)
    cell = np.asarray(atoms.cell)
    scale = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    original = len(atoms)
    nearest = _nearest_distance(atoms)
    atoms = atoms.copy()
    placed: list[np.ndarray] = []
    for _ in range(max(1, round(share * original))):
        candidates = random.random((400, 3)) @ cell
        room = np.linalg.norm(minimal_images(candidates[:, None] - atoms.positions[None], cell), axis=-1).min(axis=1)
        for place in placed:
            room[np.linalg.norm(minimal_images(candidates - place, cell), axis=1) < 3.2 * scale] = 0.0
        if room.max() == 0.0:
            break
        placed.append(candidates[np.argmax(room)])
        atoms.append(atoms[int(random.integers(original))].symbol)
        atoms.positions[-1] = placed[-1]
    _push_apart(atoms, 0.85 * nearest)
    inserted = np.arange(len(atoms)) >= original
    first_shell = np.zeros(len(atoms), dtype=bool)
    for atom in np.flatnonzero(inserted):
        distances = np.linalg.norm(minimal_images(atoms.positions - atoms.positions[atom], cell), axis=1)
        first_shell |= (distances < 1.2 * nearest) & ~inserted
    return Defective(atoms, first_shell, ~inserted)


def _first_shell(distances: np.ndarray, tolerance: float = 1.1) -> np.ndarray:
    """Sites within a tenth of the nearest distance. In bcc the ratio of the second shell to the first is 1.15."""
    others = distances > 1e-6
    return others & (distances < tolerance * distances[others].min())


def _nearest_distance(atoms: Atoms) -> float:
    """Median distance of an atom to its nearest neighbour."""
    vectors = minimal_images(atoms.positions[None] - atoms.positions[:, None], np.asarray(atoms.cell))
    distances = np.linalg.norm(vectors, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return float(np.median(distances.min(axis=1)))


def _push_apart(atoms: Atoms, least: float, rounds: int = 30) -> None:
    """Repeatedly move the two atoms of every pair closer than `least` apart, each by half of the missing distance."""
    cell = np.asarray(atoms.cell)
    for _ in range(rounds):
        vectors = minimal_images(atoms.positions[None] - atoms.positions[:, None], cell)
        distances = np.linalg.norm(vectors, axis=-1)
        np.fill_diagonal(distances, np.inf)
        missing = np.maximum(0.0, least - distances) / 2
        if missing.max() < 1e-6:
            return
        atoms.positions -= (np.where(missing > 0, missing / distances, 0.0)[..., None] * vectors).sum(axis=1)


def gas(density: float, seed: int, count: int = 400, diameter: float = 0.8) -> Snapshot:
    """Random hard spheres at `density` spheres per unit volume, at most about a third of the densest packing."""
    random = generator("gas", density, seed)
    edge = (count / density) ** (1 / 3)
    points = np.zeros((0, 3))
    while len(points) < count:
        point = random.random((1, 3)) * edge
        if not len(points) or np.linalg.norm(minimal_images(points - point, np.eye(3) * edge), axis=1).min() > diameter:
            points = np.vstack([points, point])
    atoms = Atoms("Ar" * count, positions=points, cell=np.eye(3) * edge, pbc=True)
    return _made("gas", f"density {density:g}", atoms, np.full(count, DISORDERED))


def droplet(snapshot: Snapshot) -> Snapshot:
    """The largest ball in a periodic frame that is repeated twice along each vector, placed in vacuum."""
    large, truth = _repeated(snapshot)
    centre = np.asarray(large.cell).sum(axis=0) / 2
    heights = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(large.cell)), axis=0)
    inside = np.linalg.norm(large.positions - centre, axis=1) < 0.45 * heights.min()
    ball = large[inside]
    scale = (large.get_volume() / len(large)) ** (1 / 3)
    edge = 0.9 * heights.min() + 2 * VACUUM * scale
    ball.positions += edge / 2 - centre
    ball.set_cell(np.eye(3) * edge)
    ball.pbc = True
    return _made("droplet", snapshot.system, ball, truth[inside], snapshot)


def slab(snapshot: Snapshot) -> Snapshot:
    """The frame with vacuum added along its third vector. No atom moves."""
    atoms = snapshot.atoms.copy()
    atoms.wrap()
    cell = np.asarray(atoms.cell).copy()
    scale = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    cell[2] *= 1.0 + VACUUM * scale * np.linalg.norm(np.linalg.inv(cell)[:, 2])
    atoms.set_cell(cell)
    return _made("slab", snapshot.system, atoms, snapshot.truth, snapshot)


def at_surface(atoms: Atoms, radius: float) -> np.ndarray:
    """Whether the neighbours of each atom within the radius lie to one side, (N,) bool.

    They do if the mean of the unit vectors to them is longer than 0.2. An isolated atom counts too.
    """
    cell = np.asarray(atoms.cell)
    images = np.stack(np.meshgrid(*[np.arange(-1, 2) if flag else [0] for flag in atoms.pbc], indexing="ij"), -1)
    points = (images.reshape(-1, 1, 3) @ cell + atoms.positions).reshape(-1, 3)
    leaning = np.ones(len(atoms))
    for atom, neighbours in enumerate(cKDTree(points).query_ball_point(atoms.positions, radius)):
        vectors = points[neighbours] - atoms.positions[atom]
        lengths = np.linalg.norm(vectors, axis=1)
        others = lengths > 1e-9
        if others.any():
            leaning[atom] = np.linalg.norm((vectors[others] / lengths[others, None]).mean(axis=0))
    return leaning > 0.2


def _repeated(snapshot: Snapshot) -> tuple[Atoms, np.ndarray]:
    atoms = snapshot.atoms.copy()
    atoms.wrap()
    return atoms * (2, 2, 2), np.tile(snapshot.truth, 8)


def _made(group: str, system: str, atoms: Atoms, truth: np.ndarray, source: Snapshot | None = None) -> Snapshot:
    return Snapshot(
        group=f"made {group}",
        system=system,
        phase=group,
        temperature=source.temperature if source else 0.0,
        atoms=Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
        truth=truth,
        water=source.water if source else False,
        source=f"{group} of {source.source}" if source else group,
    )
