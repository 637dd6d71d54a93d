"""Random stackings of close-packed layers. Every layer has the class of its own surroundings.

A layer is hexagonal (hcp, hexagonal diamond, B4) if its two neighbours occupy the same sites, and otherwise cubic (fcc,
diamond, B3). Faults, twins and polytypes are thus labelled layer by layer. Where five or more layers alternate between
the two, the crystal is double hexagonal (dhcp, B5). A single hexagonal layer in fcc is a twin boundary, not dhcp.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True)
class LayeredFamily:
    """Classes of cubic and hexagonal layers. Tetrahedral families have two atoms per site."""

    cubic: str
    hexagonal: str
    tetrahedral: bool
    compound: bool
    polytype: str | None = None


@dataclass(frozen=True)
class LayerCharacter:
    """Booleans (N,) for every atom: whether its layer is hexagonal, and whether it lies amid alternating layers."""

    hexagonal: np.ndarray
    alternating: np.ndarray


FAMILIES = (
    LayeredFamily("fcc", "hcp", tetrahedral=False, compound=False, polytype="dhcp"),
    LayeredFamily("diamond", "hexdiamond", tetrahedral=True, compound=False),
    LayeredFamily("B3", "B4", tetrahedral=True, compound=True, polytype="B5"),
)


def random_sequence(rng: np.random.Generator, layers: int) -> np.ndarray:
    """Sites 0, 1, 2 (A, B, C) of `layers` layers, periodic, no two neighbours alike."""
    hexagonal = rng.beta(0.7, 0.7)
    while True:
        sites = [0, 1]
        alternate = rng.random() < 0.25
        while len(sites) < layers:
            below, here = sites[-2:]
            likely = float(len(sites) % 2) if alternate and rng.random() < 0.85 else hexagonal
            sites.append(below if rng.random() < likely else 3 - below - here)
        if sites[-1] != sites[0]:
            return np.array(sites)


def amid_alternation(hexagonal: np.ndarray) -> np.ndarray:
    """Mask of the layers that are the middle one of five alternating layers. `hexagonal` is periodic."""
    differs = hexagonal != np.roll(hexagonal, -1)
    return np.roll(differs, 2) & np.roll(differs, 1) & differs & np.roll(differs, -1)


def stacking(
    rng: np.random.Generator, family: LayeredFamily, layers: int, repeats: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, LayerCharacter]:
    """Cell (3, 3), positions (N, 3), species (N,) and the character of each atom's layer.

    There is one atom per unit volume. The rows of the cell are two in-plane vectors and the stacking direction.
    """
    sites = random_sequence(rng, layers)
    spacing = (2 * sqrt(2) if family.tetrahedral else sqrt(2)) ** (1 / 3)
    height = spacing * sqrt(2 / 3)
    plane = spacing * np.array([[1.0, 0.0, 0.0], [0.5, sqrt(3) / 2, 0.0]])
    offset = plane.sum(axis=0) / 3
    grid = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 2) @ plane
    hexagonal_layer = np.roll(sites, 1) == np.roll(sites, -1)
    alternating_layer = amid_alternation(hexagonal_layer)
    levels = (0.0, 0.75 * height) if family.tetrahedral else (0.0,)
    positions, species, hexagonal, alternating = [], [], [], []
    for layer, site in enumerate(sites):
        for kind, level in enumerate(levels):
            positions.append(grid + site * offset + np.array([0.0, 0.0, layer * height + level]))
            species.append(np.full(len(grid), kind if family.compound else 0))
            hexagonal.append(np.full(len(grid), hexagonal_layer[layer]))
            alternating.append(np.full(len(grid), alternating_layer[layer]))
    cell = np.vstack([plane * np.array(repeats)[:, None], [0.0, 0.0, layers * height]])
    character = LayerCharacter(np.concatenate(hexagonal), np.concatenate(alternating))
    return cell, np.concatenate(positions), np.concatenate(species), character
