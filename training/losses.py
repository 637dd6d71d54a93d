"""The training objective: labels, displacement and calibration, in one scalar.

- labels: cross-entropy over all classes (class 0 is flat); next to a defect, part of the label belongs to class 0;
- displacement: delta = s^2 dlogP/dr against the displacement back to the ideal site, relative to the noise; the target
  is zero in a fluid, whose atoms must stay where they are;
- calibration: the logit of the true class against -d^2 / (2 s^2);
- teacher, if the run has one: cross-entropy against the probabilities of a larger model, minus its minimum, for every
  atom, including atoms without a known label.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from .model import ModelConfig, Params, log_density_per_atom, logits

Batch = dict[str, jax.Array]


@dataclass(frozen=True)
class LossWeights:
    labels: float = 1.0
    displacement: float = 1.0
    fluid_rest: float = 1.0
    calibration: float = 0.2
    teacher: float = 1.0
    # Weight of the label of an atom next to a defect. Such atoms are rare, and their doubt is learnt last.
    doubtful: float = 1.0
    # Displacements are weighted by 1 / (d^2 + floor^2), so that small noise counts, but with a bounded weight.
    displacement_floor: float = 0.05


def teacher_probabilities(config: ModelConfig, params: Params, batch: Batch) -> jax.Array:
    """Probabilities (N, C) that a trained model gives to the atoms of a batch."""
    vectors = batch["positions"][batch["indices"]] - batch["positions"][:, None] + batch["shifts"]
    table, _ = logits(config, params, vectors, batch["mask"], batch["other"], batch["indices"])
    return jax.nn.softmax(table, axis=-1)


def evaluate(config: ModelConfig, params: Params, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Logits (N, C) and the denoising step delta (N, 3), both in units of a0."""

    def total(positions: jax.Array) -> tuple[jax.Array, jax.Array]:
        vectors = positions[batch["indices"]] - positions[:, None] + batch["shifts"]
        table, _ = logits(config, params, vectors, batch["mask"], batch["other"], batch["indices"])
        return log_density_per_atom(table).sum(), table

    score, table = jax.grad(total, has_aux=True)(batch["positions"])
    return table, config.logit_length**2 * score


def loss(
    params: Params, config: ModelConfig, weights: LossWeights, batch: Batch
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Total loss and its parts, with the accuracy of the labels."""
    table, step = evaluate(config, params, batch)
    labels = batch["labels"]
    known = labels >= 0
    safe = jnp.maximum(labels, 0)
    log_probability = jax.nn.log_softmax(table, axis=-1)
    own = jnp.take_along_axis(log_probability, safe[:, None], axis=-1)[:, 0]
    doubt = batch["doubt"]
    likelihood = (1.0 - doubt) * own + doubt * log_probability[:, 0]
    emphasis = jnp.where(doubt > 0.0, weights.doubtful, 1.0)
    label_loss = -jnp.sum(jnp.where(known, emphasis * likelihood, 0.0)) / jnp.sum(known)

    error = jnp.sum((step - batch["displacement"]) ** 2, axis=-1)
    floor = weights.displacement_floor**2
    scale = batch["distance_squared"] + floor
    moving = batch["displacement_weight"]
    displacement_loss = jnp.sum(moving * error / scale) / jnp.maximum(jnp.sum(moving), 1.0)
    fluid = (labels == 0).astype(error.dtype)
    rest_loss = jnp.sum(fluid * jnp.sum(step**2, axis=-1) / 0.02) / jnp.maximum(jnp.sum(fluid), 1.0)

    target = -batch["distance_squared"] / (2.0 * config.logit_length**2)
    own_logit = jnp.take_along_axis(table, safe[:, None], axis=-1)[:, 0]
    deviation = (own_logit - target) / (1.0 + 0.25 * jnp.abs(target))
    robust = jnp.sqrt(1.0 + deviation**2) - 1.0
    calibrated = batch["calibration_weight"]
    calibration_loss = jnp.sum(calibrated * robust) / jnp.maximum(jnp.sum(calibrated), 1.0)

    total = (
        weights.labels * label_loss
        + weights.displacement * displacement_loss
        + weights.fluid_rest * rest_loss
        + weights.calibration * calibration_loss
    )
    taught: dict[str, jax.Array] = {}
    if "teacher" in batch:
        likely = batch["teacher"]
        divergence = jnp.sum(likely * (jnp.log(likely + 1e-9) - log_probability), axis=-1)
        # Padding atoms have no neighbours. Isolated atoms have none either, but their label is certain.
        real = jnp.any(batch["mask"], axis=1)
        taught["teacher"] = jnp.sum(jnp.where(real, emphasis * divergence, 0.0)) / jnp.sum(real)
        total = total + weights.teacher * taught["teacher"]
    right = jnp.argmax(table, axis=-1) == labels
    parts = {
        "loss": total,
        "labels": label_loss,
        "displacement": displacement_loss,
        "rest": rest_loss,
        "calibration": calibration_loss,
        **taught,
        "accuracy": jnp.sum(jnp.where(known, right, False)) / jnp.sum(known),
        "accuracy0": jnp.sum(jnp.where(labels == 0, right, False)) / jnp.maximum(jnp.sum(labels == 0), 1),
    }
    return total, parts
