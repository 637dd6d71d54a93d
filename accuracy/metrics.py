"""Figures of merit as plain functions of arrays, independent of models, files and peers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive scores higher than a negative. Ties count half. NaN if either array is empty."""
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def roc_curve(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates, from (0, 0) to (1, 1), one point for every distinct score."""
    scores = np.concatenate([positive, negative])
    is_positive = np.arange(len(scores)) < len(positive)
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(scores[order][1:] != scores[order][:-1], True)
    true = np.cumsum(is_positive[order])[last_of_score] / max(1, len(positive))
    false = np.cumsum(~is_positive[order])[last_of_score] / max(1, len(negative))
    return np.append(0.0, false), np.append(0.0, true)


@dataclass(frozen=True)
class Reliability:
    """Mean confidence, share of correct labels and number of atoms of each bin that is not empty."""

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """Mean over all atoms of |accuracy - confidence| of their bin. NaN without atoms."""
        if not self.count.sum():
            return float("nan")
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.count))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15, equal: str = "width") -> Reliability:
    """Bin atoms by confidence, in bins of equal width (of 0 to 1) or of equal count."""
    confidence = np.asarray(confidence, dtype=float)
    if equal == "width":
        index = np.minimum((confidence * bins).astype(int), bins - 1)
    elif equal == "count":
        index = np.empty(len(confidence), dtype=int)
        index[np.argsort(confidence, kind="stable")] = np.arange(len(confidence)) * bins // max(1, len(confidence))
    else:
        raise ValueError(f"`equal` is {equal!r}; it must be 'width' or 'count'")
    count = np.bincount(index, minlength=bins)
    filled = count > 0
    means = [np.bincount(index, weights=values, minlength=bins)[filled] for values in (confidence, right)]
    return Reliability(means[0] / count[filled], means[1] / count[filled], count[filled])


def smoothed_share(
    coordinate: np.ndarray, flag: np.ndarray, length: float, width: float, grid: np.ndarray
) -> np.ndarray:
    """Share of flagged atoms along a periodic axis, smoothed by a Gaussian of standard deviation `width`."""
    distance = grid[:, None] - coordinate
    distance -= length * np.round(distance / length)
    weight = np.exp(-0.5 * (distance / width) ** 2)
    return (weight @ flag.astype(float)) / np.maximum(weight.sum(axis=1), 1e-300)


def crossings(
    coordinate: np.ndarray, flag: np.ndarray, length: float, width: float, resolution: float = 0.02
) -> np.ndarray:
    """Places along a periodic axis where the smoothed share of flagged atoms passes 1/2, ascending, in [0, length)."""
    count = max(8, int(np.ceil(length / (resolution * width))))
    grid = np.arange(count) * length / count
    excess = smoothed_share(coordinate, flag, length, width, grid) - 0.5
    following = np.roll(excess, -1)
    at = np.flatnonzero((excess >= 0) != (following >= 0))
    return np.sort((grid[at] + excess[at] / (excess[at] - following[at]) * length / count) % length)


def nearest_periodic(places: np.ndarray, wanted: float, length: float) -> float:
    """Signed distance from `wanted` to the nearest of the places on a circle. NaN if there are none."""
    if len(places) == 0:
        return float("nan")
    offset = places - wanted
    offset -= length * np.round(offset / length)
    return float(offset[np.argmin(np.abs(offset))])


@dataclass(frozen=True)
class Course:
    """How a quantity changes along a path.

    `backward` is the largest step against the overall direction, `jump` the largest step in it, both as shares of the
    overall change. `crossing` is where the quantity first changes sign (NaN if nowhere), `crossings` how often it does.
    """

    backward: float
    jump: float
    crossing: float
    crossings: int


def course(along: np.ndarray, values: np.ndarray) -> Course:
    """Judge monotonicity, jumps and changes of sign of `values` over the ascending coordinate `along`."""
    change = values[-1] - values[0]
    steps = np.diff(values) / change if change != 0 else np.full(len(values) - 1, np.nan)
    at = np.flatnonzero((values[:-1] >= 0) != (values[1:] >= 0))
    places = along[at] + values[at] / (values[at] - values[at + 1]) * (along[at + 1] - along[at])
    return Course(
        backward=float(max(0.0, -steps.min())) if np.isfinite(steps).all() else float("nan"),
        jump=float(steps.max()),
        crossing=float(places[0]) if len(places) else float("nan"),
        crossings=len(places),
    )


def minimal_images(vectors: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Vectors modulo a periodic cell, with fractional components in [-1/2, 1/2]. The cell must not be too oblique."""
    fractions = vectors @ np.linalg.inv(cell)
    return (fractions - np.round(fractions)) @ cell


def displacements(positions: np.ndarray, sites: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Displacement of every atom from the nearest image of its site (N, 3), without the common shift of all atoms."""
    moved = positions - sites
    # Images are chosen relative to one atom, so that a common shift does not matter. The displacement of that atom is
    # small compared with a cell.
    moved = minimal_images(moved - moved[0], cell)
    return moved - moved.mean(axis=0)


def root_mean_square(vectors: np.ndarray) -> float:
    """Square root of the mean squared length of the vectors (N, 3)."""
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))
