"""Teaches a trained model which denoised surroundings are known: `npm run train:known -- core`.

The network `known` of docs/maths.md is a last, small part of a model. It learns from frames that the model itself has
denoised, with the core that users run: samples of the model's own classes as in training (bulk, strains, defects,
surfaces, boundaries, mixtures, alloys), and samples of no class (`strangers.py`). Everything else in the file stays as
it is, so logits and forces do not change.

Parts of the work are kept in `training/runs/known` and made again only if they are missing. The networks take an hour
or two of one core, the rest a few minutes for each model.
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
from phasewire._core.core import Core
from phasewire._frame.frame import Frame
from phasewire._model.model import Model, read_model
from tqdm import tqdm

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
# Share of the drawn atoms whose surroundings are known. It sets where the odds are even.
KNOWN_SHARE = 0.4
# Share of samples under strong strain. It is larger than in training.
STRAINED = 0.2
# Share of the doubtful atoms of known crystals, those at boundaries and next to defects, that teach anything: they are
# as much like what is disordered as like their crystal.
DOUBTFUL = 0.5
# Atoms that are denoised before their surroundings are kept in a file.
PART_ATOMS = 100_000


@dataclass(frozen=True)
class KnownConfig:
    """Settings; `training/configs/known.json` has those of the shipped models.

    network_runs, fluid_runs, fluid_snapshots, inventions: sizes of the pools; atoms: how many atoms to denoise, for a
    model by name or `default`; stranger_share: share of samples of no class; alloy_share: share of the crystals of one
    species that become random alloys; noise_most: strongest displacements of known crystals, in units of a0; steps:
    denoising steps, drawn for each sample; width and members: of the network; updates, batch, learning_rate, decay,
    smoothing: of its training;
    held_out: one in this many crystals, runs and samples is left out and reported on.
    """

    network_runs: int = 400
    fluid_runs: int = 30
    fluid_snapshots: int = 6
    inventions: int = 500
    atoms: dict[str, int] | None = None
    stranger_share: float = 0.5
    alloy_share: float = 0.6
    noise_most: float = 0.18
    steps: tuple[int, ...] = (8,)
    width: int = 64
    members: int = 1
    updates: int = 6000
    batch: int = 4096
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

    inputs (A, H + M), what the network sees; kind (A,), 0 for known surroundings, else the place of the kind in
    `strangers.SHARES`, from 1; sample (A,), the number of the sample; held_out (A,).
    """

    inputs: np.ndarray
    kind: np.ndarray
    sample: np.ndarray
    held_out: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether the surroundings are known, (A,)."""
        return self.kind == 0


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
        self._others = [make([seed, part, 2 + index]) for index, make in enumerate(self._make_others)]

    def sample(self) -> tuple[Sample, int, bool]:
        """A sample, whose labels are those of the model, its kind, and whether it is held out."""
        held_out = bool(self.rng.random() < 1 / self.settings.held_out)
        if self.rng.random() < self.settings.stranger_share:
            sample, kind = self._others[held_out].sample()
            return sample, 1 + list(SHARES).index(kind), held_out
        return with_alloys(self._own.sample(), self.rng, self.settings.alloy_share), 0, held_out


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


def denoised(core: Core, source: Source, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Inputs, kinds and held-out flags of one denoised sample, without atoms that took no part or have no label."""
    sample, kind, held_out = source.sample()
    species = sample.species.astype(np.int32)
    core.load(Frame(np.ascontiguousarray(sample.positions), sample.cell, (True,) * 3, species), 1.0, gradient=True)
    core.denoise(int(rng.choice(source.settings.steps)))
    chosen = core.takes_part() & (sample.labels >= 0)
    chosen &= (sample.doubt == 0) | (rng.random(len(chosen)) < DOUBTFUL)
    # Next to a known crystal there can be a fluid.
    kinds = np.where(sample.labels[chosen] > 0, 0, kind or len(SHARES))
    return core.surroundings()[chosen], kinds, np.full(len(kinds), held_out)


def make_part(model: Model, source: Source, part: int) -> dict[str, np.ndarray]:
    """Surroundings of PART_ATOMS atoms."""
    core, rng = Core(asking(model)), np.random.default_rng([source.settings.seed, part, 4])
    source.begin(part)
    rows: list[tuple[np.ndarray, ...]] = []
    done = 0
    while done < PART_ATOMS:
        try:
            rows.append(denoised(core, source, rng))
        except InputError:
            # Atoms of a made-up sample may coincide.
            continue
        done += len(core.takes_part())
    sample = np.repeat(np.arange(len(rows)), [len(row[0]) for row in rows])
    inputs, kind, held_out = (np.concatenate(column) for column in zip(*rows, strict=True))
    return {"inputs": inputs, "kind": kind, "held_out": held_out, "sample": sample}


def collect(model: Model, settings: KnownConfig, folder: Path) -> Surroundings:
    """The surroundings that a model learns from. Parts are kept in `folder`; missing ones are made."""
    wanted = settings.atoms or {}
    parts = -(-wanted.get(model.name, wanted.get("default", 1_000_000)) // PART_ATOMS)
    digest = hashlib.sha256(b"".join(tensor.tobytes() for tensor in model.tensors.values())).hexdigest()[:8]
    paths = [folder / f"surroundings-{model.name}-{digest}-{part:02d}.npz" for part in range(parts)]
    missing = [part for part, path in enumerate(paths) if not path.exists()]
    if missing:
        source = Source(model, settings, folder)
        for part in tqdm(missing, desc=f"parts of {PART_ATOMS} atoms, denoised by {model.name}"):
            made = make_part(model, source, part)
            unfinished = folder / f"unfinished-{os.getpid()}.npz"
            np.savez(unfinished, **made)
            unfinished.rename(paths[part])
    kept = [dict(np.load(path)) for path in paths]
    starts = np.cumsum([0, *(part["sample"].max() + 1 for part in kept)])
    for start, part in zip(starts, kept, strict=False):
        part["sample"] += start
    return Surroundings(
        **{entry.name: np.concatenate([part[entry.name] for part in kept]) for entry in fields(Surroundings)}
    )


def balance(data: Surroundings) -> np.ndarray:
    """Odds of drawing each atom (A,): kinds by their shares, and the samples of a kind by the root of their atoms."""
    counts = np.bincount(data.sample)
    odds = 1.0 / np.sqrt(counts[data.sample])
    shares = [KNOWN_SHARE, *((1.0 - KNOWN_SHARE) * share for share in SHARES.values())]
    for kind, share in enumerate(shares):
        chosen = data.kind == kind
        odds[chosen] *= share / max(odds[chosen].sum(), np.finfo(float).tiny)
    return odds


def fit(data: Surroundings, settings: KnownConfig) -> dict[str, np.ndarray]:
    """The tensors of the network, from the samples that are not held out.

    It is the mean of several smaller ones from different random weights, side by side. Far from all examples these
    disagree, and their mean depends less on chance.
    """
    members = [fit_member(data, settings, member) for member in range(settings.members)]
    tensors = {name: np.concatenate([member[name] for member in members]) for name in members[0]}
    return tensors | {"known.weight1": tensors["known.weight1"] / np.float32(settings.members)}


def fit_member(data: Surroundings, settings: KnownConfig, member: int) -> dict[str, np.ndarray]:
    """The tensors of one member of the network."""
    used = np.flatnonzero(~data.held_out)
    inputs, targets = data.inputs[used].astype(np.float32), data.known[used].astype(np.float32)
    cumulative = np.cumsum(balance(data)[used])
    mean, scale = inputs.mean(axis=0), 1.0 / (inputs.std(axis=0) + 1e-3)
    rng = np.random.default_rng([settings.seed, 5, member])
    width, count = settings.width // settings.members, inputs.shape[1]
    # The first number of the layer has no inputs: it is the constant term.
    mask = np.ones((width, 1), np.float32)
    mask[0] = 0.0
    params = {
        "weight0": jnp.asarray(rng.normal(size=(width, count)) / np.sqrt(count), jnp.float32),
        "bias0": jnp.zeros(width).at[0].set(1.0),
        "weight1": jnp.asarray(rng.normal(size=width) / np.sqrt(width), jnp.float32),
    }

    def loss(params: dict[str, jax.Array], x: jax.Array, target: jax.Array) -> jax.Array:
        layer = jax.nn.silu(((x - mean) * scale) @ (mask * params["weight0"]).T + params["bias0"])
        smooth = target * (1 - 2 * settings.smoothing) + settings.smoothing
        penalty = sum((params[name] ** 2).sum() for name in ("weight0", "weight1")) / width
        return optax.sigmoid_binary_cross_entropy(layer @ params["weight1"], smooth).mean() + settings.decay * penalty

    optimiser = optax.adam(optax.cosine_decay_schedule(settings.learning_rate, settings.updates))

    @jax.jit
    def update(params: Any, state: Any, x: jax.Array, target: jax.Array) -> tuple[Any, Any]:
        changes, state = optimiser.update(jax.grad(loss)(params, x, target), state)
        return optax.apply_updates(params, changes), state

    state = optimiser.init(params)
    for _ in tqdm(range(settings.updates), desc="learning"):
        drawn = np.searchsorted(cumulative, rng.random(settings.batch) * cumulative[-1])
        params, state = update(params, state, inputs[drawn], targets[drawn])
    weight0 = np.asarray(params["weight0"], np.float64) * mask * scale
    return {
        "known.weight0": weight0.astype(np.float32),
        "known.bias0": (np.asarray(params["bias0"], np.float64) - weight0 @ mean).astype(np.float32),
        "known.weight1": np.asarray(params["weight1"], np.float32),
    }


def log_odds(tensors: dict[str, np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """k_a of docs/maths.md, (A,)."""
    z = inputs.astype(np.float64) @ tensors["known.weight0"].T + tensors["known.bias0"]
    return (z / (1.0 + np.exp(-np.clip(z, -500, 500)))) @ tensors["known.weight1"]


def report(data: Surroundings, tensors: dict[str, np.ndarray]) -> dict[str, float]:
    """Shares of the held-out atoms that are kept, for known surroundings and for every kind of unknown ones."""
    kept = log_odds(tensors, data.inputs) > 0
    kinds = ["known", *SHARES]
    return {
        kind: float(kept[data.held_out & (data.kind == index)].mean())
        for index, kind in enumerate(kinds)
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
