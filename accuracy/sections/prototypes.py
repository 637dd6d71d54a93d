"""Every class of a large tier: strained and noisy ideal crystals, and the wrong names that they get."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from training.prototypes import Prototype

from ..report import Page, Verdict, folded, percent, table
from ..suite import Suite
from ..synthetic import ideal, noised, prototypes, strained
from ..tally import DENOISED, RAW

SIGMA, STRAIN, SAMPLES = 0.05, 0.03, 3
REQUIRED = 0.95
# Supercells are as wide as the model's neighbourhood on both sides of an atom.
WIDTH = 4.6
QUICK_CLASSES = 8


@dataclass(frozen=True)
class Outcome:
    """All samples of one class: shares of correct labels, and the wrong names."""

    name: str
    prototype: str
    atoms: int
    right: dict[str, float]
    wrong: dict[str, Counter]


def run(suite: Suite) -> Page:
    """Accuracy class by class."""
    page = Page("prototypes", "Prototypes of all classes")
    known, missing = prototypes(suite.bench.crystals)
    if suite.quick:
        known = known[:QUICK_CLASSES]
    outcomes = [_measure(prototype, suite) for prototype in suite.progress(known, "prototypes")]
    page.add(
        f"{SAMPLES} samples of each class: the ideal crystal under a random homogeneous strain (six components, up to "
        f"{100 * STRAIN:.0f} %) and white noise of {SIGMA} a0 per component. All classes are allowed, and the "
        "length scale is estimated."
    )
    if missing:
        page.add(f"No structure is built in for: {', '.join(missing)}.")
    requirement = f"prototypes, strained and noised at {SIGMA} a0: at least 95 % right"
    if not outcomes:
        page.verdicts.append(Verdict(requirement, "no structures", None))
        return page
    for method in (RAW, DENOISED):
        total = sum(outcome.atoms for outcome in outcomes)
        over_atoms = sum(outcome.right[method] * outcome.atoms for outcome in outcomes) / total
        over_classes = float(np.mean([outcome.right[method] for outcome in outcomes]))
        below = [outcome for outcome in outcomes if outcome.right[method] < REQUIRED]
        found = (
            f"{percent(over_classes)} % as the mean of {len(outcomes)} classes, {percent(over_atoms)} % of atoms; "
            f"{len(outcomes) - len(below)} classes reach it"
        )
        page.verdicts.append(Verdict(f"{requirement}, {method}", found, min(over_classes, over_atoms) >= REQUIRED))
        page.add(f"## Classes below 95 %, {method}", _below(below, method))
    every = [
        [outcome.name, outcome.prototype, outcome.atoms, *(percent(outcome.right[m]) for m in (RAW, DENOISED))]
        for outcome in outcomes
    ]
    page.add(
        folded("Every class", table(["class", "prototype", "atoms", "right, raw, %", "right, denoised, %"], every))
    )
    page.figures["classes"] = {outcome.name: outcome.right for outcome in outcomes}
    return page


def _measure(prototype: Prototype, suite: Suite) -> Outcome:
    wrong = {RAW: Counter(), DENOISED: Counter()}
    atoms = 0
    for seed in range(SAMPLES):
        crystal = noised(strained(ideal(prototype, WIDTH), STRAIN, seed), SIGMA, seed)
        atoms += len(crystal.atoms)
        for method, measured in (
            (RAW, suite.bench.raw(crystal.atoms)),
            (DENOISED, suite.bench.denoised(crystal.atoms)),
        ):
            wrong[method].update(measured.names[measured.names != prototype.name].tolist())
    right = {method: 1.0 - sum(counter.values()) / atoms for method, counter in wrong.items()}
    return Outcome(prototype.name, prototype.label, atoms, right, wrong)


def _below(outcomes: list[Outcome], method: str) -> str:
    if not outcomes:
        return "None."
    lines = [
        [
            outcome.name,
            outcome.prototype,
            percent(outcome.right[method]),
            ", ".join(f"{name} {percent(n / outcome.atoms, 1)} %" for name, n in outcome.wrong[method].most_common(4)),
        ]
        for outcome in sorted(outcomes, key=lambda outcome: outcome.right[method])
    ]
    return table(["class", "prototype", "right, %", "taken for"], lines)
