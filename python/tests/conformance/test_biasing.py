"""Biases: every coupling applies the forces of the step that was asked about, or none and says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import phasewire
from biased import Counting, Faulty
from conformance.engine import BOXES, crystal, species
from phasewire._frame.frame import make_frame
from phasewire.bias import Harmonic, Linear
from phasewire.driving.driver import Driver
from phasewire.errors import make_error
from phasewire.files.colvars import read_columns
from phasewire.variables import atoms, mean_logit, slab

rule = pytest.mark.rule
Q = mean_logit("fcc", name="q")
# a0 of copper, in angstrom.
SCALE = 2.27
GONE = make_error("SERVER_UNREACHABLE", "no server is there")


def warm():
    return crystal(noise=0.02, kelvin=600)


def displaced(cells=3):
    return crystal(cells, noise=0.1)


def pull(engine, variable=Q, centre=3.0, strength=50.0):
    return Harmonic(variable, centre, strength * engine.energy)


def close(actual, expected, relative):
    """Compare with the largest of the numbers expected, which float32 inside the core makes the measure."""
    assert np.abs(np.subtract(actual, expected)).max() <= relative * np.abs(expected).max()


def frame_of(simulation):
    """Build the frame of a simulation without its coupling."""
    names, kinds = np.unique(simulation.names, return_inverse=True)
    return make_frame(
        simulation.positions,
        simulation.cell,
        simulation.periodic,
        kinds,
        names=tuple(names),
        ids=simulation.ids,
        origin=simulation.origin,
        step=simulation.step,
    )


def applied_to(simulation, biases, local):
    """Return what biases do to the present atoms of a simulation, computed without its coupling."""
    return Driver(biases, analyser=local, length_scale=SCALE * simulation.engine.length).apply(frame_of(simulation))


def unmoved(simulation, before):
    """Whether all atoms are where they were, but for whole cell vectors by which an engine wraps them."""
    moved = (simulation.positions - before) @ np.linalg.inv(simulation.cell)
    return bool((np.abs(moved - np.round(moved)) < 1e-9).all())


class FailsAt(Faulty):
    """An analyser without forces at some steps."""

    def __init__(self, inner, *steps) -> None:
        super().__init__(inner)
        self.steps = steps

    def evaluate_frame(self, frame, **options):
        if frame.step in self.steps:
            raise GONE
        return super().evaluate_frame(frame, **options)


def slopes(simulation, ids, step=0.01):
    """Forces on some atoms by central differences of the energy that the engine reports."""
    step *= simulation.engine.length
    forces = np.zeros((len(ids), 3))
    for row, atom in enumerate(ids):
        for axis in np.eye(3):
            energies = []
            for by in (step * axis, -step * axis):
                simulation.displace(atom, by)
                simulation.evaluate()
                energies.append(simulation.energy)
                simulation.displace(atom, -by)
            forces[row] -= (energies[0] - energies[1]) / (2 * step) * axis
    simulation.evaluate()
    return forces


def rows_of(simulation, ids):
    return np.searchsorted(simulation.ids, ids)


# -- forces, energy, virial ---------------------------------------------------------------------------------------


@rule("B1", "F3", "C1")
@pytest.mark.parametrize("box", BOXES)
def test_forces_are_minus_the_slope_of_the_energy_that_the_engine_reports(engine, box, local):
    with engine.hold(BOXES[box](displaced())) as simulation:
        bias = simulation.bias(pull(engine), analyser=local, length_scale=SCALE * engine.length)
        simulation.evaluate()
        assert simulation.energy == pytest.approx(bias.driver.last.energy, rel=1e-12)
        ids = simulation.ids[[2, 49]]
        expected = slopes(simulation, ids)
        assert np.abs(expected).max() > 0.1
        close(simulation.forces[[2, 49]], expected, 0.01)
        # No net force, so no net momentum.
        forces = simulation.forces
        assert np.abs(forces.sum(axis=0)).max() < 1e-5 * np.abs(forces).max()


@rule("B2")
@pytest.mark.parametrize("scale", [SCALE, "cell"])
def test_the_pressure_is_minus_the_slope_of_the_energy_by_strain(engine, scale, local):
    with engine.hold(BOXES["triclinic"](displaced())) as simulation:
        scale = scale if scale == "cell" else scale * engine.length
        simulation.bias(pull(engine), analyser=local, length_scale=scale)
        simulation.evaluate()
        pressure, volume, step = simulation.pressure, abs(np.linalg.det(simulation.cell)), 0.002
        # Strains that keep the cell lower triangular; the virial is symmetric.
        places = [(0, 0), (1, 1), (2, 2), (1, 0), (2, 0), (2, 1)]
        expected = []
        for place in places:
            energies = []
            for size in (step, -step):
                strain = np.zeros((3, 3))
                strain[place] = size
                simulation.strain(strain)
                simulation.evaluate()
                energies.append(simulation.energy)
                simulation.strain(np.linalg.inv(np.eye(3) + strain) - np.eye(3))
            expected.append(-(energies[0] - energies[1]) / (2 * step * volume))
        assert max(map(abs, expected)) > 1e-4 * engine.energy / engine.length**3
        close([pressure[place] for place in places], expected, 0.02)


@rule("B1")
@pytest.mark.parametrize(("factor", "conserved"), [(1.0, True), (0.95, False)])
def test_a_static_bias_conserves_energy_as_well_as_the_run_without(engine, factor, conserved, local):
    def spreads(biased):
        with engine.simulate(warm()) as simulation:
            parts = []
            if biased:
                harmonic = pull(engine, centre=0.5, strength=4.0)
                bias = simulation.bias(harmonic, analyser=local, length_scale=SCALE * engine.length)
                apply = bias.driver.apply

                def wrong(frame):
                    applied = apply(frame)
                    parts.append(applied.energy)
                    return replace(applied, forces=factor * applied.forces)

                bias.driver.apply = wrong
            totals = []
            for _ in range(12):
                simulation.run(5)
                totals.append(simulation.total_energy)
            return np.ptp(totals), np.ptp(parts) if biased else 0.0

    noise, _ = spreads(False)
    total, part = spreads(True)
    assert part > 50 * noise
    assert (total < 4 * noise) == conserved


# -- steps --------------------------------------------------------------------------------------------------------


@rule("S5", "C2")
def test_frames_are_those_of_the_step_while_the_cell_changes(engine, local):
    with engine.hold(displaced()) as simulation:
        simulation.deform()
        bias = simulation.bias(Linear(Q, engine.energy), analyser=local, length_scale="cell")
        states, frames = {}, {}
        simulation.each_step(lambda step: states.setdefault(step, (simulation.cell, simulation.positions)))
        apply = bias.driver.apply

        def noting(frame):
            # The last one of a step counts: an engine may change the cell in the middle of it.
            frames[frame.step] = frame
            return apply(frame)

        bias.driver.apply = noting
        simulation.run(5)
        assert sorted(frames) == sorted(states) == list(range(6))
        for step, (cell, positions) in states.items():
            np.testing.assert_array_equal(frames[step].cell, cell)
            np.testing.assert_array_equal(frames[step].positions, positions)
        assert not np.array_equal(frames[0].cell, frames[5].cell)


@rule("S5")
def test_forces_are_those_of_the_step(engine, local):
    with engine.hold(displaced()) as simulation:
        linear = Linear(Q, engine.energy)
        simulation.bias(linear, analyser=local, length_scale=SCALE * engine.length)
        before = simulation.positions
        simulation.run(6)
        assert np.abs(simulation.positions - before).max() > 1e-6 * engine.length
        expected = applied_to(simulation, linear, local)
        close(simulation.forces, expected.forces, 1e-6)
        assert simulation.energy == pytest.approx(expected.energy, rel=1e-6)


@rule("S1", "S6")
def test_a_bias_moves_on_once_a_step(engine, local):
    with engine.simulate(warm()) as simulation:
        counting = Counting(Q, 0.01 * engine.energy)
        bias = simulation.bias(counting, analyser=local)
        simulation.run(3)
        # The engine may ask again.
        simulation.evaluate()
        simulation.evaluate()
        simulation.run(0)
        simulation.run(2)
        assert bias.driver.step == simulation.step == 5
        assert counting.steps == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(counting.times, np.arange(5) * simulation.time_step)
        bias.close()
        assert counting.steps == [0, 1, 2, 3, 4, 5]


@rule("S1")
def test_a_run_that_has_begun_may_be_biased(engine, local):
    with engine.simulate(warm()) as simulation:
        simulation.run(7)
        counting = Counting(Q, 0.01 * engine.energy)
        bias = simulation.bias(counting, analyser=local)
        simulation.run(3)
        assert bias.driver.step == simulation.step == 10
        assert counting.steps == [7, 8, 9]


@rule("S4", "S6")
def test_a_counter_of_steps_may_begin_again(engine, local):
    with engine.simulate(warm()) as simulation:
        counting = Counting(Q, 0.01 * engine.energy)
        bias = simulation.bias(counting, analyser=local)
        simulation.run(4)
        simulation.restart_counter()
        simulation.run(4)
        bias.close()
        # The step at which the counter began again has two numbers; whether it counts twice is up to the engine.
        assert counting.steps[:5] == [0, 1, 2, 3, 4]
        assert counting.steps[5:] in ([1, 2, 3, 4], [0, 1, 2, 3, 4])


@rule("S1", "S6")
def test_steps_in_which_nothing_moves_count(engine, local):
    with engine.hold(crystal()) as simulation:
        # No velocities, and no forces.
        counting = Counting(Q, 0.0)
        bias = simulation.bias(counting, analyser=local)
        simulation.run(3)
        simulation.displace(simulation.ids[0], np.array([0.01, 0.0, 0.0]) * engine.length)
        simulation.run(1)
        assert bias.driver.step == simulation.step == 4


@rule("S7")
def test_impulses_act_every_so_many_steps(engine, local):
    with engine.hold(displaced()) as simulation:
        linear, counting = Linear(Q, engine.energy), Faulty(local)
        simulation.bias(linear, analyser=counting, every=4, length_scale=SCALE * engine.length)
        simulation.run(8)
        close(simulation.forces, 4 * applied_to(simulation, linear, local).forces, 1e-6)
        simulation.run(1)
        assert not simulation.forces.any()
        # An engine may ask once more when the second run begins.
        assert counting.asked in (3, 4)


@rule("S7")
def test_impulses_conserve_energy(engine, local):
    with engine.simulate(warm()) as simulation:
        harmonic = pull(engine, centre=0.5, strength=4.0)
        bias = simulation.bias(harmonic, analyser=local, every=4, length_scale=SCALE * engine.length)
        totals, parts = [], []
        for _ in range(25):
            simulation.run(4)
            totals.append(simulation.total_energy)
            parts.append(bias.driver.last.energy)
        assert np.ptp(parts) > 5 * np.ptp(totals)


@rule("S8")
def test_the_trials_of_a_minimiser_are_no_steps(engine, local):
    with engine.minimise(displaced()) as simulation:
        counting, asked = Counting(Q, 0.0), Faulty(local)
        bias = simulation.bias([counting, pull(engine)], analyser=asked)
        simulation.run(8)
        assert asked.asked > simulation.step + 1
        assert bias.driver.step == simulation.step
        assert counting.steps == list(range(simulation.step))


@rule("S8")
def test_a_minimiser_finds_the_minimum_of_the_bias(engine, local):
    with engine.minimise(displaced()) as simulation:
        value = applied_to(simulation, Linear(Q, 1.0), local).values[0]
        harmonic = pull(engine, centre=value - 1)
        bias = simulation.bias(harmonic, analyser=local, length_scale=SCALE * engine.length)
        simulation.evaluate()
        before = simulation.energy
        simulation.run(40)
        assert simulation.energy == pytest.approx(bias.driver.last.energy, rel=1e-12)
        assert simulation.energy < 0.1 * before


# -- atoms and cells ----------------------------------------------------------------------------------------------


@rule("F4", "F3")
@pytest.mark.parametrize("change", ["remove", "add"])
def test_atoms_may_come_and_go(engine, change, local):
    with engine.hold(displaced()) as simulation:
        bias = simulation.bias(pull(engine), analyser=local, length_scale=SCALE * engine.length)
        simulation.evaluate()
        if change == "remove":
            simulation.remove(simulation.ids[[3, 50, 51]].tolist())
        else:
            simulation.add(np.array([1.0, 0.9, 0.8]) * engine.length)
        simulation.evaluate()
        ids = simulation.ids[[2, -1]]
        assert len(bias.driver.last.forces) == len(simulation.forces) == len(simulation.ids) != 108
        expected = slopes(simulation, ids)
        assert np.abs(expected).max() > 0.1
        close(simulation.forces[rows_of(simulation, ids)], expected, 0.02)


@rule("F4")
def test_atoms_may_be_lost_in_a_run(engine, local):
    engine.must("lose")
    with engine.hold(displaced()) as simulation:
        linear = Linear(Q, engine.energy)
        simulation.bias(linear, analyser=local, length_scale=SCALE * engine.length)
        simulation.lose()
        simulation.run(5)
        assert len(simulation.ids) < 108
        close(simulation.forces, applied_to(simulation, linear, local).forces, 1e-6)


@rule("F5")
def test_variables_select_atoms_by_the_ids_of_the_engine(engine, local):
    with engine.hold(displaced()) as simulation:
        rows = [4, 6, 80]
        by_id = mean_logit("fcc", select=atoms(ids=simulation.ids[rows].tolist()), name="ids")
        bias = simulation.bias(Linear(by_id, engine.energy), analyser=local, length_scale=SCALE * engine.length)
        simulation.evaluate()
        plain = local.analyse(
            simulation.positions,
            simulation.cell,
            simulation.periodic,
            simulation.names,
            length_scale=SCALE * engine.length,
            fields=["logits"],
        )
        expected = plain.logits[rows, local.phases.index("fcc")].mean()
        assert bias.driver.last.values == pytest.approx([expected], rel=1e-5)
        close(simulation.forces[[4]], slopes(simulation, simulation.ids[[4]]), 0.02)


@rule("F6")
def test_atoms_that_are_not_selected_feel_no_force(engine, local):
    with engine.hold(species(displaced(), {"O": 1, "H": 2})) as simulation:
        oxygen = np.array(simulation.names) == "O"
        for select, feeling in ((None, oxygen), ("H", ~oxygen), ("all", oxygen | ~oxygen)):
            options = {} if select is None else {"select": select}
            bias = simulation.bias(Linear(Q, engine.energy), analyser=local, **options)
            simulation.evaluate()
            forces = simulation.forces
            assert (np.abs(forces[feeling]).max(axis=1) > 0).all()
            assert not forces[~feeling].any()
            np.testing.assert_array_equal(forces[feeling], bias.driver.last.forces)
            bias.close()


@rule("C3")
def test_a_cell_may_be_described_by_other_vectors(engine, local):
    engine.must("flip")
    upright = displaced(4)
    tilted = upright.cell.copy()
    tilted[1, 0] = 0.5 * upright.cell[0, 0]
    with engine.hold(replace(upright, cell=tilted)) as simulation:
        simulation.bias(pull(engine), analyser=local, length_scale=SCALE * engine.length)
        simulation.evaluate()
        energy, forces = simulation.energy, simulation.forces
        simulation.flip()
        assert simulation.cell[1, 0] == pytest.approx(-tilted[1, 0], rel=1e-6)
        simulation.evaluate()
        assert simulation.energy == pytest.approx(energy, rel=1e-5)
        close(simulation.forces, forces, 1e-4)


@rule("C4")
def test_regions_go_with_the_corner_of_the_cell(engine, local):
    engine.must("shift_origin")
    low = mean_logit("fcc", select=atoms(region=slab(2, 0.1, 0.4, width=0.1)), name="low")
    values = []
    for shift in (0, 7):
        with engine.hold(displaced()) as simulation:
            simulation.shift_origin(np.array([shift, 0, -shift]) * engine.length)
            bias = simulation.bias(Linear(low, engine.energy), analyser=local, length_scale=SCALE * engine.length)
            simulation.evaluate()
            values.append(bias.driver.last.values)
            close(simulation.forces[[20]], slopes(simulation, simulation.ids[[20]]), 0.02)
    np.testing.assert_allclose(*values, rtol=1e-4)


# -- steps without forces -----------------------------------------------------------------------------------------


@rule("B3", "B4", "B5", "E1")
def test_a_run_stops_at_the_step_without_forces(engine, local, tmp_path):
    with engine.simulate(warm()) as simulation:
        counting = Counting(Q, 0.01 * engine.energy)
        bias = simulation.bias(counting, analyser=Faulty(local, {4: GONE}), colvar=tmp_path / "COLVAR")
        with pytest.raises(phasewire.ServerUnreachableError) as caught:
            simulation.run(20)
        assert caught.value is bias.stopped is GONE
        # The step without forces is complete, or has not been made.
        stopped_at = simulation.step
        assert stopped_at in (3, 4)
        assert [failed.step for failed in bias.driver.failures] == [4]
        assert not bias.driver.last.biased
        assert counting.steps == [0, 1, 2, 3]
        np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["biased"], [1, 1, 1, 1, 0])
        # Not before the user says so, though the analysis would work again.
        positions = simulation.positions
        for _ in range(2):
            with pytest.raises(phasewire.ServerUnreachableError) as caught:
                simulation.run(5)
            assert caught.value is GONE
        assert simulation.step == stopped_at
        assert unmoved(simulation, positions)
        bias.resume()
        assert bias.stopped is None
        simulation.run(5)
        assert simulation.step == stopped_at + 5
        assert counting.steps == list(range(stopped_at + 5))


@rule("B3")
@pytest.mark.parametrize("kind", ["simulate", "minimise"])
def test_no_step_is_made_if_the_first_has_no_forces(engine, kind, local):
    with getattr(engine, kind)(displaced()) as simulation:
        bias = simulation.bias(pull(engine), analyser=Faulty(local, {0: GONE}))
        before = simulation.positions
        with pytest.raises(phasewire.ServerUnreachableError):
            simulation.run(5)
        assert simulation.step == 0
        assert unmoved(simulation, before)
        bias.resume()
        simulation.run(5)
        assert 0 < simulation.step <= 5


@rule("B3")
def test_a_minimisation_stops_too(engine, local):
    with engine.minimise(displaced()) as simulation:
        faulty = Faulty(local, {4: GONE})
        simulation.bias(pull(engine), analyser=faulty)
        with pytest.raises(phasewire.ServerUnreachableError):
            simulation.run(50)
        assert faulty.asked == 5


@rule("B4")
def test_a_frame_that_cannot_be_used_stops_the_run(engine, local):
    with engine.simulate(warm()) as simulation:
        bias = simulation.bias(Counting(Q, 0.01 * engine.energy), analyser=local, select="Cu")
        simulation.run(3)
        simulation.rename(simulation.ids.tolist(), "Ag")
        with pytest.raises(phasewire.InputError, match="EMPTY_SELECTION"):
            simulation.run(5)
        assert bias.driver.failures[0].error.code == "EMPTY_SELECTION"


@rule("B6")
def test_a_run_goes_on_without_bias_if_asked_to(engine, local, tmp_path):
    with engine.simulate(warm()) as simulation:
        bias = simulation.bias(
            Counting(Q, 0.01 * engine.energy),
            analyser=FailsAt(local, 2, 3),
            on_failure="unbiased",
            colvar=tmp_path / "COLVAR",
        )
        with pytest.warns(RuntimeWarning, match="step 2 goes without bias"):
            simulation.run(5)
        assert simulation.step == 5
        assert bias.stopped is None
        assert [failed.step for failed in bias.driver.failures] == [2, 3]
        np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["biased"], [1, 1, 0, 0, 1, 1])


@rule("B6")
def test_without_forces_there_are_none(engine, local):
    with engine.hold(displaced()) as simulation:
        simulation.bias(Linear(Q, engine.energy), analyser=FailsAt(local, 2), on_failure="unbiased")
        forces, energies = {}, {}
        for step in (0, 1, 2, 3):
            if step == 2:
                with pytest.warns(RuntimeWarning, match="step 2 goes without bias"):
                    simulation.run(1)
            else:
                simulation.run(min(step, 1))
            forces[step], energies[step] = simulation.forces, simulation.energy
        assert not forces[2].any()
        assert energies[2] == 0.0
        for step in (1, 3):
            assert forces[step].any()
            assert energies[step] != 0.0


@rule("B7")
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupts_and_mistakes_end_the_run(engine, error, local):
    with engine.simulate(warm()) as simulation:
        counting = Counting(Q, 0.01 * engine.energy)
        bias = simulation.bias(counting, analyser=Faulty(local, {3: error()}), on_failure="unbiased")
        with pytest.raises(error):
            simulation.run(10)
        stopped_at = simulation.step
        assert stopped_at in (2, 3)
        with pytest.raises(error):
            simulation.run(1)
        bias.resume()
        simulation.run(2)
        assert simulation.step == stopped_at + 2


# -- servers ------------------------------------------------------------------------------------------------------


@rule("B8")
def test_a_server_gives_the_same_forces(engine, server):
    forces = []
    for analyser in (phasewire.Local(build="baseline"), server.endpoint):
        with engine.hold(displaced()) as simulation:
            bias = simulation.bias(pull(engine, strength=1.0), analyser=analyser)
            simulation.run(3)
            forces.append(simulation.forces)
            bias.close()
    close(forces[1], forces[0], 1e-5)


@rule("B8")
def test_a_server_that_is_killed_stops_the_run(engine, mortal_server, tmp_path):
    with engine.simulate(warm()) as simulation:
        counting = Counting(Q, 0.01 * engine.energy)
        energy = counting.energy

        def kill_at_five(values, step):
            if step == 5 and counting.steps == list(range(5)) and not bias.driver.failures:
                mortal_server.kill()
            return energy(values, step)

        counting.energy = kill_at_five
        bias = simulation.bias(counting, analyser=mortal_server.endpoint, deadline=2.0, colvar=tmp_path / "COLVAR")
        with pytest.raises((phasewire.ServerUnreachableError, phasewire.DeadlineError)):
            simulation.run(20)
        # Killed between the two halves of step 5: no step later.
        assert bias.driver.failures[0].step == 5
        stopped_at = simulation.step
        assert stopped_at in (4, 5)
        assert counting.steps == list(range(5))
        np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["biased"], [1] * 5 + [0])
        mortal_server.start()
        # The client looks again at intervals that grow.
        bias.driver.deadline = 30.0
        bias.resume()
        simulation.run(2)
        assert simulation.step == stopped_at + 2
        bias.close()


@rule("B8")
def test_a_server_that_hangs_stops_the_run_and_its_late_answer_is_not_used(engine, mortal_server, local):
    with engine.hold(displaced()) as simulation:
        linear = Linear(Q, engine.energy)
        bias = simulation.bias(
            linear, analyser=mortal_server.endpoint, deadline=30.0, length_scale=SCALE * engine.length
        )
        # A busy machine must not miss this deadline, and nothing answers within the next one.
        simulation.run(5)
        mortal_server.pause()
        bias.driver.deadline = 1.0
        try:
            simulation.displace(simulation.ids[3], np.array([0.1, 0.0, 0.0]) * engine.length)
            with pytest.raises(phasewire.DeadlineError):
                simulation.run(5)
        finally:
            mortal_server.resume()
        # The answers to what was asked before the deadline may come now, for positions that are others.
        for atom in simulation.ids[::5]:
            simulation.displace(atom, np.array([0.1, -0.1, 0.1]) * engine.length)
        bias.driver.deadline = 30.0
        bias.resume()
        simulation.evaluate()
        close(simulation.forces, applied_to(simulation, linear, local).forces, 1e-4)
        bias.close()


# -- ends ---------------------------------------------------------------------------------------------------------


@rule("B9")
def test_closed_it_is_gone(engine, local):
    with engine.simulate(warm()) as simulation:
        before = simulation.left_behind
        driver = Driver(Counting(Q, 0.1 * engine.energy), analyser=local)
        with simulation.bias(driver) as bias:
            assert simulation.left_behind != before
            simulation.run(2)
        bias.close()
        assert simulation.left_behind == before
        simulation.run(2)
        assert simulation.step == 4
        assert driver.step == 2
        # The coupling closes only the drivers that it made.
        assert driver.apply(replace(frame_of(simulation), step=3)).biased


@rule("B9")
def test_without_a_bias_any_more_the_run_is_that_of_the_engine_alone(engine):
    with engine.simulate(warm()) as biased, engine.simulate(warm()) as bare:
        # Of no strength, so that the runs are the same so far; its own analysis is gone when it is closed.
        with biased.bias(Linear(Q, 0.0)):
            biased.run(5)
        bare.run(5)
        for simulation in (biased, bare):
            simulation.run(5)
        close(biased.positions, bare.positions, 1e-12)
        close(biased.forces, bare.forces, 1e-9)


@rule("B10")
def test_a_driver_has_its_options_already(engine, local):
    with engine.simulate(warm()) as simulation:
        before = simulation.left_behind
        with pytest.raises(phasewire.InputError, match="driver") as caught:
            simulation.bias(Driver(Counting(Q), analyser=local), every=2)
        assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "every")
        with pytest.raises(phasewire.InputError) as caught:
            simulation.bias(Counting(Q), every=0)
        assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "every")
        assert simulation.left_behind == before


def killed_at(name, folder, step, kill_at):
    """Make a checkpointed run of an engine, in a process that kills itself in the middle of a step."""

    def prepare(bias):
        apply = bias.driver.apply

        def killing(frame):
            if frame.step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return apply(frame)

        bias.driver.apply = killing

    engine = import_module(f"conformance.engine_{name}").engine
    engine.checkpointed(warm(), Path(folder), step, 10, prepare)


@rule("E2", "E3")
def test_a_killed_run_goes_on_to_the_last_bit(engine, tmp_path):
    def checkpointed(folder):
        with engine.checkpointed(warm(), folder, 30, 10, lambda bias: None) as simulation:
            return simulation.positions.tobytes(), simulation.velocities.tobytes(), simulation.step

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    expected = checkpointed(whole)
    call = f"killed_at({engine.name!r}, {str(killed)!r}, 30, 27)"
    script = f"from conformance.test_biasing import killed_at; {call}"
    dead = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=False)
    assert dead.returncode == -signal.SIGKILL
    assert [entry.name for entry in killed.iterdir() if entry.is_dir()] == ["step-000000000020"]
    assert checkpointed(killed) == expected
    files = {name: (whole / name).read_bytes() for name in ("COLVAR", "HILLS")}
    assert {name: (killed / name).read_bytes() for name in files} == files
    hills = read_columns(whole / "HILLS")
    assert len(hills) >= 7
    assert np.ptp(hills["q"]) > 0.05
    # A run that is over is not made again.
    assert checkpointed(killed)[-1] == 30
    assert {name: (killed / name).read_bytes() for name in files} == files
