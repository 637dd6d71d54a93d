"""Monitors: what every coupling hands over, and that it never stands in the way of a run."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest

import phasewire
from conformance.engine import BOXES, crystal, species
from fake_server import FakeServer, deaf_after_hello
from phasewire.errors import make_error
from scripted import Scripted

rule = pytest.mark.rule
REFUSED = make_error("COINCIDENT_ATOMS", "so told")


def warm(**options):
    return crystal(noise=0.03, kelvin=300, **options)


def recorded(monitor):
    """Collect the frames of a monitor, to be looked at when the run is over."""
    frames = []
    monitor.on_result(lambda result: frames.append(monitor.last_frame))
    return frames


def noted(simulation, *names):
    """Collect properties of the simulation in the middle of each step, as the engine itself has them then."""
    states = {}
    simulation.each_step(lambda step: states.setdefault(step, [getattr(simulation, name) for name in names]))
    return states


# -- steps --------------------------------------------------------------------------------------------------------


@rule("S1", "S2", "F1", "F2")
def test_every_nth_step_is_seen_as_the_engine_has_it(engine):
    with engine.simulate(warm()) as simulation:
        states = noted(simulation, "positions", "ids")
        monitor = simulation.attach(5, Scripted())
        frames = recorded(monitor)
        simulation.run(12)
        np.testing.assert_array_equal(monitor.series.step, [0, 5, 10])
        np.testing.assert_allclose(monitor.series.time, np.array([0, 5, 10]) * simulation.time_step)
        for frame in frames:
            positions, ids = states[frame.step]
            # The engine has moved its own arrays since.
            np.testing.assert_array_equal(frame.positions, positions)
            assert (np.diff(ids) > 0).all()
            if frame.ids is not None:
                np.testing.assert_array_equal(frame.ids, ids)
            else:
                np.testing.assert_array_equal(ids, np.arange(108))
        assert not np.array_equal(frames[0].positions, frames[1].positions)


@rule("S3")
def test_a_run_in_parts_is_seen_as_one(engine):
    with engine.simulate(warm()) as simulation:
        monitor = simulation.attach(5, Scripted())
        for steps in (0, 0, 7, 8, 5, 0):
            simulation.run(steps)
        np.testing.assert_array_equal(monitor.series.step, [0, 5, 10, 15, 20])


@rule("S3")
def test_a_step_is_seen_again_if_its_atoms_have_changed(engine):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(5, Scripted())
        simulation.run(0)
        atom = simulation.ids[7]
        for change in (
            lambda: simulation.displace(atom, np.array([0.1, 0.0, 0.0]) * engine.length),
            lambda: simulation.strain(np.diag([0.0, 0.0, 0.01])),
            lambda: simulation.rename([atom], "Ag"),
        ):
            change()
            before = len(monitor.series)
            simulation.run(0)
            simulation.run(0)
            assert len(monitor.series) == before + 1
        np.testing.assert_array_equal(monitor.series.step, [0] * 4)


@rule("S4")
def test_a_counter_of_steps_may_begin_again(engine):
    with engine.simulate(warm()) as simulation:
        monitor = simulation.attach(5, Scripted())
        simulation.run(10)
        simulation.restart_counter()
        simulation.run(10)
        np.testing.assert_array_equal(monitor.series.step, [0, 5, 10, 0, 5, 10])


# -- atoms --------------------------------------------------------------------------------------------------------


@rule("F4")
def test_frames_have_the_atoms_that_there_are(engine):
    for change in ("remove", "add"):
        with engine.hold(crystal()) as simulation:
            monitor = simulation.attach(5, Scripted())
            if change == "remove":
                gone = simulation.ids[[3, 50, 51]].tolist()
                simulation.remove(gone)
            else:
                simulation.add(np.array([1.0, 0.9, 0.8]) * engine.length)
            simulation.run(0)
            frame = monitor.last_frame
            assert len(frame) == len(simulation.positions) == (105 if change == "remove" else 109)
            np.testing.assert_array_equal(frame.positions, simulation.positions)
            if frame.ids is not None:
                np.testing.assert_array_equal(frame.ids, simulation.ids)


@rule("F4")
def test_atoms_may_be_lost_in_a_run(engine):
    engine.must("lose")
    with engine.hold(crystal()) as simulation:
        states = noted(simulation, "ids")
        monitor = simulation.attach(1, Scripted())
        frames = recorded(monitor)
        simulation.lose()
        simulation.run(6)
        assert len(frames[-1]) < 108
        for frame in frames:
            np.testing.assert_array_equal(frame.ids, states[frame.step][0])


@rule("F7")
def test_species_have_their_names(engine):
    with engine.hold(species(crystal(), {"Ni": 1, "Al": 2})) as simulation:
        named, ignored = simulation.attach(5, Scripted()), simulation.attach(5, Scripted(), ignore_species=True)
        simulation.run(0)
        assert named.last_frame.symbols() == simulation.names
        assert set(simulation.names) == {"Ni", "Al"}
        assert ignored.last_frame.species is None


@rule("F6")
def test_selected_species_are_seen_alone(engine, local, tmp_path):
    with engine.hold(species(crystal(), {"Na": 1, "Cl": 3})) as simulation:
        record = tmp_path / "record.extxyz"
        monitor = simulation.attach(5, local, select="Cl", record=record)
        simulation.run(0)
        chosen = np.array(simulation.names) == "Cl"
        alone = local.analyse(simulation.positions[chosen], simulation.cell, simulation.periodic)
        frame = monitor.last_frame
        assert monitor.last.atom_count == len(frame) == 81
        assert monitor.last.log_density == alone.log_density
        assert frame.symbols() == ["Cl"] * 81
        np.testing.assert_array_equal(frame.ids, simulation.ids[chosen])
        np.testing.assert_array_equal(ase.io.read(record).arrays["id"], simulation.ids[chosen])


@rule("M9")
def test_a_selection_that_finds_nothing_leaves_the_run_alone(engine):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(5, Scripted(), select="Cu")
        simulation.rename(simulation.ids.tolist(), "Ag")
        simulation.run(10)
        assert simulation.step == 10
        assert [incident.error.code for incident in monitor.incidents] == ["EMPTY_SELECTION"] * 3
        assert len(monitor.series) == 0
        simulation.rename([simulation.ids[7]], "Cu")
        simulation.run(5)
        assert monitor.last_frame.ids.tolist() == [simulation.ids[7]]


# -- cells --------------------------------------------------------------------------------------------------------


@rule("C1")
@pytest.mark.parametrize("box", BOXES)
def test_frames_have_the_box(engine, box):
    with engine.hold(BOXES[box](crystal())) as simulation:
        monitor = simulation.attach(5, Scripted())
        simulation.run(0)
        frame = monitor.last_frame
        assert frame.periodic == simulation.periodic
        if simulation.cell is None:
            assert frame.cell is None
        else:
            np.testing.assert_array_equal(frame.cell, simulation.cell)
        np.testing.assert_array_equal(np.zeros(3) if frame.origin is None else frame.origin, simulation.origin)
        np.testing.assert_array_equal(frame.positions, simulation.positions)


@rule("C2")
def test_frames_have_the_cell_of_their_step(engine):
    with engine.hold(crystal(noise=0.03)) as simulation:
        simulation.deform()
        states = noted(simulation, "cell", "positions")
        frames = recorded(simulation.attach(2, Scripted()))
        simulation.run(6)
        assert [frame.step for frame in frames] == [0, 2, 4, 6]
        for frame in frames:
            cell, positions = states[frame.step]
            np.testing.assert_array_equal(frame.cell, cell)
            np.testing.assert_array_equal(frame.positions, positions)
        assert not np.array_equal(frames[0].cell, frames[1].cell)


@rule("U1")
def test_lengths_are_those_of_the_engine(engine, local):
    with engine.hold(crystal(noise=0.03)) as simulation:
        monitor = simulation.attach(5, local)
        simulation.run(0)
        volume = abs(np.linalg.det(simulation.cell))
        assert monitor.last.length_scale == pytest.approx(np.cbrt(volume / 108), rel=0.03)


# -- the run is left alone ----------------------------------------------------------------------------------------


@rule("M1", "M6")
def test_the_trajectory_is_the_same_to_the_last_bit(engine, local):
    def state(simulation):
        # Bytes, so that a zero with another sign would be seen.
        return [getattr(simulation, name).tobytes() for name in ("positions", "velocities", "forces")]

    with engine.simulate(warm()) as bare, engine.simulate(warm()) as watched:
        monitors = [watched.attach(9, local), watched.attach(7, Scripted(), background=True)]
        for simulation in (bare, watched):
            simulation.run(100)
        assert state(watched) == state(bare)
        for monitor in monitors:
            monitor.close()
        for simulation in (bare, watched):
            simulation.run(10)
        assert state(watched) == state(bare)
        assert [len(monitor.series) + monitor.dropped for monitor in monitors] == [12, 15]


def failing(*_):
    raise ZeroDivisionError


@rule("M2")
@pytest.mark.parametrize("trouble", ["listener", "action", "observables", "record", "refused frame", "broken analysis"])
def test_nothing_in_an_analysis_ends_a_run(engine, trouble, tmp_path):
    # Warnings are errors here, as users may have them. They end no run either.
    error = {"refused frame": REFUSED, "broken analysis": ZeroDivisionError()}.get(trouble)
    options = {
        "observables": {"observables": failing},
        "record": {"record": tmp_path / "no such folder" / "record.extxyz"},
    }.get(trouble, {})
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(5, Scripted(*([error] * 5 if error else [1, 0, 1, 0, 1])), **options)
        if trouble == "listener":
            monitor.on_result(failing)
        if trouble == "action":
            monitor.on_crossing("fcc", below=0.5, action=failing)
        simulation.run(20)
        assert simulation.step == 20
        if error is None:
            kind, count = {"action": ("action", 2), "record": ("record", 5)}.get(trouble, ("action", 5))
            assert [incident.kind for incident in monitor.incidents] == [kind] * count
            assert len(monitor.series) == 5
        else:
            assert [failed.step for failed in monitor.failures] == [0, 5, 10, 15, 20]


@rule("M3")
def test_an_event_ends_the_run_and_only_that(engine):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(10, Scripted(1, 1, 0, 0, 1, 0.2))
        monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
        simulation.run(100)
        assert simulation.step == 20
        assert monitor.stop_reason == "fcc = 0 is below 0.5 at step 20"
        # The next run goes on from there, and does not observe step 20 again.
        simulation.run(15)
        assert simulation.step == 35
        assert monitor.stop_reason is None
        simulation.run(100)
        assert simulation.step == 50
        assert monitor.should_stop
        monitor.close()
        simulation.run(10)
        assert simulation.step == 60


@rule("M3")
def test_a_result_that_comes_late_ends_the_run_at_the_next_observed_step(engine):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(10, Scripted(1, 0), background=True, queue=1000)
        monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
        # Every tenth step waits until the analysis has caught up, so the stop is due one snapshot later.
        simulation.each_step(lambda step: step % 10 or monitor._link.flush(30))
        simulation.run(1000)
        assert simulation.step == 20


@rule("M3")
def test_a_stop_between_runs_is_without_effect(engine):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(10, Scripted())
        for end in (20, 40):
            monitor.request_stop()
            assert not monitor.should_stop
            simulation.run(20)
            assert simulation.step == end
            assert not monitor.should_stop


@rule("M4")
@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_what_is_to_end_the_process_ends_the_run(engine, raised):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(np.int64(10), Scripted())

        def interrupt(result):
            if result.step == 20:
                raise raised

        monitor.on_result(interrupt)
        try:
            simulation.run(100)
        except raised:
            pass
        else:
            # Engines through which no exception can pass.
            assert [type(incident.error) for incident in monitor.incidents] == [raised]
            assert monitor.stop_reason == f"{raised.__name__} at step 20"
        assert simulation.step == 20


@rule("M5", "M6")
def test_monitors_come_and_go_and_leave_nothing(engine):
    with engine.hold(crystal()) as simulation:
        before = simulation.left_behind
        monitors = [simulation.attach(every, Scripted()) for every in (1, 2, 5)]
        assert simulation.left_behind != before
        simulation.run(10)
        assert [len(monitor.series) for monitor in monitors] == [11, 6, 3]
        monitors[1].close()
        monitors[1].close()
        simulation.run(10)
        assert [len(monitor.series) for monitor in monitors] == [21, 6, 5]
        for monitor in monitors:
            monitor.close()
        assert simulation.left_behind == before
        with simulation.attach(5, Scripted()) as monitor:
            simulation.run(5)
        # The step by which a later run begins is observed by some engines, if it was not before.
        assert monitor.series.step.tolist() in ([25], [20, 25])
        assert simulation.left_behind == before


@rule("M6")
def test_a_monitor_may_be_closed_in_the_middle_of_a_run(engine):
    with engine.hold(crystal()) as simulation:
        before = simulation.left_behind
        closing, other = simulation.attach(5, Scripted()), simulation.attach(5, Scripted())
        closing.on_result(lambda result: closing.close())
        simulation.run(20)
        assert simulation.step == 20
        assert [len(monitor.series) for monitor in (closing, other)] == [1, 5]
        # An engine that cannot let go in a run does so now.
        for monitor in (closing, other):
            monitor.close()
        assert simulation.left_behind == before


@rule("M7")
def test_observables_stand_beside_the_results(engine):
    numbers = iter(range(10))
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(5, Scripted(), observables=lambda run: {"number": next(numbers)})
        simulation.run(10)
        np.testing.assert_array_equal(monitor.series.observable("number"), [0, 1, 2])


@rule("M8")
@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"every": 0}, "BAD_OPTION", "every"),
        ({"every": 2.5}, "BAD_OPTION", "every"),
        ({"select": "O"}, "EMPTY_SELECTION", "select"),
        ({"select": ()}, "EMPTY_SELECTION", "select"),
        ({"select": 1.5}, "BAD_OPTION", "select"),
        ({"length_scale": 0}, "BAD_LENGTH_SCALE", "length_scale"),
        ({"fields": ["colour"]}, "BAD_OPTION", "fields"),
        ({"classes": ["bbc"]}, "BAD_OPTION", "classes"),
    ],
)
def test_bad_options_are_refused_before_anything_is_attached(engine, options, code, field):
    with engine.hold(crystal()) as simulation:
        before = simulation.left_behind
        with pytest.raises(phasewire.InputError) as caught:
            simulation.attach(**{"every": 5, "analyser": Scripted(), **options})
        assert (caught.value.code, caught.value.field) == (code, field)
        assert simulation.left_behind == before


@rule("M8")
def test_the_classes_allowed_are_handed_on(engine, local):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(5, local, classes={"bcc": 1, "disordered": 0})
        free = simulation.attach(5, local)
        simulation.run(5)
        np.testing.assert_array_equal(monitor.series.fraction("bcc"), [1, 1])
        np.testing.assert_array_equal(free.series.fraction("fcc"), [1, 1])


@rule("M10", "F2")
def test_labelled_snapshots_come_back(engine, local, tmp_path):
    with engine.simulate(warm()) as simulation:
        monitor = simulation.attach(10, local, record=tmp_path / "record.extxyz")
        simulation.run(20)
        frames = ase.io.read(tmp_path / "record.extxyz", index=":")
        assert [frame.info["step"] for frame in frames] == [0, 10, 20]
        final = frames[-1]
        assert final.get_chemical_symbols() == simulation.names
        np.testing.assert_allclose(final.positions, simulation.positions, rtol=1e-8)
        np.testing.assert_allclose(final.cell.array, simulation.cell, rtol=1e-8)
        np.testing.assert_allclose(final.arrays["margin"], monitor.last.margin, rtol=1e-5)
        assert final.arrays["phase"].tolist() == monitor.last.phase_names().tolist()
        if "id" in final.arrays:
            np.testing.assert_array_equal(final.arrays["id"], simulation.ids)


# -- servers ------------------------------------------------------------------------------------------------------


@rule("M11")
def test_a_server_that_hangs_does_not_hold_the_run(engine, endpoint):
    with FakeServer(endpoint, deaf_after_hello) as server, engine.hold(crystal()) as simulation:
        monitor = simulation.attach(1, endpoint, queue=2)
        simulation.run(300)
        assert simulation.step == 300
        assert len(monitor.series) == 0
        assert len(server.of_type("analyse")) <= 2
        with pytest.warns(RuntimeWarning, match="no server answered"):
            monitor.close(timeout=0.1)
        assert monitor.dropped == 301


@rule("M11")
def test_a_server_is_killed_and_restarted_in_the_middle_of_a_run(engine, mortal_server, tmp_path):
    with engine.hold(crystal()) as simulation:
        monitor = simulation.attach(5, mortal_server.endpoint)
        happened = []

        def script(step):
            # Between the monitor's steps: the engine cannot know that this takes time.
            if step == 202:
                assert monitor.flush(30)
                happened.extend([len(monitor.series), monitor.dropped])
                mortal_server.kill()
            elif step == 602:
                happened.append(monitor.dropped)
                mortal_server.start()
                assert monitor.flush(30)

        simulation.each_step(script)
        simulation.run(1000)
        assert simulation.step == 1000
        assert monitor.flush(30)
        monitor.close()
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


@rule("M11")
def test_a_server_may_start_late_and_hears_which_engine_it_is(engine, late_server, local):
    with engine.hold(crystal(noise=0.03)) as simulation:
        monitor = simulation.attach(10, late_server.endpoint)
        simulation.run(100)
        assert len(monitor.series) == 0
        assert monitor.dropped == 10
        late_server.start()
        assert monitor.flush(30)
        with phasewire.connect(late_server.endpoint) as client:
            assert engine.title in [session["engine"] for session in client.status()["sessions"]]
        simulation.run(100)
        assert monitor.flush(30)
        steps = monitor.series.step
        assert (steps[0], steps[-1]) == (100, 200)
        assert len(steps) + monitor.dropped == 21
        expected = local.analyse(simulation.positions, simulation.cell, simulation.periodic)
        assert monitor.last.log_density == expected.log_density
        monitor.close()
