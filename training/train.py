"""Train a model: `python -m training.train --config training/configs/core.json`.

A run can be resumed. `--prototype FILE` adds a user's class (one structure file, one class) to a run from scratch or,
with `--from MODEL`, to a trained model.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any


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
    # Only now, so that --help answers at once, and the processes that make samples do not read all this as well.
    from .classes import run_model, run_prototypes
    from .config import TrainingConfig
    from .finish import finish_model
    from .plot import plot_run
    from .run import CHECKPOINT, after_first_stage, load_checkpoint, train
    from .start import CONFIGS, find_model, read_teacher

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
