"""The sections of the suite, in the order of the pages."""

from __future__ import annotations

from collections.abc import Callable

from ..report import Page
from ..suite import Suite
from . import (
    bulk,
    calibration,
    coexistence,
    defects,
    fluids,
    noise,
    paths,
    prototypes,
    scale,
    shock,
    stacking,
    strangers,
)

Section = Callable[[Suite], Page]

SECTIONS: dict[str, Section] = {
    "bulk": bulk.run,
    "fluids": fluids.run,
    "coexistence": coexistence.run,
    "scale": scale.run,
    "noise": noise.run,
    "defects": defects.run,
    "paths": paths.run,
    "shock": shock.run,
    "stacking": stacking.run,
    "strangers": strangers.run,
    "calibration": calibration.run,
    "prototypes": prototypes.run,
}
# This page is written on request, or for a model with more classes than LARGE_TIER.
LARGE_TIER_ONLY = "prototypes"
LARGE_TIER = 100
