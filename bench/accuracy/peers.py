"""Polyhedral template matching by OVITO on the same frames."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ovito.data import DataCollection
from ovito.io.ase import ase_to_ovito
from ovito.modifiers import PolyhedralTemplateMatchingModifier

Type = PolyhedralTemplateMatchingModifier.Type

# Template matching is asked for the lattice that remains when the species are ignored: it has no
# templates for B1, and the parent lattice is the easier question for the others.
LATTICE_OF_CLASS = {
    "disordered": Type.OTHER,
    "fcc": Type.FCC,
    "L1_2": Type.FCC,
    "hcp": Type.HCP,
    "bcc": Type.BCC,
    "B2": Type.BCC,
    "sc": Type.SC,
    "B1": Type.SC,
    "diamond": Type.CUBIC_DIAMOND,
    "B3": Type.CUBIC_DIAMOND,
    "hexdiamond": Type.HEX_DIAMOND,
    "B4": Type.HEX_DIAMOND,
}


def template_matching(atoms: Atoms, rmsd_cutoff: float) -> np.ndarray:
    """OVITO's structure type of every atom, all lattices above allowed."""
    matching = PolyhedralTemplateMatchingModifier(rmsd_cutoff=rmsd_cutoff)
    wanted = {int(lattice) for lattice in LATTICE_OF_CLASS.values()}
    for structure in matching.structures:
        structure.enabled = structure.id in wanted
    data: DataCollection = ase_to_ovito(atoms)
    data.apply(matching)
    return np.array(data.particles["Structure Type"])


def right_lattice(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Where template matching finds the lattice of the true class, shape (N,)."""
    return found == np.array([int(LATTICE_OF_CLASS[name]) for name in truth])
