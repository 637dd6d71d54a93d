"""Boundaries of known crystals, for the network of known surroundings: grains, mirror twins, fronts of strain.

An atom at a boundary has half of its neighbours in place. It belongs to its crystal, unlike an atom of a network. The
boundaries are geometry alone; half of them are relaxed by a soft repulsion, which no substance has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import gcd

import numpy as np

from .invented import relaxed
from .prototypes import Prototype
from .sampling import Sample, Sampler, _take, finish, separated

SHARES = {"grains": 0.4, "mirrored": 0.45, "front": 0.15}
MOST_ATOMS = 380
# Indices of the planes that mirror a crystal.
MOST_INDEX = 3
# Atoms this close to a boundary count as its own; a relaxation moves no others.
DEPTH = 1.3
# Of two atoms that are closer than such a share of the nearest distance, one goes; what is left at less than
# OVERLAPPING of it is relaxed, and RELAXED of the rest.
LEAST_SPACING, MOST_SPACING = 0.5, 0.8
OVERLAPPING = 0.7
RELAXED = 0.5


class Boundaries:
    """Draws samples with boundaries. Labels are those of the grains; `doubt` is 1 at boundaries, else 0."""

    def __init__(self, sampler: Sampler, seed: int | Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)
        self._sampler = sampler

    def sample(self) -> Sample:
        """A sample of one of the kinds."""
        kind = str(self.rng.choice(list(SHARES), p=list(SHARES.values())))
        return getattr(self, kind)()

    def grains(self) -> Sample:
        """Two to four randomly rotated grains of one crystal in a periodic cube, as far as each centre is nearest."""
        rng = self.rng
        prototype, label = self._draw()
        edge = rng.uniform(6.2, 7.6)
        centres = rng.uniform(0, edge, (int(rng.integers(2, 4)), 3))
        images = edge * np.array(list(product((-1, 0, 1), repeat=3)))
        all_centres = (centres[:, None] + images).reshape(-1, 3)
        lattice, lattice_species = _ball(prototype, 0.95 * edge)
        positions, species, depths = [], [], []
        for index, centre in enumerate(centres):
            points = lattice @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + centre
            others = np.delete(all_centres, index * len(images) + len(images) // 2, axis=0)
            normals = others - centre
            apart = np.linalg.norm(normals, axis=1)
            depth = (0.5 * apart - (points - centre) @ (normals / apart[:, None]).T).min(axis=1)
            inside = depth > 0
            positions.append(points[inside])
            species.append(lattice_species[inside])
            depths.append(depth[inside])
        ideal, marks, depth = map(np.concatenate, (positions, species, depths))
        return self._finished(prototype, label, np.eye(3) * edge, ideal, marks, depth)

    def mirrored(self) -> Sample:
        """A crystal and its mirror image by a lattice plane, in places shifted along it: symmetric tilt boundaries."""
        rng = self.rng
        while True:
            prototype, label = self._draw()
            plane = rng.integers(-MOST_INDEX, MOST_INDEX + 1, 3)
            if gcd(*map(int, plane)) != 1:
                continue
            basis = _in_plane(plane, prototype.cell)
            if basis is None:
                continue
            height = rng.uniform(2.8, 4.5)
            basis = basis * np.ceil(3.4 / np.linalg.norm(basis, axis=1) - 0.3).clip(1)[:, None]
            normal = np.cross(*basis)
            area = np.linalg.norm(normal)
            if 2 * height * area <= MOST_ATOMS:
                break
        normal /= area
        box = np.vstack([basis, normal * height])
        lattice, marks = _ball(prototype, np.linalg.norm(box, axis=1).sum() + 1.0)
        lattice = lattice + rng.uniform(-0.5, 0.5) * normal
        fractions = lattice @ np.linalg.inv(box)
        inside = ((fractions >= -1e-9) & (fractions < 1 - 1e-9)).all(axis=1)
        half, half_marks = lattice[inside], marks[inside]
        image = half - 2 * (half @ normal)[:, None] * normal
        if rng.random() < 0.5:
            image = image + rng.random(2) @ basis
        ideal, species = np.vstack([half, image]), np.concatenate([half_marks] * 2)
        along = np.abs(ideal @ normal)
        depth = np.minimum(along, height - along)
        # Atoms that are too close go, and the halves close up to the volume that is left.
        kept = separated(
            ideal, np.vstack([basis, normal * 2 * height]), LEAST_SPACING * self._sampler._nearest(prototype)
        )
        closed = np.clip(height - kept.sum() * rng.uniform(1.0, 1.08) / (2 * area), -0.1, 0.3)
        ideal[len(half) :] += closed * normal
        cell = np.vstack([basis, normal * 2 * (height - closed)])
        return self._finished(prototype, label, cell, ideal[kept], species[kept], depth[kept])

    def front(self) -> Sample:
        """A crystal of which one half is compressed along an axis, as behind a shock front."""
        rng, sampler = self.rng, self._sampler
        prototype, label = self._draw()
        sites = prototype.species
        cell, ideal, species = sampler._repeat(
            prototype.cell, prototype.positions, sites, rng.uniform(3.0, 3.6), 110, np.eye(3)
        )
        axis = int(np.argmin(np.linalg.norm(cell, axis=1)))
        copies = 3
        ideal = np.vstack([ideal + index * cell[axis] for index in range(copies)])
        cell[axis] *= copies
        fractions = (ideal @ np.linalg.inv(cell))[:, axis]
        places = np.linspace(0.0, 1.0, 401)
        stretch = 1.0 - rng.uniform(0.03, 0.16) * 0.5 * (
            1.0 + np.tanh(rng.uniform(1.5, 6.0) * np.cos(2 * np.pi * places))
        )
        moved = np.concatenate([[0.0], np.cumsum(0.5 * (stretch[1:] + stretch[:-1]) / 400)])
        ideal = ideal + (np.interp(fractions % 1.0, places, moved) - fractions % 1.0)[:, None] * cell[axis]
        shrunk = cell.copy()
        shrunk[axis] *= moved[-1]
        ideal -= (fractions // 1.0)[:, None] * (cell[axis] - shrunk[axis])
        scale = moved[-1] ** (-rng.uniform(0, 1) / 3)
        count = len(ideal)
        return self._finished(
            prototype, label, shrunk * scale, ideal * scale, np.tile(species, copies), np.full(count, np.inf)
        )

    def _draw(self) -> tuple[Prototype, int]:
        index = self._sampler._draw_prototype(boundary=True)
        return self._sampler.prototypes[index], index + 1

    def _finished(
        self,
        prototype: Prototype,
        label: int,
        cell: np.ndarray,
        ideal: np.ndarray,
        species: np.ndarray,
        depth: np.ndarray,
    ) -> Sample:
        """The sample without atoms that are too close, strained, relaxed at the boundaries, and displaced."""
        rng, sampler = self.rng, self._sampler
        order = rng.permutation(len(ideal))
        ideal, species, depth = ideal[order], species[order], depth[order]
        near = depth < DEPTH
        if near.any():
            spacing = rng.uniform(LEAST_SPACING, MOST_SPACING)
            keep = separated(ideal, cell, spacing * sampler._nearest(prototype))
            ideal, species, depth, near = ideal[keep], species[keep], depth[keep], near[keep]
            if spacing < OVERLAPPING or rng.random() < RELAXED:
                sizes = np.full(species.max() + 1, rng.uniform(0.9, 1.05))
                ideal = relaxed(ideal, cell, species, sizes, moving=near, steps=int(rng.integers(10, 50)))
        deformation = sampler._strain(uniaxial=False)
        ideal, cell = ideal @ deformation, cell @ deformation
        noise = sampler._noise(ideal, cell, species, rng.uniform(0.0, 0.12))
        sample = finish(ideal, noise, cell, species, np.full(len(ideal), label), np.ones(len(ideal)), np.zeros((0, 3)))
        sample = replace(sample, doubt=near.astype(float))
        return _take(sample, separated(sample.positions, cell, 0.3))


def _ball(prototype: Prototype, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions and species of a crystal within a radius of the origin."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(prototype.cell), axis=0)
    reach = [np.arange(-n, n + 1) for n in np.ceil(radius / heights).astype(int) + 1]
    offsets = np.stack(np.meshgrid(*reach, indexing="ij"), -1).reshape(-1, 3)
    positions = ((offsets @ prototype.cell)[:, None] + prototype.positions).reshape(-1, 3)
    near = np.linalg.norm(positions, axis=1) < radius
    return positions[near], np.tile(prototype.species, len(offsets))[near]


def _in_plane(plane: np.ndarray, cell: np.ndarray) -> np.ndarray | None:
    """The two shortest lattice vectors in a plane (2, 3). None if they are too oblique."""
    numbers = np.array(list(product(range(-5, 6), repeat=3)))
    vectors = numbers[(numbers @ plane == 0) & (numbers != 0).any(axis=1)] @ cell
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))]
    if not len(vectors):
        return None
    first = vectors[0]
    away = np.linalg.norm(np.cross(vectors, first), axis=1) > 1e-6
    return np.vstack([first, vectors[away][0]]) if away.any() else None
