"""Padded neighbour tables for training and evaluation, from the library vesin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vesin import NeighborList


@dataclass(frozen=True)
class NeighbourTable:
    """Dense table of one structure, with lengths in units of a0.

    indices: (N, J) int32; shifts: (N, J, 3) Cartesian image shifts, so that the vector to a neighbour is
    positions[indices] - positions + shifts; mask: (N, J); counts: (N,) before truncation to the J nearest.
    """

    indices: np.ndarray
    shifts: np.ndarray
    mask: np.ndarray
    counts: np.ndarray


def neighbour_table(
    positions: np.ndarray, cell: np.ndarray | None, periodic: bool, cutoff: float, width: int | None
) -> NeighbourTable:
    """The `width` nearest neighbours of every atom within the cutoff (all of them if None)."""
    count = len(positions)
    box = np.eye(3) if cell is None else cell
    first, second, integer_shifts, distances = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=positions, box=box, periodic=periodic, quantities="ijSd"
    )
    order = np.lexsort((second, distances, first))
    first, second, shifts = first[order], second[order], integer_shifts[order] @ box
    counts = np.bincount(first, minlength=count)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.arange(len(first)) - starts[first]
    if width is None:
        width = max(1, int(counts.max(initial=0)))
    keep = rank < width
    indices = np.zeros((count, width), np.int32)
    table_shifts = np.zeros((count, width, 3))
    mask = np.zeros((count, width), bool)
    indices[first[keep], rank[keep]] = second[keep]
    table_shifts[first[keep], rank[keep]] = shifts[keep]
    mask[first[keep], rank[keep]] = True
    return NeighbourTable(indices, table_shifts, mask, counts)
