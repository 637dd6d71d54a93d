"""Averages of correlated samples and their errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCKS = 10


def mean_and_error(samples: ArrayLike, blocks: int = BLOCKS) -> tuple[float, float]:
    """Return the mean of a time series, and its standard error from the scatter of the means of a few long blocks.

    Blocks must be long compared with the correlation time of the samples (H. Flyvbjerg and H. G. Petersen, J. Chem.
    Phys. 91, 461, 1989).
    """
    series = np.asarray(samples, dtype=np.float64)
    if len(series) < 2 * blocks:
        raise ValueError(f"{len(series)} samples are too few for {blocks} blocks")
    means = np.array([block.mean() for block in np.array_split(series, blocks)])
    return float(series.mean()), float(means.std(ddof=1) / np.sqrt(blocks))


def line_through(x: ArrayLike, y: ArrayLike, errors: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a straight line. Each point is weighted by its error.

    Returns
    -------
    coefficients : float64 array, shape (2,)
        Slope, value at x = 0.
    covariance : float64 array, shape (2, 2)
        It follows from the given errors, not from how well the line fits.
    """
    weights = 1 / np.asarray(errors, dtype=np.float64)
    design = np.stack([np.asarray(x, dtype=np.float64), np.ones(len(weights))], axis=1) * weights[:, None]
    covariance = np.linalg.inv(design.T @ design)
    return covariance @ design.T @ (np.asarray(y, dtype=np.float64) * weights), covariance


def root_of_line(coefficients: NDArray[np.float64], covariance: NDArray[np.float64]) -> tuple[float, float]:
    """Return the root of a line and its standard error."""
    slope, offset = coefficients
    root = -offset / slope
    gradient = np.array([-root / slope, -1 / slope])
    return float(root), float(np.sqrt(gradient @ covariance @ gradient))
