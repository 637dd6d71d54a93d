"""Training samples: ideal prototypes under synthetic disorder, toy fluids, interfaces and surfaces.

All lengths are in units of a0. No molecular-dynamics frame of a real substance is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .neighbours import neighbour_table
from .prototypes import Prototype
from .stacking import FAMILIES, stacking
from .transformations import PATHS, path_name, strained_name

MASKED = -1
# Extra squared distance of atoms next to a vacancy or an interstitial, and the range over which it fades.
DEFECT_DISTANCE_SQUARED = 0.03
DEFECT_RANGE = 1.6
LOCAL_RANGE = 1.8
# Probability that the nearest neighbours of a defect give to `disordered`, so that the confidence separates them from
# the bulk. It is full up to the first distance of DOUBT_FADES (relative to the mean of the four nearest) and zero from
# the second on.
DEFECT_DOUBT = 0.25
DOUBT_FADES = (1.08, 1.16)
# Crystal atoms this close to a fluid or to another grain are doubtful too (`boundary_doubt`).
BOUNDARY_DEPTH = 0.5
# Displacements that remain after denoising (`quiet_share`).
QUIET_NOISE = 0.03
# Density that the neighbour tables have room for, relative to the mean.
DENSEST = 1.4


@dataclass(frozen=True)
class Sample:
    """One structure with its targets.

    positions (N, 3), cell (3, 3), species (N,); labels (N,), MASKED where no label is known; displacement (N, 3) back
    to the ideal site, and displacement_weight (N,), zero where it is unknown; distance_squared (N,), the calibration
    target d^2, and calibration_weight (N,); doubt (N,), the part of the label's probability that belongs to
    `disordered`.
    """

    positions: np.ndarray
    cell: np.ndarray
    species: np.ndarray
    labels: np.ndarray
    displacement: np.ndarray
    displacement_weight: np.ndarray
    distance_squared: np.ndarray
    calibration_weight: np.ndarray
    doubt: np.ndarray


@dataclass(frozen=True)
class SamplingConfig:
    """Shares of the kinds of sample and the ranges of disorder; lengths in units of a0."""

    atoms_per_batch: int = 2048
    # Columns of the neighbour tables. None derives them from the cutoff.
    neighbours: int | None = None
    cutoff: float = 2.3
    share_fluid: float = 0.09
    share_sparse: float = 0.03
    share_random: float = 0.02
    share_destroyed: float = 0.02
    share_drop: float = 0.03
    share_interface: float = 0.09
    share_surface: float = 0.05
    share_stacking: float = 0.09
    share_path: float = 0.03
    share_grains: float = 0.05
    width_range: tuple[float, float] = (3.4, 4.8)
    max_atoms: int = 150
    noise_usual: float = 0.13
    noise_most: float = 0.17
    correlated_share: float = 0.35
    strain_usual: float = 0.025
    strain_strong: float = 0.055
    strong_strain_share: float = 0.3
    isotropic: float = 0.04
    isotropic_most: float = 0.10
    uniaxial_share: float = 0.14
    uniaxial_range: tuple[float, float] = (-0.25, 0.06)
    defect_share: float = 0.3
    # Share of the crystals with point defects that are displaced no more than a denoised crystal, so that the model
    # recognises defects after denoising too.
    quiet_share: float = 0.0
    # Share of the label that belongs to `disordered` at boundaries. At zero, atoms there carry no label.
    boundary_doubt: float = 0.35
    # Factors on how often each class is drawn, and additional factors for interfaces, surfaces and grains.
    class_weights: dict[str, float] = field(default_factory=dict)
    boundary_weights: dict[str, float] = field(default_factory=dict)
    alloy_share: float = 0.25

    @property
    def table_width(self) -> int:
        """Number of neighbours that a table has room for. The default suffices for `DENSEST` times the mean density."""
        if self.neighbours is not None:
            return self.neighbours
        mean = 4.0 / 3.0 * np.pi * self.cutoff**3
        return 8 * int(np.ceil(DENSEST * mean / 8))


class Sampler:
    """Draws samples endlessly from one random generator. The same seed gives the same samples."""

    def __init__(
        self,
        prototypes: Sequence[Prototype],
        fluids: dict[str, np.ndarray],
        config: SamplingConfig,
        seed: int | Sequence[int],
    ) -> None:
        self.prototypes = list(prototypes)
        self.fluids = fluids
        self.config = config
        self.rng = np.random.default_rng(seed)
        weights = np.array(
            [prototype.weight * config.class_weights.get(prototype.name, 1.0) for prototype in prototypes]
        )
        self._weights = weights / weights.sum()
        factors = [config.boundary_weights.get(prototype.name, 1.0) for prototype in prototypes]
        at_boundaries = weights * factors
        self._boundary_weights = at_boundaries / at_boundaries.sum()
        self._class_of = {prototype.name: index + 1 for index, prototype in enumerate(prototypes)}
        self._families = [
            family for family in FAMILIES if family.cubic in self._class_of and family.hexagonal in self._class_of
        ]
        self._paths = [
            name for name, (start, end, _) in PATHS.items() if start in self._class_of and end in self._class_of
        ]

    def sample(self) -> Sample:
        config, draw = self.config, self.rng.random()
        for share, build in (
            (config.share_fluid, self._fluid),
            (config.share_sparse, self._sparse),
            (config.share_random, self._random_points),
            (config.share_destroyed, self._destroyed),
            (config.share_drop, self._drop),
            (config.share_interface, self._interface),
            (config.share_surface, self._surface),
            (config.share_stacking if self._families else 0.0, self._stacking),
            (config.share_path if self._paths else 0.0, self._path),
            (config.share_grains, self._grains),
        ):
            if draw < share:
                return build()
            draw -= share
        return self._bulk()

    def batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Padded batches of `atoms_per_batch` atoms that hold as many samples as fit."""
        pending = self.sample()
        while True:
            group, room = [], self.config.atoms_per_batch
            while len(pending.positions) <= room:
                group.append(pending)
                room -= len(pending.positions)
                pending = self.sample()
            yield pack(group, self.config)

    # Crystals ------------------------------------------------------------------------------

    def _draw_prototype(self, boundary: bool = False) -> int:
        weights = self._boundary_weights if boundary else self._weights
        return int(self.rng.choice(len(self.prototypes), p=weights))

    def _supercell(
        self, index: int, width: float, most: int, uniaxial: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Randomly strained supercell: cell, ideal positions, species, and its class under this strain."""
        prototype = self.prototypes[index]
        deformation = self._strain(uniaxial)
        name = strained_name(prototype.name, deformation, set(self._class_of), self.rng)
        species = prototype.species
        if prototype.markings and self.rng.random() < 0.5:
            species = prototype.markings[self.rng.integers(len(prototype.markings))]
        crystal = self._repeat(prototype.cell, prototype.positions, species, width, most, deformation)
        return *crystal, self._class_of[name]

    @staticmethod
    def _repeat(
        cell: np.ndarray,
        basis: np.ndarray,
        species: np.ndarray,
        width: float,
        most: int,
        deformation: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A deformed supercell that is at least `width` wide if `most` atoms suffice for it."""
        heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        repeats = np.maximum(1, np.ceil(width / heights - 0.35)).astype(int)
        while np.prod(repeats) * len(species) > most and repeats.max() > 1:
            repeats[np.argmax(np.where(repeats > 1, repeats * heights, 0.0))] -= 1
        offsets = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 3)
        positions = (offsets @ cell)[:, None] + basis
        species = np.tile(species, len(offsets))
        return (cell * repeats[:, None]) @ deformation, positions.reshape(-1, 3) @ deformation, species

    def _strain(self, uniaxial: bool = True) -> np.ndarray:
        """A deformation x' = x F: random strain and scale, or sometimes strong strain along one axis, as in a shock."""
        config, rng = self.config, self.rng
        if uniaxial and rng.random() < config.uniaxial_share:
            axis = rng.normal(size=3)
            if rng.random() < 0.5:
                axis = np.eye(3)[rng.integers(3)] + 0.03 * axis
            axis /= np.linalg.norm(axis)
            stretch = 1.0 + rng.uniform(*config.uniaxial_range)
            # The length scale is that of the strained crystal, of the unstrained one next to it, or between the two.
            scale = stretch ** (-rng.uniform(0, 1) / 3)
            deformation = np.eye(3) + (stretch - 1.0) * np.outer(axis, axis)
            return scale * (deformation + 0.01 * rng.normal() * np.outer(axis, axis))
        strong = rng.random() < config.strong_strain_share
        amplitude = rng.uniform(0, config.strain_strong if strong else config.strain_usual)
        strain = rng.normal(size=(3, 3)) * amplitude
        isotropic = np.clip(rng.normal() * config.isotropic, -config.isotropic_most, config.isotropic_most)
        symmetric = np.clip(0.5 * (strain + strain.T), -0.12, 0.12)
        symmetric -= np.trace(symmetric) / 3 * np.eye(3)
        return (1.0 + isotropic) * (np.eye(3) + symmetric)

    def _noise(self, positions: np.ndarray, cell: np.ndarray, species: np.ndarray, sigma: float) -> np.ndarray:
        """Displacements with standard deviation sigma per component, white or partly correlated."""
        rng = self.rng
        white = rng.normal(size=positions.shape)
        if species.max(initial=0) > 0 and rng.random() < 0.5:
            white *= np.exp(rng.normal(size=species.max() + 1) * 0.2)[species][:, None]
        if rng.random() >= self.config.correlated_share:
            return sigma * white
        distances = periodic_distances(positions, cell)
        kernel = np.exp(-0.5 * (distances / rng.uniform(0.6, 1.3)) ** 2)
        smooth = kernel @ rng.normal(size=positions.shape)
        smooth /= smooth.std() + 1e-9
        share = rng.uniform(0.2, 0.8)
        return sigma * (np.sqrt(1 - share) * white + np.sqrt(share) * smooth)

    def _sigma(self) -> float:
        config, rng = self.config, self.rng
        if rng.random() < 0.8:
            return rng.uniform(0.0, config.noise_usual)
        return rng.uniform(0.08, config.noise_most)

    def _mark_alloy(self, species: np.ndarray) -> np.ndarray:
        """A random solid solution on an elemental lattice, or a few antisites in a compound."""
        rng = self.rng
        if species.max() == 0:
            if rng.random() < self.config.alloy_share:
                return (rng.random(len(species)) < rng.uniform(0.02, 0.5)).astype(species.dtype)
        elif rng.random() < self.config.defect_share:
            swap = rng.random(len(species)) < rng.uniform(0, 0.03)
            return np.where(swap, rng.permutation(species), species)
        return species

    def _bulk(self) -> Sample:
        rng = self.rng
        index = self._draw_prototype()
        width = rng.uniform(*self.config.width_range)
        cell, ideal, species, label = self._supercell(index, width, self.config.max_atoms)
        return self._disordered_crystal(np.full(len(ideal), label), cell, ideal, species)

    def _path(self) -> Sample:
        """A crystal on the path between two phases. Its label is drawn at random, with even odds halfway."""
        rng = self.rng
        path = self._paths[rng.integers(len(self._paths))]
        progress = rng.uniform(-0.05, 1.05)
        name = path_name(path, progress, rng)
        cell, basis = PATHS[path][2](progress)
        deformation = (1.0 + 0.03 * np.clip(rng.normal(), -2, 2)) * (np.eye(3) + 0.006 * rng.normal(size=(3, 3)))
        cell, ideal, species = self._repeat(
            cell, basis, np.zeros(len(basis), int), rng.uniform(*self.config.width_range), 150, deformation
        )
        noise = self._noise(ideal, cell, species, rng.uniform(0.0, 0.09))
        labels = np.full(len(ideal), self._class_of[name])
        return finish(ideal, noise - noise.mean(axis=0), cell, species, labels, np.ones(len(ideal)), np.zeros((0, 3)))

    def _stacking(self) -> Sample:
        """Cubic and hexagonal layers in random order, each with its own label."""
        rng = self.rng
        family = self._families[rng.integers(len(self._families))]
        layers, repeats = (
            (int(rng.integers(4, 8)), (3, 3)) if family.tetrahedral else (int(rng.integers(6, 12)), (4, 3))
        )
        cell, ideal, species, character = stacking(rng, family, layers, repeats)
        deformation = self._strain()
        polytype = family.polytype if family.polytype in self._class_of else None
        own = np.where(character.hexagonal, self._class_of[family.hexagonal], self._class_of[family.cubic])
        labels = own if polytype is None else np.where(character.alternating, self._class_of[polytype], own)
        return self._disordered_crystal(labels, cell @ deformation, ideal @ deformation, species)

    def _disordered_crystal(
        self, labels: np.ndarray, cell: np.ndarray, ideal: np.ndarray, species: np.ndarray
    ) -> Sample:
        """An ideal structure with known labels, after adding point defects and displacements."""
        rng = self.rng
        species = self._mark_alloy(species)
        defects = np.zeros((0, 3))
        weight = np.ones(len(ideal))
        sigma = self._sigma()
        if rng.random() < self.config.defect_share:
            if rng.random() < self.config.quiet_share:
                sigma = rng.uniform(0.0, QUIET_NOISE)
            gone = rng.choice(len(ideal), size=max(1, rng.binomial(len(ideal), 0.015)), replace=False)
            keep = np.setdiff1d(np.arange(len(ideal)), gone)
            defects = ideal[gone]
            ideal, species, labels, weight = ideal[keep], species[keep], labels[keep], weight[keep]
            if rng.random() < 0.3:
                extra = rng.random((1, 3)) @ cell
                near = periodic_distances(np.vstack([extra, ideal]), cell)[0, 1:].min()
                if near > 0.45:
                    defects = np.vstack([defects, extra])
                    ideal = np.vstack([ideal, extra])
                    species = np.append(species, rng.choice(species))
                    labels, weight = np.append(labels, MASKED), np.append(weight, 0.0)
        noise = self._noise(ideal, cell, species, sigma)
        noise -= noise.mean(axis=0)
        return finish(ideal, noise, cell, species, labels, weight, defects)

    def _surface(self) -> Sample:
        """A slab, a wire or a cluster cut from a crystal. Atoms at the surface keep their label."""
        rng = self.rng
        index = self._draw_prototype(boundary=True)
        cell, ideal, species, label = self._supercell(index, rng.uniform(4.2, 5.4), 190)
        free_axes = rng.choice([1, 1, 2, 3])
        stretched = cell.copy()
        for axis in rng.permutation(3)[:free_axes]:
            stretched[axis] *= 1.0 + 2.6 / np.linalg.norm(cell[axis])
        noise = self._noise(ideal, cell, species, min(self._sigma(), 0.12))
        counts_before = coordination(ideal, cell)
        missing = counts_before - coordination(ideal, stretched)
        at_surface = missing > 0
        weight = np.where(at_surface, 0.5, 1.0)
        labels = np.full(len(ideal), label)
        # With almost half of the neighbours missing (an edge or a corner), a label would be a guess.
        labels[missing > 0.45 * counts_before] = MASKED
        sample = finish(ideal, noise, stretched, species, labels, weight, np.zeros((0, 3)))
        sample.calibration_weight[at_surface] = 0.0
        return sample

    # Class 0 -------------------------------------------------------------------------------

    def _draw_fluid(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Positions, species and edge of one toy fluid at unit density, rotated by a cube symmetry."""
        rng = self.rng
        start = rng.integers(len(self.fluids["starts"]) - 1)
        atoms = self.fluids["atoms"][self.fluids["starts"][start] : self.fluids["starts"][start + 1]]
        edge = len(atoms) ** (1 / 3)
        flips = rng.choice([-1.0, 1.0], size=3)
        positions = (atoms[:, rng.permutation(3)] * flips + rng.uniform(0, edge, 3)) % edge
        types = atoms[:, 3].astype(int)
        if types.max() == 1 and rng.random() < 0.3:
            types = (rng.random(len(types)) < rng.uniform(0.05, 0.5)).astype(int)
        elif types.max() > 1 and rng.random() < 0.15:
            types = np.ones_like(types)
        return positions, types - types.min(), edge

    def _disordered(self, positions: np.ndarray, cell: np.ndarray, species: np.ndarray) -> Sample:
        factor = np.clip(self.rng.normal() * 0.045, -0.1, 0.1) + 1.0
        count = len(positions)
        return Sample(
            positions * factor,
            cell * factor,
            species,
            np.zeros(count, int),
            np.zeros((count, 3)),
            np.zeros(count),
            np.zeros(count),
            np.zeros(count),
            np.zeros(count),
        )

    def _fluid(self) -> Sample:
        positions, species, edge = self._draw_fluid()
        return self._disordered(positions, np.eye(3) * edge, species)

    def _drop(self) -> Sample:
        """A drop or a film of a fluid in empty space."""
        rng = self.rng
        sample = self._fluid()
        fractions = sample.positions @ np.linalg.inv(sample.cell) - 0.5
        if rng.random() < 0.5:
            keep = np.abs(fractions[:, 2]) < rng.uniform(0.25, 0.45)
        else:
            keep = np.linalg.norm(fractions, axis=1) < rng.uniform(0.35, 0.5)
        stretched = sample.cell.copy()
        stretched[2] *= 1.5
        return _take(replace(sample, cell=stretched), keep)

    def _sparse(self) -> Sample:
        """A gas, down to isolated atoms: a fluid or random points, expanded."""
        sample = self._fluid() if self.rng.random() < 0.5 else self._random_points()
        factor = np.exp(self.rng.uniform(np.log(1.25), np.log(5.0)))
        return replace(sample, positions=sample.positions * factor, cell=sample.cell * factor)

    def _random_points(self) -> Sample:
        """Random points with a random least distance: a gas if it is small, a packing if it is large."""
        rng, count = self.rng, 120
        edge = count ** (1 / 3)
        least = rng.uniform(0.15, 0.72)
        positions = np.zeros((0, 3))
        for _ in range(60 * count):
            point = rng.uniform(0, edge, 3)
            away = positions - point
            away -= edge * np.round(away / edge)
            if not len(positions) or (away**2).sum(1).min() > least**2:
                positions = np.vstack([positions, point])
            if len(positions) == count:
                break
        factor = (count / len(positions)) ** (1 / 3)
        species = (rng.random(len(positions)) < rng.choice([0.0, 0.2, 0.5])).astype(int)
        return self._disordered(positions * factor, np.eye(3) * edge * factor, species)

    def _destroyed(self) -> Sample:
        """A crystal displaced beyond recovery."""
        cell, ideal, species, _ = self._supercell(self._draw_prototype(), 4.0, 130)
        noise = self.rng.normal(size=ideal.shape) * self.rng.uniform(0.32, 0.45)
        sample = self._disordered(ideal + noise, cell, species)
        keep = separated(sample.positions, sample.cell, 0.25)
        return _take(sample, keep)

    # Interfaces ----------------------------------------------------------------------------

    def _grains(self) -> Sample:
        """Two randomly rotated grains of one crystal in a periodic cube. Their boundaries are doubtful."""
        rng = self.rng
        prototype = self.prototypes[self._draw_prototype(boundary=True)]
        edge = rng.uniform(6.0, 7.0)
        box = np.eye(3) * edge
        seeds = rng.uniform(0, edge, (2, 3))
        seeds[1, 2] = seeds[0, 2] + edge / 2
        images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3) * edge
        centres = (seeds[:, None] + images).reshape(-1, 3)
        scale = 1.0 + 0.03 * np.clip(rng.normal(), -2, 2)
        reach = int(np.ceil(1.6 * edge / np.min(1.0 / np.linalg.norm(np.linalg.inv(prototype.cell), axis=0))))
        offsets = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
        lattice = ((offsets @ prototype.cell)[:, None] + prototype.positions).reshape(-1, 3) * scale
        species = np.tile(prototype.species, len(offsets))
        near = np.linalg.norm(lattice, axis=1) < 0.9 * edge
        positions, kinds, depths = [], [], []
        for index, centre in enumerate(seeds):
            turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            points = lattice[near] @ turn + centre
            to_centres = np.linalg.norm(points[:, None] - centres, axis=-1)
            own = index * len(images) + len(images) // 2
            depth = 0.5 * (np.delete(to_centres, own, axis=1).min(axis=1) - to_centres[:, own])
            inside = depth > 0
            positions.append(points[inside])
            kinds.append(species[near][inside])
            depths.append(depth[inside])
        ideal, all_species, depth = map(np.concatenate, (positions, kinds, depths))
        keep = separated(ideal, box, 0.8 * self._nearest(prototype))
        ideal, all_species, depth = ideal[keep], all_species[keep], depth[keep]
        noise = self._noise(ideal, box, all_species, rng.uniform(0.02, 0.13))
        label = self._class_of[prototype.name]
        inner = depth > BOUNDARY_DEPTH
        sample = finish(
            ideal, noise, box, all_species, np.full(len(ideal), label), np.where(inner, 1.0, 0.0), np.zeros((0, 3))
        )
        return replace(
            sample, calibration_weight=inner.astype(float), doubt=np.where(inner, 0.0, self.config.boundary_doubt)
        )

    @staticmethod
    def _nearest(prototype: Prototype) -> float:
        """Smallest distance between two atoms of a prototype."""
        table = neighbour_table(prototype.positions, prototype.cell, True, 2.0, None)
        vectors = prototype.positions[table.indices] - prototype.positions[:, None] + table.shifts
        return float(np.linalg.norm(vectors, axis=-1)[table.mask].min())

    def _interface(self) -> Sample:
        """Half crystal, half toy fluid. At the faces the crystal's label is doubtful, and the fluid has none."""
        rng = self.rng
        index = self._draw_prototype(boundary=True)
        cell, ideal, species, label = self._supercell(index, rng.uniform(3.2, 3.8), 100, uniaxial=False)
        noise = self._noise(ideal, cell, species, rng.uniform(0.03, 0.12))
        crystal = ideal + noise - noise.mean(axis=0)
        axis = int(np.argmax(np.linalg.norm(cell, axis=1)))
        fractions = rng.uniform(0.8, 1.2)
        tall = cell.copy()
        tall[axis] *= 1.0 + fractions
        fluid, fluid_species, edge = self._draw_fluid()
        offsets = np.stack(np.meshgrid(*[np.arange(-1, 3)] * 3, indexing="ij"), -1).reshape(-1, 3) * edge
        cloud = (fluid + offsets[:, None] + tall.sum(axis=0) / 2 - edge).reshape(-1, 3)
        cloud_species = np.tile(fluid_species, len(offsets))
        scaled = cloud @ np.linalg.inv(tall)
        boundary = 1.0 / (1.0 + fractions)
        inside = ((scaled >= 0) & (scaled < 1)).all(axis=1) & (scaled[:, axis] > boundary)
        positions = np.vstack([crystal, cloud[inside]])
        all_species = np.concatenate([species, cloud_species[inside]])
        labels = np.concatenate([np.full(len(crystal), label), np.zeros(int(inside.sum()), int)])
        displacement = np.vstack([ideal - crystal, np.zeros((int(inside.sum()), 3))])
        # Crystal atoms stand first in the list, so where two atoms overlap, the fluid atom is removed.
        keep = separated(positions, tall, 0.72)
        height = 1.0 / np.linalg.norm(np.linalg.inv(tall)[:, axis])
        along = (positions @ np.linalg.inv(tall))[:, axis] % 1.0
        depth = height * np.min([np.abs(along - edge_) for edge_ in (0.0, boundary, 1.0)], axis=0)
        at_face = depth < BOUNDARY_DEPTH
        doubt = self.config.boundary_doubt
        labels = np.where(at_face & ((labels == 0) | (doubt == 0.0)), MASKED, labels)
        crystalline = labels > 0
        sample = Sample(
            positions,
            tall,
            all_species,
            labels,
            displacement,
            np.where(crystalline & (depth > 1.0), 1.0, 0.0),
            np.full(len(positions), (noise**2).sum(axis=1).mean()),
            np.zeros(len(positions)),
            np.where(at_face & crystalline, doubt, 0.0),
        )
        return _take(sample, keep)


def _take(sample: Sample, keep: np.ndarray) -> Sample:
    return Sample(
        sample.positions[keep],
        sample.cell,
        sample.species[keep],
        sample.labels[keep],
        sample.displacement[keep],
        sample.displacement_weight[keep],
        sample.distance_squared[keep],
        sample.calibration_weight[keep],
        sample.doubt[keep],
    )


def periodic_distances(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Nearest-image distances (N, N) by rounding fractional coordinates. The cell must not be too oblique."""
    inverse = np.linalg.inv(cell)
    fractions = (positions[None] - positions[:, None]) @ inverse
    return np.linalg.norm((fractions - np.round(fractions)) @ cell, axis=-1)


def separated(positions: np.ndarray, cell: np.ndarray, least: float) -> np.ndarray:
    """Mask of the atoms that remain after removing the later atom of every pair closer than `least`."""
    close = np.tril(periodic_distances(positions, cell) < least, -1)
    keep = np.ones(len(positions), bool)
    for atom in np.flatnonzero(close.any(axis=1)):
        keep[atom] = not (close[atom] & keep).any()
    return keep


def coordination(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Number of neighbours within LOCAL_RANGE of every atom (periodic)."""
    return neighbour_table(positions, cell, True, LOCAL_RANGE, None).counts


def finish(
    ideal: np.ndarray,
    noise: np.ndarray,
    cell: np.ndarray,
    species: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray,
    defects: np.ndarray,
) -> Sample:
    """Targets of a displaced crystal.

    The calibration target of an atom is the mean squared displacement in its surroundings relative to their common
    shift, plus a contribution of nearby defects.
    """
    distances = periodic_distances(ideal, cell)
    kernel = np.maximum(0.0, 1.0 - (distances / LOCAL_RANGE) ** 2) ** 2
    kernel /= kernel.sum(axis=1, keepdims=True)
    mean = kernel @ noise
    spread = kernel @ (noise**2).sum(axis=1) - (mean**2).sum(axis=1)
    doubt = np.zeros(len(ideal))
    if len(defects):
        inverse = np.linalg.inv(cell)
        fractions = (ideal[:, None] - defects[None]) @ inverse
        to_defect = np.linalg.norm((fractions - np.round(fractions)) @ cell, axis=-1)
        fade = np.maximum(0.0, 1.0 - (to_defect / DEFECT_RANGE) ** 2) ** 2
        spread = spread + DEFECT_DISTANCE_SQUARED * fade.sum(axis=1) * 3.0
        # An interstitial atom is the defect itself, not one of its neighbours.
        to_defect = np.where(to_defect < 0.05, np.inf, to_defect)
        ratio = to_defect / np.sort(to_defect, axis=0)[:4].mean(axis=0)
        doubt = DEFECT_DOUBT * np.clip(np.interp(ratio, DOUBT_FADES, (1.0, 0.0)), 0.0, 1.0).max(axis=1)
    crystalline = (labels > 0).astype(float)
    return Sample(
        ideal + noise,
        cell,
        species,
        labels,
        -noise,
        weight * crystalline,
        spread,
        crystalline.copy(),
        doubt * crystalline,
    )


def pack(samples: Sequence[Sample], config: SamplingConfig) -> dict[str, np.ndarray]:
    """One padded batch. Padding atoms have no neighbours and no weight."""
    size, width = config.atoms_per_batch, config.table_width
    batch = {
        "positions": np.zeros((size, 3), np.float32),
        "indices": np.zeros((size, width), np.int32),
        "shifts": np.zeros((size, width, 3), np.float32),
        "mask": np.zeros((size, width), bool),
        "other": np.zeros((size, width), bool),
        "labels": np.full(size, MASKED, np.int32),
        "displacement": np.zeros((size, 3), np.float32),
        "displacement_weight": np.zeros(size, np.float32),
        "distance_squared": np.zeros(size, np.float32),
        "calibration_weight": np.zeros(size, np.float32),
        "doubt": np.zeros(size, np.float32),
    }
    start = 0
    for sample in samples:
        count = len(sample.positions)
        rows = slice(start, start + count)
        table = neighbour_table(sample.positions, sample.cell, True, config.cutoff, width)
        batch["positions"][rows] = sample.positions
        batch["indices"][rows] = table.indices + start
        batch["shifts"][rows] = table.shifts
        batch["mask"][rows] = table.mask
        batch["other"][rows] = sample.species[table.indices] != sample.species[:, None]
        for name in (
            "labels",
            "displacement",
            "displacement_weight",
            "distance_squared",
            "calibration_weight",
            "doubt",
        ):
            batch[name][rows] = getattr(sample, name)
        start += count
    return batch
