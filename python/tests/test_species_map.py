"""Species that get other names before they are analysed, in every interface."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.io import read
from ase.md.verlet import VelocityVerlet

import phasewire
import phasewire.ase
from phasewire.errors import PhasewireError

MAP = {"Ni": "A", "Co": "A"}


def mixed_crystal(repeats=5):
    """(Ni,Co)3Al: nickel and cobalt at random on the face centres, aluminium on the corners."""
    atoms = bulk("Ni", "fcc", a=3.57, cubic=True) * (repeats, repeats, repeats)
    rng = np.random.default_rng(3)
    atoms.symbols[rng.random(len(atoms)) < 0.5] = "Co"
    atoms.symbols[::4] = "Al"
    atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    return atoms


MIXED = mixed_crystal()
ARGUMENTS = (MIXED.positions, MIXED.cell.array, True)


def fails(action, message, field="species_map"):
    with pytest.raises(PhasewireError, match=message) as caught:
        action()
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", field)
    assert caught.value.remedy


def test_species_of_one_name_are_one(local):
    symbols = MIXED.get_chemical_symbols()
    assert local.analyse(*ARGUMENTS, symbols).fractions["L1_2"] < 0.5
    renamed = local.analyse(*ARGUMENTS, symbols, species_map=MAP, fields=("labels", "logits"))
    assert renamed.fractions["L1_2"] == 1
    own = ["Al" if name == "Al" else "A" for name in symbols]
    assert np.array_equal(renamed.logits, local.analyse(*ARGUMENTS, own, fields=("labels", "logits")).logits)
    assert phasewire.ase.analyse(MIXED, local, species_map=MAP).fractions["L1_2"] == 1
    (batch,) = local.analyse_batch([(*ARGUMENTS, symbols)], species_map=MAP)
    assert batch.fractions["L1_2"] == 1


def test_numbers_can_be_named(local):
    numbers = MIXED.get_atomic_numbers()
    for species_map in ({28: "A", 27: "A"}, {"28": "A", "27": "A"}):
        assert local.analyse(*ARGUMENTS, numbers, species_map=species_map).fractions["L1_2"] == 1
    fails(lambda: local.analyse(*ARGUMENTS, numbers, species_map={28: "A", "28": "B"}), "names 28 twice")


def test_selections_and_variables_see_the_new_names(local):
    symbols = MIXED.get_chemical_symbols()
    result = local.analyse(*ARGUMENTS, symbols, species_map=MAP, select="A")
    assert (result.atom_count, result.selected) == (375, "A")
    fraction = phasewire.fraction("L1_2", select=phasewire.atoms(species=["A"]))
    values = local.forces(*ARGUMENTS, symbols, species_map=MAP, variables=fraction, coefficients=[1.0]).values
    assert values[0] > 0.9
    water = local.analyse(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0]], [3, 3, 3], species=[1, 2, 2], species_map={1: "O", 2: "H"}, length_scale=3
    )
    assert (water.atom_count, water.selected) == (1, "oxygen of water")


@pytest.mark.parametrize(
    ("species_map", "message"),
    [
        ({"Cr": "A"}, "names Cr, but no atom has this species"),
        ({"Ni": "X"}, 'gives Ni the name "X"'),
        ({"Ni": 1}, "gives Ni the name 1"),
        ({}, "the species map is"),
        ([("Ni", "A")], "the species map is"),
    ],
)
def test_maps_that_do_not_fit(local, species_map, message):
    symbols = MIXED.get_chemical_symbols()
    fails(lambda: local.analyse(*ARGUMENTS, symbols, species_map=species_map), message)
    fails(lambda: phasewire.ase.analyse(MIXED, local, species_map=species_map), message)
    atoms = MIXED.copy()
    atoms.calc = LennardJones()
    dynamics = VelocityVerlet(atoms, timestep=1)
    fails(lambda: phasewire.ase.attach(dynamics, analyser=local, species_map=species_map), message)
    fails(lambda: local.analyse(*ARGUMENTS, species_map={"Ni": "A"}), "no atom has this species")


def test_a_watched_run_keeps_its_symbols_in_files(local, tmp_path):
    atoms = mixed_crystal(3)
    atoms.calc = LennardJones(epsilon=0.0)
    dynamics = VelocityVerlet(atoms, timestep=1e-9)
    monitor = phasewire.ase.attach(dynamics, every=1, analyser=local, species_map=MAP, background=False)
    dynamics.run(1)
    monitor.close()
    assert not monitor.incidents
    assert monitor.last.fractions["L1_2"] == 1
    assert monitor.last_frame.symbols() == atoms.get_chemical_symbols()
    path = tmp_path / "written.extxyz"
    monitor.write_extxyz(path)
    assert read(path).get_chemical_symbols() == atoms.get_chemical_symbols()


def test_a_bias_sees_the_new_names(local):
    atoms = mixed_crystal(3)
    atoms.calc = LennardJones(epsilon=0.0)
    dynamics = VelocityVerlet(atoms, timestep=1e-9)
    bias = phasewire.bias.Harmonic(phasewire.fraction("L1_2"), 0.5, 1.0)
    attached = phasewire.ase.bias(dynamics, bias, analyser=local, species_map=MAP)
    dynamics.run(1)
    attached.close()
    assert attached.driver.last.values[0] > 0.9
