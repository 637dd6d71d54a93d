"""Labels, checks and files that the simulations make from positions. No engine runs here."""

import csv

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.io import read

from accuracy.simulations import coexistence, defects, shock
from accuracy.simulations import structures as s
from accuracy.simulations.catalogue import RUNS
from accuracy.simulations.checks import check_sites, neighbours, neighbours_kept
from accuracy.simulations.crystals import CRYSTALS
from accuracy.simulations.potentials import POTENTIALS
from accuracy.simulations.records import Record, Run, State, finish, is_done, save

SPACE_GROUPS = {
    "fcc": 225, "hcp": 194, "bcc": 229, "dhcp": 194, "omega": 191, "A15": 223, "diamond": 227, "beta-Sn": 141,
    "graphite": 194, "B1": 225, "B2": 221, "B3": 216, "B4": 186, "L1_2": 221, "L1_0": 123, "D0_3": 225, "D0_19": 194,
    "C1": 225, "C14": 194, "C15": 227, "rutile": 136, "perovskite": 221,
}  # fmt: skip


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda c: f"{c.name}-{c.phase}")
def test_start_structures(crystal):
    unit = crystal.unit
    found = spglib.get_symmetry_dataset((np.asarray(unit.cell), unit.get_scaled_positions(), unit.numbers))
    assert found.number == SPACE_GROUPS[crystal.phase]
    assert np.allclose(unit.cell, np.diag(unit.cell.lengths()))
    assert set(unit.get_chemical_symbols()) <= set(POTENTIALS[crystal.potential].elements)
    start, repeats = s.supercell(unit, crystal.atoms, crystal.least_edge)
    assert len(start) == len(unit) * np.prod(repeats)
    assert start.cell.lengths().min() >= crystal.least_edge


def test_names_of_runs_are_unique():
    names = [run.name for run in RUNS]
    assert len(set(names)) == len(names)


def _shaken(unit, repeats, noise, edges=None, seed=1):
    atoms = unit.repeat(repeats)
    edges = atoms.cell.lengths() if edges is None else edges
    rng = np.random.default_rng(seed)
    mean = atoms.get_scaled_positions(wrap=False) * edges + rng.normal(0, noise, (len(atoms), 3)) + (1.0, -2.0, 0.5)
    return mean, edges


def test_a_vibrating_crystal_is_kept():
    unit = s.l1_0("Cu", "Au", 3.96, 3.67)
    mean, edges = _shaken(unit, (5, 5, 5), 0.05)
    sites = check_sites(unit, (5, 5, 5), mean, edges)
    assert sites.kept
    assert (sites.space_group, sites.expected) == (123, 123)
    assert abs(sites.spread - 0.05 * np.sqrt(3)) < 0.01


def test_a_cell_that_changed_its_lattice_is_rejected():
    unit = s.l1_0("Cu", "Au", 3.96, 3.67)
    bain = 5 * np.array([4.24, 4.24, 4.24 / np.sqrt(2)])
    mean, edges = _shaken(unit, (5, 5, 5), 0.05, bain)
    sites = check_sites(unit, (5, 5, 5), mean, edges)
    assert sites.space_group == 221
    assert not sites.kept


def test_atoms_that_left_their_sites_are_rejected():
    unit = s.fcc("Cu", 3.6)
    mean, edges = _shaken(unit, (5, 5, 5), 0.02)
    mean[:10] += (1.2, 0.0, 0.0)
    sites = check_sites(unit, (5, 5, 5), mean, edges)
    assert abs(sites.off_site - 0.02) < 1e-9
    assert not sites.kept


def test_strain_lowers_the_symmetry_that_is_expected():
    unit = s.cubic_along("110", "fcc", "Cu", 3.6)
    repeats = (4, 6, 6)
    edges = unit.cell.lengths() * repeats * (1, 1, 0.85)
    mean, _ = _shaken(unit, repeats, 0.02, edges)
    assert check_sites(unit, repeats, mean, edges, strained=True).kept
    assert not check_sites(unit, repeats, mean, edges).kept


def test_neighbours_kept():
    atoms = s.fcc("Cu", 3.6).repeat(4)
    edges = atoms.cell.lengths()
    before = neighbours(atoms.positions, edges, 12)
    moved = atoms.positions.copy()
    moved[[0, 100]] = moved[[100, 0]]
    kept = neighbours_kept(before, neighbours(moved, edges, 12))
    assert kept[0] == 0
    assert (kept == 12).sum() == len(atoms) - 2 - 24
    assert sorted(set(kept)) == [0, 11, 12]


@pytest.mark.parametrize(("lattice", "shell", "coordination"), [("fcc", 1.2, 12), ("bcc", 1.1, 8)])
def test_first_shell_of_vacancies(lattice, shell, coordination):
    perfect = getattr(s, lattice)("Fe", 3.0).repeat(6)
    rng = np.random.default_rng(2)
    start = defects._spoil(perfect, "vacancy", 4, rng)
    edges = perfect.cell.lengths() * 1.02
    mean = start.get_scaled_positions() * edges + rng.normal(0, 0.05, (len(start), 3)) + (0.9, 0.4, -0.3)
    label, empty, double = defects.label_defects(perfect, mean, edges, shell)
    assert (empty, double) == (4, 0)
    assert np.bincount(label, minlength=3).tolist() == [len(start) - 4 * coordination, 4 * coordination, 0]


def test_interstitials_share_a_site():
    perfect = s.fcc("Cu", 3.6).repeat(5)
    rng = np.random.default_rng(3)
    start = defects._spoil(perfect, "interstitial", 2, rng)
    assert len(start) == len(perfect) + 2
    label, empty, double = defects.label_defects(perfect, start.positions, perfect.cell.lengths(), 1.2)
    assert (empty, double) == (0, 2)
    assert np.bincount(label, minlength=3).tolist() == [len(perfect) - 2 - 24, 24, 4]


def test_no_room_for_defects():
    with pytest.raises(ValueError, match="no room for 50 defects"):
        defects._spoil(s.fcc("Cu", 3.6).repeat(3), "vacancy", 50, np.random.default_rng(1))


def _shocked(ideal, front, compression, speed):
    """A bar compressed by a share below the front, as by a piston from below."""
    height = ideal.positions[:, 2]
    squeezed = np.where(height < front, front - (front - height) * (1 - compression), height)
    velocity = np.zeros_like(ideal.positions)
    velocity[height < front, 2] = speed
    return np.column_stack([ideal.positions[:, :2], squeezed]), velocity


def test_front_and_labels_of_a_shock(monkeypatch):
    monkeypatch.setattr(shock, "template_matching", lambda atoms, cutoff: np.full(len(atoms), 2))
    ideal = shock._bar("0001")
    length = ideal.positions[:, 2].max()
    piston = ideal.positions[:, 2] < 8.0
    heights = np.linspace(0.3, 0.7, 81) * length
    films = [_shocked(ideal, height, 0.2, 14.0) for height in heights]
    fronts = np.array([shock._front(x[:, 2], v[:, 2], piston, 14.0) for x, v in films])
    assert np.abs(fronts - heights).max() < 4.0
    positions = np.array([x for x, _ in films])
    # Scramble a patch well behind the front.
    patch = np.flatnonzero((ideal.positions[:, 2] > 0.15 * length) & (ideal.positions[:, 2] < 0.2 * length))
    positions[:, patch] += np.random.default_rng(4).normal(0, 1.5, (len(patch), 3))
    movie = shock.Movie(positions, heights, piston, ideal.cell.lengths(), positions[:, :, 2].min())
    atoms, text = shock._frame(ideal, movie, 0.5)
    label = atoms.arrays["label"]
    front = float(atoms.info["front_z"])
    height = atoms.positions[:, 2]
    assert set(label) == {1, 2, 3, 4, 5}
    assert (height[label == shock.AHEAD] > front).all()
    assert (height[label == shock.BEHIND] < front).all()
    assert np.abs(height[label == shock.FRONT] - front).max() <= shock.FRONT_HALF_WIDTH + 1e-6
    assert (label[piston] == shock.ENDS).all()
    assert (label[patch] == shock.CHANGED).mean() > 0.8
    assert abs(float(atoms.info["compression"].split()[0]) - 20.0) < 2.0
    assert "hcp:1.000" in text


@pytest.mark.parametrize("centre", [10.0, 48.0, 95.0])
def test_interfaces_of_a_coexistence_bar(centre):
    heights = np.random.default_rng(5).uniform(0, 100, 4000)
    away = np.abs((heights - centre + 50) % 100 - 50)
    planes, found = coexistence._planes(heights, away < 22.0, 100.0)
    assert abs(planes[1] - planes[0] - 44.0) < 4.0
    assert abs((found - centre + 50) % 100 - 50) < 3.0


def test_files_and_manifest(tmp_path):
    atoms = Atoms("Cu2", [[0, 0, 0], [1.8, 1.8, 0]], cell=[3.6, 3.6, 3.6], pbc=True)
    atoms.set_array("label", np.array([0, 1]))
    state = State("Cu", "fcc", 600.0, "none", 1200.0, "test", 12.34)
    good = Record("good", "A_bulk", state, [atoms, atoms], "fine", True, {"label_legend": "0 bulk; 1 odd"})
    bad = Record("bad", "A_bulk", state, [atoms], "melted", False)
    run = Run("both", lambda seed: iter(()))
    assert not is_done(tmp_path, run)
    finish(tmp_path, run, [save(tmp_path, record) for record in (good, bad)], 1.0)
    assert is_done(tmp_path, run)
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["phase"], row["ok"], row["frames"]) for row in rows] == [
        ("A_bulk", "fcc", "1", "2"),
        ("A_unstable", "not fcc", "0", "1"),
    ]
    frames = read(tmp_path / rows[0]["file"], index=":")
    assert len(frames) == 2
    save(tmp_path, Record("good", "A_bulk", state, [atoms], "melted after all", False))
    assert not (tmp_path / "A_bulk" / "good.extxyz.gz").exists()
    assert (tmp_path / "A_unstable" / "good.extxyz.gz").exists()
    assert frames[1].info["snapshot"] == 2
    assert frames[0].info["label_legend"] == "0 bulk; 1 odd"
    assert frames[0].info["T_over_Tm"] == 0.5
    assert frames[0].arrays["label"].tolist() == [0, 1]
