"""Prototypes and stackings are the crystals that they are named after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from training.neighbours import neighbour_table
from training.prototypes import BUILT_IN, built_in, from_file
from training.stacking import FAMILIES, random_sequence, stacking

# Neighbours in the first shell of each structure, same species and other species.
FIRST_SHELL = {
    "fcc": (12, 0),
    "hcp": (12, 0),
    "bcc": (8, 0),
    "sc": (6, 0),
    "diamond": (4, 0),
    "hexdiamond": (4, 0),
    "B1": (0, 6),
    "B2": (0, 8),
    "B3": (0, 4),
    "B4": (0, 4),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_one_atom_per_unit_volume_and_the_right_first_shell(name: str) -> None:
    prototype = built_in([name])[0]
    volume = abs(np.linalg.det(prototype.cell))
    assert volume == pytest.approx(len(prototype.positions), rel=1e-12)
    if name not in FIRST_SHELL:
        return
    table = neighbour_table(prototype.positions, prototype.cell, True, 1.6, None)
    vectors = prototype.positions[table.indices] - prototype.positions[:, None] + table.shifts
    distances = np.where(table.mask, np.linalg.norm(vectors, axis=-1), np.inf)
    near = distances < 1.05 * distances.min()
    other = prototype.species[table.indices] != prototype.species[:, None]
    for atom in range(len(prototype.positions)):
        assert (int((near & ~other)[atom].sum()), int((near & other)[atom].sum())) == FIRST_SHELL[name]


def test_l12_has_both_of_its_sites() -> None:
    prototype = built_in(["L1_2"])[0]
    table = neighbour_table(prototype.positions, prototype.cell, True, 1.3, None)
    other = (prototype.species[table.indices] != prototype.species[:, None]) & table.mask
    counts = sorted(zip(table.mask.sum(axis=1).tolist(), other.sum(axis=1).tolist(), strict=True))
    assert counts == [(12, 4), (12, 4), (12, 4), (12, 12)]


def test_a_users_file_becomes_a_class(tmp_path: Path) -> None:
    path = tmp_path / "my-phase.cif"
    write(path, bulk("CsCl", "cesiumchloride", a=4.1, cubic=True) * (2, 1, 1))
    prototype = from_file(path)
    assert (prototype.name, prototype.space_group, len(prototype.positions)) == ("my-phase", 221, 2)


def test_a_cluster_is_refused_as_a_prototype(tmp_path: Path) -> None:
    path = tmp_path / "cluster.xyz"
    path.write_text("2\n\nCu 0 0 0\nCu 0 0 2.5\n")
    with pytest.raises(ValueError, match="periodic in all directions"):
        from_file(path)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.cubic)
def test_pure_sequences_have_the_shells_of_their_class(family) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cell, positions, species, character = stacking(rng, family, 6, (3, 3))
        hexagonal = character.hexagonal
        if hexagonal.all() or not hexagonal.any():
            name = family.hexagonal if hexagonal.all() else family.cubic
            ideal = built_in([name])[0]
            expected = np.sort(distances_of(ideal.positions, ideal.cell))
            found = np.sort(distances_of(positions, cell))
            assert found == pytest.approx(expected, abs=1e-6)
            assert abs(np.linalg.det(cell)) == pytest.approx(len(positions))
            assert len(np.unique(species)) == (2 if family.compound else 1)


def distances_of(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Distances from atom 0 to its neighbours within 2.2."""
    table = neighbour_table(positions, cell, True, 2.2, None)
    vectors = positions[table.indices[0]] - positions[0] + table.shifts[0]
    return np.linalg.norm(vectors, axis=-1)[table.mask[0]]


def test_sequences_close_periodically() -> None:
    for seed in range(50):
        sites = random_sequence(np.random.default_rng(seed), 7)
        assert (sites != np.roll(sites, 1)).all()
