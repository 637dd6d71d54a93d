"""Clusters: connected atoms of one phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame
from phasewire._frame.result import Result
from phasewire.diagnostics._atoms import Phase, Placed, check_positive, membership, missing, place

if TYPE_CHECKING:
    from ase import Atoms

CUTOFF = 1.35
"""Distance of neighbours in units of a0: between the first and the second shell of close packings (1.12 and 1.59),
beyond the second of bcc (1.26), within the second of sc and diamond (1.41)."""


@dataclass(frozen=True, eq=False, repr=False)
class Clusters:
    """Connected atoms of one phase, or of several phases counted as one.

    Attributes
    ----------
    numbers : int64 array, shape (N,)
        Number of each atom's cluster, 0 for the largest; -1 for atoms of other phases.
    sizes : int64 array, shape (K,)
        Numbers of atoms of the clusters, descending; among equal sizes the cluster with the lowest atom comes first.
    phases : tuple of str
        Classes that count as one phase.
    cutoff : float
        Distance up to which atoms are neighbours, in the simulation's unit.
    step : int
    """

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    phases: tuple[str, ...]
    cutoff: float
    step: int = 0

    @property
    def largest(self) -> NDArray[np.intp]:
        """Indices of the atoms of the largest cluster, ascending; empty if the phase does not occur."""
        return self.atoms(0)

    @property
    def largest_size(self) -> int:
        """Number of atoms of the largest cluster, 0 if the phase does not occur."""
        return int(self.sizes[0]) if len(self.sizes) else 0

    def atoms(self, number: int) -> NDArray[np.intp]:
        """Return the indices of the atoms of a cluster, ascending."""
        return np.flatnonzero(self.numbers == number)

    def __len__(self) -> int:
        return len(self.sizes)

    def __repr__(self) -> str:
        name = " + ".join(self.phases) if len(self.phases) <= 4 else "crystalline"
        return f"<Clusters step {self.step}: {len(self)} of {name}, largest {self.largest_size} atoms>"


def clusters(result: Result, frame: Frame | Atoms, phase: Phase = None, *, cutoff: float = CUTOFF) -> Clusters:
    """Find the clusters of a phase: atoms with its label, connected through neighbours with its label.

    Parameters
    ----------
    result : Result
        A result with labels.
    frame : Frame or ase.Atoms
        The analysed frame.
    phase : str or sequence of str, optional
        Class names or aliases; several count as one phase, such as the stackings ``["fcc", "hcp"]``. Default: every
        class except ``disordered``.
    cutoff : float
        Distance up to which atoms are neighbours, in units of the result's a0.

    Returns
    -------
    Clusters

    Raises
    ------
    InputError
        ``BAD_OPTION``, ``SHAPE_MISMATCH``.
    ImportError
        Without scipy.
    """
    reach = check_positive(cutoff, "cutoff", "in units of a0, usually 1.35") * result.length_scale
    placed = place(result, frame, cell_needed=False)
    mask, names = membership(result, phase)
    members = np.flatnonzero(mask)
    numbers = np.full(len(mask), -1, dtype=np.int64)
    part = Placed(placed.positions[members], placed.cell, placed.periodic)
    numbers[members], sizes = _components(part, reach)
    return Clusters(numbers, sizes, names, reach, result.step)


def largest_cluster(
    result: Result, frame: Frame | Atoms, phase: Phase = None, *, cutoff: float = CUTOFF
) -> NDArray[np.intp]:
    """Return the indices of the atoms of the largest cluster of a phase, ascending.

    Parameters and errors are those of `clusters`.
    """
    return clusters(result, frame, phase, cutoff=cutoff).largest


def _components(placed: Placed, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of each atom's connected component, 0 for the largest, and the numbers of atoms."""
    try:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial import cKDTree
    except ModuleNotFoundError as error:
        raise missing("scipy", error) from error
    count = len(placed.positions)
    if count == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    positions, owners = placed.with_images(reach)
    # Pairs of two images count as well: each is an image of an existing pair.
    first, second = owners[cKDTree(positions).query_pairs(reach, output_type="ndarray")].T
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    _, found = connected_components(graph, directed=False)
    _, lowest, inverse, sizes = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((lowest, -sizes))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse], sizes[order].astype(np.int64)
