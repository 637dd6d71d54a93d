"""The settings of a training run, read from a JSON file in training/configs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from .losses import LossWeights
from .sampling import SamplingConfig

# Allowed sizes of a model (models/FORMAT.md): those that the core has kernels for.
POSSIBLE_SIZES = {
    "channels": (8, 16),
    "lmax": range(2, 7),
    "skipped_degree": (0, 5),
    "inner_width": range(8, 129, 8),
    "hidden_width": range(8, 65, 8),
    "message_width": range(8, 65, 8),
    "outer_width": range(16, 513, 16),
    "basis_count": range(2, 65),
}
RADIAL_LENGTHS = ("cutoff", "basis_first", "basis_last", "basis_width")


@dataclass(frozen=True)
class TrainingConfig:
    """All settings of a run. Together with the prototypes they determine its result up to rounding.

    Attributes
    ----------
    prototypes
        Names of classes, the name of a tier (`core`, `all`), or None for the classes of `start`.
    files
        Structure files, one class each, in addition to `prototypes`. Paths are relative to the settings file.
    start
        What the run starts from: a model, by its name in `models/` or its path, or other settings, by their name in
        `training/configs`. Those settings are then run first. None means random weights.
    shape
        Constants of the model that determine its cost (`cutoff`, `channels`, `lmax`, widths: see model.py). It lists
        only what differs from the defaults or, if the run starts from a model, from that model. start.py defines what
        may differ then.
    teacher
        Name or path of a model with the same classes. The run learns its probabilities in addition to the labels, as a
        small model learns from a large one (Hinton et al., arXiv:1503.02531). None means labels only.
    outer_width
        Width of the last hidden layer. None means that of `start`, or the default.
    new_share
        Share of crystals drawn from classes that `start` does not know. None draws by the weights of the prototypes.
    ema
        Decay of a running mean of the weights. The run then exports this mean. None exports the last weights.
    fluid_pool
        File name of the pool of toy fluids, next to the run's folder. A missing pool is generated.
    samplers
        Number of processes that make samples. One keeps two processor cores busy; a GPU needs more.
    """

    prototypes: list[str] | str | None = None
    files: list[str] = field(default_factory=list)
    start: str | None = None
    teacher: str | None = None
    shape: dict[str, float] = field(default_factory=dict)
    outer_width: int | None = None
    new_share: float | None = None
    steps: int = 6000
    batch_atoms: int = 2048
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-5
    warmup: int = 200
    ema: float | None = None
    seed: int = 0
    fluid_pool: str = "fluids.npz"
    fluid_runs: int = 300
    fluid_snapshots: int = 4
    samplers: int = 1
    checkpoint_every: int = 250
    log_every: int = 50
    logit_length: float = 0.06
    weights: LossWeights = field(default_factory=LossWeights)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        if self.prototypes is None and self.start is None:
            raise ValueError("`prototypes` is missing: give names of classes, a tier, or a model to `start` from")
        for name in ("new_share", "ema"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise ValueError(f"`{name}` is {value}; it must lie between 0 and 1, or be null")
        for name in ("steps", "batch_atoms", "samplers", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}; it must be at least 1")
        for name, value in self.shape.items():
            check_constant(name, value)
        sizes = {"message_width": 32, "hidden_width": 32} | self.shape
        if sizes["message_width"] > sizes["hidden_width"]:
            raise ValueError(
                f"`shape.message_width` is {sizes['message_width']}; it must not exceed `hidden_width`, "
                f"which is {sizes['hidden_width']}"
            )

    @staticmethod
    def load(path: Path) -> TrainingConfig:
        """Read a settings file. Paths in `files` become relative to the working directory.

        Raises
        ------
        ValueError
            If the file has an unknown key, or a setting is out of range.
        """
        raw = json.loads(path.read_text())
        known = {entry.name for entry in fields(TrainingConfig)}
        unknown = set(raw) - known
        if unknown:
            raise ValueError(f"{path}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
        raw["files"] = [str(path.parent / file) for file in raw.get("files", [])]
        raw["weights"] = LossWeights(**raw.get("weights", {}))
        raw["sampling"] = SamplingConfig(**raw.get("sampling", {}))
        return TrainingConfig(**raw)


def check_constant(name: str, value: float) -> None:
    """Refuse an entry of `shape` that is not a constant of the model, or that the core cannot run.

    Raises
    ------
    ValueError
        If the entry is refused. The message names the entry and the allowed values.
    """
    possible = POSSIBLE_SIZES.get(name)
    if possible is not None:
        if value not in possible:
            raise ValueError(f"`shape.{name}` is {value}; it must be one of {', '.join(map(str, possible))}")
    elif name not in RADIAL_LENGTHS:
        known = ", ".join((*POSSIBLE_SIZES, *RADIAL_LENGTHS))
        raise ValueError(f"`shape.{name}` is not a constant of the model; known are {known}")
    elif not value > 0.0:
        raise ValueError(f"`shape.{name}` is {value}; a length in units of a0 must be positive")
