"""Strained crystals and the ends of paths are the crystals that they are named after."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from training.neighbours import neighbour_table
from training.prototypes import built_in
from training.stacking import amid_alternation
from training.transformations import PATHS, bain, burgers, deviatoric_strain, path_name, strained_name


def shells(cell: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Sorted distances of the first atom's neighbours within 2.2 a0."""
    table = neighbour_table(positions, cell, True, 2.2, None)
    vectors = positions[table.indices[0]] - positions[0] + table.shifts[0]
    return np.sort(np.linalg.norm(vectors, axis=-1)[table.mask[0]])


@pytest.mark.parametrize(
    ("path", "progress", "name"), [(bain, 0, "bcc"), (bain, 1, "fcc"), (burgers, 0, "bcc"), (burgers, 1, "hcp")]
)
def test_paths_end_in_their_crystals(path, progress: float, name: str) -> None:
    ideal = built_in([name])[0]
    assert shells(*path(progress)) == pytest.approx(shells(ideal.cell, ideal.positions), abs=1e-9)


@pytest.mark.parametrize("path", [bain, burgers])
def test_paths_keep_the_volume(path) -> None:
    for progress in (0.0, 0.3, 0.7, 1.0):
        cell, positions = path(progress)
        assert abs(np.linalg.det(cell)) == pytest.approx(len(positions), rel=1e-12)


def test_a_bain_strain_turns_fcc_into_bcc() -> None:
    rng = np.random.default_rng(0)
    known = {"fcc", "bcc", "bct"}
    for axis in range(3):
        stretch = np.eye(3)
        stretch[axis, axis] = 1 / sqrt(2)
        assert strained_name("fcc", stretch, known, rng) == "bcc"
        assert strained_name("fcc", stretch, {"fcc", "hcp"}, rng) == "fcc"
        assert strained_name("bcc", np.linalg.inv(stretch), known, rng) == "fcc"
    assert strained_name("bct", np.diag([1, 1, 1 / 0.825]), known, rng) == "bcc"


def test_fcc_strained_along_a_body_diagonal_stays_fcc() -> None:
    rng = np.random.default_rng(0)
    diagonal = np.ones(3) / sqrt(3)
    compressed = np.eye(3) - 0.25 * np.outer(diagonal, diagonal)
    assert {strained_name("fcc", compressed, {"fcc", "bcc", "bct"}, rng) for _ in range(50)} == {"fcc"}


def test_halfway_both_ends_are_equally_likely() -> None:
    rng = np.random.default_rng(1)
    for path, (start, end, _) in PATHS.items():
        assert {path_name(path, 0.0, rng) for _ in range(50)} == {start}
        assert {path_name(path, 1.0, rng) for _ in range(50)} == {end}
        share = np.mean([path_name(path, 0.5, rng) == end for _ in range(2000)])
        assert abs(share - 0.5) < 0.06


def test_strain_ignores_rotation_and_volume() -> None:
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    stretch = np.diag([0.8, 1.0, 1.1])
    expected = np.diag(np.log([0.8, 1.0, 1.1]) - log(0.88) / 3)
    assert deviatoric_strain(1.3 * stretch @ turn) == pytest.approx(expected, abs=1e-12)


def test_only_rows_of_five_alternating_layers_are_dhcp() -> None:
    def layers(text: str) -> np.ndarray:
        return np.array([letter == "h" for letter in text])

    assert amid_alternation(layers("hchchchc")).all()
    assert not amid_alternation(layers("ccccchccccc")).any()
    assert not amid_alternation(layers("cccchhccccc")).any()
    assert np.flatnonzero(amid_alternation(layers("cccchchccccc"))).tolist() == [5]
