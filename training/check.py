"""Label fresh samples and report the result class by class: `python -m training.check training/runs/NAME`.

If the run started from a model, the table has a column for that model too. It shows what was learnt and what was lost.
The samples are drawn as in training, every class equally often, from a seed that no training uses.
"""

from __future__ import annotations

import argparse
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .classes import class_names, run_model, run_prototypes
from .config import TrainingConfig
from .export import read_model
from .model import ModelConfig, Params, logits
from .pool import load_or_generate
from .sampling import Sampler
from .start import find_model

SEED = 20_000_003


@dataclass
class Tally:
    """Atoms of one true class, and the names that each model gave them."""

    atoms: int = 0
    called: dict[str, Counter] = field(default_factory=dict)

    def percent(self, model: str, name: str) -> str:
        """Percentage of the atoms that a model gave this name. Empty if no sample had the class."""
        return f"{100.0 * self.called[model][name] / self.atoms:.2f}" if self.atoms else ""

    def mistake(self, model: str, name: str) -> str:
        """The most frequent wrong name."""
        wrong = [(count, other) for other, count in self.called[model].items() if other != name]
        return max(wrong)[1] if wrong else ""


def labeller(config: ModelConfig, params: Params) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Returns a function that maps a batch to the most likely class name of every atom, without denoising."""
    names = np.array(config.classes)
    params = {name: jnp.asarray(value) for name, value in params.items()}

    @jax.jit
    def likeliest(batch: dict[str, jax.Array]) -> jax.Array:
        positions = batch["positions"]
        vectors = positions[batch["indices"]] - positions[:, None] + batch["shifts"]
        table, _ = logits(config, params, vectors, batch["mask"], batch["other"], batch["indices"])
        return jnp.argmax(table, axis=-1)

    return lambda batch: names[np.asarray(likeliest(batch))]


def check(run: Path, batches: int) -> dict[str, Tally]:
    """Tallies by true class, for the models `before` (if the run started from one) and `after`."""
    training = TrainingConfig.load(run / "config.json")
    prototypes = run_prototypes(training)
    config = run_model(training, prototypes)
    with (run / "checkpoint.pkl").open("rb") as file:
        saved = pickle.load(file)
    models = {"after": labeller(config, saved.get("average", saved["params"]))}
    if training.start is not None:
        old, weights, _ = read_model(find_model(training.start))
        models = {"before": labeller(old, weights), **models}
    pool = run.parent / training.fluid_pool
    fluids = load_or_generate(pool, training.fluid_runs, training.fluid_snapshots, training.seed)
    even = [replace(prototype, weight=1.0) for prototype in prototypes]
    sampling = replace(training.sampling, atoms_per_batch=training.batch_atoms, cutoff=config.cutoff)
    source = Sampler(even, fluids, sampling, [training.seed, SEED]).batches()
    tallies = {name: Tally(called={model: Counter() for model in models}) for name in class_names(prototypes)}
    for _ in range(batches):
        batch = next(source)
        found = {model: label(batch) for model, label in models.items()}
        for index, tally in enumerate(tallies.values()):
            chosen = batch["labels"] == index
            tally.atoms += int(chosen.sum())
            for model, names in found.items():
                tally.called[model].update(names[chosen].tolist())
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """The tallies as a Markdown table, in % of the atoms of each class."""
    models = list(next(iter(tallies.values())).called)
    head = ["class", "atoms", *models, "wrong labels, mostly"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, tally in tallies.items():
        shares = [tally.percent(model, name) for model in models]
        lines.append("| " + " | ".join([name, str(tally.atoms), *shares, tally.mistake("after", name)]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--batches", type=int, default=20, help="number of batches to label")
    arguments = parser.parse_args()
    print(table(check(arguments.run, arguments.batches)))


if __name__ == "__main__":
    main()
