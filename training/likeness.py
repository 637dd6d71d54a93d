"""Which sites of other crystals can be mistaken for one of a class: distances of ideal sites in units of the noise.

`distinction.py` describes a site by numbers and knows how they scatter. Here the scatter of a few crystals serves for
all, so that a thousand crystals take a minute. A site counts as similar if it is close to a site of a class, or if it
would be without species: another order of species on the points of a class is that class to a model that knows no such
order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .catalogue import LEAST_DISTANCE
from .distinction import REGULARISATION, describe, sample_sites
from .prototypes import Prototype

# Crystals whose scatter stands for that of all.
SCATTER_OF = 40


def similar_sites(crystals: Sequence[Prototype], classes: Sequence[Prototype], seed: int = 0) -> list[np.ndarray]:
    """For each crystal a mask (sites,) of the sites that can be mistaken for a site of one of the classes."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(classes), size=min(SCATTER_OF, len(classes)), replace=False)
    scatters = [sample_sites(classes[index], int(index))[1:] for index in chosen]
    scatter = sum(one for one, _ in scatters) / sum(freedom for _, freedom in scatters)
    scales = np.sqrt(np.diag(scatter))
    scatter = scatter / np.outer(scales, scales) + REGULARISATION * np.eye(len(scales))
    whitening = np.linalg.inv(np.linalg.cholesky(scatter)).T / scales[:, None]
    masks = [np.zeros(len(crystal.positions), bool) for crystal in crystals]
    for keep_species in (True, False):
        known = np.concatenate([_numbers(one, keep_species) @ whitening for one in classes])
        for mask, crystal in zip(masks, crystals, strict=True):
            mask |= _nearest(_numbers(crystal, keep_species) @ whitening, known) < LEAST_DISTANCE
    return masks


def _numbers(crystal: Prototype, keep_species: bool) -> np.ndarray:
    species = crystal.species if keep_species else np.zeros_like(crystal.species)
    return describe(crystal.positions, crystal.cell, species)


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance from each point to the nearest of the others."""
    squared = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * points @ others.T
    return np.sqrt(np.maximum(0.0, squared.min(axis=1)))
