"""A sum of Gaussians on a grid, interpolated between the nodes by products of cubic Hermite polynomials.

The grid holds the function and its derivatives at the nodes: f and f' in one dimension, f, f_x, f_y, f_xy in two, 2^V
numbers per node in V dimensions. A Gaussian is a product over the dimensions, so all of these are products of g and g',
and exact except for the tails beyond 8 sigma, which are below 1.3e-14 of the height. Between nodes at a distance h, in
each dimension,

f(t) = (1 + 2t)(1 - t)^2 f_0 + t (1 - t)^2 h f'_0 + t^2 (3 - 2t) f_1 + t^2 (t - 1) h f'_1, 0 <= t <= 1,

which is continuous with its first derivative; the derivative that `HermiteGrid.evaluate` returns is that of this
polynomial. It deviates from a Gaussian of unit height by at most h^4 max|g''''| / 384 = (h / sigma)^4 / 128 per
dimension: 1.3e-5 at five nodes per sigma, 4.9e-4 at two.

Layout: the array is (nodes_0, 2, nodes_1, 2, ...), where 2 stands for f and h f' along that dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_TAIL = 8.0
_MOST_NUMBERS = 1 << 27


class HermiteGrid:
    """A function on a rectangle, with the exact derivatives of its interpolation.

    Parameters
    ----------
    low, high : sequence of float, shape (V,)
    bins : sequence of int, shape (V,)
        Intervals along each dimension, one fewer than nodes.
    """

    def __init__(self, low: Sequence[float], high: Sequence[float], bins: Sequence[int]) -> None:
        self.low, self.high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
        self.nodes = [
            np.linspace(start, end, count + 1) for start, end, count in zip(self.low, self.high, bins, strict=True)
        ]
        self.spacing = (self.high - self.low) / np.array(bins)
        shape = [size for count in bins for size in (count + 1, 2)]
        if math.prod(shape) > _MOST_NUMBERS:
            raise MemoryError(f"a grid of {shape} takes more than {_MOST_NUMBERS * 8 >> 30} GiB")
        self._data = np.zeros(shape)
        self.volume = float(np.prod(self.spacing))

    def add(self, centre: NDArray[np.float64], sigma: NDArray[np.float64], height: float) -> None:
        """Add height prod_i exp(-(x_i - c_i)^2 / (2 sigma_i^2)); the centre may lie outside."""
        product = np.array(height)
        where: list[slice] = []
        for nodes, spacing, middle, width in zip(self.nodes, self.spacing, centre, sigma, strict=True):
            first, last = np.searchsorted(nodes, [middle - _TAIL * width, middle + _TAIL * width])
            away = (nodes[first:last] - middle) / width
            gaussian = np.exp(-0.5 * away * away)
            factor = np.stack([gaussian, -away / width * gaussian * spacing], axis=1)
            product = np.multiply.outer(product, factor)
            where += [slice(first, last), slice(None)]
        self._data[tuple(where)] += product

    def contains(self, points: NDArray[np.float64]) -> bool:
        """Return whether points of shape (P, V) are all on the grid, its edges included."""
        return bool((points >= self.low).all() and (points <= self.high).all())

    def evaluate(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values, shape (P,), and gradients, shape (P, V), at points of the grid, shape (P, V)."""
        count = len(self.nodes)
        scaled = (points - self.low) / self.spacing
        cells = np.clip(scaled.astype(np.int64), 0, np.array([len(nodes) - 2 for nodes in self.nodes]))
        t = scaled - cells
        s = 1.0 - t
        # Both have shape (P, V, 4): the weights of f_0, h f'_0, f_1 and h f'_1.
        values = np.stack([(1.0 + 2.0 * t) * s * s, t * s * s, t * t * (3.0 - 2.0 * t), -t * t * s], axis=2)
        slopes = np.stack([-6.0 * t * s, s * (1.0 - 3.0 * t), 6.0 * t * s, t * (3.0 * t - 2.0)], axis=2)
        slopes = slopes / self.spacing[:, None]
        corners = self._corners(cells)
        gradients = np.empty(points.shape)
        for along in range(count):
            mixed = values.copy()
            mixed[:, along] = slopes[:, along]
            gradients[:, along] = _contract(corners, mixed)
        return _contract(corners, values), gradients

    def _corners(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the numbers at the corners of cells of shape (P, V), shape (P, 4^V), dimension after dimension."""
        count = len(self.nodes)
        index: list[NDArray[np.int64]] = []
        for along in range(count):
            node, kind = [1] * (2 * count), [1] * (2 * count)
            node[2 * along], kind[2 * along + 1] = 2, 2
            index.append(cells[:, along].reshape(-1, *[1] * (2 * count)) + np.arange(2).reshape(1, *node))
            index.append(np.arange(2).reshape(1, *kind))
        return self._data[tuple(index)].reshape(len(cells), -1)

    def at_nodes(self) -> NDArray[np.float64]:
        """Return the values at the nodes, shape (bins_0 + 1, bins_1 + 1, ...); a view."""
        return self._data[(slice(None), 0) * len(self.nodes)]


def _contract(corners: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the 4^V numbers of each cell, weighted by the product of the factors per dimension; shape (P,)."""
    rest = corners
    for along in range(weights.shape[1]):
        rest = np.einsum("pk,pkr->pr", weights[:, along], rest.reshape(len(rest), 4, -1))
    return rest[:, 0]
