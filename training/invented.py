"""Made-up crystals: random points under random space groups, as examples of crystals that no tier names.

Sites close to a symmetry element move onto it, so that special positions are as frequent as in nature. Half of the
crystals are then relaxed by a soft repulsion, which keeps the symmetry and makes them as evenly packed as real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import spglib

from .neighbours import neighbour_table
from .prototypes import Prototype

# Images of a site that are closer than this, in units of a0, move to their common centre.
MERGED = (0.35, 0.75)
# Bounds of the distance from an atom to its nearest neighbour, in units of a0.
LEAST_SPACING = 0.55
MOST_SPACING = 1.4
MOST_ATOMS = 40
# Hall numbers of the standard settings, by crystal system with the odds of drawing it.
SYSTEMS = {
    "triclinic": (range(1, 3), 1),
    "monoclinic": (range(3, 16), 3),
    "orthorhombic": (range(16, 75), 4),
    "tetragonal": (range(75, 143), 4),
    "trigonal": (range(143, 168), 3),
    "hexagonal": (range(168, 195), 3),
    "cubic": (range(195, 231), 4),
}


@cache
def _hall_numbers() -> dict[int, int]:
    """The first Hall number of each space group."""
    first: dict[int, int] = {}
    for hall in range(1, 531):
        first.setdefault(spglib.get_spacegroup_type(hall).number, hall)
    return first


def _lattice(rng: np.random.Generator, system: str) -> np.ndarray:
    """A cell (rows) of unit volume that has the symmetry of a crystal system."""
    a, b, c = np.exp(rng.normal(size=3) * 0.35)
    angles = np.radians(rng.uniform(70, 115, 3))
    if system in ("tetragonal", "trigonal", "hexagonal"):
        b = a
    if system == "cubic":
        b = c = a
    if system in ("orthorhombic", "tetragonal", "cubic"):
        angles[:] = np.pi / 2
    elif system == "monoclinic":
        angles[[0, 2]] = np.pi / 2
    elif system in ("trigonal", "hexagonal"):
        angles[:] = np.pi / 2, np.pi / 2, 2 * np.pi / 3
    alpha, beta, gamma = np.cos(angles)
    sine = np.sin(angles[2])
    third = np.array([beta, (alpha - beta * gamma) / sine, 0.0])
    third[2] = np.sqrt(max(0.05, 1.0 - third @ third))
    cell = np.array([[a, 0, 0], [b * gamma, b * sine, 0], c * third])
    return cell / abs(np.linalg.det(cell)) ** (1 / 3)


def _orbit(
    rng: np.random.Generator, rotations: np.ndarray, translations: np.ndarray, cell: np.ndarray, merged: float
) -> np.ndarray:
    """Fractions of all images of a random site, after moving it onto the symmetry elements within `merged`."""
    site = rng.random(3)
    for _ in range(4):
        images = rotations @ site + translations
        away = images - site
        away -= np.round(away)
        near = np.linalg.norm(away @ cell, axis=1) < merged
        site = site + away[near].mean(axis=0)
    images = rotations @ site + translations
    unique: list[np.ndarray] = []
    for image in images:
        away = np.array(unique).reshape(-1, 3) - image
        if not len(away) or np.linalg.norm((away - np.round(away)) @ cell, axis=1).min() > 1e-3:
            unique.append(image % 1.0)
    return np.array(unique)


def relaxed(
    positions: np.ndarray,
    cell: np.ndarray,
    species: np.ndarray,
    sizes: np.ndarray,
    moving: np.ndarray | None = None,
    steps: int = 60,
) -> np.ndarray:
    """Positions after steps down a soft repulsion of range 1.5, with a size for each species, of the moving atoms."""
    for _ in range(steps):
        table = neighbour_table(positions, cell, True, 1.5, None)
        vectors = positions[table.indices] - positions[:, None] + table.shifts
        r = np.where(table.mask, np.linalg.norm(vectors, axis=-1), 1.5)
        diameter = 0.5 * (sizes[species][:, None] + sizes[species][table.indices])
        push = np.where(table.mask, (diameter / r) ** 6 * (1.0 - (r / 1.5) ** 2), 0.0)
        step = -0.02 * (push[..., None] * vectors / r[..., None]).sum(axis=1)
        if moving is not None:
            step[~moving] = 0.0
        longest = np.linalg.norm(step, axis=1).max()
        positions = positions + step * min(1.0, 0.05 / max(longest, 1e-9))
    return positions


def _spacings(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Distance of every atom to its nearest neighbour, (N,); infinite beyond 1.6."""
    table = neighbour_table(positions, cell, True, 1.6, None)
    vectors = positions[table.indices] - positions[:, None] + table.shifts
    return np.where(table.mask, np.linalg.norm(vectors, axis=-1), np.inf).min(axis=1, initial=np.inf)


def invent(rng: np.random.Generator, name: str) -> Prototype | None:
    """One attempt at a made-up crystal at one atom per unit volume; None if it is too large or too crowded."""
    systems = list(SYSTEMS)
    odds = np.array([SYSTEMS[system][1] for system in systems], float)
    system = systems[rng.choice(len(systems), p=odds / odds.sum())]
    numbers = SYSTEMS[system][0]
    group = int(rng.integers(numbers.start, numbers.stop))
    symmetry = spglib.get_symmetry_from_database(_hall_numbers()[group])
    rotations, translations = symmetry["rotations"], symmetry["translations"]
    cell = _lattice(rng, system) * (0.35 * len(rotations) ** 0.8 + rng.uniform(0, 8)) ** (1 / 3)
    kinds = int(rng.choice([1, 1, 2, 2, 2, 3, 4]))
    fractions, species = [], []
    for orbit in range(int(rng.integers(max(1, kinds - 1), kinds + 3))):
        points = _orbit(rng, rotations, translations, cell, rng.uniform(*MERGED))
        fractions.append(points)
        species.append(np.full(len(points), orbit % kinds))
    points, marks = np.concatenate(fractions), np.concatenate(species)
    primitive = spglib.find_primitive((cell, points, marks), symprec=1e-3)
    if primitive is None or not 1 <= len(primitive[2]) <= MOST_ATOMS:
        return None
    cell, points, marks = primitive
    cell = cell / (abs(np.linalg.det(cell)) / len(marks)) ** (1 / 3)
    marks = np.unique(marks, return_inverse=True)[1]
    positions = points @ cell
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    if heights.min() < LEAST_SPACING or _spacings(positions, cell).min() < 0.5 * LEAST_SPACING:
        return None
    if rng.random() < 0.5:
        positions = relaxed(positions, cell, marks, rng.uniform(0.75, 1.05, marks.max() + 1))
    spacings = _spacings(positions, cell)
    if spacings.min() < LEAST_SPACING or spacings.max() > MOST_SPACING:
        return None
    found = spglib.get_symmetry_dataset((cell, positions @ np.linalg.inv(cell), marks), symprec=1e-3)
    return None if found is None else Prototype(name, "made up", int(found.number), cell, positions, marks)


def inventions(seed: int) -> Iterator[Prototype]:
    """Made-up crystals without end, named after their number."""
    attempt = 0
    while True:
        crystal = invent(np.random.default_rng([seed, attempt]), f"invented-{attempt}")
        attempt += 1
        if crystal is not None:
            yield crystal
