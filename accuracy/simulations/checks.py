"""Whether a run kept its structure: comparisons of time-averaged positions with the ideal crystal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from scipy.spatial import cKDTree

# A mean position farther than this share of the nearest distance from its mean site counts as off its site.
OFF_SITE = 0.25
# Short names of the lattices that template matching may find, by OVITO's names.
LATTICES = {
    "OTHER": "other",
    "FCC": "fcc",
    "HCP": "hcp",
    "BCC": "bcc",
    "SC": "sc",
    "CUBIC_DIAMOND": "dcub",
    "HEX_DIAMOND": "dhex",
}
OTHER = 0


@dataclass(frozen=True)
class SiteCheck:
    """How the time-averaged crystal relates to the ideal one. Lengths are in Angstrom.

    `space_group` is that of the mean unit cell, `expected` that of the ideal one. `moved` is the largest distance of a
    site in the mean unit cell from its ideal site. `spread` is the rms distance of an atom's mean position from its
    mean site. `off_site` is the share of atoms farther from it than `OFF_SITE` times `nearest`, the nearest distance.
    """

    space_group: int
    expected: int
    moved: float
    spread: float
    off_site: float
    nearest: float

    @property
    def kept(self) -> bool:
        """Whether it is still the same crystal."""
        return self.space_group == self.expected and self.off_site < 0.01 and self.moved < OFF_SITE * self.nearest

    def __str__(self) -> str:
        return (
            f"mean unit cell: space group {self.space_group} ({self.expected} expected), sites within "
            f"{self.moved:.2f} A of the ideal ones; mean positions {self.spread:.2f} A rms off their sites, "
            f"{100 * self.off_site:.1f} % beyond {OFF_SITE} of the nearest distance {self.nearest:.2f} A"
        )


def check_sites(
    unit: Atoms, repeats: tuple[int, int, int], mean: np.ndarray, edges: np.ndarray, strained: bool = False
) -> SiteCheck:
    """Fold the mean positions (N, 3) of `unit.repeat(repeats)`, now with box `edges`, into one unit cell.

    With `strained`, the ideal crystal is the unit cell strained to those edges, so its symmetry may be lower.
    """
    cell = edges / repeats
    ideal = unit.get_scaled_positions(wrap=False)
    # ase's repeat orders atoms cell by cell, and the last axis runs fastest.
    corners = np.stack(np.meshgrid(*(np.arange(n) for n in repeats), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    offsets = mean.reshape(-1, len(unit), 3) - (corners + ideal) * cell
    offsets -= offsets.mean(axis=(0, 1))
    sites = offsets.mean(axis=0)
    numbers = unit.get_atomic_numbers()
    tolerance = 0.06 * (np.prod(cell) / len(unit)) ** (1 / 3)
    folded = (np.diag(cell), ideal + sites / cell, numbers)
    found = spglib.get_symmetry_dataset(folded, symprec=tolerance)
    reference = (np.diag(cell) if strained else np.asarray(unit.cell), ideal, numbers)
    expected = spglib.get_symmetry_dataset(reference, symprec=tolerance if strained else 1e-3)
    nearest = nearest_distance(mean, edges)
    apart = np.linalg.norm(offsets - sites, axis=2)
    return SiteCheck(
        found.number if found else 0,
        expected.number,
        float(np.linalg.norm(sites, axis=1).max()),
        float(np.sqrt((apart**2).mean())),
        float((apart > OFF_SITE * nearest).mean()),
        nearest,
    )


def nearest_distance(positions: np.ndarray, edges: np.ndarray) -> float:
    """Median distance of an atom to its nearest neighbour in a periodic box."""
    tree = cKDTree(positions % edges, boxsize=edges)
    return float(np.median(tree.query(positions % edges, k=2)[0][:, 1]))


def neighbours(positions: np.ndarray, edges: np.ndarray, count: int, periodic: tuple[bool, ...] = (True,) * 3):
    """Indices of the nearest `count` atoms of every atom, (N, count). Edges must exceed twice their distance."""
    # For the tree, a box size of zero means an open axis.
    period = np.where(periodic, edges, 0.0)
    wrapped = np.where(periodic, positions % edges, positions)
    return cKDTree(wrapped, boxsize=period).query(wrapped, k=count + 1)[1][:, 1:]


def neighbours_kept(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Number of neighbours of each atom in one list (N, k) that are also in the other list."""
    return (before[:, :, None] == after[:, None, :]).any(axis=2).sum(axis=1)


def template_matching(atoms: Atoms, cutoff: float) -> np.ndarray:
    """Lattice of every atom by OVITO's polyhedral template matching, as an index into `LATTICES`, shape (N,)."""
    from ovito.io.ase import ase_to_ovito
    from ovito.modifiers import PolyhedralTemplateMatchingModifier as Matching

    kinds = [int(getattr(Matching.Type, name)) for name in LATTICES]
    matching = Matching(rmsd_cutoff=cutoff)
    for structure in matching.structures:
        structure.enabled = structure.id in kinds
    data = ase_to_ovito(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc))
    data.apply(matching)
    index = np.zeros(max(kinds) + 1, dtype=int)
    index[kinds] = np.arange(len(kinds))
    return index[np.array(data.particles["Structure Type"])]


def shares(atoms: Atoms, cutoff: float) -> str:
    """The result of template matching as text."""
    names = list(LATTICES.values())
    found = Counter(template_matching(atoms, cutoff).tolist())
    return " ".join(f"{names[kind]}:{count / len(atoms):.3f}" for kind, count in found.most_common(3))


def crystalline_share(atoms: Atoms, cutoff: float = 0.10) -> float:
    """Share of atoms that template matching assigns to any crystal."""
    return float((template_matching(atoms, cutoff) != OTHER).mean())


def density(atoms: Atoms) -> float:
    """Mass density in g/cm^3."""
    return float(atoms.get_masses().sum() / atoms.get_volume() * 1.66053907)
