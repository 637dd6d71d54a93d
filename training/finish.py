"""Turn weights into a model file with ideal logits, and enter it into the manifest.

The command takes the folder of any run, finished or not: `python -m training.finish training/runs/NAME --name NAME`.
"""

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

from .classes import DISORDERED, run_model, run_prototypes
from .config import TrainingConfig
from .export import update_manifest, write_model
from .golden import write_golden
from .model import ModelConfig, Params, logits
from .neighbours import neighbour_table
from .prototypes import Prototype


def ideal_logits(config: ModelConfig, params: Params, prototypes: list[Prototype]) -> np.ndarray:
    """Logit of every class on its own ideal prototype (mean over its sites). For class 0 it is a constant."""
    tables = [neighbour_table(p.positions, p.cell, True, config.cutoff, None) for p in prototypes]
    counts = [len(prototype.positions) for prototype in prototypes]
    starts = np.cumsum([0, *counts])
    width = max(table.mask.shape[1] for table in tables)
    # One table holds all crystals, so that the model is compiled once, not once per class.
    vectors = np.zeros((starts[-1], width, 3))
    mask = np.zeros((starts[-1], width), bool)
    other = np.zeros_like(mask)
    indices = np.zeros((starts[-1], width), np.int32)
    for start, prototype, table in zip(starts, prototypes, tables, strict=False):
        block = slice(start, start + len(prototype.positions)), slice(0, table.mask.shape[1])
        vectors[block] = prototype.positions[table.indices] - prototype.positions[:, None] + table.shifts
        mask[block] = table.mask
        other[block] = prototype.species[table.indices] != prototype.species[:, None]
        indices[block] = table.indices + start
    result, _ = logits(
        config, params, jnp.asarray(vectors), jnp.asarray(mask), jnp.asarray(other), jnp.asarray(indices)
    )
    own = np.asarray(result)[np.arange(starts[-1]), np.repeat(np.arange(len(prototypes)) + 1, counts)]
    return np.concatenate([[float(params["network2.bias1"][0])], np.add.reduceat(own, starts[:-1]) / counts])


def species_around(prototype: Prototype, cutoff: float) -> int:
    """Fewest species among a site and its neighbours, over all sites and markings: what the class needs at an atom."""
    table = neighbour_table(prototype.positions, prototype.cell, True, cutoff, None)
    around = [
        len({species[site], *species[table.indices[site][table.mask[site]]]})
        for species in (prototype.species, *prototype.markings)
        for site in range(len(species))
    ]
    return min(around)


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"


def _model_name(reference: str | None) -> str | None:
    """Name of the model with this name or path."""
    return None if reference is None else Path(reference).name.removesuffix(".safetensors")


def finish_model(
    folder: Path,
    name: str,
    config: ModelConfig,
    params: Params,
    prototypes: list[Prototype],
    training: TrainingConfig,
    steps_done: int,
    description: str | None = None,
    default: bool = False,
) -> Path:
    """Write NAME.safetensors and enter it into the folder's manifest.json. Returns its path."""
    jax.config.update("jax_enable_x64", True)
    folder.mkdir(parents=True, exist_ok=True)
    # Ideal logits come from the stored, single-precision weights, since every reader computes with those.
    stored = {key: jnp.asarray(np.asarray(value, np.float32), jnp.float64) for key, value in params.items()}
    path = folder / f"{name}.safetensors"
    entries = [{**prototype.info(), "species": species_around(prototype, config.cutoff)} for prototype in prototypes]
    nameless = dict.fromkeys(entries[0])
    disordered = {**nameless, "name": DISORDERED, "aliases": ["liquid", "amorphous"], "species": 1}
    info: list[dict[str, Any]] = [disordered, *entries]
    settings = asdict(training) | {
        # Names only: the paths mean nothing on another machine.
        "files": [Path(file).name for file in training.files],
        "start": _model_name(training.start),
        "teacher": _model_name(training.teacher),
        "stepsDone": steps_done,
        "commit": _commit(),
    }
    write_model(path, config, params, info, ideal_logits(config, stored, prototypes), settings)
    update_manifest(folder, path, config.class_count, description or f"{config.class_count} classes", default)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "models")
    parser.add_argument("--name", required=True)
    parser.add_argument("--description")
    parser.add_argument(
        "--default", action="store_true", help="make it the default of the manifest, and write its golden files"
    )
    arguments = parser.parse_args()
    training = TrainingConfig.load(arguments.run / "config.json")
    with (arguments.run / "checkpoint.pkl").open("rb") as file:
        saved = pickle.load(file)
    prototypes = run_prototypes(training)
    path = finish_model(
        arguments.out,
        arguments.name,
        run_model(training, prototypes),
        saved.get("average", saved["params"]),
        prototypes,
        training,
        saved["step"],
        arguments.description,
        arguments.default,
    )
    if arguments.default:
        write_golden(path, arguments.out / "golden")
    print(path)


if __name__ == "__main__":
    main()
