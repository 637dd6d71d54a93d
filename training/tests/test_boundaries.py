"""Boundaries of known crystals: two grains meet there, and away from it the crystal is whole."""

from __future__ import annotations

import numpy as np
import pytest

from training.boundaries import SHARES, Boundaries
from training.catalogue import tier
from training.neighbours import neighbour_table
from training.sampling import Sampler, SamplingConfig, periodic_distances

SEED = 5
CLASSES = [crystal for crystal in tier("core") if crystal.name in ("fcc", "bcc", "diamond", "B1", "L1_2")]
STILL = SamplingConfig(strain_strong=0.0, strain_usual=0.0, isotropic=0.0, uniaxial_share=0.0)


def boundaries(still: bool = False) -> Boundaries:
    sampler = Sampler(CLASSES, {}, STILL, SEED)
    made = Boundaries(sampler, SEED)
    if still:
        sampler._noise = lambda ideal, *_: np.zeros_like(ideal)  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize("kind", SHARES)
def test_atoms_keep_apart_at_the_density_of_crystals(kind: str) -> None:
    made = boundaries()
    for _ in range(6):
        sample = getattr(made, kind)()
        distances = periodic_distances(sample.positions, sample.cell)
        np.fill_diagonal(distances, 9.0)
        assert distances.min() >= 0.3
        assert 0.8 < np.linalg.det(sample.cell) / len(sample.positions) < 1.35, f"seed {SEED}"
        assert len(set(sample.labels)) == 1 and sample.labels[0] > 0
        assert set(sample.doubt) <= {0.0, 1.0} and (kind == "front") == (sample.doubt.max() == 0.0)


@pytest.mark.parametrize("kind", ["grains", "mirrored"])
def test_only_atoms_at_a_boundary_miss_neighbours_of_their_crystal(kind: str, monkeypatch) -> None:
    # A relaxation also moves neighbours of the atoms that stay in place.
    monkeypatch.setattr("training.boundaries.relaxed", lambda positions, *_, **__: positions)
    made = boundaries(still=True)
    inside, at_boundaries = [], []
    for _ in range(12):
        sample = getattr(made, kind)()
        crystal = CLASSES[sample.labels[0] - 1]
        reach = 1.05 * Sampler._nearest(crystal)
        ideal = neighbour_table(crystal.positions, crystal.cell, True, reach, None).counts
        whole = np.isin(neighbour_table(sample.positions, sample.cell, True, reach, None).counts, ideal)
        inside.append(whole[sample.doubt == 0])
        at_boundaries.append(whole[sample.doubt > 0])
    # Of two atoms that are too close, the one that goes can stand some way inside.
    assert np.concatenate(inside).mean() > 0.9 > 0.6 > np.concatenate(at_boundaries).mean(), f"seed {SEED}"
    assert len(np.concatenate(inside)) > 100


def test_the_same_seed_gives_the_same_samples() -> None:
    first, second = (boundaries().sample() for _ in range(2))
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(second, name))
