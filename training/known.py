"""Teaches a trained model which denoised surroundings are known: `npm run train:known -- core`.

The network `known` of docs/maths.md is a last, small part of a model. It learns from frames that the model itself has
denoised, with the core that users run: samples of the model's own classes as in training (bulk, strains, defects,
surfaces, boundaries, mixtures, alloys), more of their boundaries (`boundaries.py`), and samples of no class
(`strangers.py`). Everything else in the file stays as it is, so logits and forces do not change.

Parts of the work are kept in `training/runs/known` and made again only if they are missing. The networks take an hour
or two of one core, the rest half an hour for each model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from phasewire import InputError
from phasewire._contract import limits
from phasewire._core.core import Core
from phasewire._frame.frame import Frame
from phasewire._model.model import Model, read_model
from tqdm import tqdm

from .boundaries import Boundaries
from .catalogue import as_prototype, tier
from .config import TrainingConfig
from .export import add_known
from .invented import inventions
from .likeness import similar_sites
from .pool import load_networks, load_or_generate
from .prototypes import Prototype
from .sampling import Sample, Sampler
from .strangers import SHARES, Stranger, Strangers, with_alloys
from .wyckoff import read

ROOT = Path(__file__).parent
SETTINGS = ROOT / "configs" / "known.json"
# Kinds of surroundings and their shares of the drawn atoms. The shares set where the odds are even.
KNOWN_SHARES = {"known": 0.4, "boundary": 0.14}
UNKNOWN_SHARE = 1.0 - sum(KNOWN_SHARES.values())
KINDS = {**KNOWN_SHARES, **{kind: UNKNOWN_SHARE * share for kind, share in SHARES.items()}}
NO_KIND = -1
AVERAGES = limits.whole("denoising", "averages")
# Share of samples under strong strain. It is larger than in training.
STRAINED = 0.2
# Share of the doubtful atoms of known crystals, those at boundaries and next to defects, that teach anything: they are
# as much like what is disordered as like their crystal.
DOUBTFUL = 0.5
# A crystal of no class that denoising brings this close to an ideal class, in units of a0, teaches nothing: it was a
# distortion of that class and is no more.
TURNED = 0.05
# Atoms that are denoised before their surroundings are kept in a file.
PART_ATOMS = 100_000


@dataclass(frozen=True)
class KnownConfig:
    """Settings; `training/configs/known.json` has those of the shipped models.

    network_runs, dense_runs, fluid_runs, fluid_snapshots, inventions: sizes of the pools; atoms: how many atoms to
    denoise, for a model by name or `default`; stranger_share: share of samples of no class; boundary_share: share of
    samples of boundaries; alloy_share: share of the crystals of one species that become random alloys; noise_most:
    strongest displacements of known crystals, in units of a0; steps: denoising steps, drawn for each sample; width and
    members: of the network; updates, batch (samples), learning_rate, decay, smoothing: of its training; alone: weight
    of the log-odds before their average in the loss; held_out: one in this many crystals, runs and samples is left out
    and reported on.
    """

    network_runs: int = 400
    dense_runs: int = 34
    fluid_runs: int = 30
    fluid_snapshots: int = 6
    inventions: int = 500
    atoms: dict[str, int] | None = None
    stranger_share: float = 0.5
    boundary_share: float = 0.15
    alloy_share: float = 0.6
    noise_most: float = 0.18
    steps: tuple[int, ...] = (8,)
    width: int = 64
    members: int = 1
    updates: int = 6000
    batch: int = 16
    alone: float = 0.3
    learning_rate: float = 3e-3
    decay: float = 1e-4
    smoothing: float = 0.01
    held_out: int = 6
    seed: int = 0
    fluid_seed: int = 0

    @staticmethod
    def load(path: Path) -> KnownConfig:
        """Read a settings file. Raises ValueError for an unknown key."""
        raw = json.loads(path.read_text())
        unknown = set(raw) - {entry.name for entry in fields(KnownConfig)}
        if unknown:
            raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
        return KnownConfig(**raw | {"steps": tuple(raw.get("steps", (8,)))})


@dataclass(frozen=True)
class Surroundings:
    """Denoised surroundings of A atoms.

    inputs (A, H + M), what the network sees; kind (A,), the place in `KINDS`, or NO_KIND for atoms that are only
    neighbours; sample (A,), the number of the sample; held_out (A,); starts (A + 1,), of the rows of neighbours among
    them; others and weights, those neighbours and their weights in an average.
    """

    inputs: np.ndarray
    kind: np.ndarray
    sample: np.ndarray
    held_out: np.ndarray
    starts: np.ndarray
    others: np.ndarray
    weights: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether the surroundings are known, (A,)."""
        return self.kind < len(KNOWN_SHARES)


def split(index: int, parts: int) -> bool:
    """Whether a crystal, a run or a sample with this number is held out."""
    return index * 7919 % parts == 0


class Source:
    """Samples for one model. Crystals and runs that are held out stay apart from the others."""

    def __init__(self, model: Model, settings: KnownConfig, folder: Path) -> None:
        training = TrainingConfig.load(ROOT / "configs" / f"{model.name}.json")
        by_name = {prototype.name: prototype for prototype in tier("all")}
        classes = [by_name[name] for name in model.phases[1:]]
        fluids = load_or_generate(
            folder / "fluids.npz", settings.fluid_runs, settings.fluid_snapshots, settings.fluid_seed
        )
        networks, runs = load_networks(folder / "networks", settings.network_runs, settings.seed)
        dense, dense_runs = load_networks(folder / "dense", settings.dense_runs, settings.seed, dense=True)
        networks, runs = networks + dense, runs + dense_runs
        strangers = load_strangers(folder / f"strangers-{len(classes)}.npz", classes, settings)
        self.settings = settings
        nothing = dict.fromkeys(("share_fluid", "share_sparse", "share_random", "share_destroyed", "share_drop"), 0.0)
        sampling = replace(
            training.sampling, neighbours=None, noise_most=settings.noise_most, uniaxial_share=STRAINED, **nothing
        )
        self._make_own = partial(Sampler, classes, fluids, sampling)
        parts = settings.held_out
        self._make_others = [
            partial(
                Strangers,
                [one for index, one in enumerate(strangers) if split(index, parts) == held_out],
                [frame for frame, run in zip(networks, runs, strict=True) if split(run, parts) == held_out],
                fluids,
            )
            for held_out in (False, True)
        ]
        self.begin(0)

    def begin(self, part: int) -> None:
        """Begin a part, whose samples do not depend on those of other parts."""
        seed = self.settings.seed
        self.rng = np.random.default_rng([seed, part, 0])
        self._own = self._make_own([seed, part, 1])
        self._boundaries = Boundaries(self._make_own([seed, part, 5]), [seed, part, 6])
        self._others = [make([seed, part, 2 + index]) for index, make in enumerate(self._make_others)]

    def sample(self) -> tuple[Sample, str, bool]:
        """A sample, whose labels are those of the model, its kind, and whether it is held out."""
        settings, draw = self.settings, self.rng.random()
        held_out = bool(self.rng.random() < 1 / settings.held_out)
        if draw < settings.stranger_share:
            sample, kind = self._others[held_out].sample()
            return sample, kind, held_out
        at_boundaries = draw < settings.stranger_share + settings.boundary_share
        sample = (self._boundaries if at_boundaries else self._own).sample()
        sample = with_alloys(sample, self.rng, settings.alloy_share)
        return sample, "boundary" if at_boundaries else "known", held_out


def load_strangers(path: Path, classes: list[Prototype], settings: KnownConfig) -> list[Stranger]:
    """Crystals of no class: the encyclopedia's and made-up ones. `path` keeps which sites are like a class."""
    own, named = {crystal.name for crystal in classes}, tier("all")
    labels = {crystal.aflow for crystal in named}
    crystals = [crystal for crystal in named if crystal.name not in own]
    crystals += [as_prototype(crystal) for crystal in read() if crystal.label not in labels]
    crystals += islice(inventions(settings.seed), settings.inventions)
    if not path.exists():
        masks = similar_sites(crystals, classes)
        np.savez_compressed(path, masks=np.concatenate(masks))
    with np.load(path) as kept:
        masks = np.split(kept["masks"], np.cumsum([len(crystal.positions) for crystal in crystals])[:-1])
    return [Stranger(crystal, mask) for crystal, mask in zip(crystals, masks, strict=True) if not mask.all()]


def asking(model: Model) -> Model:
    """The model with a network that knows nothing, so that denoising moves the atoms that it will move later."""
    width = 8
    inputs = model.shape.hiddenWidth + model.shape.messageWidth
    empty = {
        "known.weight0": np.zeros((width, inputs), np.float32),
        "known.bias0": np.zeros(width, np.float32),
        "known.weight1": np.zeros(width, np.float32),
    }
    return replace(model, settings={**model.settings, "knownWidth": width}, tensors={**model.tensors, **empty})


def denoised(core: Core, source: Source, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Surroundings of one denoised sample, of the atoms that took part; numbers of neighbours are those within it."""
    sample, kind, held_out = source.sample()
    species = sample.species.astype(np.int32)
    core.load(Frame(np.ascontiguousarray(sample.positions), sample.cell, (True,) * 3, species), 1.0, gradient=True)
    core.denoise(int(rng.choice(source.settings.steps)))
    kinds = list(KINDS)
    # Next to a known crystal there can be a fluid.
    kinds_of = np.where(sample.labels > 0, kinds.index(kind), kinds.index("fluid" if kind in KNOWN_SHARES else kind))
    crystal = 1 + core.logits()[:, 1:].argmax(axis=1)
    if kind == "boundary":
        # At a boundary an atom counts if denoising left it in its crystal.
        taught = (sample.doubt == 0) | (crystal == sample.labels)
    else:
        taught = (sample.doubt == 0) | (rng.random(len(crystal)) < DOUBTFUL)
    kinds_of[~taught | (sample.labels < 0)] = NO_KIND
    chosen = core.takes_part()
    number = np.cumsum(chosen) - 1
    atom, other, distance = core.pairs()
    inside = chosen[atom] & chosen[other]
    atom, other, distance = atom[inside], other[inside], distance[inside]
    order = np.argsort(atom, kind="stable")
    counts = np.bincount(number[atom], minlength=int(chosen.sum()))
    return {
        "inputs": core.surroundings()[chosen],
        "kind": kinds_of[chosen],
        "held_out": np.full(int(chosen.sum()), held_out),
        "counts": counts,
        "others": number[other[order]],
        "distances": distance[order],
    }


def make_part(model: Model, source: Source, part: int) -> dict[str, np.ndarray]:
    """Surroundings of PART_ATOMS atoms."""
    core, rng = Core(asking(model)), np.random.default_rng([source.settings.seed, part, 4])
    source.begin(part)
    rows: list[dict[str, np.ndarray]] = []
    done = 0
    while done < PART_ATOMS:
        try:
            rows.append(denoised(core, source, rng))
        except InputError:
            # Atoms of a made-up sample may coincide.
            continue
        done += len(core.takes_part())
    lengths = [len(row["kind"]) for row in rows]
    for row, start in zip(rows, np.cumsum([0, *lengths]), strict=False):
        row["others"] = row["others"] + start
    part = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    counts = part.pop("counts")
    return {
        **part,
        "kind": part["kind"].astype(np.int8),
        "others": part["others"].astype(np.int32),
        "distances": part["distances"].astype(np.float32),
        "starts": np.cumsum([0, *counts]),
        "sample": np.repeat(np.arange(len(rows)), lengths),
    }


def distances(model: Model, inputs: np.ndarray) -> np.ndarray:
    """Distance to the nearest ideal class (A,), units of a0, from hidden numbers and messages."""
    tensors, numbers = model.tensors, []
    for rows in np.array_split(inputs, max(1, len(inputs) // PART_ATOMS)):
        z = rows @ tensors["network2.weight0"].T + tensors["network2.bias0"]
        logits = (z / (1.0 + np.exp(-z))) @ tensors["network2.weight1"].T + tensors["network2.bias1"]
        gaps = np.asarray(model.ideal_logits) - logits
        numbers.append(gaps[np.arange(len(gaps)), 1 + logits[:, 1:].argmax(axis=1)])
    return model.settings["logitLength"] * np.sqrt(2.0 * np.maximum(0.0, np.concatenate(numbers)))


def fingerprint(model: Model) -> str:
    """Some digits that stand for a model without its network of known surroundings."""
    kept = (tensor.tobytes() for name, tensor in model.tensors.items() if not name.startswith("known."))
    return hashlib.sha256(b"".join(kept)).hexdigest()[:8]


def collect(model: Model, settings: KnownConfig, folder: Path) -> Surroundings:
    """The surroundings that a model learns from. Parts are kept in `folder`; missing ones are made."""
    wanted = settings.atoms or {}
    parts = -(-wanted.get(model.name, wanted.get("default", 1_000_000)) // PART_ATOMS)
    paths = [folder / f"regions-{model.name}-{fingerprint(model)}-{part:02d}.npz" for part in range(parts)]
    missing = [part for part, path in enumerate(paths) if not path.exists()]
    if missing:
        source = Source(model, settings, folder)
        for part in tqdm(missing, desc=f"parts of {PART_ATOMS} atoms, denoised by {model.name}"):
            made = make_part(model, source, part)
            unfinished = folder / f"unfinished-{os.getpid()}.npz"
            np.savez(unfinished, **made)
            unfinished.rename(paths[part])
    kept = [dict(np.load(path)) for path in paths]
    cutoff = model.settings["cutoff"]
    for part in kept:
        part["weights"] = (1.0 - (part.pop("distances") / cutoff) ** 2) ** 2
        turned = (part["kind"] == list(KINDS).index("crystal")) & (distances(model, part["inputs"]) < TURNED)
        part["kind"][turned] = NO_KIND
    samples, atoms, pairs = 0, 0, 0
    for index, part in enumerate(kept):
        more = part["sample"].max() + 1, len(part["kind"]), len(part["others"])
        part["sample"] += samples
        part["others"] += np.int32(atoms)
        # The end of one part's last row is the start of the next one's first.
        part["starts"] = part["starts"][index > 0 :] + pairs
        samples, atoms, pairs = samples + more[0], atoms + more[1], pairs + more[2]
    return Surroundings(
        **{entry.name: np.concatenate([part[entry.name] for part in kept]) for entry in fields(Surroundings)}
    )


def balance(data: Surroundings) -> np.ndarray:
    """Odds of drawing each atom (A,): kinds by their shares, and the samples of a kind by the root of their atoms."""
    counts = np.bincount(data.sample)
    odds = 1.0 / np.sqrt(counts[data.sample])
    odds[data.kind == NO_KIND] = 0.0
    for kind, share in enumerate(KINDS.values()):
        chosen = data.kind == kind
        odds[chosen] *= share / max(odds[chosen].sum(), np.finfo(float).tiny)
    return odds


def averaging(data: Surroundings, atoms: slice) -> np.ndarray:
    """The matrix of all rounds of averages over the neighbours within one sample, whose atoms these are."""
    count = atoms.stop - atoms.start
    pairs = slice(data.starts[atoms.start], data.starts[atoms.stop])
    atom = np.repeat(np.arange(count), np.diff(data.starts[atoms.start : atoms.stop + 1]))
    matrix = np.eye(count, dtype=np.float32)
    np.add.at(matrix, (atom, data.others[pairs] - atoms.start), data.weights[pairs])
    return np.linalg.matrix_power(matrix / matrix.sum(axis=1, keepdims=True), AVERAGES)


def fit(data: Surroundings, settings: KnownConfig) -> dict[str, np.ndarray]:
    """The tensors of the network, from the samples that are not held out.

    It is the mean of several smaller ones from different random weights, side by side. Far from all examples these
    disagree, and their mean depends less on chance.
    """
    odds = balance(data) * ~data.held_out
    samples = np.unique(data.sample[odds > 0])
    ends = np.searchsorted(data.sample, [samples, samples + 1])
    rows = [slice(int(start), int(stop)) for start, stop in ends.T]
    matrices = [averaging(data, atoms) for atoms in tqdm(rows, desc="averages")]
    members = [fit_member(data, odds, rows, matrices, settings, member) for member in range(settings.members)]
    tensors = {name: np.concatenate([member[name] for member in members]) for name in members[0]}
    return tensors | {"known.weight1": tensors["known.weight1"] / np.float32(settings.members)}


def fit_member(
    data: Surroundings,
    odds: np.ndarray,
    rows: list[slice],
    matrices: list[np.ndarray],
    settings: KnownConfig,
    member: int,
) -> dict[str, np.ndarray]:
    """The tensors of one member of the network."""
    shares = np.array([odds[atoms].sum() for atoms in rows])
    cumulative = np.cumsum(shares)
    inputs, used = data.inputs, np.flatnonzero(odds)
    mean, scale = inputs[used].mean(axis=0), 1.0 / (inputs[used].std(axis=0) + 1e-3)
    most = max(atoms.stop - atoms.start for atoms in rows)
    rng = np.random.default_rng([settings.seed, 5, member])
    width, count, batch = settings.width // settings.members, inputs.shape[1], settings.batch
    # The first number of the layer has no inputs: it is the constant term.
    mask = np.ones((width, 1), np.float32)
    mask[0] = 0.0
    params = {
        "weight0": jnp.asarray(rng.normal(size=(width, count)) / np.sqrt(count), jnp.float32),
        "bias0": jnp.zeros(width).at[0].set(1.0),
        "weight1": jnp.asarray(rng.normal(size=width) / np.sqrt(width), jnp.float32),
    }

    def loss(
        params: dict[str, jax.Array], x: jax.Array, matrix: jax.Array, target: jax.Array, weight: jax.Array
    ) -> jax.Array:
        layer = jax.nn.silu(x @ (mask * params["weight0"]).T + params["bias0"])
        own = layer @ params["weight1"]
        smooth = target * (1 - 2 * settings.smoothing) + settings.smoothing
        penalty = sum((params[name] ** 2).sum() for name in ("weight0", "weight1")) / width
        averaged = optax.sigmoid_binary_cross_entropy(jnp.einsum("sij,sj->si", matrix, own), smooth)
        alone = optax.sigmoid_binary_cross_entropy(own, smooth)
        mixed = (1 - settings.alone) * averaged + settings.alone * alone
        return (weight * mixed).sum() / batch + settings.decay * penalty

    optimiser = optax.adam(optax.cosine_decay_schedule(settings.learning_rate, settings.updates))

    @jax.jit
    def update(params: Any, state: Any, *given: jax.Array) -> tuple[Any, Any]:
        changes, state = optimiser.update(jax.grad(loss)(params, *given), state)
        return optax.apply_updates(params, changes), state

    state = optimiser.init(params)
    for _ in tqdm(range(settings.updates), desc="learning"):
        drawn = np.searchsorted(cumulative, rng.random(batch) * cumulative[-1])
        x, matrix = np.zeros((batch, most, count), np.float32), np.zeros((batch, most, most), np.float32)
        target, weight = np.zeros((batch, most), np.float32), np.zeros((batch, most), np.float32)
        for place, index in enumerate(drawn):
            atoms, length = rows[index], len(matrices[index])
            x[place, :length] = (inputs[atoms] - mean) * scale
            matrix[place, :length, :length] = matrices[index]
            target[place, :length] = data.known[atoms]
            weight[place, :length] = odds[atoms] / shares[index]
        params, state = update(params, state, x, matrix, target, weight)
    weight0 = np.asarray(params["weight0"], np.float64) * mask * scale
    return {
        "known.weight0": weight0.astype(np.float32),
        "known.bias0": (np.asarray(params["bias0"], np.float64) - weight0 @ mean).astype(np.float32),
        "known.weight1": np.asarray(params["weight1"], np.float32),
    }


def log_odds(tensors: dict[str, np.ndarray], data: Surroundings) -> np.ndarray:
    """k_a of docs/maths.md, averaged over the neighbours, (A,)."""
    z = data.inputs.astype(np.float64) @ tensors["known.weight0"].T + tensors["known.bias0"]
    odds = (z / (1.0 + np.exp(-np.clip(z, -500, 500)))) @ tensors["known.weight1"]
    atom = np.repeat(np.arange(len(odds)), np.diff(data.starts))
    weights = 1.0 + np.bincount(atom, data.weights, len(odds))
    for _ in range(AVERAGES):
        odds = (odds + np.bincount(atom, data.weights * odds[data.others], len(odds))) / weights
    return odds


def report(data: Surroundings, tensors: dict[str, np.ndarray]) -> dict[str, float]:
    """Shares of the held-out atoms that are kept, for known surroundings and for every kind of unknown ones."""
    kept = log_odds(tensors, data) > 0
    return {
        kind: float(kept[data.held_out & (data.kind == index)].mean())
        for index, kind in enumerate(KINDS)
        if (data.held_out & (data.kind == index)).any()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="names of models in --folder")
    parser.add_argument("--config", type=Path, default=SETTINGS)
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "models", help="folder of models and manifest")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "known", help="folder for pools and samples")
    arguments = parser.parse_args()
    settings = KnownConfig.load(arguments.config)
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in arguments.models:
        path = arguments.folder / f"{name}.safetensors"
        data = collect(read_model(path), settings, arguments.work)
        tensors = fit(data, settings)
        shares = report(data, tensors)
        add_known(path, tensors, {"settings": asdict(settings), "heldOut": shares})
        kept = ", ".join(f"{kind} {100 * share:.2f} %" for kind, share in shares.items())
        print(f"{name} keeps, of held-out atoms: {kept}")


if __name__ == "__main__":
    main()
