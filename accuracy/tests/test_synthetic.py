"""Generated structures have the properties that they should have."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from accuracy.metrics import displacements, minimal_images, root_mean_square
from accuracy.synthetic import (
    VACUUM,
    Crystal,
    at_surface,
    droplet,
    gas,
    ideal,
    interstitials,
    noised,
    prototypes,
    slab,
    strained,
    vacancies,
)
from accuracy.systems import Snapshot
from training.catalogue import tier


def crystal(name: str, width: float = 4.5) -> Crystal:
    return ideal(prototypes([name])[0][0], width)


def snapshot(made: Crystal) -> Snapshot:
    return Snapshot("A_bulk", "X", made.name, 0.5, made.atoms, np.full(len(made.atoms), made.name))


def test_supercells_have_unit_density_and_the_requested_width() -> None:
    for name in ("fcc", "hcp", "B2"):
        atoms = crystal(name).atoms
        assert atoms.get_volume() == pytest.approx(len(atoms), rel=1e-9)
        heights = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(atoms.cell)), axis=0)
        assert heights.min() >= 4.5 - 1e-6
    assert len(set(crystal("B2").atoms.get_chemical_symbols())) == 2


def test_names_without_a_structure_are_reported() -> None:
    of_the_large_tier = tier("all")[-1].name
    known, missing = prototypes(["fcc", "no-such-crystal", of_the_large_tier])
    assert [prototype.name for prototype in known] == ["fcc", of_the_large_tier]
    assert missing == ["no-such-crystal"]


def test_noise_has_the_requested_size_and_is_repeatable() -> None:
    first, again, other = (noised(crystal("fcc", 6.0), 0.1, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.atoms.positions, again.atoms.positions)
    assert not np.allclose(first.atoms.positions, other.atoms.positions)
    size = root_mean_square(displacements(first.atoms.positions, first.sites, np.asarray(first.atoms.cell)))
    assert size == pytest.approx(0.1 * np.sqrt(3), rel=0.1)


def test_strong_noise_makes_no_atoms_coincide() -> None:
    made = noised(crystal("fcc", 6.0), 0.5)
    cell = np.asarray(made.atoms.cell)
    vectors = minimal_images(made.atoms.positions[None] - made.atoms.positions[:, None], cell)
    assert (np.linalg.norm(vectors, axis=-1) + np.eye(len(made.sites))).min() >= 0.1


def test_strain_moves_cell_and_sites_together() -> None:
    made = crystal("fcc")
    bent = strained(made, 0.03, seed=1)
    fractions = [c.sites @ np.linalg.inv(np.asarray(c.atoms.cell)) for c in (made, bent)]
    np.testing.assert_allclose(fractions[0], fractions[1], atol=1e-12)
    change = np.linalg.solve(np.asarray(made.atoms.cell), np.asarray(bent.atoms.cell)) - np.eye(3)
    np.testing.assert_allclose(change, change.T, atol=1e-12)
    assert 0.0 < np.abs(change).max() <= 0.03


@pytest.mark.parametrize(("name", "shell"), [("fcc", 12), ("bcc", 8), ("diamond", 4)])
def test_first_shell_of_vacancies(name: str, shell: int) -> None:
    made = crystal(name, 6.0)
    holes = vacancies(noised(made, 0.04).atoms, made.sites, 2 / len(made.atoms), seed=3)
    gone = len(made.atoms) - len(holes.atoms)
    assert gone >= 1
    assert int(holes.first_shell.sum()) == shell * gone


def test_interstitials_leave_no_overlap() -> None:
    made = crystal("fcc", 6.0)
    crowded = interstitials(made.atoms, 1 / len(made.atoms), seed=4)
    assert len(crowded.atoms) == len(made.atoms) + 1
    assert crowded.counted.sum() == len(made.atoms)
    assert 4 <= crowded.first_shell.sum() <= 20
    vectors = minimal_images(
        crowded.atoms.positions[None] - crowded.atoms.positions[:, None], np.asarray(crowded.atoms.cell)
    )
    distances = np.linalg.norm(vectors, axis=-1) + 10 * np.eye(len(crowded.atoms))
    assert distances.min() > 0.8 * 4 ** (1 / 3) / np.sqrt(2)


def test_gas_is_sparse_and_disordered() -> None:
    made = gas(0.1, seed=1, count=60)
    assert made.atoms.get_volume() == pytest.approx(600)
    assert set(made.truth) == {"disordered"}


def test_a_droplet_is_a_ball_in_vacuum() -> None:
    made = droplet(snapshot(crystal("fcc")))
    centre = np.asarray(made.atoms.cell).sum(axis=0) / 2
    radii = np.linalg.norm(made.atoms.positions - centre, axis=1)
    edge = made.atoms.cell.lengths()[0]
    assert edge - 2 * radii.max() >= 2 * VACUUM * 0.99
    assert radii.max() == pytest.approx((3 * len(made.atoms) / (4 * np.pi)) ** (1 / 3), abs=0.5)


def test_surface_atoms_are_those_of_the_outer_layers() -> None:
    made = slab(snapshot(crystal("fcc", 6.0)))
    surface = at_surface(made.atoms, 1.6)
    normal = np.cross(*np.asarray(made.atoms.cell)[:2])
    height = made.atoms.positions @ normal / np.linalg.norm(normal)
    outer = np.minimum(height - height.min(), height.max() - height)
    assert surface[outer < 0.1].all()
    assert not surface[outer > 1.7].any()


def test_an_isolated_atom_lies_at_a_surface() -> None:
    assert at_surface(Atoms("Ar", cell=[50, 50, 50], pbc=True), 1.6).all()
