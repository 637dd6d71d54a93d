"""Frames: accepted input, and an error with a name for each invalid input, before anything is computed or sent."""

from __future__ import annotations

import numpy as np
import pytest

import phasewire
from fake_server import FakeServer
from phasewire._frame.frame import make_frame

CUBE = np.eye(3) * 4.0
ATOMS = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])

BAD_FRAMES = {
    "nan": ("NON_FINITE_POSITIONS", "positions", {"positions": [[0, 0, 0], [np.nan, 0, 0]], "cell": CUBE}),
    "infinite": ("NON_FINITE_POSITIONS", "positions", {"positions": [[0, np.inf, 0], [1, 0, 0]], "cell": CUBE}),
    "two columns": ("SHAPE_MISMATCH", "positions", {"positions": [[0, 0], [1, 1]]}),
    "ragged": ("SHAPE_MISMATCH", "positions", {"positions": [[0, 0, 0], [1, 1]]}),
    "text": ("SHAPE_MISMATCH", "positions", {"positions": [["a", "b", "c"]]}),
    "no atoms": ("EMPTY_FRAME", "positions", {"positions": np.zeros((0, 3)), "cell": CUBE}),
    "flat cell": ("SINGULAR_CELL", "cell", {"positions": ATOMS, "cell": [[1, 0, 0], [0, 1, 0], [1, 1, 0]]}),
    "zero cell": ("SINGULAR_CELL", "cell", {"positions": ATOMS, "cell": np.zeros((3, 3))}),
    "nan cell": ("NON_FINITE_CELL", "cell", {"positions": ATOMS, "cell": CUBE * np.nan}),
    "cell of six": ("SHAPE_MISMATCH", "cell", {"positions": ATOMS, "cell": [1, 2, 3, 90, 90, 90]}),
    "no cell": ("MISSING_CELL", "cell", {"positions": ATOMS, "periodic": True}),
    "two flags": ("SHAPE_MISMATCH", "periodic", {"positions": ATOMS, "cell": CUBE, "periodic": [True, False]}),
    "flags as text": ("SHAPE_MISMATCH", "periodic", {"positions": ATOMS, "cell": CUBE, "periodic": "fff"}),
    "flag nan": ("SHAPE_MISMATCH", "periodic", {"positions": ATOMS, "cell": CUBE, "periodic": [True, np.nan, True]}),
    "complex": ("SHAPE_MISMATCH", "positions", {"positions": ATOMS + 1j, "cell": CUBE}),
    "species of one": ("SHAPE_MISMATCH", "species", {"positions": ATOMS, "cell": CUBE, "species": ["Cu"]}),
    "unnamed species": ("UNKNOWN_SPECIES", "species", {"positions": ATOMS, "cell": CUBE, "species": ["Cu", ""]}),
    "no species": ("UNKNOWN_SPECIES", "species", {"positions": ATOMS, "cell": CUBE, "species": [None, "Cu"]}),
    "negative species": ("UNKNOWN_SPECIES", "species", {"positions": ATOMS, "cell": CUBE, "species": [0, -1]}),
    "broken species": ("UNKNOWN_SPECIES", "species", {"positions": ATOMS, "cell": CUBE, "species": [0.5, 1]}),
    "length scale 0": ("BAD_LENGTH_SCALE", "length_scale", {"positions": ATOMS, "cell": CUBE, "length_scale": 0}),
    "length scale < 0": ("BAD_LENGTH_SCALE", "length_scale", {"positions": ATOMS, "cell": CUBE, "length_scale": -1.0}),
    "length scale nan": (
        "BAD_LENGTH_SCALE",
        "length_scale",
        {"positions": ATOMS, "cell": CUBE, "length_scale": np.nan},
    ),
    "length scale text": ("BAD_LENGTH_SCALE", "length_scale", {"positions": ATOMS, "cell": CUBE, "length_scale": "x"}),
    "denoise < 0": ("BAD_OPTION", "denoise", {"positions": ATOMS, "cell": CUBE, "denoise": -1}),
    "denoise half": ("BAD_OPTION", "denoise", {"positions": ATOMS, "cell": CUBE, "denoise": 0.5}),
    "unknown field": ("BAD_OPTION", "fields", {"positions": ATOMS, "cell": CUBE, "fields": ["colour"]}),
    "denoised without": ("BAD_OPTION", "fields", {"positions": ATOMS, "cell": CUBE, "fields": ["denoised"]}),
}


def check(analyser, name):
    code, field, arguments = BAD_FRAMES[name]
    with pytest.raises(phasewire.InputError) as caught:
        analyser.analyse(**arguments)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.remedy


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_input_in_process(local, name):
    check(local, name)


def test_bad_input_never_reaches_a_server(endpoint):
    with FakeServer(endpoint) as server, phasewire.connect(endpoint) as client:
        for name in BAD_FRAMES:
            check(client, name)
        assert client.analyse(ATOMS, CUBE).fractions["fcc"] == 0.75
        assert len(server.of_type("analyse")) == 1


def test_coincident_atoms_are_named(local):
    positions = np.array([[0.0, 0, 0], [1.8, 1.8, 0], [1.8, 0, 1.8], [0, 1.8, 1.8], [0, 1.8, 1.801]])
    with pytest.raises(phasewire.InputError) as caught:
        local.analyse(positions, [3.6, 3.6, 3.6])
    assert caught.value.code == "COINCIDENT_ATOMS"
    assert sorted(caught.value.value[:2]) == [3, 4]
    assert caught.value.value[2] == pytest.approx(0.001)
    assert "0.001" in caught.value.message
    assert "length_scale" in caught.value.remedy


def test_an_atom_may_coincide_with_its_own_image(local):
    with pytest.raises(phasewire.InputError, match=r"atom 0 and an image of itself are 0\.03 apart") as caught:
        local.analyse([[0.0, 0, 0]], [0.03, 9, 9], (True, False, False), length_scale=1.0)
    assert caught.value.value[:2] == [0, 0]


def test_a_bad_frame_leaves_the_analyser_usable(local):
    positions = np.array([[0.0, 0, 0], [1.8, 1.8, 0], [1.8, 0, 1.8], [0, 1.8, 1.8]])
    before = local.analyse(positions, [3.6] * 3, fields=["logits"]).logits
    with pytest.raises(phasewire.InputError):
        local.analyse(np.zeros((4, 3)), [3.6] * 3)
    np.testing.assert_array_equal(local.analyse(positions, [3.6] * 3, fields=["logits"]).logits, before)


def test_what_a_frame_makes_of_its_input():
    frame = make_frame(ATOMS.astype(np.float32), [4, 5, 6], species=["Na", "Cl"])
    assert frame.positions.dtype == np.float64
    np.testing.assert_array_equal(frame.cell, np.diag([4.0, 5, 6]))
    assert frame.periodic == (True, True, True)
    assert frame.species is not None
    assert frame.species.dtype == np.int32
    assert frame.symbols() == ["Na", "Cl"]
    assert make_frame(ATOMS).periodic == (False, False, False)
    for flags in ((True, True, False), [1, 1, 0], np.array([True, True, False]), np.array([1, 1, 0])):
        assert make_frame(ATOMS, CUBE, flags).periodic == (True, True, False)
    for flag in (True, 1, np.True_):
        assert make_frame(ATOMS, CUBE, flag).periodic == (True, True, True)


def test_only_periodic_vectors_must_span():
    frame = make_frame(ATOMS, [[4, 0, 0], [0, 4, 0], [0, 0, 0]], (True, True, False))
    assert frame.periodic == (True, True, False)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-290, 1e290])
def test_a_cell_is_flat_or_not_in_every_unit_of_length(unit):
    make_frame(ATOMS * unit, CUBE * unit)
    with pytest.raises(phasewire.InputError, match="SINGULAR_CELL"):
        make_frame(ATOMS * unit, np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]]) * unit)


def test_arrays_are_copied():
    positions = ATOMS.copy()
    frame = make_frame(positions, CUBE)
    positions[:] = 7
    np.testing.assert_array_equal(frame.positions, ATOMS)
