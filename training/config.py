"""What decides a training run, read from a JSON file in training/configs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from .losses import LossWeights
from .sampling import SamplingConfig


@dataclass(frozen=True)
class TrainingConfig:
    """All settings of a run; the seed, these and the prototypes fix its result up to rounding."""

    prototypes: list[str]
    steps: int = 6000
    batch_atoms: int = 2048
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-5
    warmup: int = 200
    seed: int = 0
    fluid_runs: int = 300
    fluid_snapshots: int = 4
    logit_length: float = 0.06
    weights: LossWeights = field(default_factory=LossWeights)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    @staticmethod
    def load(path: Path) -> TrainingConfig:
        raw = json.loads(path.read_text())
        known = {entry.name for entry in fields(TrainingConfig)}
        unknown = set(raw) - known
        if unknown:
            raise ValueError(f"{path}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
        raw["weights"] = LossWeights(**raw.get("weights", {}))
        raw["sampling"] = SamplingConfig(**raw.get("sampling", {}))
        return TrainingConfig(**raw)
