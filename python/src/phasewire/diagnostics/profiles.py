"""Profiles: phases in layers along an axis of the cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame
from phasewire._frame.result import Result
from phasewire.diagnostics._atoms import Phase, Placed, check_axis, membership, numbers_of, place
from phasewire.errors import make_error

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """Shares of the phases in B layers across an axis of the cell.

    Attributes
    ----------
    axis : int
    edges : float64 array, shape (B + 1,)
        Boundaries of the layers: distances from the face of the cell at its origin, in the simulation's unit.
    counts : int64 array, shape (B,)
        Number of atoms in each layer; the layers hold all atoms.
    shares : float64 array, shape (B, C)
        Share of each label among the layer's atoms; NaN for an empty layer.
    probabilities : float64 array, shape (B, C), or None
        Mean probability of each class over the layer's atoms, if the result has probabilities.
    phases : tuple of str
    step : int
    """

    axis: int
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    phases: tuple[str, ...]
    step: int = 0

    @property
    def positions(self) -> NDArray[np.float64]:
        """Middles of the layers, shape ``(B,)``."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def crystalline(self) -> NDArray[np.float64]:
        """Share of the atoms whose label is not ``disordered``, shape ``(B,)``."""
        return 1.0 - self.shares[:, 0]

    def share(self, phase: str) -> NDArray[np.float64]:
        """Return the share of the atoms with a label, given by its class name, shape ``(B,)``."""
        return self.shares[:, self._number(phase)]

    def probability(self, phase: str) -> NDArray[np.float64]:
        """Return the mean probability of a class, shape ``(B,)``."""
        if self.probabilities is None:
            raise make_error(
                "BAD_OPTION",
                "the result of this profile has no probabilities",
                field="fields",
                remedy='ask for them: analyse(..., fields=("labels", "probabilities"))',
            )
        return self.probabilities[:, self._number(phase)]

    def _number(self, phase: str) -> int:
        if phase in self.phases:
            return self.phases.index(phase)
        raise make_error(
            "BAD_OPTION",
            f"the profile has no class {phase!r}",
            field="phase",
            value=phase,
            remedy="use one of its `phases`",
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __repr__(self) -> str:
        return f"<Profile step {self.step}: {len(self)} layers along axis {self.axis}, {self.counts.sum()} atoms>"


def profile(result: Result, frame: Frame | Atoms, axis: int = 2, bins: int = 50) -> Profile:
    """Count the phases in layers of equal thickness across a cell vector.

    Parameters
    ----------
    result : Result
        A result with labels; its probabilities, if any, are averaged.
    frame : Frame or ase.Atoms
        The analysed frame, with a cell.
    axis : int
        Number of the cell vector: layers are parallel to the other two.
    bins : int
        Number of layers. They fill the cell; along an axis that is not periodic they cover the range of the atoms.

    Raises
    ------
    InputError
        ``BAD_OPTION``, ``SHAPE_MISMATCH``, ``MISSING_CELL``.
    """
    axis = check_axis(axis)
    if not isinstance(bins, (int, np.integer)) or isinstance(bins, bool) or bins < 1:
        raise make_error(
            "BAD_OPTION",
            "bins must be a whole number of at least 1",
            field="bins",
            value=bins,
            remedy="give the number of layers",
        )
    membership(result, None)  # refuses a result without labels
    assert result.labels is not None
    heights, span = heights_along(place(result, frame), axis)
    edges = np.linspace(*span, int(bins) + 1, dtype=np.float64)
    layer = layers_of(heights, span, int(bins))
    counts = np.bincount(layer, minlength=bins)
    class_count = len(result.phases)
    flat = np.bincount(layer * class_count + result.labels, minlength=bins * class_count)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = flat.reshape(bins, class_count) / counts[:, None]
        probabilities = None
        if result.probabilities is not None:
            sums = [np.bincount(layer, column, minlength=bins) for column in result.probabilities.T]
            probabilities = np.stack(sums, axis=1) / counts[:, None]
    return Profile(axis, edges, counts, shares, probabilities, result.phases, result.step)


def heights_along(placed: Placed, axis: int) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return each atom's distance from a face of the cell, and the range of all distances."""
    height = float(placed.heights()[axis])
    # Wrapped again, since rounding may give wrapped positions the fractional coordinate 1.
    heights = placed.fractional()[:, axis] * height
    if placed.periodic[axis]:
        return heights, (0.0, height)
    return heights, (min(0.0, float(heights.min())), max(height, float(heights.max())))


def layers_of(heights: NDArray[np.float64], span: tuple[float, float], bins: int) -> NDArray[np.int64]:
    """Return the number of each atom's layer; the upper end belongs to the last one."""
    layers = np.floor((heights - span[0]) / (span[1] - span[0]) * bins)
    return np.clip(layers, 0, bins - 1).astype(np.int64)


def crystallinity(result: Result, phase: Phase) -> NDArray[np.float64]:
    """Return the probability of a phase for each atom; without probabilities, 1 or 0 by its label."""
    if result.probabilities is None:
        return membership(result, phase)[0].astype(np.float64)
    if phase is None:
        return 1.0 - result.probabilities[:, 0].astype(np.float64)
    columns = result.probabilities[:, numbers_of(result, phase)]
    shares: NDArray[np.float64] = columns.sum(axis=1, dtype=np.float64)
    return shares
