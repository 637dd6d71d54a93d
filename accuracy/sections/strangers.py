"""Crystals that the model has no class for: how often they get the name of one, and with what confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.catalogue import tier
from training.likeness import similar_sites

from ..measurements import Measured
from ..report import Page, at_most, figure, folded, percent, table
from ..suite import Suite
from ..synthetic import LARGEST_TIER, ideal, noised, prototypes
from ..tally import DENOISED, RAW

SIGMA = 0.04
# A wrong answer is sure if one crystal has more than half of the atoms, with more than this mean confidence.
SURE = 0.9
WIDTH = 5.0


@dataclass(frozen=True)
class Named:
    """The most frequent label that a crystal of no class got, its share of the atoms, and its mean confidence."""

    name: str
    share: float
    confidence: float

    @property
    def sure(self) -> bool:
        """Whether this is a confident wrong answer."""
        return self.share > 0.5 and self.confidence > SURE


def run(suite: Suite) -> Page:
    """Prototypes of the largest tier that the model lacks, with some noise."""
    page = Page("strangers", "Crystals of no class")
    own = set(suite.bench.crystals)
    crystals = [crystal for crystal in tier(LARGEST_TIER) if crystal.name not in own][: 20 if suite.quick else None]
    classes, _ = prototypes(suite.bench.crystals)
    masks = similar_sites(crystals, classes) if crystals else []
    # Sites that can be mistaken for one of a class may well get its name.
    crystals = [crystal for crystal, mask in zip(crystals, masks, strict=True) if not mask.any()]
    found: dict[str, list[Named]] = {RAW: [], DENOISED: []}
    lines = []
    for crystal in suite.progress(crystals, "crystals of no class"):
        made = noised(ideal(crystal, WIDTH), SIGMA)
        row = [crystal.name, len(made.atoms)]
        for method, measure in ((RAW, suite.bench.raw), (DENOISED, suite.bench.denoised)):
            named = _named(measure(made.atoms))
            found[method].append(named)
            row += [named.name, percent(named.share), figure(named.confidence)]
        lines.append(row)
    for method, all_named in found.items():
        sure = [named.sure for named in all_named]
        share = float(np.mean(sure)) if sure else None
        page.verdicts.append(
            at_most(
                f"crystals of no class, {method}: at most 1 % are one crystal with confidence above {SURE}",
                share,
                0.01,
                f"{sum(sure)} of {len(sure)}; any name for {percent(_mean(all_named))} % of the atoms",
                further=True,
            )
        )
    page.add(
        f"Prototypes of the tier `{LARGEST_TIER}` that the model has no class for, without those with a site that can "
        f"be mistaken for one of a class, with white noise of {SIGMA} a0. The truth is `disordered`. Five in six of "
        "them are examples that the network of known surroundings learned from (training/README.md), so these figures "
        "are better than those of crystals that it never saw.",
        "The most frequent crystal, its share of the atoms in %, and its mean confidence:",
        folded(
            "Every crystal",
            table(["crystal", "atoms", "raw", "%", "confidence", "denoised", "%", "confidence"], lines),
        ),
    )
    return page


def _mean(all_named: list[Named]) -> float | None:
    return float(np.mean([named.share for named in all_named])) if all_named else None


def _named(measured: Measured) -> Named:
    """The most frequent crystal of a pass."""
    crystalline = measured.labels[measured.labels > 0]
    if not len(crystalline):
        return Named("-", 0.0, float("nan"))
    label = int(np.bincount(crystalline).argmax())
    chosen = measured.labels == label
    return Named(measured.phases[label], float(chosen.mean()), float(measured.confidence[chosen].mean()))
