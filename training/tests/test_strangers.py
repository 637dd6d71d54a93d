"""Samples of no class: labels, species and masks follow what they were made from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from training.prototypes import built_in
from training.sampling import MASKED, Sampler, SamplingConfig
from training.strangers import Stranger, Strangers, with_alloys


@pytest.fixture
def fluids() -> dict[str, np.ndarray]:
    """A stand-in for the pool: two boxes of 64 random points."""
    points = np.random.default_rng(0).uniform(0, 4, (128, 3))
    return {"atoms": np.column_stack([points, np.ones(128)]), "starts": np.array([0, 64, 128])}


@pytest.fixture
def strangers(fluids) -> Strangers:
    nacl, a15 = built_in(["B1", "A15"])
    networks = [np.column_stack([np.random.default_rng(1).uniform(0, 5, (125, 3)), np.repeat([1, 2], (60, 65))])]
    similar = np.array([True, False])
    return Strangers([Stranger(nacl, similar), Stranger(a15, np.zeros(8, bool))], networks, fluids, 3)


def test_every_kind_is_of_no_class(strangers) -> None:
    for build in (strangers.crystal, strangers.network, strangers.molecules, strangers.fluid):
        sizes = []
        for _ in range(12):
            sample = build()
            sizes.append(len(sample.positions))
            assert np.isfinite(sample.positions).all() and sample.positions.shape == (sizes[-1], 3)
            assert len(sample.species) == len(sample.labels) == sizes[-1]
            assert set(np.unique(sample.labels)) <= {0, MASKED}
        assert max(sizes) > 20, build.__name__


def test_sites_like_those_of_a_class_are_masked(strangers) -> None:
    seen = Counter()
    for _ in range(40):
        sample = strangers.crystal()
        if sample.species.max() == 1 and (sample.labels == MASKED).any():
            # The first species of B1 is the similar site.
            np.testing.assert_array_equal(sample.labels == MASKED, sample.species == 0)
            seen["masked"] += 1
        else:
            assert (sample.labels == 0).all()
            seen["free"] += 1
    assert min(seen["masked"], seen["free"]) > 5


def test_the_same_seed_gives_the_same_samples(fluids) -> None:
    made = [
        Strangers([Stranger(built_in(["A15"])[0], np.zeros(8, bool))], [np.ones((8, 4))], fluids, [2, 7])
        for _ in range(2)
    ]
    for _ in range(5):
        first, second = (one.crystal() for one in made)
        np.testing.assert_array_equal(first.positions, second.positions)


def test_crystals_of_one_species_become_alloys_of_several(fluids) -> None:
    rng = np.random.default_rng(4)
    sampler = Sampler(built_in(["fcc", "B2"]), fluids, SamplingConfig(alloy_share=0.0), 8)
    kinds = Counter()
    for _ in range(60):
        sample = sampler._bulk()
        alloy = with_alloys(sample, rng, 0.7)
        np.testing.assert_array_equal(alloy.labels, sample.labels)
        if sample.species.max() > 0:
            np.testing.assert_array_equal(alloy.species, sample.species)
        else:
            kinds[len(np.unique(alloy.species))] += 1
    assert kinds[1] > 0 and sum(count for kind, count in kinds.items() if kind > 2) > 5
