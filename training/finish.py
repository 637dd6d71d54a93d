"""From weights to a model file with its ideal logits and its entry in the manifest; as a command, with golden files."""

from __future__ import annotations

import argparse
import pickle
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .config import TrainingConfig
from .export import update_manifest, write_model
from .golden import write_golden
from .model import ModelConfig, Params, logits
from .neighbours import neighbour_table
from .prototypes import Prototype, built_in


def ideal_logits(config: ModelConfig, params: Params, prototypes: list[Prototype]) -> np.ndarray:
    """Logit of every class on its own ideal prototype (mean over its sites); class 0: its constant."""
    values = [float(params["network2.bias1"][0])]
    for index, prototype in enumerate(prototypes):
        table = neighbour_table(prototype.positions, prototype.cell, True, config.cutoff, None)
        positions = jnp.asarray(prototype.positions)
        vectors = positions[table.indices] - positions[:, None] + table.shifts
        other = prototype.species[table.indices] != prototype.species[:, None]
        result, _ = logits(config, params, vectors, table.mask, other, table.indices)
        values.append(float(result[:, index + 1].mean()))
    return np.array(values)


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"


def finish_model(
    folder: Path,
    name: str,
    config: ModelConfig,
    params: Params,
    prototypes: list[Prototype],
    training: TrainingConfig,
    description: str = "trained on the user's prototypes",
    steps_done: int | None = None,
) -> Path:
    """Write NAME.safetensors and enter it into manifest.json; returns its path."""
    jax.config.update("jax_enable_x64", True)
    folder.mkdir(parents=True, exist_ok=True)
    # Ideal logits of the stored, single-precision weights: what every reader will compute.
    stored = {key: jnp.asarray(np.asarray(value, np.float32), jnp.float64) for key, value in params.items()}
    path = folder / f"{name}.safetensors"
    info: list[dict[str, Any]] = [
        {"name": "disordered", "aliases": ["liquid", "amorphous"], "prototype": None, "spaceGroup": None},
        *(prototype.info() for prototype in prototypes),
    ]
    settings = asdict(training) | {"stepsDone": steps_done or training.steps, "commit": _commit()}
    write_model(path, config, params, info, ideal_logits(config, stored, prototypes), settings)
    update_manifest(folder, path, config.class_count, description)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "models")
    parser.add_argument("--name", required=True)
    parser.add_argument("--description", default="")
    arguments = parser.parse_args()
    training = TrainingConfig.load(arguments.run / "config.json")
    with (arguments.run / "checkpoint.pkl").open("rb") as file:
        saved = pickle.load(file)
    prototypes = built_in(training.prototypes)
    config = ModelConfig(classes=("disordered", *training.prototypes), logit_length=training.logit_length)
    path = finish_model(
        arguments.out,
        arguments.name,
        config,
        saved["params"],
        prototypes,
        training,
        arguments.description,
        saved["step"],
    )
    write_golden(path, arguments.out / "golden")
    print(path)


if __name__ == "__main__":
    main()
