"""The ideal sites of a crystal with thermal displacements, from one frame alone.

The method needs neither a model nor a template. It finds the cell's own translations by shifting the frame onto itself.
Then it folds all atoms into one repeat unit, where the atoms of a site form a cloud whose mean is the site. Atoms and
sites are matched one to one, so free parameters, axial ratios and thermal expansion follow from the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from .cache import Arrays
from .metrics import displacements, minimal_images, root_mean_square

# In units of a0: bandwidth of the density of clouds, and the distance below which two sites are merged.
BANDWIDTH, MERGED = 0.15, 0.3
# Displacements beyond this (root mean square, units of a0) mean that the sites are not those of the frame.
PLAUSIBLE = 0.3
PROBES = 150
# Number of atoms per site that climb the density. They miss one site in 10^5.
STARTS_PER_SITE = 12
MOST_ATOMS = 2500


@dataclass(frozen=True)
class Sites:
    """Ideal site of every atom (N, 3), and how often the repeat unit fits along each cell vector."""

    positions: np.ndarray
    repeats: tuple[int, int, int]


def ideal_sites(atoms: Atoms) -> Sites | None:
    """The sites, or None if the frame is not a periodic crystal of at least eight repeat units."""
    if not atoms.pbc.all() or len(atoms) > MOST_ATOMS:
        return None
    repeats = tuple(_repeats(atoms, axis) for axis in range(3))
    if np.prod(repeats) < 8 or len(atoms) % np.prod(repeats):
        return None
    basis = _basis(atoms, np.array(repeats))
    if basis is None:
        return None
    sites, kinds = basis
    for _ in range(2):
        found = _match(atoms, sites, kinds, np.array(repeats))
        if found is None:
            return None
        order, everywhere = found
        # Each site is moved to the mean of its atoms.
        moved = minimal_images(atoms.positions - everywhere[order], np.asarray(atoms.cell))
        of_basis = order % len(sites)
        counts = np.bincount(of_basis, minlength=len(sites))[:, None]
        sites = sites + np.stack([np.bincount(of_basis, moved[:, k], len(sites)) for k in range(3)], -1) / counts
    positions = _everywhere(sites, np.array(repeats), np.asarray(atoms.cell))[order]
    scale = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    if root_mean_square(displacements(atoms.positions, positions, np.asarray(atoms.cell))) > PLAUSIBLE * scale:
        return None
    return Sites(positions, repeats)


def as_arrays(sites: Sites | None) -> Arrays:
    """Arrays for the cache. Without sites, `positions` is empty."""
    return {
        "positions": np.zeros((0, 3)) if sites is None else sites.positions,
        "repeats": np.zeros(3, int) if sites is None else np.array(sites.repeats),
    }


def _repeats(atoms: Atoms, axis: int) -> int:
    """The largest n for which all multiples of 1/n of a cell vector shift the crystal onto itself."""
    cell = np.asarray(atoms.cell)
    scale = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    counts = np.arange(2, max(3, int(np.linalg.norm(cell[axis]) / (0.75 * scale)) + 1))
    nearest = _NearestOfKind(atoms, scale)
    mismatch = np.array([nearest.mismatch(cell[axis] / count * np.arange(1, count)[:, None]) for count in counts])
    matching = counts[mismatch < 2.0 * mismatch.min() + 0.004]
    return int(matching.max())


class _NearestOfKind:
    """Measures how far shifted atoms are from the nearest atom of their species."""

    def __init__(self, atoms: Atoms, scale: float) -> None:
        self.cell, self.scale = np.asarray(atoms.cell), scale
        self.inverse = np.linalg.inv(self.cell)
        # Images up to this far outside the cell, in fractions of each vector, hold the neighbours of all atoms inside.
        margin = 2.0 * scale * np.linalg.norm(self.inverse, axis=0)
        fractions = (atoms.positions @ self.inverse) % 1.0
        images = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
        spread = (fractions + images).reshape(-1, 3)
        inside = ((spread > -margin) & (spread < 1 + margin)).all(axis=1)
        kinds = np.tile(atoms.numbers, len(images))
        probes = np.random.default_rng(0).permutation(len(atoms))[:PROBES]
        self.groups = [
            (cKDTree(spread[inside & (kinds == kind)] @ self.cell), fractions[probes][atoms.numbers[probes] == kind])
            for kind in np.unique(atoms.numbers[probes])
        ]

    def mismatch(self, shifts: np.ndarray) -> float:
        """Mean squared distance over probes and shifts (M, 3), in units of a0 squared."""
        squared = []
        for tree, probes in self.groups:
            shifted = (probes[:, None] + shifts @ self.inverse).reshape(-1, 3) % 1.0
            squared.append(tree.query(shifted @ self.cell)[0] ** 2)
        return float(np.concatenate(squared).mean()) / self.scale**2


def _basis(atoms: Atoms, repeats: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Sites (K, 3) and species (K,) of one repeat unit, by mean shift of the folded atoms. None if they are not K."""
    unit = np.asarray(atoms.cell) / repeats[:, None]
    scale = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    folded = (atoms.positions @ np.linalg.inv(unit)) % 1.0 @ unit
    starts = np.random.default_rng(0).permutation(len(atoms))[: STARTS_PER_SITE * len(atoms) // int(np.prod(repeats))]
    sites, kinds = [], []
    for kind in np.unique(atoms.numbers):
        cloud, climbers = folded[atoms.numbers == kind], folded[starts][atoms.numbers[starts] == kind]
        if len(climbers) == 0:
            return None
        centres = _merge(_modes(cloud, climbers, unit, BANDWIDTH * scale), unit, MERGED * scale)
        sites.append(centres)
        kinds.append(np.full(len(centres), kind))
    if sum(map(len, sites)) * np.prod(repeats) != len(atoms):
        return None
    return np.vstack(sites), np.concatenate(kinds)


def _modes(cloud: np.ndarray, climbers: np.ndarray, unit: np.ndarray, width: float, steps: int = 25) -> np.ndarray:
    """The points that climbers reach when they ascend the density of a periodic cloud."""
    centres = climbers.copy()
    for _ in range(steps):
        vectors = minimal_images(cloud[None] - centres[:, None], unit)
        weight = np.exp(-0.5 * (vectors**2).sum(axis=-1) / width**2)
        centres = centres + (weight[..., None] * vectors).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    return centres


def _merge(centres: np.ndarray, unit: np.ndarray, least: float) -> np.ndarray:
    """Centres that are farther than `least` from all earlier ones. The most frequent centres come first."""
    distances = np.linalg.norm(minimal_images(centres[None] - centres[:, None], unit), axis=-1)
    kept: list[int] = []
    for candidate in np.argsort(-(distances < least).sum(axis=1), kind="stable"):
        if not kept or distances[candidate, kept].min() > least:
            kept.append(int(candidate))
    return centres[kept]


def _everywhere(sites: np.ndarray, repeats: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Sites of all repeat units, unit by unit."""
    units = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 1, 3)
    return ((units / repeats) @ cell + sites).reshape(-1, 3)


def _match(
    atoms: Atoms, sites: np.ndarray, kinds: np.ndarray, repeats: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Site of each atom (N,), one to one within a species, and all sites. None if the species do not fit."""
    cell = np.asarray(atoms.cell)
    everywhere = _everywhere(sites, repeats, cell)
    site_kinds = np.tile(kinds, int(np.prod(repeats)))
    order = np.empty(len(atoms), dtype=int)
    for kind in np.unique(atoms.numbers):
        of_kind, available = np.flatnonzero(atoms.numbers == kind), np.flatnonzero(site_kinds == kind)
        if len(of_kind) != len(available):
            return None
        vectors = minimal_images(atoms.positions[of_kind][:, None] - everywhere[available][None], cell)
        rows, columns = linear_sum_assignment((vectors**2).sum(axis=-1))
        order[of_kind[rows]] = available[columns]
    return order, everywhere
