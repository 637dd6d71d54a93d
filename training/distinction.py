"""How well the atoms of two crystals can be distinguished by their surroundings, in units of the noise.

Numbers of the kind that the model sees describe the surroundings of an atom: invariants of the neighbour density within
the model's cutoff, for either neighbour kind, and their mean over the neighbours. Crystals get random displacements and
strains. The noise is the covariance of the numbers about the mean of each site, pooled over all sites. The distance of
two sites is the distance of their means in units of this noise (Mahalanobis). An ideal linear classifier that chooses
between two sites at distance d is wrong with probability Phi(-d / 2): 7 % for d = 3 and 0.1 % for d = 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
import spglib

from .model import ModelConfig, harmonics
from .neighbours import neighbour_table
from .prototypes import Prototype

# White displacements in units of a0, random strain, and the isotropic strain of the length scale and thermal expansion.
DISPLACEMENT = 0.05
STRAIN = 0.02
SCALE = 0.03
SAMPLES = 16
LEAST_ATOMS = 40
# Added to the scaled covariance of the noise. Without it, directions without noise would decide everything.
REGULARISATION = 1e-3

# Number of pairs whose harmonics are computed at once.
BLOCK = 4096

_harmonics = jax.jit(harmonics, static_argnums=0)


@dataclass(frozen=True)
class Sites:
    """Symmetry-inequivalent sites of a crystal: means of numbers (sites, features) and shares of the atoms (sites,)."""

    means: np.ndarray
    shares: np.ndarray


def describe(positions: np.ndarray, cell: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Numbers that describe each atom of a periodic crystal, (n, 2 * 140): its own and the mean over its neighbours."""
    constants = ModelConfig(classes=())
    table = neighbour_table(positions, cell, True, constants.cutoff, None)
    vectors = positions[table.indices] - positions[:, None] + table.shifts
    r = np.where(table.mask, np.linalg.norm(vectors, axis=-1), 1.0)
    envelope = np.where(table.mask, (1.0 - (r / constants.cutoff) ** 6) ** 3, 0.0)
    centres = np.linspace(constants.basis_first, constants.basis_last, constants.basis_count)
    radial = envelope[..., None] * np.exp(-0.5 * ((r[..., None] - centres) / constants.basis_width) ** 2)
    angular = _angular(constants.degrees, vectors / r[..., None])
    other = species[table.indices] != species[:, None]
    numbers = []
    for kind in (False, True):
        density = np.swapaxes(angular, 1, 2) @ (radial * (other == kind)[..., None])
        numbers += [
            np.sqrt((density[:, degree**2 : (degree + 1) ** 2] ** 2).sum(axis=1) + constants.epsilon)
            for degree in constants.degrees
        ]
    own = np.concatenate(numbers, axis=1)
    messages = (envelope[..., None] * own[table.indices]).sum(axis=1) / envelope.sum(axis=1)[:, None]
    return np.concatenate([own, messages], axis=1)


def _angular(degrees: tuple[int, ...], unit: np.ndarray) -> np.ndarray:
    """Harmonics of vectors (..., 3). Blocks of one shape are used so that the function is compiled once."""
    flat = unit.reshape(-1, 3)
    padded = np.concatenate([flat, np.zeros((-len(flat) % BLOCK, 3))])
    blocks = [np.asarray(_harmonics(degrees, block)) for block in padded.reshape(-1, BLOCK, 3)]
    return np.concatenate(blocks)[: len(flat)].reshape(*unit.shape[:-1], -1)


def sample_sites(prototype: Prototype, seed: int) -> tuple[Sites, np.ndarray, int]:
    """Sites of a crystal, the scatter matrix of the numbers about them, and its degrees of freedom."""
    generator = np.random.default_rng(seed)
    lattice = (prototype.cell, prototype.positions @ np.linalg.inv(prototype.cell), prototype.species)
    equivalent = spglib.get_symmetry_dataset(lattice, symprec=1e-3).equivalent_atoms
    sites, counts = np.unique(equivalent, return_counts=True)
    repeats = _repeats(prototype)
    offsets = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), axis=-1).reshape(-1, 3) @ prototype.cell
    positions = (prototype.positions[:, None] + offsets).reshape(-1, 3)
    species = np.repeat(prototype.species, len(offsets))
    of_site = np.repeat(np.searchsorted(sites, equivalent), len(offsets))
    cell = prototype.cell * repeats[:, None]
    numbers = []
    for strain in _strains():
        displaced = positions @ strain + generator.normal(0.0, DISPLACEMENT, positions.shape)
        numbers.append(describe(displaced, cell @ strain, species))
    stacked = np.concatenate(numbers)
    of_atom = np.tile(of_site, SAMPLES)
    means = np.stack([stacked[of_atom == site].mean(axis=0) for site in range(len(sites))])
    residues = stacked - means[of_atom]
    return Sites(means, counts / counts.sum()), residues.T @ residues, len(stacked) - len(sites)


def _strains() -> np.ndarray:
    """Deformations (SAMPLES, 3, 3), the same for all crystals. Pairs have opposite strains, so no mean is biased."""
    generator = np.random.default_rng(0)
    strains = generator.normal(0.0, STRAIN, (SAMPLES // 2, 3, 3))
    strains += np.eye(3) * generator.normal(0.0, SCALE, (SAMPLES // 2, 1, 1))
    return np.eye(3) + np.concatenate([strains, -strains])


def _repeats(prototype: Prototype) -> np.ndarray:
    """How often to repeat the cell along each vector for a compact supercell with enough atoms."""
    repeats = np.ones(3, int)
    lengths = np.linalg.norm(prototype.cell, axis=1)
    while len(prototype.species) * repeats.prod() < LEAST_ATOMS:
        repeats[(lengths * repeats).argmin()] += 1
    return repeats


def whitened_sites(prototypes: Sequence[Prototype]) -> list[Sites]:
    """Sites of all crystals, their means in units of the noise."""
    described = [sample_sites(prototype, seed) for seed, prototype in enumerate(prototypes)]
    scatter = sum(scatter for _, scatter, _ in described) / sum(freedom for _, _, freedom in described)
    scales = np.sqrt(np.diag(scatter))
    scatter = scatter / np.outer(scales, scales) + REGULARISATION * np.eye(len(scales))
    whitening = np.linalg.inv(np.linalg.cholesky(scatter)).T / scales[:, None]
    return [Sites(sites.means @ whitening, sites.shares) for sites, _, _ in described]


def distances(first: Sites, second: Sites) -> np.ndarray:
    """Distance from each site of the first crystal to the nearest site of the second, (sites of the first,)."""
    return np.linalg.norm(first.means[:, None] - second.means, axis=-1).min(axis=1)
