"""Ideal sites are recovered from noisy supercells, and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from accuracy.metrics import displacements, minimal_images, root_mean_square
from accuracy.sites import ideal_sites


def orthorhombic_hcp() -> Atoms:
    return make_supercell(bulk("Mg", "hcp", a=3.2, c=5.2), [[1, 0, 0], [1, 2, 0], [0, 0, 1]])


CRYSTALS = {
    "fcc": (bulk("Cu", "fcc", a=3.6, cubic=True), (4, 4, 4)),
    "fcc, primitive": (bulk("Cu", "fcc", a=3.6), (6, 6, 6)),
    "bcc": (bulk("Fe", "bcc", a=2.9, cubic=True), (5, 5, 6)),
    "hcp": (orthorhombic_hcp(), (5, 3, 4)),
    "rocksalt": (bulk("NaCl", "rocksalt", a=5.6, cubic=True), (3, 3, 3)),
    "diamond": (bulk("Si", "diamond", a=5.4, cubic=True), (3, 3, 4)),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_sites_of_a_noisy_crystal(name: str) -> None:
    unit, repeats = CRYSTALS[name]
    perfect = unit.repeat(repeats)
    random = np.random.default_rng(5)
    scale = (perfect.get_volume() / len(perfect)) ** (1 / 3)
    noise = random.normal(size=(len(perfect), 3)) * 0.07 * scale
    atoms = perfect.copy()
    atoms.positions += noise + np.array([0.4, 1.3, -0.6])
    atoms.wrap()
    atoms = atoms[random.permutation(len(atoms))]
    sites = ideal_sites(atoms)
    assert sites is not None
    assert sites.repeats == repeats
    found = root_mean_square(displacements(atoms.positions, sites.positions, np.asarray(atoms.cell)))
    # The mean position of a site over the repeat units follows its atoms a little.
    assert found == pytest.approx(root_mean_square(noise - noise.mean(axis=0)), rel=0.06)
    # Each site is the mean of its atoms in all repeat units.
    unit_cell = np.asarray(atoms.cell) / np.array(repeats)[:, None]
    first = minimal_images(sites.positions[:, None] - sites.positions[: len(unit)][None], unit_cell)
    moved = minimal_images(atoms.positions - sites.positions, np.asarray(atoms.cell))
    for own in np.linalg.norm(first, axis=-1).T < 1e-6:
        assert own.sum() == np.prod(repeats)
        np.testing.assert_allclose(moved[own].mean(axis=0), 0.0, atol=1e-9)


def test_random_points_have_no_sites() -> None:
    points = np.random.default_rng(6).random((216, 3)) * 12
    assert ideal_sites(Atoms("Ar216", positions=points, cell=[12, 12, 12], pbc=True)) is None


def test_open_boundaries_have_no_sites() -> None:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(3)
    atoms.pbc = (True, True, False)
    assert ideal_sites(atoms) is None
