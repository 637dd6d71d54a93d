"""Samples of what belongs to no class of a model: other crystals, networks, mixtures, molecules, fluids.

A model learns from them, and from samples of its own crystals, whether surroundings are known (`known.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .prototypes import Prototype
from .sampling import MASKED, Sample, Sampler, SamplingConfig, _take, separated

# Shares of the kinds of sample.
SHARES = {"crystal": 0.33, "network": 0.45, "molecules": 0.08, "fluid": 0.14}
# Shares of changes to a network: its species are forgotten, or drawn at random for one kind of atom; a free surface or
# a void is cut; it is strained.
FORGET_SPECIES = 0.15
DRAW_SPECIES = 0.15
CUT = 0.15
STRAINED = 0.3
# Displacements of other crystals, in units of a0: those that denoising removes, so that their own order remains.
USUAL_NOISE = 0.09
MOST_NOISE = 0.12
STRAIN = 0.03


@dataclass(frozen=True)
class Stranger:
    """A crystal of no class. `similar` (sites,) marks the sites that can be mistaken for one of a class."""

    crystal: Prototype
    similar: np.ndarray


class Strangers:
    """Draws samples of no class from one random generator. Labels are 0, or MASKED for sites like those of a class."""

    def __init__(
        self,
        crystals: Sequence[Stranger],
        networks: Sequence[np.ndarray],
        fluids: dict[str, np.ndarray],
        seed: int | Sequence[int],
    ) -> None:
        self.crystals = list(crystals)
        self.networks = list(networks)
        self.rng = np.random.default_rng(seed)
        config = SamplingConfig(uniaxial_share=0.0, strain_strong=STRAIN, strain_usual=STRAIN)
        self._sampler = Sampler([stranger.crystal for stranger in crystals], fluids, config, [*np.atleast_1d(seed), 1])

    def sample(self) -> tuple[Sample, str]:
        """A sample and its kind."""
        kind = str(self.rng.choice(list(SHARES), p=list(SHARES.values())))
        return getattr(self, kind)(), kind

    def crystal(self) -> Sample:
        """A displaced crystal of no class."""
        rng, source = self.rng, self._sampler
        stranger = self.crystals[rng.integers(len(self.crystals))]
        prototype = stranger.crystal
        sites = np.arange(len(prototype.positions))
        cell, ideal, of_site = source._repeat(
            prototype.cell, prototype.positions, sites, rng.uniform(3.6, 4.8), 150, source._strain(uniaxial=False)
        )
        species = prototype.species[of_site]
        if species.max() == 0 and rng.random() < FORGET_SPECIES:
            species = (rng.random(len(species)) < 0.3).astype(int)
        sigma = rng.uniform(0.0, USUAL_NOISE) if rng.random() < 0.8 else rng.uniform(0.05, MOST_NOISE)
        positions = ideal + source._noise(ideal, cell, species, sigma)
        return _labelled(positions, cell, species, np.where(stranger.similar[of_site], MASKED, 0))

    def network(self) -> Sample:
        """A network or a mixture of the pool: strained, cut, with other species."""
        rng = self.rng
        atoms = self.networks[rng.integers(len(self.networks))]
        edge = len(atoms) ** (1 / 3)
        positions, cell = atoms[:, :3] % edge, np.eye(3) * edge
        species = atoms[:, 3].astype(int) - 1
        draw = rng.random()
        if draw < FORGET_SPECIES:
            species = np.zeros_like(species)
        elif species.max() == 0 and draw < FORGET_SPECIES + DRAW_SPECIES:
            species = (rng.random(len(species)) < rng.uniform(0.05, 0.5)).astype(int)
        keep = np.ones(len(positions), bool)
        if rng.random() < CUT:
            fractions = positions / edge - 0.5
            if rng.random() < 0.5:
                keep = np.abs(fractions[:, 2]) < rng.uniform(0.25, 0.45)
                cell = np.diag([edge, edge, 1.5 * edge])
            else:
                keep = np.linalg.norm(fractions, axis=1) > rng.uniform(0.15, 0.3)
        deformation = (1.0 + np.clip(rng.normal() * 0.045, -0.1, 0.1)) * np.eye(3)
        if rng.random() < STRAINED:
            deformation = deformation @ (np.eye(3) + np.clip(rng.normal(size=(3, 3)) * 0.02, -0.05, 0.05))
        return _labelled(positions[keep] @ deformation, cell @ deformation, species[keep], np.zeros(keep.sum(), int))

    def molecules(self) -> Sample:
        """Molecules of two to five sites, randomly turned, at the places of the atoms of a fluid."""
        rng = self.rng
        fluid, _, edge = self._sampler._draw_fluid()
        sites, count = int(rng.integers(2, 6)), 60
        directions = rng.normal(size=(sites - 1, 3))
        for _ in range(50):
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            away = directions[:, None] - directions
            directions += 0.05 * (away / (np.linalg.norm(away, axis=-1, keepdims=True) ** 3 + 0.1)).sum(axis=1)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        molecule = np.vstack([np.zeros(3), rng.uniform(0.35, 0.8) * directions])
        centres = fluid[np.argsort(np.abs(fluid - edge / 2).max(axis=1))[:count]]
        centres = centres - centres.min(axis=0)
        box = np.diag(centres.max(axis=0) + 0.8)
        turns = np.linalg.qr(rng.normal(size=(len(centres), 3, 3)))[0]
        size = rng.uniform(0.5, 0.9)
        positions = (centres[:, None] + size * np.einsum("si,nij->nsj", molecule, turns)).reshape(-1, 3)
        scale = (len(positions) / np.linalg.det(box)) ** (1 / 3) * rng.uniform(0.92, 1.08)
        species = np.tile([0] + [int(rng.random() < 0.6)] * (sites - 1), len(centres))
        sample = _labelled(positions * scale, box * scale, species, np.zeros(len(positions), int))
        return _take(sample, separated(sample.positions, sample.cell, 0.2))

    def fluid(self) -> Sample:
        """A toy fluid, a drop of it, random points, a gas, or a crystal displaced beyond recovery."""
        source = self._sampler
        builders = (source._fluid, source._drop, source._random_points, source._sparse, source._destroyed)
        return builders[self.rng.choice(len(builders), p=(0.45, 0.2, 0.15, 0.1, 0.1))]()


def _labelled(positions: np.ndarray, cell: np.ndarray, species: np.ndarray, labels: np.ndarray) -> Sample:
    count = len(positions)
    zeros = np.zeros(count)
    return Sample(positions, cell, species, labels, np.zeros((count, 3)), zeros, zeros, zeros, zeros)


def with_alloys(sample: Sample, rng: np.random.Generator, share: float) -> Sample:
    """The same sample, or, for a share of those of one species, with two to ten species at random."""
    if sample.species.max(initial=0) > 0 or rng.random() >= share:
        return sample
    odds = rng.dirichlet(np.full(int(rng.integers(2, 11)), 3.0))
    return replace(sample, species=rng.choice(len(odds), size=len(sample.species), p=odds))
