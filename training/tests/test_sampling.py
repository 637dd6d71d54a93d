"""Samples: targets agree with the changes to the atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.prototypes import built_in
from training.sampling import MASKED, Sampler, SamplingConfig, finish, pack, separated

NAMES = ["fcc", "hcp", "bcc", "B1"]


@pytest.fixture
def fluids() -> dict[str, np.ndarray]:
    """A stand-in for the pool: two boxes of 64 random points."""
    points = np.random.default_rng(0).uniform(0, 4, (128, 3))
    return {"atoms": np.column_stack([points, np.ones(128)]), "starts": np.array([0, 64, 128])}


def make(fluids: dict[str, np.ndarray], seed: int = 3, **changes: float) -> Sampler:
    return Sampler(built_in(NAMES), fluids, replace(SamplingConfig(), **changes), seed)


def test_the_same_seed_gives_the_same_batches(fluids) -> None:
    first, second = (next(make(fluids).batches()) for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


def test_displacements_lead_back_to_a_lattice(fluids) -> None:
    still = {"strain_usual": 0.0, "strain_strong": 0.0, "isotropic": 0.0, "uniaxial_share": 0.0}
    sampler = make(fluids, defect_share=0.0, **still)
    for _ in range(5):
        sample = sampler._bulk()
        ideal = sample.positions + sample.displacement
        prototype = sampler.prototypes[sample.labels[0] - 1]
        offsets = (ideal[:, None] - prototype.positions) @ np.linalg.inv(prototype.cell)
        offsets -= offsets[0, 0] - np.round(offsets[0, 0])
        away = np.abs(offsets - np.round(offsets)).max(axis=-1)
        on_a_site = away.min(axis=1) < 1e-6
        # The first site of a prototype fixes the origin only up to the choice of site.
        assert on_a_site.mean() > 0.4 / len(prototype.positions)
        assert np.unique(sample.labels).size == 1


def test_calibration_target_is_the_variance_of_white_noise() -> None:
    prototype = built_in(["fcc"])[0]
    cell = prototype.cell * 9
    grid = np.stack(np.meshgrid(*[np.arange(9)] * 3, indexing="ij"), -1).reshape(-1, 3)
    ideal = grid @ prototype.cell
    noise = np.random.default_rng(1).normal(size=ideal.shape) * 0.1
    count = len(ideal)
    sample = finish(ideal, noise, cell, np.zeros(count, int), np.ones(count, int), np.ones(count), np.zeros((0, 3)))
    # Relative to the common shift of its n effective neighbours, an atom loses the share 1/n of its variance.
    assert 0.7 * 0.03 < sample.distance_squared.mean() < 0.03
    near_defect = finish(ideal, noise, cell, np.zeros(count, int), np.ones(count, int), np.ones(count), ideal[:1] + 0.5)
    near = np.linalg.norm(ideal - ideal[0] - 0.5, axis=1) < 1.0
    assert (near_defect.distance_squared[near] > sample.distance_squared[near] + 0.01).all()


def test_batches_have_consistent_neighbours(fluids) -> None:
    config = SamplingConfig(atoms_per_batch=600)
    sampler = Sampler(built_in(NAMES), fluids, config, 5)
    batch = next(sampler.batches())
    vectors = batch["positions"][batch["indices"]] - batch["positions"][:, None] + batch["shifts"]
    lengths = np.linalg.norm(vectors, axis=-1)[batch["mask"]]
    assert lengths.max() <= config.cutoff + 1e-5
    assert lengths.min() > 0.1
    assert batch["labels"].min() == MASKED
    padding = batch["labels"] == MASKED
    assert (batch["displacement_weight"][padding] == 0).all()


def test_every_kind_of_sample_can_be_drawn(fluids) -> None:
    sampler = make(fluids)
    kinds = [
        *("_bulk", "_stacking", "_path", "_surface", "_interface", "_grains"),
        *("_fluid", "_drop", "_sparse", "_random_points", "_destroyed"),
    ]
    for kind in kinds:
        sample = getattr(sampler, kind)()
        assert len(sample.positions) <= SamplingConfig().atoms_per_batch
        assert np.isfinite(sample.positions).all()
        packed = pack([sample], SamplingConfig())
        assert (packed["labels"] > 0).any() == (sample.labels > 0).any()
    assert (sampler._interface().labels == 0).any()
    assert set(np.unique(sampler._destroyed().labels)) == {0}
    assert min(len(s.positions) / abs(np.linalg.det(s.cell)) for s in (sampler._sparse() for _ in range(20))) < 0.1


def test_the_first_shell_of_a_vacancy_is_doubtful() -> None:
    prototype = built_in(["bcc"])[0]
    grid = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    ideal = (grid @ prototype.cell)[1:]
    count = len(ideal)
    labels = np.ones(count, int)
    sample = finish(
        ideal, 0.0 * ideal, prototype.cell * 6, np.zeros(count, int), labels, np.ones(count), np.zeros((1, 3))
    )
    inverse = np.linalg.inv(prototype.cell * 6)
    away = np.linalg.norm((ideal @ inverse - np.round(ideal @ inverse)) @ (prototype.cell * 6), axis=1)
    nearest = away < 1.05 * away.min()
    assert nearest.sum() == 8
    assert sample.doubt[nearest].min() > 0.15
    assert sample.doubt[~nearest].max() < 0.5 * sample.doubt[nearest].min()
    assert sample.doubt[away > 1.3 * away.min()].max() == 0.0


def test_separated_keeps_the_earlier_atom_of_a_close_pair() -> None:
    positions = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [1.5, 0, 0], [2.95, 0, 0]])
    np.testing.assert_array_equal(separated(positions, np.eye(3) * 3.0, 0.15), [True, False, True, True, False])
