"""Computes the unbiased free energy from the frames of a biased run.

A frame that was sampled under the bias V has the weight exp(V / kT) (G. M. Torrie, J. P. Valleau, J. Comput. Phys. 23,
187, 1977). V may change slowly: exp(V / kT) with OPES (M. Invernizzi, M. Parrinello, J. Phys. Chem. Lett. 11, 2731,
2020), exp((V - c(t)) / kT) with metadynamics (P. Tiwary, M. Parrinello, J. Phys. Chem. B 119, 736, 2015). Only
the bins smooth a histogram, and all frames count, not only those at which the bias changed. With OPES it is the more
precise estimate (docs/biasing.md has numbers).

With n blocks of consecutive frames, F_b from all blocks except b, and F_m the mean of the F_b, the error of F is
sqrt((n - 1) / n sum_b (F_b - F_m)^2), the jackknife (B. Efron, C. Stein, Ann. Statist. 9, 586, 1981).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire.errors import make_error


@dataclass(frozen=True)
class Reweighted:
    """A free energy along a quantity.

    Attributes
    ----------
    centres : ndarray, shape (B,)
        Middles of the bins.
    free_energy : ndarray, shape (B,)
        In the unit of kT, 0 in the lowest bin: -kT log of a bin's share, not divided by its width. NaN in bins
        without frames.
    error : ndarray, shape (B,)
        One standard deviation of the difference from the lowest bin; infinite if one block has all frames of either
        bin, so the error is unknown; NaN in bins without frames.
    counts : ndarray, shape (B,)
        Numbers of frames.
    effective_samples : float
        (sum w)^2 / sum w^2 of all frames' weights (Kish): the equivalent number of frames of equal weight, without
        correlations in time.
    """

    centres: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    error: NDArray[np.float64]
    counts: NDArray[np.int64]
    effective_samples: float


def reweight(
    values: ArrayLike,
    energies: ArrayLike,
    *,
    kT: float,  # noqa: N803
    edges: ArrayLike,
    blocks: int = 10,
) -> Reweighted:
    """Compute the free energy along any quantity of the frames of a biased run.

    Parameters
    ----------
    values : array_like, shape (N,)
        The quantity in each frame, in the order of time: a variable of the bias or another. Leave out the beginning,
        where the bias changed much.
    energies : array_like, shape (N,)
        The bias in each frame: COLVAR's ``opes.bias``, ``metad.rbias``, plus those of other biases, such as walls.
    kT : float
        In the unit of the energies.
    edges : array_like, shape (B + 1,)
        Edges of the bins; the last belongs to its bin. Frames outside are in no bin.
    blocks : int
        Blocks of consecutive frames for the error, at least 2; each should be longer than the correlation time.

    Raises
    ------
    InputError
        ``SHAPE_MISMATCH``; ``BAD_OPTION`` for non-finite numbers, edges not in ascending order, or no frame within.
    """
    if not 0 < kT < np.inf:
        raise make_error("BAD_OPTION", "kT must be above 0", field="kT", value=kT)
    if isinstance(blocks, bool) or not isinstance(blocks, int) or blocks < 2:
        raise make_error("BAD_OPTION", "there must be at least two blocks", field="blocks", value=blocks)
    borders = np.asarray(edges, dtype=np.float64)
    if borders.ndim != 1 or len(borders) < 2 or not (np.diff(borders) > 0).all():
        raise make_error("BAD_OPTION", "the edges of bins must ascend", field="edges", value=borders.tolist())
    places, bias = _as_frames(values, "values", blocks), _as_frames(energies, "energies", blocks)
    if len(places) != len(bias):
        raise make_error(
            "SHAPE_MISMATCH",
            f"{len(places)} values and {len(bias)} energies",
            field="energies",
            value=bias.shape,
            remedy="give the bias of each frame",
        )
    count = len(borders) - 1
    # As in numpy's histogram, the last bin includes both edges.
    bins = np.where(places == borders[-1], count - 1, np.searchsorted(borders, places, "right") - 1)
    inside = (bins >= 0) & (bins < count)
    counts = np.bincount(bins[inside], minlength=count)
    full = counts > 0
    if not full.any():
        raise make_error("BAD_OPTION", "no frame lies within the edges", field="edges", value=borders.tolist())
    weights = np.exp((bias - bias.max()) / kT)
    # Each bin is summed separately: numpy's histogram takes differences of a running sum, in which a bin of small
    # weights after one of large weights is lost.
    parts = [part[inside[part]] for part in np.array_split(np.arange(len(places)), blocks)]
    sums = np.array([np.bincount(bins[part], weights[part], minlength=count) for part in parts])[:, full]
    free, error = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    found = -kT * _log(np.sum(sums, axis=0))
    lowest = int(np.argmin(found))
    free[full] = found - found[lowest]
    # Sums without a block, not differences from the total: if a block has nearly everything, those are rounding errors.
    without = np.array([np.sum(np.delete(sums, block, axis=0), axis=0) for block in range(blocks)])
    lone = (without == 0).any(axis=0)
    others = -kT * _log(np.where(without > 0, without, 1.0))
    others -= others[:, lowest, None]
    jackknife = np.sqrt((blocks - 1.0) * np.var(others, axis=0))
    error[full] = np.where(lone | lone[lowest], np.inf, jackknife)
    effective = float(np.sum(weights) ** 2 / np.sum(weights**2))
    return Reweighted(0.5 * (borders[1:] + borders[:-1]), free, error, counts, effective)


def _log(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    # A bin of frames whose weights are 0 in double precision counts as empty.
    with np.errstate(divide="ignore"):
        logarithms: NDArray[np.float64] = np.log(sums)
    return logarithms


def _as_frames(numbers: ArrayLike, field: str, blocks: int) -> NDArray[np.float64]:
    frames = np.asarray(numbers, dtype=np.float64)
    if frames.ndim != 1 or len(frames) < blocks:
        raise make_error(
            "SHAPE_MISMATCH",
            f"give one number per frame, and at least as many frames as blocks, {blocks}",
            field=field,
            value=frames.shape,
        )
    if not np.isfinite(frames).all():
        raise make_error(
            "BAD_OPTION",
            "a number is not finite",
            field=field,
            remedy="leave out frames without bias: rows of COLVAR with `biased` 0",
        )
    return frames
