"""Clusters, profiles, grids and interfaces, on constructed frames and a shipped one."""

from __future__ import annotations

import io
from dataclasses import replace

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.io.cube import read_cube

import phasewire
import phasewire.ase
from phasewire import diagnostics
from phasewire._frame.frame import make_frame

PHASES = ("disordered", "fcc", "hcp")
TRICLINIC = np.array([[9.0, 0.0, 0.0], [3.5, 8.0, 0.0], [-2.0, 1.5, 7.0]])


def result_of(labels, *, length_scale=1.0, probabilities=None, step=0, selection=None):
    labels = np.asarray(labels, dtype=np.uint16)
    counts = np.bincount(labels, minlength=len(PHASES))
    return phasewire.Result(
        phases=PHASES,
        aliases={"ccp": "fcc"},
        fractions=dict(zip(PHASES, counts / len(labels), strict=True)),
        log_density=0.0,
        mean_log_density=0.0,
        mean_margin=0.0,
        length_scale=length_scale,
        atom_count=len(labels),
        labels=labels,
        probabilities=probabilities,
        step=step,
        selection=selection,
    )


def brute_force(positions, cell, periodic, members, reach):
    """Sets of atoms, from a flood fill over all pairs and images."""
    reaches = [range(-3, 4) if flag else [0] for flag in periodic]
    images = np.array([(a, b, c) for a in reaches[0] for b in reaches[1] for c in reaches[2]]) @ cell
    left, found = set(np.flatnonzero(members).tolist()), []
    while left:
        queue = [left.pop()]
        cluster = set(queue)
        while queue:
            atom = queue.pop()
            near = {
                other
                for other in left
                if np.linalg.norm(positions[other] + images - positions[atom], axis=1).min() < reach
            }
            left -= near
            cluster |= near
            queue += near
        found.append(cluster)
    return found


def as_sets(found):
    return sorted(sorted(found.atoms(number).tolist()) for number in range(len(found)))


@pytest.fixture(scope="module")
def growing(repository):
    return ase.io.read(repository / "examples" / "frames" / "copper-growing.extxyz.gz")


@pytest.fixture(scope="module")
def labelled(growing, local):
    return phasewire.ase.analyse(growing, local, classes=["fcc", "hcp"], fields=("labels", "probabilities"))


# -- clusters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", [(True, True, True), (True, False, True), (False, False, False)])
@pytest.mark.parametrize("cell", [np.diag([9.0, 8.0, 7.0]), TRICLINIC, np.diag([1.1, 20.0, 20.0])])
def test_clusters_are_those_of_brute_force(cell, periodic):
    generator = np.random.default_rng(5)
    several = 0
    for _ in range(6):
        # Some atoms lie outside the cell.
        positions = generator.uniform(-0.3, 1.3, (90, 3)) @ cell
        labels = generator.integers(0, 3, 90)
        found = diagnostics.clusters(result_of(labels), make_frame(positions, cell, periodic), "fcc")
        expected = brute_force(positions, cell, periodic, labels == 1, 1.35)
        assert as_sets(found) == sorted(sorted(cluster) for cluster in expected)
        assert found.sizes.tolist() == sorted(map(len, expected), reverse=True)
        assert (found.numbers >= 0).tolist() == (labels == 1).tolist()
        several += len(expected) > 1
    assert several >= 4


def test_clusters_do_not_depend_on_the_view(growing, labelled):
    expected = diagnostics.clusters(labelled, growing)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(growing))
    moved = growing.copy()
    moved.positions += [1.7, -30.0, 11.0]
    rotated = growing.copy()
    rotated.rotate(37, (1, 2, 3), rotate_cell=True)
    for atoms in (moved, rotated):
        np.testing.assert_array_equal(diagnostics.clusters(labelled, atoms).numbers, expected.numbers)
    shuffled = replace(labelled, labels=labelled.labels[order])
    again = diagnostics.clusters(shuffled, growing[order])
    np.testing.assert_array_equal(again.sizes, expected.sizes)
    np.testing.assert_array_equal(np.sort(order[again.largest]), expected.largest)


def test_the_growing_crystal_is_one_cluster(growing, labelled):
    found = diagnostics.clusters(labelled, growing)
    assert found.largest_size > 0.98 * labelled.crystalline * len(growing)
    fcc = diagnostics.clusters(labelled, growing, "A1")
    assert fcc.phases == ("fcc",)
    assert fcc.sizes.sum() == np.count_nonzero(labelled.where("fcc"))
    np.testing.assert_array_equal(diagnostics.largest_cluster(labelled, growing, "fcc"), fcc.largest)
    # The melt crosses the boundary, and is one cluster.
    melt = diagnostics.clusters(labelled, growing, "disordered")
    assert melt.largest_size > 0.98 * (1 - labelled.crystalline) * len(growing)
    assert len(diagnostics.clusters(labelled, growing, "disordered", cutoff=0.5).sizes) > 1000


def test_two_crystals_of_different_phases():
    line = np.zeros((7, 3))
    line[:, 0] = [0, 1, 2, 3, 6, 7, 8]
    result = result_of([1, 1, 2, 1, 2, 2, 0])
    frame = make_frame(line)
    one = diagnostics.clusters(result, frame)
    assert one.sizes.tolist() == [4, 2]
    assert one.numbers.tolist() == [0, 0, 0, 0, 1, 1, -1]
    assert diagnostics.clusters(result, frame, ["fcc", "hcp"]).sizes.tolist() == [4, 2]
    assert diagnostics.clusters(result, frame, "fcc").numbers.tolist() == [0, 0, -1, 1, -1, -1, -1]
    assert diagnostics.clusters(result, frame, "hcp").largest.tolist() == [4, 5]
    assert repr(one) == "<Clusters step 0: 2 of fcc + hcp, largest 4 atoms>"
    # The image of the first is at 9.
    whole = result_of([1, 1, 2, 1, 2, 2, 1])
    assert diagnostics.clusters(whole, make_frame(line, [9.0] * 3, True)).sizes.tolist() == [7]
    assert diagnostics.clusters(whole, make_frame(line, [9.0] * 3, False)).sizes.tolist() == [4, 3]


def test_a_phase_that_does_not_occur():
    found = diagnostics.clusters(result_of([0, 0, 1]), make_frame(np.eye(3)), "hcp")
    assert (len(found), found.largest_size, found.largest.tolist()) == (0, 0, [])
    assert found.numbers.tolist() == [-1, -1, -1]


# -- profiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_profile_of_a_slab_in_a_triclinic_cell(axis):
    generator = np.random.default_rng(1)
    fractions = generator.uniform(-1, 2, (20000, 3))
    inside = fractions[:, axis] % 1
    labels = np.where((inside > 0.2) & (inside < 0.7), 1, 0)
    probabilities = np.eye(3, dtype=np.float32)[labels] * 0.8 + 0.2 / 3
    frame = make_frame(fractions @ TRICLINIC + 5.0, TRICLINIC, origin=[5.0, 5.0, 5.0])
    found = diagnostics.profile(result_of(labels, probabilities=probabilities), frame, axis, 10)
    expected = [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(found.share("fcc"), expected)
    np.testing.assert_allclose(found.crystalline, expected)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    np.testing.assert_allclose(found.probability("fcc"), np.where(expected, 0.8, 0) + 0.2 / 3, rtol=1e-6)
    assert found.counts.sum() == 20000
    height = abs(np.linalg.det(TRICLINIC)) / np.linalg.norm(
        np.cross(TRICLINIC[(axis + 1) % 3], TRICLINIC[(axis + 2) % 3])
    )
    np.testing.assert_allclose(found.edges, np.linspace(0, height, 11))


def test_no_atom_is_lost_beyond_an_open_face():
    positions = np.array([[0.5, 0.5, -2.0], [0.5, 0.5, 0.5], [0.5, 0.5, 7.0]])
    frame = make_frame(positions, [1.0, 1.0, 4.0], (True, True, False))
    found = diagnostics.profile(result_of([1, 0, 2]), frame, 2, 9)
    np.testing.assert_allclose(found.edges[[0, -1]], [-2, 7])
    assert found.counts.tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert np.isnan(found.shares[1]).all()


def test_a_profile_without_probabilities_says_so():
    found = diagnostics.profile(result_of([1]), make_frame(np.zeros((1, 3)), [1.0] * 3), 0, 1)
    assert found.probabilities is None
    with pytest.raises(phasewire.InputError, match="probabilities"):
        found.probability("fcc")
    with pytest.raises(phasewire.InputError, match="no class 'bcc'"):
        found.share("bcc")


# -- interfaces -------------------------------------------------------------------------------------------------------


def coexistence(planes, width, count=6000, *, high=0.95, low=0.02, length=60.0, seed=3):
    """Atoms whose labels are drawn from a slab of crystal between two planes."""
    generator = np.random.default_rng(seed)
    z = generator.uniform(0, length, count)
    inside = np.zeros(count)
    for image in (-length, 0, length):
        inside += (np.tanh((z - planes[0] - image) / width) - np.tanh((z - planes[1] - image) / width)) / 2
    share = low + (high - low) * inside
    positions = np.stack([generator.uniform(0, 10, count), generator.uniform(0, 10, count), z], axis=1)
    return result_of(generator.random(count) < share), make_frame(positions, [10.0, 10.0, length])


@pytest.mark.parametrize("planes", [(15.0, 42.0), (45.0, 75.0), (60.4, 89.0)])
@pytest.mark.parametrize("width", [0.8, 3.0])
def test_interfaces_are_where_they_were_put(planes, width):
    deviations = []
    for seed in range(5):
        result, frame = coexistence(planes, width, seed=seed)
        found = diagnostics.interface_positions(result, frame, 2)
        assert len(found) == 2, found.reason
        expected = np.array([planes[0] % 60, planes[1] % 60])
        order = np.argsort(expected)
        assert found.rising.tolist() == np.array([True, False])[order].tolist()
        deviations += ((found.positions - expected[order]) / found.errors).tolist()
        assert abs(found.width / width - 1) < 0.35
        assert abs(found.high - 0.95) < 0.03
        assert abs(found.low - 0.02) < 0.03
    # Errors are realistic: ten deviations of about one standard error.
    assert 0.3 < np.sqrt(np.mean(np.square(deviations))) < 2.2


def test_one_interface_between_open_ends():
    generator = np.random.default_rng(2)
    positions = generator.uniform(0, 1, (4000, 3)) * [10, 10, 40] + [0, 0, 100]
    labels = positions[:, 2] > 125
    frame = make_frame(positions, [10.0, 10.0, 40.0], (True, True, False), origin=[0.0, 0.0, 100.0])
    found = diagnostics.interface_positions(result_of(labels), frame, 2)
    assert found.rising.tolist() == [True]
    np.testing.assert_allclose(found.positions, [25], atol=0.1)
    assert found.low < 0.02
    assert found.high > 0.98
    turned = diagnostics.interface_positions(result_of(~labels), frame, 2)
    assert turned.rising.tolist() == [False]
    np.testing.assert_allclose(turned.positions, [25], atol=0.1)


def test_interfaces_of_the_growing_crystal(growing, labelled):
    found = diagnostics.interface_positions(labelled, growing, 2)
    assert found.rising.tolist() == [True, False]
    layers = diagnostics.profile(labelled, growing, 2, 200)
    inside = (layers.positions > found.positions[0]) & (layers.positions < found.positions[1])
    assert layers.counts[inside].sum() == pytest.approx(labelled.crystalline * len(growing), rel=0.03)
    shifted = growing.copy()
    shifted.positions[:, 2] += 15
    moved = diagnostics.interface_positions(labelled, shifted, 2)
    length = growing.cell[2, 2]
    expected = np.sort((found.positions + 15) % length)
    np.testing.assert_allclose(moved.positions, expected, atol=0.05)
    doubled = growing * (1, 1, 2)
    twice = replace(
        labelled,
        labels=np.tile(labelled.labels, 2),
        probabilities=np.tile(labelled.probabilities, (2, 1)),
        atom_count=8000,
    )
    four = diagnostics.interface_positions(twice, doubled, 2)
    np.testing.assert_allclose(four.positions, [*found.positions, *(found.positions + length)], atol=0.05)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("crystal", "varies only from 1.00 to 1.00"),
        ("melt", "varies only from 0.00 to 0.00"),
        ("mixture", "varies only"),
        ("nucleus", "varies only"),
        ("layers", "patches"),
        ("wide", "overlap"),
    ],
)
def test_no_interface_is_said_so(case, reason):
    generator = np.random.default_rng(4)
    positions = generator.uniform(0, 1, (20000, 3)) * [20, 20, 60]
    z = positions[:, 2]
    labels = {
        "crystal": np.ones(20000),
        "melt": np.zeros(20000),
        "mixture": generator.random(20000) < 0.5,
        "nucleus": np.linalg.norm(positions - [10, 10, 30], axis=1) < 6,
        "layers": z % 6 < 3,
        "wide": generator.random(20000) < 0.5 + 0.5 * np.cos(2 * np.pi * z / 60),
    }[case]
    found = diagnostics.interface_positions(result_of(labels), make_frame(positions, [20.0, 20.0, 60.0]), 2)
    assert len(found) == 0
    assert reason in found.reason
    assert repr(found) == f"<Interfaces step 0: none, {found.reason}>"
    assert np.isnan(found.width)


# -- grids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", [(True, True, True), (True, True, False)])
def test_grid_is_that_of_brute_force(periodic):
    generator = np.random.default_rng(6)
    positions = generator.uniform(0, 1, (60, 3)) @ TRICLINIC
    labels = generator.integers(0, 3, 60)
    frame = make_frame(positions + 2.0, TRICLINIC, periodic, origin=[2.0, 2.0, 2.0])
    found = diagnostics.grid(result_of(labels), frame, (4, 5, 6), "hcp", radius=1.4)
    np.testing.assert_allclose(found.points()[1, 2, 3], np.array([1 / 4, 2 / 5, 3 / 6]) @ TRICLINIC + 2.0)
    reaches = [range(-2, 3) if flag else [0] for flag in periodic]
    images = np.array([(a, b, c) for a in reaches[0] for b in reaches[1] for c in reaches[2]]) @ TRICLINIC
    empty = 0
    for index in np.ndindex(4, 5, 6):
        vectors = positions + 2.0 - found.points()[index] + images[:, None]
        distances = np.linalg.norm(vectors, axis=2)
        weights = np.clip(1 - (distances / 1.4) ** 2, 0, None) ** 2
        if weights.any():
            expected = (weights * (labels == 2)).sum() / weights.sum()
            np.testing.assert_allclose(found.share[index], expected, atol=1e-6)
            assert found.labels[index] == labels[distances.min(axis=0).argmin()]
        else:
            empty += 1
            assert found.share[index] == 0
            assert found.labels[index] == -1
    assert 0 < empty < 60


def test_grid_of_the_growing_crystal(growing, labelled, tmp_path):
    found = diagnostics.grid(labelled, growing, (8, 8, 16))
    along = found.share.mean(axis=(0, 1))
    planes = diagnostics.interface_positions(labelled, growing, 2).positions
    z = np.arange(16) / 16 * growing.cell[2, 2]
    deep = (z > planes[0] + 4) & (z < planes[1] - 4)
    far = (z < planes[0] - 4) | (z > planes[1] + 4)
    assert along[deep].min() > 0.95
    assert along[far].max() < 0.05
    path = tmp_path / "share.cube"
    found.write_cube(path, growing)
    with path.open() as stream:
        read = read_cube(stream)
    np.testing.assert_allclose(read["data"], found.share, atol=1e-6)
    np.testing.assert_allclose(read["atoms"].cell.array, growing.cell.array, rtol=1e-5)
    np.testing.assert_allclose(read["atoms"].positions, growing.positions, atol=1e-4)
    found.write_cube(tmp_path / "alone.cube")
    assert (tmp_path / "alone.cube").read_text().splitlines()[2].split()[0] == "0"


# -- what all share ---------------------------------------------------------------------------------------------------


def test_frames_that_do_not_belong_are_refused():
    result = result_of([1, 0], step=5)
    frame = make_frame(np.eye(3)[:2], [3.0] * 3)
    cases = [
        (frame, "BAD_OPTION", "step 0"),
        (make_frame(np.eye(3), [3.0] * 3, step=5), "SHAPE_MISMATCH", "2 atoms"),
        (np.eye(3), "BAD_OPTION", "ase.Atoms"),
    ]
    for given, code, text in cases:
        with pytest.raises(phasewire.InputError, match=text) as caught:
            diagnostics.clusters(result, given)
        assert caught.value.code == code
    with pytest.raises(phasewire.InputError) as caught:
        diagnostics.profile(result, make_frame(np.eye(3)[:2], step=5))
    assert caught.value.code == "MISSING_CELL"
    flat = make_frame(np.eye(3)[:2], [[1, 0, 0], [0, 1, 0], [1, 1, 0]], (True, True, False), step=5)
    with pytest.raises(phasewire.InputError) as caught:
        diagnostics.profile(result, flat)
    assert caught.value.code == "SINGULAR_CELL"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda result, frame: diagnostics.clusters(result, frame, "bct"), "phase"),
        (lambda result, frame: diagnostics.clusters(result, frame, cutoff=0), "cutoff"),
        (lambda result, frame: diagnostics.profile(result, frame, 3), "axis"),
        (lambda result, frame: diagnostics.profile(result, frame, 0, 0), "bins"),
        (lambda result, frame: diagnostics.interface_positions(result, frame, True), "axis"),
        (lambda result, frame: diagnostics.interface_positions(result, frame, contrast=np.nan), "contrast"),
        (lambda result, frame: diagnostics.grid(result, frame, (4, 4)), "shape"),
        (lambda result, frame: diagnostics.grid(result, frame, (4, 4, 1.5)), "shape"),
        (lambda result, frame: diagnostics.grid(result, frame, 4, radius="2"), "radius"),
        (lambda result, frame: diagnostics.grid(replace(result, labels=None), frame, 4), "fields"),
        (lambda result, frame: diagnostics.profile(replace(result, labels=None), frame), "fields"),
        (lambda result, frame: diagnostics.clusters(replace(result, labels=None), frame), "fields"),
    ],
)
def test_options_that_are_refused(call, field):
    with pytest.raises(phasewire.InputError) as caught:
        call(result_of([1, 0]), make_frame(np.eye(3)[:2], [3.0] * 3))
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", field)


def test_a_sheet_whose_third_cell_vector_is_zero():
    atoms = Atoms("Cu4", [[x, y, 0.3] for x in (0, 1) for y in (0, 1)], cell=[2, 2, 0], pbc=(True, True, False))
    result = result_of([1, 1, 1, 1])
    assert diagnostics.clusters(result, atoms).sizes.tolist() == [4]
    assert diagnostics.profile(result, atoms, 2, 1).counts.tolist() == [4]


def test_the_atoms_selected_are_those_looked_at(local):
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=True) * (2, 2, 2)
    result = phasewire.ase.analyse(atoms, local, select="Na")
    assert result.fractions["fcc"] == 1
    whole = diagnostics.clusters(result, atoms, "fcc")
    assert whole.sizes.tolist() == [32]
    part = diagnostics.clusters(result, atoms[result.selection], "fcc")
    np.testing.assert_array_equal(whole.numbers, part.numbers)


def test_in_a_monitor(local, growing):
    seen = []
    with phasewire.ase.Monitor(growing, local, classes=["fcc", "hcp"]) as monitor:
        monitor.on_result(
            lambda result: seen.append(
                (
                    diagnostics.clusters(result, monitor.last_frame).largest_size,
                    len(diagnostics.interface_positions(result, monitor.last_frame, 2)),
                    len(diagnostics.profile(result, monitor.last_frame)),
                )
            )
        )
        monitor()
    assert not [incident for incident in monitor.incidents if incident.kind == "action"]
    assert len(seen) == 1
    assert seen[0][0] > 1800
    assert seen[0][1:] == (2, 50)


def test_a_missing_package_is_named(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] in ("scipy", "ase"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    result, frame = result_of([1, 0]), make_frame(np.eye(3)[:2], [3.0] * 3)
    made = diagnostics.grid(result, frame, 2)
    monkeypatch.setattr(builtins, "__import__", without)
    for call in (lambda: diagnostics.clusters(result, frame), lambda: diagnostics.grid(result, frame, 2)):
        with pytest.raises(ImportError, match=r"scipy is missing: pip install \"phasewire\[diagnostics\]\""):
            call()
    with pytest.raises(ImportError, match="ase is missing"):
        made.write_cube(io.StringIO())
