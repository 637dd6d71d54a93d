"""Train a model: `python -m training.train --config training/configs/core.json`.

A run can be resumed. Checkpoints hold weights, optimiser state and step. The samples of a step depend only on the seed
and on the step at which the run was last resumed, so a resumed run sees new samples. `--prototype FILE` adds a user's
class (one structure file, one class) to a run from scratch or, with `--from MODEL`, to a trained model.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from queue import Empty, Full
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from .classes import run_model, run_prototypes
from .config import TrainingConfig
from .finish import finish_model
from .losses import loss, teacher_probabilities
from .model import ModelConfig, Params, densities, initial_params, invariants
from .plot import plot_run, schedule
from .pool import load_or_generate
from .prototypes import Prototype
from .sampling import Sampler, SamplingConfig
from .start import CONFIGS, find_model, first_stage, read_teacher, start_from

CHECKPOINT = "checkpoint.pkl"


def _produce(queue: Any, prototypes: list[Prototype], fluids: dict, config: SamplingConfig, seed: list[int]) -> None:
    """Fill the queue while the training process lives. If it is killed, this process ends too."""
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
    """Batches from separate processes, made a few ahead of the optimiser, in a fixed order."""

    def __init__(
        self, prototypes: list[Prototype], fluids: dict, config: SamplingConfig, seed: list[int], workers: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._queues = [context.Queue(maxsize=4) for _ in range(workers)]
        self._processes = [
            context.Process(target=_produce, args=(queue, prototypes, fluids, config, [*seed, worker]), daemon=True)
            for worker, queue in enumerate(self._queues)
        ]
        self._drawn = 0
        for process in self._processes:
            process.start()

    def next(self) -> dict[str, np.ndarray]:
        """Wait for the next batch and return it.

        Raises
        ------
        RuntimeError
            If the process that makes it has ended.
        """
        worker = self._drawn % len(self._queues)
        self._drawn += 1
        while True:
            try:
                return self._queues[worker].get(timeout=5)
            except Empty:
                if not self._processes[worker].is_alive():
                    raise RuntimeError(
                        "the process that makes samples has ended; its message above has the reason"
                    ) from None

    def close(self) -> None:
        for process in self._processes:
            process.terminate()


def standardise(config: ModelConfig, params: Params, batches: list[dict[str, np.ndarray]]) -> Params:
    """Set the constants that bring the invariants of typical samples to zero mean and unit variance."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--config",
        type=Path,
        help="settings of the run; default: configs/fine-tune.json with --from, otherwise configs/core-large.json, "
        "or configs/core-large-base.json with --only-prototypes",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="start from the weights of this model, given by its name or its .safetensors file",
    )
    parser.add_argument(
        "--prototype",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="structure file of a class to add; the class is named after the file",
    )
    parser.add_argument("--only-prototypes", action="store_true", help="train only on the given files")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-atoms", type=int)
    parser.add_argument("--name", help="name of the run and of its model file; default: the name of the settings file")
    parser.add_argument("--runs", type=Path, default=Path(__file__).parent / "runs")
    parser.add_argument("--out", type=Path, help="folder for the model; default: `model` in the run's folder")
    parser.add_argument("--seconds", type=float, help="save a checkpoint and stop after this time")
    arguments = parser.parse_args()
    # Stages that build on other classes are useless to a run without these classes.
    from_scratch = "core-large-base" if arguments.only_prototypes else "core-large"
    default = from_scratch if arguments.start is None else "fine-tune"
    settings = arguments.config or CONFIGS / f"{default}.json"
    name = arguments.name or settings.stem
    folder = arguments.runs / name
    try:
        training = TrainingConfig.load(settings)
        changes: dict[str, Any] = {"files": training.files + [str(path) for path in arguments.prototype]}
        if arguments.start is not None:
            # `start` may also name other settings, whose run would take hours. --from accepts only models.
            find_model(arguments.start)
            changes["start"] = arguments.start
        if arguments.only_prototypes:
            changes["prototypes"] = []
        if arguments.steps is not None:
            changes |= {"steps": arguments.steps, "warmup": min(training.warmup, max(1, arguments.steps // 10))}
        if arguments.batch_atoms is not None:
            changes["batch_atoms"] = arguments.batch_atoms
        training = after_first_stage(replace(training, **changes), arguments.runs)
        prototypes = run_prototypes(training)
        model = run_model(training, prototypes)
        if training.teacher is not None:
            read_teacher(training.teacher, model.classes)
        if (folder / CHECKPOINT).exists():
            load_checkpoint(folder / CHECKPOINT, model)
    except (ValueError, OSError) as error:
        raise SystemExit(f"training: {error}") from error
    config, params, done = train(training, prototypes, folder, arguments.seconds)
    if done < training.steps:
        print(f"stopped after {done} of {training.steps} steps; the same command continues from there")
    else:
        out = arguments.out or folder / "model"
        print(finish_model(out, name, config, params, prototypes, training, done))
    plot_run(folder, folder / "training.png")


if __name__ == "__main__":
    main()
