"""Paths between crystals: the phase of a strained crystal, and the Bain and Burgers paths.

A crystal strained far enough is another crystal: fcc compressed along a cube axis by 1 / sqrt(2) is bcc (Bain, Trans.
AIME 70, 25, 1924). The label of a strained sample is therefore drawn with odds that fall with its distance, in
deviatoric logarithmic strain, from either end. Halfway both are equally likely, as a calibrated probability must state.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np

# ln(c/a) of the body-centred tetragonal cell.
TETRAGONAL = {"fcc": 0.5 * log(2.0), "bcc": 0.0, "bct": log(0.825)}
# For each class: the classes that a strain along a cube axis leads to, and the axes that do so.
NEIGHBOURS = {"fcc": ("bcc",), "bcc": ("fcc", "bct"), "bct": ("bcc",)}
CUBE_AXES = {"fcc": (0, 1, 2), "bcc": (0, 1, 2), "bct": (2,)}
# Differences of distance (in logarithmic strain) over which the odds change e-fold.
STRAIN_WIDTH = 0.02
PATH_WIDTH = 0.06


def deviatoric_strain(deformation: np.ndarray) -> np.ndarray:
    """Logarithmic strain without its trace, (3, 3), of a deformation x' = x F (rows are vectors)."""
    values, vectors = np.linalg.eigh(deformation @ deformation.T)
    strain = vectors @ np.diag(0.5 * np.log(values)) @ vectors.T
    return strain - np.trace(strain) / 3 * np.eye(3)


def strained_name(name: str, deformation: np.ndarray, known: set[str], rng: np.random.Generator) -> str:
    """The class of a crystal of class `name` after a deformation, which is given in its cube axes."""
    others = [other for other in NEIGHBOURS.get(name, ()) if other in known]
    if not others:
        return name
    strain = deviatoric_strain(deformation)
    own = np.linalg.norm(strain)
    best, nearest = np.inf, name
    for other in others:
        for axis in CUBE_AXES[name]:
            path = np.full(3, -1 / 3)
            path[axis] = 2 / 3
            away = float(np.linalg.norm(strain - (TETRAGONAL[other] - TETRAGONAL[name]) * np.diag(path)))
            if away < best:
                best, nearest = away, other
    odds = np.clip((best - own) / STRAIN_WIDTH, -50, 50)
    return name if rng.random() < 1.0 / (1.0 + np.exp(-odds)) else nearest


def bain(progress: float) -> tuple[np.ndarray, np.ndarray]:
    """Cell and positions on the Bain path: bcc at 0, fcc at 1, one atom per unit volume."""
    ratio = sqrt(2.0) ** progress
    edge = (2.0 / ratio) ** (1 / 3)
    cell = np.diag([edge, edge, edge * ratio])
    return cell, np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]) @ cell


def burgers(progress: float) -> tuple[np.ndarray, np.ndarray]:
    """Cell and positions on the Burgers path (Physica 1, 561, 1934): bcc at 0, hcp at 1.

    The cell is orthorhombic (space group Cmcm). Its axial ratios and the shuffle of the basal planes change together.
    """
    width = sqrt(2.0) ** (1 - progress) * sqrt(3.0) ** progress
    height = sqrt(2.0) ** (1 - progress) * sqrt(8 / 3) ** progress
    shuffle = 0.25 + progress / 12
    edge = (4.0 / (width * height)) ** (1 / 3)
    cell = edge * np.diag([1.0, width, height])
    sites = [(0, shuffle, 0.25), (0, -shuffle, 0.75), (0.5, 0.5 + shuffle, 0.25), (0.5, 0.5 - shuffle, 0.75)]
    return cell, np.array(sites) @ cell


PATHS = {"bain": ("bcc", "fcc", bain), "burgers": ("bcc", "hcp", burgers)}


def path_name(path: str, progress: float, rng: np.random.Generator) -> str:
    """The label of a structure on a path: one of its ends, drawn at random with even odds halfway."""
    start, end, _ = PATHS[path]
    odds = np.clip((progress - 0.5) / PATH_WIDTH, -50, 50)
    return end if rng.random() < 1.0 / (1.0 + np.exp(-odds)) else start
