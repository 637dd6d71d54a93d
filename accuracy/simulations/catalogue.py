"""All runs, the most important first."""

from __future__ import annotations

from . import coexistence, crystals, defects, liquids, shock, strain, water
from .records import Run

RUNS: list[Run] = [
    *shock.RUNS,
    *defects.RUNS,
    *liquids.RUNS,
    *water.RUNS,
    *strain.RUNS,
    *coexistence.RUNS,
    *crystals.RUNS,
]
