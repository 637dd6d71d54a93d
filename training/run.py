"""Runs of the training, which can be resumed, and the stages that they build on.

Checkpoints hold weights, optimiser state and step. The samples of a step depend only on the seed and on the step at
which the run was last resumed, so a resumed run sees new samples.
"""

from __future__ import annotations

import json
import pickle
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from .batches import BatchStream
from .classes import run_model, run_prototypes
from .config import TrainingConfig
from .finish import finish_model
from .losses import loss, teacher_probabilities
from .model import ModelConfig, Params, densities, initial_params, invariants
from .plot import plot_run, schedule
from .pool import load_or_generate
from .prototypes import Prototype
from .sampling import Sampler
from .start import find_model, first_stage, read_teacher, start_from

CHECKPOINT = "checkpoint.pkl"


def standardise(config: ModelConfig, params: Params, batches: list[dict[str, np.ndarray]]) -> Params:
    """Set the constants that bring the invariants of typical samples to zero mean and unit variance."""

    @jax.jit
    def of(batch: dict[str, jax.Array]) -> jax.Array:
        positions = batch["positions"]
        vectors = positions[batch["indices"]] - positions[:, None] + batch["shifts"]
        _, density, _ = densities(config, params, vectors, batch["mask"], batch["other"])
        return invariants(config, params, density)

    values = np.concatenate([np.asarray(of(batch))[batch["labels"] >= 0] for batch in batches])
    return params | {
        "standard.mean": jnp.asarray(values.mean(axis=0)),
        "standard.scale": jnp.asarray(1.0 / (values.std(axis=0) + 1e-2)),
    }


def make_optimiser(training: TrainingConfig) -> optax.GradientTransformation:
    frozen = {"standard.mean", "standard.scale"}
    adam = optax.chain(optax.clip_by_global_norm(2.0), optax.adamw(schedule(training), b2=0.99, weight_decay=1e-4))
    return optax.multi_transform(
        {"train": adam, "keep": optax.set_to_zero()},
        lambda params: {name: "keep" if name in frozen else "train" for name in params},
    )


def make_step(
    config: ModelConfig,
    training: TrainingConfig,
    optimiser: optax.GradientTransformation,
    teacher: tuple[ModelConfig, Params] | None = None,
):
    """Returns the function for one optimiser step. A step with a non-finite loss or gradient changes nothing.

    Its parts of the loss are zero, so that it does not enter the means.
    """

    @jax.jit
    def step(params: Params, state: Any, batch: dict[str, jax.Array]):
        if teacher is not None:
            batch = batch | {"teacher": teacher_probabilities(*teacher, batch)}
        (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(params, config, training.weights, batch)
        updates, new_state = optimiser.update(gradient, state, params)
        new_params = optax.apply_updates(params, updates)
        finite = jnp.isfinite(parts["loss"]) & jnp.isfinite(optax.global_norm(gradient))

        def choose(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(finite, new, old)

        counted = {name: jnp.where(finite, value, 0.0) for name, value in parts.items()}
        counted["finite"] = finite.astype(jnp.float32)
        return jax.tree.map(choose, new_params, params), jax.tree.map(choose, new_state, state), counted

    return step


@jax.jit
def update_average(average: Params, params: Params, decay: float, step: int) -> Params:
    """Running mean of the weights. Its memory grows with the run until it reaches the length that `decay` gives."""
    keep = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: keep * old + (1.0 - keep) * new, average, params)


def save_checkpoint(path: Path, contents: dict[str, Any]) -> None:
    """Replace the checkpoint atomically. A run killed while writing keeps the previous checkpoint."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        pickle.dump(jax.device_get(contents), file)
    temporary.replace(path)


def load_checkpoint(path: Path, config: ModelConfig) -> dict[str, Any]:
    """Read what `train` saved: `step`, `params`, `state`, and `classes` and `average` if the run has them.

    Raises
    ------
    ValueError
        If it belongs to a run with other classes.
    """
    with path.open("rb") as file:
        saved = pickle.load(file)
    if saved.get("classes", config.classes) != config.classes or (
        len(saved["params"]["network2.bias1"]) != config.class_count
    ):
        raise ValueError(f"{path.parent} holds a run with other classes; choose another --name, or remove it")
    return saved


def record(training: TrainingConfig, folder: Path) -> None:
    """Write settings and structure files into the run's folder, so that the folder suffices to finish the run."""
    structures = folder / "structures"
    names = []
    for file in map(Path, training.files):
        structures.mkdir(parents=True, exist_ok=True)
        copy = structures / file.name
        if not (copy.exists() and copy.samefile(file)):
            shutil.copyfile(file, copy)
        names.append(str(copy.relative_to(folder)))
    models = {
        name: str(find_model(reference).resolve())
        for name in ("start", "teacher")
        if (reference := getattr(training, name)) is not None and reference.endswith(".safetensors")
    }
    settings = asdict(replace(training, files=names, **models))
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")


def keep_log(path: Path, step: int) -> None:
    """Drop the rows logged after the checkpoint from which the run resumes."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if len(kept) < len(lines):
        path.write_text("".join(kept))


def interval_means(sums: dict[str, jax.Array], steps: int) -> dict[str, float]:
    """Means over the finite steps of an interval (NaN if it has none), and the share of these steps."""
    finite = float(sums["finite"])
    means = {name: float(value) / finite if finite else float("nan") for name, value in sums.items()}
    return means | {"finite": finite / steps}


def train(
    training: TrainingConfig, prototypes: list[Prototype], folder: Path, seconds: float | None = None
) -> tuple[ModelConfig, Params, int]:
    """Run or resume a training in `folder`. After `seconds` it saves a checkpoint and stops.

    Returns the model, its weights (their running mean where the run keeps one) and the number of steps done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = run_model(training, prototypes)
    teacher = None
    if training.teacher is not None:
        large, weights = read_teacher(training.teacher, config.classes)
        teacher = large, {name: jnp.asarray(value) for name, value in weights.items()}
    # Radial functions vanish at the cutoff, so neighbours that only the teacher sees do not affect the model.
    reach = config.cutoff if teacher is None else max(config.cutoff, teacher[0].cutoff)
    sampling = replace(training.sampling, atoms_per_batch=training.batch_atoms, cutoff=reach)
    checkpoint = folder / CHECKPOINT
    log = folder / "log.jsonl"
    saved = load_checkpoint(checkpoint, config) if checkpoint.exists() else None
    record(training, folder)
    fluids = load_or_generate(
        folder.parent / training.fluid_pool, training.fluid_runs, training.fluid_snapshots, training.seed
    )
    optimiser = make_optimiser(training)
    if saved is not None:
        first, params, state = saved["step"], saved["params"], saved["state"]
    else:
        saved = {}
        first = 0
        if training.start is not None:
            params = {k: jnp.asarray(v) for k, v in start_from(training.start, config, training.seed).items()}
        else:
            params = {k: jnp.asarray(v, jnp.float32) for k, v in initial_params(config, training.seed).items()}
            source = Sampler(prototypes, fluids, sampling, [training.seed, 999]).batches()
            params = standardise(config, params, [next(source) for _ in range(6)])
            params = {name: value.astype(jnp.float32) for name, value in params.items()}
        state = optimiser.init(params)
    average = None if training.ema is None else saved.get("average", params)
    keep_log(log, first)

    step_function = make_step(config, training, optimiser, teacher)
    stream = BatchStream(prototypes, fluids, sampling, [training.seed, first], training.samplers)
    began = time.monotonic()
    done = first
    sums: dict[str, jax.Array] | None = None
    counted = 0
    try:
        with tqdm(total=training.steps, initial=first, desc="training", mininterval=5) as progress:
            for index in range(first, training.steps):
                params, state, parts = step_function(params, state, stream.next())
                if average is not None:
                    average = update_average(average, params, training.ema, index)
                # Wait only for the previous step, so that a GPU finds its next step queued.
                jax.block_until_ready(sums)
                sums = parts if sums is None else jax.tree.map(jnp.add, sums, parts)
                counted += 1
                done = index + 1
                progress.update()
                last = done == training.steps
                out_of_time = seconds is not None and time.monotonic() - began > seconds
                if done % training.log_every == 0 or last or out_of_time:
                    means = interval_means(sums, counted)
                    with log.open("a") as file:
                        file.write(json.dumps({"step": done, **means}) + "\n")
                    progress.set_postfix(loss=f"{means['loss']:.3f}", accuracy=f"{means['accuracy']:.3f}")
                    sums, counted = None, 0
                if done % training.checkpoint_every == 0 or last or out_of_time:
                    contents = {"step": done, "params": params, "state": state, "classes": config.classes}
                    save_checkpoint(checkpoint, contents | ({} if average is None else {"average": average}))
                if out_of_time:
                    break
    finally:
        stream.close()
    return config, params if average is None else average, done


def after_first_stage(training: TrainingConfig, runs: Path) -> TrainingConfig:
    """Settings whose `start` is a model file. If `start` names other settings, their run is done or resumed first."""
    stage = first_stage(training.start, runs)
    if stage is None:
        return training
    settings, model = stage
    if not model.exists():
        earlier = after_first_stage(TrainingConfig.load(settings), runs)
        prototypes = run_prototypes(earlier)
        config, params, done = train(earlier, prototypes, runs / settings.stem)
        finish_model(model.parent, model.stem, config, params, prototypes, earlier, done)
        plot_run(runs / settings.stem, runs / settings.stem / "training.png")
    return replace(training, start=str(model))
