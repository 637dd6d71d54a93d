"""Made-up crystals are crystals: symmetric, at unit density, with no atoms on top of each other."""

from __future__ import annotations

from itertools import islice

import numpy as np
import spglib

from training.invented import LEAST_SPACING, MOST_ATOMS, MOST_SPACING, _spacings, inventions

SEED = 5


def test_made_up_crystals_keep_their_symmetry_and_density() -> None:
    crystals = list(islice(inventions(SEED), 25))
    for crystal in crystals:
        assert 1 <= len(crystal.species) <= MOST_ATOMS
        assert np.isclose(abs(np.linalg.det(crystal.cell)), len(crystal.species))
        spacings = _spacings(crystal.positions, crystal.cell)
        assert spacings.min() >= LEAST_SPACING and spacings.max() <= MOST_SPACING, crystal.name
        lattice = crystal.cell, crystal.positions @ np.linalg.inv(crystal.cell), crystal.species
        assert spglib.get_symmetry_dataset(lattice, symprec=1e-3).number == crystal.space_group
    assert len({crystal.space_group for crystal in crystals}) > 10
    assert {int(crystal.species.max()) for crystal in crystals} >= {0, 1, 2}


def test_the_same_seed_invents_the_same_crystals() -> None:
    for first, second in zip(islice(inventions(SEED), 3), islice(inventions(SEED), 3), strict=True):
        assert first.name == second.name
        np.testing.assert_array_equal(first.positions, second.positions)
    other = next(inventions(SEED + 1))
    assert not np.array_equal(other.cell, next(inventions(SEED)).cell)
