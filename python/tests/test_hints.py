"""Hints that come with results (docs/hints.md), the same as in TypeScript."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

import phasewire
import phasewire.ase
from phasewire._contract.tables import read_table
from test_species_map import MIXED


def hydride():
    """Niobium with hydrogen on some octahedral sites."""
    niobium = bulk("Nb", "bcc", a=3.4, cubic=True) * (6, 6, 6)
    rng = np.random.default_rng(2)
    sites = niobium.positions + np.array([1.7, 1.7, 0.85])
    hydrogen = sites[rng.random(len(sites)) < 0.5]
    atoms = niobium + Atoms(f"H{len(hydrogen)}", positions=hydrogen)
    atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    return atoms


HYDRIDE = hydride()


def test_species_of_one_sublattice(local):
    result = phasewire.ase.analyse(MIXED, local, hints=True)
    (hint,) = result.hints
    assert (hint.code, hint.phase, hint.share) == ("MERGE_SPECIES", "L1_2", 1.0)
    assert hint.species_map == {"Ni": "Co"}
    assert hint.remedy == "--species Ni=Co"
    assert "Co and Ni occupy the same sites" in hint.message
    merged = phasewire.ase.analyse(MIXED, local, species_map=hint.species_map, hints=True)
    assert merged.fractions["L1_2"] == 1
    assert merged.hints == ()


def test_light_atoms(local):
    result = phasewire.ase.analyse(HYDRIDE, local, hints=True)
    (hint,) = result.hints
    assert (hint.code, hint.phase, hint.select) == ("LIGHT_ATOMS", "bcc", ("Nb",))
    assert phasewire.ase.analyse(HYDRIDE, local, select=hint.select).fractions["bcc"] > 0.9


def test_after_denoising_and_for_numbers(local):
    numbers = MIXED.get_atomic_numbers()
    result = local.analyse(MIXED.positions, MIXED.cell.array, species=numbers, denoise=4, hints=True)
    (hint,) = result.hints
    assert hint.species_map == {"28": "27"}
    species_map = hint.species_map
    again = local.analyse(MIXED.positions, MIXED.cell.array, species=numbers, denoise=4, species_map=species_map)
    assert again.fractions["L1_2"] == 1


def test_looks_once_for_each_set_of_species():
    with phasewire.Local() as own:
        codes = [
            [hint.code for hint in phasewire.ase.analyse(atoms, own, **options).hints]
            for atoms, options in (
                (MIXED, {"hints": False}),
                (MIXED, {}),
                (MIXED, {}),
                (HYDRIDE, {}),
                (MIXED, {"hints": True}),
            )
        ]
        assert codes == [[], ["MERGE_SPECIES"], [], ["LIGHT_ATOMS"], ["MERGE_SPECIES"]]
        labelled = phasewire.ase.analyse(MIXED, own, hints=True)
        assert np.array_equal(labelled.labels, phasewire.ase.analyse(MIXED, own, hints=False).labels)
        assert labelled.length_scale == phasewire.ase.analyse(MIXED, own).length_scale


@pytest.mark.parametrize(
    "atoms",
    [bulk("Cu") * (4, 4, 4), bulk("NaCl", "rocksalt", a=5.64) * (4, 4, 4), bulk("MgO", "rocksalt", a=4.21) * (4, 4, 4)],
)
def test_none_where_all_is_well(local, atoms):
    assert phasewire.ase.analyse(atoms, local, hints=True).hints == ()


def test_the_codes_are_those_of_the_table():
    assert set(read_table("hints")["codes"]) == {"MERGE_SPECIES", "LIGHT_ATOMS"}
    assert json.dumps(read_table("hints"))


def test_hints_after_denoising_ask_whether_surroundings_are_known(local):
    (hint,) = phasewire.ase.analyse(HYDRIDE, local, denoise=8, hints=True).hints
    assert (hint.code, hint.phase) == ("LIGHT_ATOMS", "bcc")
    # In a single pass these points look like graphite, whatever the species.
    points = crystal(["Si", "Si"], [(0, 0, 0), (0.125, 0.125, 0.125)], spacegroup=227, cellpar=[7.16] * 3 + [90] * 3)
    mixed = points * (2, 2, 2)
    mixed.symbols[np.random.default_rng(4).random(len(mixed)) < 0.5] = "Ge"
    result = phasewire.ase.analyse(mixed, local, denoise=8, hints=True)
    assert result.fractions["disordered"] == 1
    assert result.hints == ()


def test_a_second_look_that_fails_costs_no_result(local, monkeypatch):
    def fail(code):
        def look(*_):
            raise phasewire.errors.make_error(code, "so told")

        monkeypatch.setattr("phasewire.analysers.local.find_hints", look)

    expected = phasewire.ase.analyse(MIXED, local, hints=False)
    fail("OVER_BUDGET")
    result = phasewire.ase.analyse(MIXED, local, hints=True)
    assert result.hints == ()
    np.testing.assert_array_equal(result.labels, expected.labels)
    fail("ABORTED")
    with pytest.raises(phasewire.PhasewireError) as caught:
        phasewire.ase.analyse(MIXED, local, hints=True)
    assert caught.value.code == "ABORTED"
