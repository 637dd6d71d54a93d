"""Interfaces: positions of the planes between crystal and melt, along an axis of the cell.

The share s of the crystal at height z is fitted by

    s(z) = low + (high - low) (b + sum_i e_i tanh((z - z_i) / w)) / 2,      e_i = 1 where the crystal begins, else -1,

by weighted least squares over thin layers, so the positions of lattice planes do not matter. b makes s alternate
between low and high. Along a periodic axis every z_i has images, and the e_i sum to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame
from phasewire._frame.result import Result
from phasewire.diagnostics._atoms import Phase, check_axis, check_positive, missing, place
from phasewire.diagnostics.profiles import crystallinity, heights_along, layers_of

if TYPE_CHECKING:
    from ase import Atoms

# In units of a0: thickness of the layers of the fit, and of the coarser layers for its initial values.
_LAYER, _COARSE = 0.1, 2.0
# Fractions of the way from low to high: a crystal begins above the second and ends below the first.
_BOUNDS = (0.35, 0.65)
_MOST = 8
# Share of the variance of the coarse profile that planes must explain.
_LEAST_EXPLAINED = 0.8
# In widths: from 10 % to 90 % it is 2.2 of them.
_LEAST_GAP = 3.0


@dataclass(frozen=True, eq=False, repr=False)
class Interfaces:
    """Planar interfaces across an axis of the cell, or the reason why there are none.

    Attributes
    ----------
    positions : float64 array, shape (I,)
        Ascending distances from the face of the cell at its origin, in the simulation's unit.
    errors : float64 array, shape (I,)
        Their standard errors from the fit.
    rising : bool array, shape (I,)
        Whether the crystal lies above the interface.
    width : float
        w of tanh((z - z_i) / w), the same for all; the distance from 10 % to 90 % is 2.2 w. NaN without interfaces.
    low, high : float
        Crystalline share in the melt and in the crystal. NaN without interfaces.
    reason : str
        The reason why there are none, otherwise empty.
    step : int
    """

    positions: NDArray[np.float64]
    errors: NDArray[np.float64]
    rising: NDArray[np.bool_]
    width: float
    low: float
    high: float
    reason: str
    step: int = 0

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        if not len(self):
            return f"<Interfaces step {self.step}: none, {self.reason}>"
        pairs = zip(self.positions, self.errors, strict=True)
        text = ", ".join(f"{position:.2f} +- {error:.2f}" for position, error in pairs)
        return f"<Interfaces step {self.step}: at {text}; width {self.width:.2f}>"


def interface_positions(
    result: Result, frame: Frame | Atoms, axis: int = 2, phase: Phase = None, *, contrast: float = 0.5
) -> Interfaces:
    """Find the planes between crystal and melt, or any other phase.

    Parameters
    ----------
    result : Result
        A result with labels or, better, with probabilities, which are then used instead.
    frame : Frame or ase.Atoms
        The frame analysed, with a cell.
    axis : int
        Number of the cell vector that the planes cut.
    phase : str or sequence of str, optional
        The phase that counts as crystal. Default: every class except ``disordered``.
    contrast : float
        Least difference of the crystalline shares of crystal and melt. A round nucleus never fills a layer, but with a
        smaller contrast its profile counts as two interfaces.

    Returns
    -------
    Interfaces
        Empty, with a `reason`, if there are no planes, so a series of frames needs no exceptions.

    Raises
    ------
    InputError
        ``BAD_OPTION``, ``SHAPE_MISMATCH``, ``MISSING_CELL``.
    ImportError
        Without scipy.
    """
    axis = check_axis(axis)
    least = check_positive(contrast, "contrast", "a difference of shares, usually 0.5")
    placed = place(result, frame)
    heights, span = heights_along(placed, axis)
    length = span[1] - span[0]
    bins = max(8, round(length / (_LAYER * result.length_scale)))
    layer = layers_of(heights, span, bins)
    counts = np.bincount(layer, minlength=bins).astype(np.float64)
    # Weighted counts are floats, which numpy's types do not state.
    sums = np.bincount(layer, crystallinity(result, phase), minlength=bins).astype(np.float64)
    periodic = bool(placed.periodic[axis])
    coarse = _running_mean(sums, counts, max(1, round(_COARSE / _LAYER / 2)), periodic)
    low, high = float(np.nanmin(coarse)), float(np.nanmax(coarse))
    if not high - low >= least:
        return _none(f"the crystalline share varies only from {low:.2f} to {high:.2f}", result.step)
    edges, signs = _crossings(coarse, low, high, periodic)
    if not len(edges):
        return _none("the crystalline share does not fall from crystal to melt", result.step)
    if len(edges) > _MOST:
        return _none(f"{len(edges)} changes between crystal and melt are patches, not planes", result.step)
    step = length / bins
    middles = (np.arange(bins, dtype=np.float64) + 0.5) * step
    fit = _fit(middles, sums, counts, (edges + 0.5) * step, signs, length if periodic else None, result.length_scale)
    if isinstance(fit, str):
        return _none(fit, result.step)
    planes, errors, width, low, high, model = fit
    smooth = _running_mean(model * counts, counts, max(1, round(_COARSE / _LAYER / 2)), periodic)
    seen = np.isfinite(coarse)
    explained = 1.0 - np.var((coarse - smooth)[seen]) / np.var(coarse[seen])
    if not explained >= _LEAST_EXPLAINED:
        return _none(f"planes explain only {explained:.0%} of the variation of the crystalline share", result.step)
    if not high - low >= least:
        return _none(f"the fitted shares of melt and crystal are {low:.2f} and {high:.2f}", result.step)
    inside = planes % length if periodic else planes
    order = np.argsort(inside)
    rising = (signs > 0)[order]
    return Interfaces(span[0] + inside[order], errors[order], rising, width, low, high, "", result.step)


def _none(reason: str, step: int) -> Interfaces:
    empty = np.empty(0)
    return Interfaces(empty, empty, np.empty(0, dtype=np.bool_), np.nan, np.nan, np.nan, reason, step)


def _running_mean(
    sums: NDArray[np.float64], counts: NDArray[np.float64], half: int, periodic: bool
) -> NDArray[np.float64]:
    """Return the mean over ``2 half + 1`` layers around each, NaN if they hold no atom."""
    half = min(half, (len(sums) - 1) // 2)
    window = np.ones(2 * half + 1)
    padded = [np.pad(values, half, mode="wrap" if periodic else "constant") for values in (sums, counts)]
    total, number = (np.convolve(values, window, mode="valid") for values in padded)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number > 0, total / number, np.nan)


def _crossings(
    coarse: NDArray[np.float64], low: float, high: float, periodic: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the layers between melt and crystal, with 1 if the crystal begins there and -1 if it ends.

    The state changes only beyond the far bound, so noise near one half gives no interfaces.
    """
    below, above = (low + bound * (high - low) for bound in _BOUNDS)
    seen = np.flatnonzero(np.isfinite(coarse))
    sure = seen[(coarse[seen] < below) | (coarse[seen] > above)]
    solid = coarse[sure] > above
    following, after = (np.roll(sure, -1), np.roll(solid, -1))
    if periodic:
        following[-1] += len(coarse)
    else:
        sure, solid, following, after = sure[:-1], solid[:-1], following[:-1], after[:-1]
    change = solid != after
    return (sure[change] + following[change]) / 2, np.where(after[change], 1.0, -1.0)


def _fit(
    middles: NDArray[np.float64],
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    first: NDArray[np.float64],
    signs: NDArray[np.float64],
    period: float | None,
    length_scale: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float, NDArray[np.float64]] | str:
    """Fit planes; return them, their errors, width, low, high and the model's shares, or the reason of a failure."""
    try:
        from scipy.optimize import least_squares
    except ModuleNotFoundError as error:
        raise missing("scipy", error) from error
    filled = counts > 0
    weights = np.sqrt(counts[filled])
    shares = sums[filled] / counts[filled]
    planes = len(first)

    def model(numbers: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
        width, low, high = numbers[planes:]
        modelled: NDArray[np.float64] = low + (high - low) * _between(at, numbers[:planes], signs, width, period)
        return modelled

    guess = np.array([*first, length_scale, shares.min(), shares.max()])
    bounds = np.array([[-np.inf, np.inf]] * planes + [[0.02 * length_scale, np.inf], [-0.2, 1.2], [-0.2, 1.2]]).T
    fit = least_squares(
        lambda numbers: weights * (model(numbers, middles[filled]) - shares),
        guess,
        bounds=bounds,
        x_scale=np.array([length_scale] * (planes + 1) + [0.1, 0.1]),
    )
    if not fit.success:
        return "the fit of planes did not converge"
    order = np.argsort(fit.x[:planes])
    gaps = np.diff(fit.x[order], append=[] if period is None else [fit.x[order[0]] + period])
    width = float(fit.x[planes])
    if (order != np.arange(planes)).any() or (gaps < _LEAST_GAP * width).any():
        return "the interfaces overlap, without bulk crystal or melt between them"
    # From the residuals of each layer: layers near an interface scatter, layers in the bulk hardly do.
    inverse = np.linalg.pinv(fit.jac.T @ fit.jac)
    scatter = fit.jac * fit.fun[:, None]
    covariance = inverse @ scatter.T @ scatter @ inverse
    errors = np.sqrt(np.diag(covariance)[:planes])
    return fit.x[:planes], errors, width, float(fit.x[-2]), float(fit.x[-1]), model(fit.x, middles)


def _between(
    at: NDArray[np.float64],
    planes: NDArray[np.float64],
    signs: NDArray[np.float64],
    width: float,
    period: float | None,
) -> NDArray[np.float64]:
    """Return the crystallinity at some heights, between 0 and 1."""
    shifts = np.zeros(1) if period is None else period * np.arange(-2.0, 3.0)
    steps = np.tanh((at[:, None, None] - planes[:, None] - shifts) / width) @ np.ones(len(shifts)) @ signs
    # Far below the first plane all steps are -1; the first step ends the state there.
    below = 0.0 if signs[0] > 0 else 1.0
    between: NDArray[np.float64] = below + (steps + len(shifts) * signs.sum()) / 2
    return between
