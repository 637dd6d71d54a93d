"""Train a model: `python -m training.train --config training/configs/core12.json`.

Resumable: checkpoints hold weights, optimiser state and step; the sampler of a step depends only on
the seed and the step, so a resumed run sees new samples, not repeated ones. A user's own prototypes are added
by `--prototype FILE` (one structure file, one class).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import time
from dataclasses import asdict, replace
from pathlib import Path
from queue import Full
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from .config import TrainingConfig
from .finish import finish_model
from .losses import loss
from .model import ModelConfig, Params, densities, initial_params, invariants
from .pool import load_or_generate
from .prototypes import Prototype, built_in, from_file
from .sampling import Sampler, SamplingConfig


def _produce(queue: Any, prototypes: list[Prototype], fluids: dict, config: SamplingConfig, seed: list[int]) -> None:
    """Fill the queue for as long as the training lives; a killed one must not leave this process behind."""
    parent = multiprocessing.parent_process()
    for batch in Sampler(prototypes, fluids, config, seed).batches():
        while True:
            try:
                queue.put(batch, timeout=5)
                break
            except Full:
                if parent is None or not parent.is_alive():
                    queue.cancel_join_thread()
                    return


class BatchStream:
    """Batches made in a process of their own, a few ahead of the optimiser."""

    def __init__(self, prototypes: list[Prototype], fluids: dict, config: SamplingConfig, seed: list[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue(maxsize=4)
        self._process = context.Process(
            target=_produce, args=(self._queue, prototypes, fluids, config, seed), daemon=True
        )
        self._process.start()

    def next(self) -> dict[str, np.ndarray]:
        return self._queue.get(timeout=300)

    def close(self) -> None:
        self._process.terminate()


def standardise(config: ModelConfig, params: Params, batches: list[dict[str, np.ndarray]]) -> Params:
    """Set the constants that bring the invariants of typical samples to zero mean, unit variance."""
    rows = []
    for batch in batches:
        positions = jnp.asarray(batch["positions"])
        vectors = positions[batch["indices"]] - positions[:, None] + batch["shifts"]
        _, density, _ = densities(config, params, vectors, batch["mask"], batch["other"])
        rows.append(np.asarray(invariants(config, params, density))[batch["labels"] >= 0])
    values = np.concatenate(rows)
    return params | {
        "standard.mean": jnp.asarray(values.mean(axis=0)),
        "standard.scale": jnp.asarray(1.0 / (values.std(axis=0) + 1e-2)),
    }


def schedule(training: TrainingConfig) -> optax.Schedule:
    return optax.warmup_cosine_decay_schedule(
        0.0, training.learning_rate, training.warmup, training.steps, training.final_learning_rate
    )


def make_optimiser(training: TrainingConfig) -> optax.GradientTransformation:
    frozen = {"standard.mean", "standard.scale"}
    adam = optax.chain(optax.clip_by_global_norm(2.0), optax.adamw(schedule(training), b2=0.99, weight_decay=1e-4))
    return optax.multi_transform(
        {"train": adam, "keep": optax.set_to_zero()},
        lambda params: {name: "keep" if name in frozen else "train" for name in params},
    )


def make_step(config: ModelConfig, training: TrainingConfig, optimiser: optax.GradientTransformation):
    """One optimiser step; a non-finite loss or gradient leaves everything as it was."""

    @jax.jit
    def step(params: Params, state: Any, batch: dict[str, jax.Array]):
        (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(params, config, training.weights, batch)
        updates, new_state = optimiser.update(gradient, state, params)
        new_params = optax.apply_updates(params, updates)
        finite = jnp.isfinite(parts["loss"]) & jnp.isfinite(optax.global_norm(gradient))

        def choose(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(finite, new, old)

        parts["finite"] = finite
        return jax.tree.map(choose, new_params, params), jax.tree.map(choose, new_state, state), parts

    return step


def save_checkpoint(path: Path, step: int, params: Params, state: Any) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        pickle.dump({"step": step, "params": jax.device_get(params), "state": jax.device_get(state)}, file)
    temporary.replace(path)


def train(
    training: TrainingConfig,
    prototypes: list[Prototype],
    folder: Path,
    start: Params | None = None,
    seconds: float | None = None,
) -> tuple[ModelConfig, Params, int]:
    """Run or resume a training in `folder`; stops early, checkpointed, after `seconds`.

    Returns the model and the number of steps done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = ("disordered", *(prototype.name for prototype in prototypes))
    config = ModelConfig(classes=classes, logit_length=training.logit_length)
    sampling = replace(training.sampling, atoms_per_batch=training.batch_atoms, cutoff=config.cutoff)
    fluids = load_or_generate(
        folder.parent / "fluids.npz", training.fluid_runs, training.fluid_snapshots, training.seed
    )
    optimiser = make_optimiser(training)
    checkpoint = folder / "checkpoint.pkl"
    log = folder / "log.jsonl"
    if checkpoint.exists():
        with checkpoint.open("rb") as file:
            saved = pickle.load(file)
        first, params, state = saved["step"], saved["params"], saved["state"]
    else:
        first, params = 0, start
        if params is None:
            params = {k: jnp.asarray(v, jnp.float32) for k, v in initial_params(config, training.seed).items()}
            sampler = Sampler(prototypes, fluids, sampling, [training.seed, 999])
            source = sampler.batches()
            params = standardise(config, params, [next(source) for _ in range(6)])
            params = {name: value.astype(jnp.float32) for name, value in params.items()}
        state = optimiser.init(params)
        (folder / "config.json").write_text(json.dumps(asdict(training), indent=2) + "\n")

    step_function = make_step(config, training, optimiser)
    stream = BatchStream(prototypes, fluids, sampling, [training.seed, first])
    began = time.monotonic()
    done = first
    sums: dict[str, float] = {}
    counted = 0
    try:
        with tqdm(total=training.steps, initial=first, desc="training", mininterval=5) as progress:
            for index in range(first, training.steps):
                params, state, parts = step_function(params, state, stream.next())
                for name, value in parts.items():
                    sums[name] = sums.get(name, 0.0) + float(value)
                counted += 1
                done = index + 1
                progress.update()
                last = done == training.steps
                out_of_time = seconds is not None and time.monotonic() - began > seconds
                if counted == 50 or last or out_of_time:
                    means = {name: value / counted for name, value in sums.items()}
                    with log.open("a") as file:
                        file.write(json.dumps({"step": done, **means}) + "\n")
                    progress.set_postfix(loss=f"{means['loss']:.3f}", accuracy=f"{means['accuracy']:.3f}")
                    sums, counted = {}, 0
                if done % 250 == 0 or last or out_of_time:
                    save_checkpoint(checkpoint, done, params, state)
                if out_of_time:
                    break
    finally:
        stream.close()
    return config, params, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "configs" / "core12.json")
    parser.add_argument("--prototype", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--only-prototypes", action="store_true", help="train on the given files alone")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-atoms", type=int)
    parser.add_argument("--name", help="name of the run and of its model file")
    parser.add_argument("--runs", type=Path, default=Path(__file__).parent / "runs")
    parser.add_argument("--out", type=Path, help="folder for the model; default: `model` in the run's own")
    parser.add_argument("--seconds", type=float, help="stop, checkpointed, after so long")
    arguments = parser.parse_args()
    training = TrainingConfig.load(arguments.config)
    changes: dict[str, Any] = {}
    if arguments.steps is not None:
        changes |= {"steps": arguments.steps, "warmup": min(training.warmup, max(1, arguments.steps // 10))}
    if arguments.batch_atoms is not None:
        changes["batch_atoms"] = arguments.batch_atoms
    training = replace(training, **changes)
    named = [] if arguments.only_prototypes else training.prototypes
    prototypes = built_in(named) + [from_file(path) for path in arguments.prototype]
    names = [prototype.name for prototype in prototypes]
    if len(set(names)) != len(names) or "disordered" in names:
        raise SystemExit(f"every class needs a name of its own, not `disordered`: {', '.join(names)}")
    name = arguments.name or arguments.config.stem
    config, params, done = train(training, prototypes, arguments.runs / name, seconds=arguments.seconds)
    if done < training.steps:
        print(f"stopped after {done} of {training.steps} steps; the same command goes on from there")
    else:
        print(
            finish_model(arguments.out or arguments.runs / name / "model", name, config, params, prototypes, training)
        )


if __name__ == "__main__":
    main()
