"""A weighted sum of Gaussian kernels in which close kernels are merged: the density estimate of OPES.

S(s) = sum_k h_k G_k(s), G_k(s) = exp(-1/2 d^2) - exp(-1/2 d_c^2) where d = |(s - s_k) / sigma_k| < d_c, else 0.

A new kernel closer than ``compression`` to another, in units of the other's sigma, is merged with the closest one such
that height, mean and variance of the two are kept; then the result is merged with kernels close to it, and so on.

The derivative is that of S where it is continuous; at the cutoff it jumps by d_c / sigma_k exp(-1/2 d_c^2) h_k.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire.bias._base import Values

# Numbers of one temporary array, which limits the memory for many points and many kernels.
_BLOCK = 1 << 20


class KernelSum:
    """Kernels in a number of variables.

    Parameters
    ----------
    count : int
        Number of variables.
    cutoff : float
        d_c.
    compression : float
        0: kernels are never merged.
    """

    def __init__(self, count: int, cutoff: float, compression: float) -> None:
        self.cutoff, self.compression = cutoff, compression
        self._at_cutoff = float(np.exp(-0.5 * cutoff**2))
        self.centres: Values = np.empty((0, count))
        self.sigmas: Values = np.empty((0, count))
        self.heights: Values = np.empty(0)
        # sum over kernels k, l of h_l G_l(s_k). Updating it costs as much per kernel as an evaluation.
        self.pairs = 0.0

    def __len__(self) -> int:
        return len(self.heights)

    def evaluate(self, points: Values) -> tuple[Values, Values]:
        """Return S at points of shape (P, V), shape (P,), and its gradients, shape (P, V)."""
        sums, gradients = np.zeros(len(points)), np.zeros(points.shape)
        block = max(1, _BLOCK // max(1, self.centres.size))
        for start in range(0, len(points), block):
            part = slice(start, start + block)
            # One variable at a time: arrays of (P, K) are several times faster than one of (P, K, V).
            scaled = [
                (points[part, along, None] - self.centres[:, along]) / self.sigmas[:, along]
                for along in range(points.shape[1])
            ]
            square = np.sum([one * one for one in scaled], axis=0)
            near = square < self.cutoff**2
            gaussian = np.where(near, self.heights * np.exp(-0.5 * square), 0.0)
            sums[part] = np.sum(gaussian, axis=1) - self._at_cutoff * np.sum(np.where(near, self.heights, 0.0), axis=1)
            for along, one in enumerate(scaled):
                gradients[part, along] = -np.sum(gaussian * (one / self.sigmas[:, along]), axis=1)
        return sums, gradients

    def add(self, centre: Values, sigma: Values, height: float) -> None:
        """Add a kernel, and merge it with kernels close to it."""
        while (other := self._closest(centre)) is not None:
            centre_2, sigma_2, height_2 = self._take(other)
            total = height + height_2
            mean = (height * centre + height_2 * centre_2) / total
            square = (height * (sigma**2 + centre**2) + height_2 * (sigma_2**2 + centre_2**2)) / total
            centre, sigma, height = mean, np.sqrt(square - mean**2), total
        self.pairs += self._with_others(centre, sigma, height)
        self.centres = np.concatenate([self.centres, centre[None]])
        self.sigmas = np.concatenate([self.sigmas, sigma[None]])
        self.heights = np.append(self.heights, height)

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return everything that `add` has changed."""
        return {
            f"{prefix}centres": self.centres.copy(),
            f"{prefix}sigmas": self.sigmas.copy(),
            f"{prefix}heights": self.heights.copy(),
            f"{prefix}pairs": np.array(self.pairs),
        }

    def restore(self, state: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Restore a `state`."""
        self.centres = np.array(state[f"{prefix}centres"], dtype=np.float64)
        self.sigmas = np.array(state[f"{prefix}sigmas"], dtype=np.float64)
        self.heights = np.array(state[f"{prefix}heights"], dtype=np.float64)
        self.pairs = float(state[f"{prefix}pairs"])

    def _closest(self, centre: Values) -> int | None:
        if len(self) == 0 or self.compression == 0:
            return None
        scaled = (centre - self.centres) / self.sigmas
        square = np.sum(scaled * scaled, axis=1)
        nearest = int(np.argmin(square))
        return nearest if square[nearest] < self.compression**2 else None

    def _take(self, index: int) -> tuple[Values, Values, float]:
        kernel = self.centres[index], self.sigmas[index], float(self.heights[index])
        self.centres = np.delete(self.centres, index, axis=0)
        self.sigmas = np.delete(self.sigmas, index, axis=0)
        self.heights = np.delete(self.heights, index)
        self.pairs -= self._with_others(*kernel)
        return kernel

    def _with_others(self, centre: Values, sigma: Values, height: float) -> float:
        """Return the term of a kernel in the sum over pairs: values at all centres, and of all others at its own."""
        away = self.centres - centre
        here = np.sum((away / sigma) ** 2, axis=1)
        there = np.sum((away / self.sigmas) ** 2, axis=1)
        own = height * (1.0 - self._at_cutoff)
        return own + float(np.sum(height * self._kernel(here)) + np.sum(self.heights * self._kernel(there)))

    def _kernel(self, square: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(square < self.cutoff**2, np.exp(-0.5 * square) - self._at_cutoff, 0.0)
