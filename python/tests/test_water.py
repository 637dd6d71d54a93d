"""Water is recognised by the same rule as in TypeScript, and its oxygens are analysed, with every kind of analyser."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.md.verlet import VelocityVerlet

import phasewire
import phasewire.ase
import phasewire.lammps
from phasewire._frame.water import water_oxygens
from scripted import Scripted
from test_model import change_settings

CASES = json.loads((Path(__file__).resolve().parents[2] / "test" / "water-species.json").read_text())


def ice(parts=("O", "H", "H")):
    """Build diamond's sites with two hydrogens each, towards two of their neighbours: ice Ic without the ice rules."""
    oxygens = bulk("C", "diamond", a=6.36, cubic=True) * 2
    offsets = np.array([[0, 0, 0], [0.57, 0.57, 0.57], [-0.57, 0.57, -0.57], [0.1, 0.1, 0]])[: len(parts)]
    signs = np.where(np.arange(len(oxygens)) % 2, -1.0, 1.0)
    positions = oxygens.positions[:, None, :] + signs[:, None, None] * offsets
    positions = positions.reshape(-1, 3) + np.random.default_rng(7).normal(0, 0.1, (len(parts) * len(oxygens), 3))
    return positions, oxygens.cell.array, np.array(list(parts) * len(oxygens))


def as_atoms(positions, cell, names):
    return Atoms(names, positions=positions, cell=cell, pbc=True)


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """An analyser whose model has names in water for all classes, real ones for hexdiamond and diamond."""

    def change(settings):
        for entry in settings["classes"]:
            entry["water"] = {"diamond": "ice-Ic", "hexdiamond": "ice-Ih"}.get(entry["name"], f"wet-{entry['name']}")
            entry["aliases"] = sorted({*entry["aliases"], entry["water"]})

    path = tmp_path_factory.mktemp("model") / "wet.safetensors"
    path.write_bytes(change_settings(phasewire.shipped_models()[0].file.read_bytes(), change))
    with phasewire.Local(path) as analyser:
        yield analyser


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_rule(case):
    names, species = np.unique(np.array(case["species"].split(), dtype=str), return_inverse=True)
    found = water_oxygens(species.astype(np.int32), [*map(str, names), "unused"])
    assert (None if found is None else found.tolist()) == case["oxygens"]


def test_without_names_nothing_is_known():
    assert water_oxygens(None, None) is None
    assert water_oxygens(np.array([0, 1, 1], dtype=np.int32), None) is None


def test_the_oxygens_are_analysed_as_if_they_were_alone(named):
    positions, cell, names = ice()
    result = named.analyse(positions, cell, True, names, fields=["logits", "labels", "denoised"], denoise=2)
    oxygens = np.flatnonzero(names == "O")
    alone = named.analyse(positions[oxygens], cell, True, names[oxygens], fields=["logits", "denoised"], denoise=2)
    np.testing.assert_array_equal(result.logits, alone.logits)
    np.testing.assert_array_equal(result.denoised, alone.denoised)
    np.testing.assert_array_equal(result.selection, oxygens)
    assert (result.selected, result.water, result.atom_count) == ("oxygen of water", True, len(oxygens))
    assert (alone.selected, alone.water, alone.selection) == (None, False, None)
    assert result.length_scale == alone.length_scale


def test_names_of_ices_stand_where_people_read_and_nowhere_else(named):
    positions, cell, names = ice()
    result = named.analyse(positions, cell, True, names)
    assert result.fractions["diamond"] == 1
    assert set(result.fractions) == set(named.phases)
    assert set(result.phase_names()) == {"diamond"}
    assert result.where("ice-Ic").all()
    assert result.titles[named.phases.index("diamond")] == "diamond (ice-Ic)"
    assert repr(result).startswith("<Result step 0: 64 atoms (oxygen of water), diamond (ice-Ic) 100.0 %; a0")
    alone = named.analyse(positions[::3], cell, True, names[::3])
    assert alone.titles == named.phases
    assert repr(alone).startswith("<Result step 0: 64 atoms, diamond 100.0 %; a0")


@pytest.mark.parametrize("parts", [("OW", "HW1", "HW2", "MW"), ("O", "H", "H", "X"), ("o", "h", "d")])
def test_massless_sites_and_other_names(local, parts):
    positions, cell, names = ice(parts)
    result = local.analyse(positions, cell, True, names, fields=["logits"])
    expected = local.analyse(positions[:: len(parts)], cell, fields=["logits"])
    np.testing.assert_array_equal(result.logits, expected.logits)


def test_a_selection_goes_before(local):
    positions, cell, names = ice()
    for select, count, text, water in (
        ("all", 192, None, False),
        (("all",), 192, None, False),
        ("O", 64, "O", True),
        ("H", 128, "H", False),
        (["H", "O"], 192, "H, O", False),
    ):
        result = local.analyse(positions, cell, True, names, select=select)
        assert (result.atom_count, result.selected, result.water) == (count, text, water)
    numbered = local.analyse(positions, cell, True, np.where(names == "O", 8, 1), select=8)
    assert (numbered.atom_count, numbered.selected, numbered.water) == (64, "8", False)
    assert local.analyse(positions, cell, True, np.where(names == "O", 8, 1)).atom_count == 192
    assert local.analyse(positions, cell).atom_count == 192
    for species, select in ((names, "N"), (names, ()), (None, "O"), (np.ones(192, dtype=int), 0)):
        with pytest.raises(phasewire.InputError) as caught:
            local.analyse(positions, cell, True, species, select=select)
        assert (caught.value.code, caught.value.field) == ("EMPTY_SELECTION", "select")


def test_salt_water_is_left_to_the_user(local):
    positions, cell, names = ice()
    names[0], names[3] = "Na", "Cl"
    assert local.analyse(positions, cell, True, names).selected is None


def test_forces_act_on_the_oxygens_alone(local):
    positions, cell, names = ice()
    arguments = {"variables": phasewire.fraction("diamond"), "length_scale": 3.18}
    all_atoms = local.forces(positions, cell, True, names, **arguments)
    oxygens = local.forces(positions[::3], cell, True, names[::3], **arguments)
    assert all_atoms.values == oxygens.values
    np.testing.assert_array_equal(all_atoms.forces[::3], oxygens.forces)
    assert np.abs(all_atoms.forces[::3]).max() > 0
    assert not all_atoms.forces[names == "H"].any()
    np.testing.assert_array_equal(all_atoms.virial, oxygens.virial)
    assert all_atoms.selected == "oxygen of water"
    assert "64 atoms (oxygen of water)" in repr(all_atoms)
    whole = local.forces(positions, cell, True, names, select="all", **arguments)
    assert whole.forces[names == "H"].any()
    assert (whole.selection, len(whole.forces)) == (None, 192)


def test_a_server_gives_the_same(server, local):
    positions, cell, names = ice()
    with phasewire.connect(server.endpoint, run="ice") as client:
        assert client.water_names == local.water_names
        for select in (None, "all", "H"):
            arguments = {"fields": ["logits"], "select": select}
            ours = local.analyse(positions, cell, True, names, **arguments)
            theirs = client.analyse(positions, cell, True, names, **arguments)
            np.testing.assert_array_equal(theirs.logits, ours.logits)
            np.testing.assert_array_equal(theirs.selection, ours.selection)
            for name in ("selected", "water", "water_names", "titles", "atom_count"):
                assert getattr(theirs, name) == getattr(ours, name)
        arguments = {"variables": phasewire.fraction("diamond"), "length_scale": 3.18}
        theirs = client.forces(positions, cell, True, names, **arguments)
        ours = local.forces(positions, cell, True, names, **arguments)
        np.testing.assert_allclose(theirs.forces, ours.forces, rtol=1e-9)
        # A selection with many names is cut to fit a header, and still analysed.
        many = [f"species-{number}-{'x' * 20}" for number in range(64)]
        labels = np.array(["O"] * 128 + many)
        assert client.analyse(positions, cell, True, labels, select=many).selected == ", ".join(many)


def test_ase(named, tmp_path):
    atoms = as_atoms(*ice())
    result = phasewire.ase.analyse(atoms, named, fields=["logits", "labels"])
    assert (result.selected, result.water) == ("oxygen of water", True)
    assert set(atoms[result.selection].symbols) == {"O"}
    chosen = phasewire.ase.analyse(atoms, named, select="O", fields=["logits"])
    np.testing.assert_array_equal(chosen.logits, result.logits)
    np.testing.assert_array_equal(chosen.selection, result.selection)
    assert (chosen.selected, chosen.water) == ("O", True)
    for options in ({"select": "all"}, {"ignore_species": True}):
        whole = phasewire.ase.analyse(atoms, named, **options)
        assert (whole.atom_count, whole.selected, whole.selection) == (192, None, None)

    atoms.calc = LennardJones(epsilon=0)
    run = VelocityVerlet(atoms, 1.0)
    record = tmp_path / "record.extxyz"
    monitors = [
        phasewire.ase.attach(run, 5, named, record=record),
        phasewire.ase.attach(run, 5, named, select="O"),
        phasewire.ase.attach(run, 5, named, select="all"),
    ]
    run.run(5)
    assert [monitor.last.selected for monitor in monitors] == ["oxygen of water", "O", None]
    assert [monitor.last.water for monitor in monitors] == [True, True, False]
    assert [monitor.last.atom_count for monitor in monitors] == [64, 64, 192]
    frame = monitors[0].last_frame
    np.testing.assert_array_equal(frame.ids, result.selection)
    assert frame.symbols() == ["O"] * 64
    written = ase.io.read(record, index=0)
    assert (len(written), written.info["selection"]) == (64, "oxygen of water")
    assert set(written.arrays["phase"]) == {"diamond"}
    np.testing.assert_array_equal(written.arrays["id"], result.selection)
    assert "oxygen of water" in repr(monitors[0])


@pytest.mark.parametrize("way", ["server", "thread"])
def test_a_monitor_in_the_background(server, local, way):
    atoms = as_atoms(*ice())
    options = {"analyser": server.endpoint} if way == "server" else {"analyser": local, "background": True}
    with phasewire.ase.Monitor(atoms, queue=10, **options) as monitor:
        monitor()
        assert monitor.flush(30)
        assert (monitor.last.selected, monitor.last.atom_count) == ("oxygen of water", 64)
        expected = phasewire.ase.analyse(atoms, local)
        np.testing.assert_array_equal(monitor.last.selection, expected.selection)
        assert monitor.last.log_density == pytest.approx(expected.log_density, rel=1e-12)


def test_snapshots_of_another_engine(local):
    positions, cell, names = ice()
    kinds, species = np.unique(names, return_inverse=True)
    arguments = (positions, cell, (True, True, True), species)
    with phasewire.Monitor(local) as monitor:
        for atoms, selected, expected in (
            (None, None, ("oxygen of water", 64)),
            ("all", None, (None, 192)),
            (np.arange(96), "the lower half", ("the lower half", 96)),
        ):
            monitor.observe(phasewire.Snapshot(*arguments, names=tuple(kinds), atoms=atoms, selected=selected))
            assert (monitor.last.selected, monitor.last.atom_count) == expected
        monitor.observe(phasewire.Snapshot(*arguments))
        assert monitor.last.atom_count == 192


def test_lammps_knows_water_by_the_names_of_its_types():
    lmp = phasewire.lammps.create()
    lmp.commands_string(
        """units lj
        lattice fcc 0.9
        region box block 0 3 0 3 0 3
        create_box 2 box
        create_atoms 2 box
        mass * 1.0
        pair_style zero 2.5
        pair_coeff * *
        fix move all nve"""
    )
    for number in range(1, 109, 3):
        lmp.command(f"set atom {number} type 1")
    names = {1: "O", 2: "H"}
    expected = {
        "names": ({"types": names}, ("oxygen of water", 36, True)),
        "all": ({"types": names, "select": "all"}, (None, 108, False)),
        "selected": ({"types": names, "select": "O"}, ("O", 36, True)),
        "by type": ({"types": names, "select": 2}, ("2", 72, False)),
        "unnamed": ({}, (None, 108, False)),
        "ignored": ({"types": "ignore"}, (None, 108, False)),
        "otherwise": ({"types": {1: "O", 2: "Cu"}}, (None, 108, False)),
    }
    for case, (options, outcome) in expected.items():
        monitor = phasewire.lammps.attach(lmp, 5, Scripted(), **options)
        lmp.command("run 0")
        last, frame = monitor.last, monitor.last_frame
        assert (last.selected, last.atom_count, last.water) == outcome, case
        assert len(frame) == outcome[1], case
        if outcome[2]:
            assert frame.ids.tolist() == list(range(1, 109, 3)), case
            assert frame.symbols() == ["O"] * 36, case
        monitor.detach()
    lmp.close()
