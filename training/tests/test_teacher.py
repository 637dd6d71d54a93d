"""Learning from a larger model: what a teacher adds to the loss, and which models may teach a run."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from training.export import read_model
from training.losses import LossWeights, loss, teacher_probabilities
from training.model import ModelConfig, initial_params
from training.prototypes import built_in
from training.sampling import MASKED, Sampler, SamplingConfig
from training.start import MODELS, read_teacher

SMALL = ModelConfig(("disordered", "fcc", "bcc"), cutoff=2.0, basis_last=2.0, channels=8, lmax=2, message_width=16)
LARGE = replace(SMALL, cutoff=2.2, channels=16, lmax=3)
compiled = jax.jit(loss, static_argnums=(1, 2))


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    points = np.random.default_rng(0).uniform(0, 4, (64, 3))
    fluids = {"atoms": np.column_stack([points, np.ones(64)]), "starts": np.array([0, 64])}
    config = SamplingConfig(atoms_per_batch=384, cutoff=LARGE.cutoff)
    return next(Sampler(built_in(["fcc", "bcc"]), fluids, config, 4).batches())


def taught(batch: dict[str, np.ndarray], probabilities: np.ndarray, weight: float = 1.0) -> tuple[float, dict]:
    total, parts = compiled(
        initial_params(SMALL, 1), SMALL, LossWeights(teacher=weight), batch | {"teacher": jnp.asarray(probabilities)}
    )
    return float(total), parts


def test_a_model_that_agrees_with_its_teacher_learns_nothing_from_it(batch) -> None:
    own = np.asarray(teacher_probabilities(SMALL, initial_params(SMALL, 1), batch))
    other = np.asarray(teacher_probabilities(LARGE, initial_params(LARGE, 2), batch))
    total, parts = taught(batch, own)
    untaught, _ = compiled(initial_params(SMALL, 1), SMALL, LossWeights(), batch)
    assert abs(float(parts["teacher"])) < 1e-5
    assert total == pytest.approx(float(untaught), abs=1e-5)
    total, parts = taught(batch, other, weight=2.0)
    assert parts["teacher"] > 0.1
    assert total == pytest.approx(float(untaught) + 2.0 * float(parts["teacher"]), rel=1e-5)


def test_atoms_without_a_label_are_taught_and_padding_is_not(batch) -> None:
    own = np.asarray(teacher_probabilities(SMALL, initial_params(SMALL, 1), batch))
    real = batch["mask"].any(axis=1)
    assert not real.all()
    nameless = batch | {"labels": np.where(np.arange(len(real)) % 2 == 0, batch["labels"], MASKED)}
    for rows, matters in ((~real, False), (real & (nameless["labels"] == MASKED), True)):
        wrong = own.copy()
        wrong[rows] = [1.0, 0.0, 0.0]
        assert (float(taught(nameless, wrong)[1]["teacher"]) > 1e-3) == matters


def test_a_teacher_must_have_the_classes_of_the_run() -> None:
    name = next(MODELS.glob("*.safetensors")).stem
    with pytest.raises(ValueError, match="other classes"):
        read_teacher(name, ("disordered", "fcc"))
    classes = read_model(MODELS / f"{name}.safetensors")[0].classes
    config, weights = read_teacher(name, classes)
    assert weights["network2.bias1"].shape == (config.class_count,)


@pytest.mark.parametrize(("share", "most"), [(1.0, 0.03), (0.0, 0.17)])
def test_quiet_crystals_with_defects_are_displaced_like_denoised_ones(share: float, most: float) -> None:
    points = np.random.default_rng(0).uniform(0, 4, (64, 3))
    fluids = {"atoms": np.column_stack([points, np.ones(64)]), "starts": np.array([0, 64])}
    config = SamplingConfig(defect_share=1.0, quiet_share=share, correlated_share=0.0, alloy_share=0.0)
    sampler = Sampler(built_in(["fcc"]), fluids, config, 5)
    samples = [sampler._bulk() for _ in range(12)]
    spreads = [sample.displacement.std() for sample in samples]
    assert max(spreads) < 1.15 * most
    assert (max(spreads) > 0.05) == (share == 0.0)
    assert all((sample.doubt > 0).any() for sample in samples)
