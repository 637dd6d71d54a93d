"""The driver: one evaluation per step for all biases, failures, files, and restarts."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

import phasewire
from biased import Counting, Faulty, copper, frame_at
from phasewire.bias import Harmonic, Linear
from phasewire.driving.driver import Driver
from phasewire.errors import make_error
from phasewire.files.atomic import new_folder, replace_file
from phasewire.files.colvars import read_columns
from phasewire.variables import fraction, logit_difference, mean_logit

FCC = mean_logit("fcc")
GONE = make_error("SERVER_UNREACHABLE", "no server there")


def spoiled(field, value):
    def change(evaluation):
        array = getattr(evaluation, field)
        object.__setattr__(evaluation, field, value if np.ndim(array) == 0 else np.full_like(array, value))
        return evaluation

    return change


def test_biases_share_one_evaluation_and_their_forces_add_up(local):
    one, two = Harmonic(FCC, 0.3, 2.0), Linear([FCC, fraction("fcc")], [1.5, -0.5])
    counting = Faulty(local)
    driver = Driver([one, two], watch=logit_difference("fcc", "hcp"), analyser=counting, length_scale=2.27)
    applied = driver.apply(frame_at())
    assert counting.asked == 1
    assert driver.names == ("meanLogit.fcc", "fraction.fcc", "logitDifference.fcc.hcp")
    atoms = copper()
    values = [
        local.forces(atoms.positions, atoms.cell.array, True, variables=variable, length_scale=2.27)
        for variable in driver.variables
    ]
    q, f = values[0].values[0], values[1].values[0]
    assert applied.biased
    assert applied.energy == pytest.approx(0.5 * 2.0 * (q - 0.3) ** 2 + 1.5 * q - 0.5 * f, rel=1e-6)
    np.testing.assert_allclose(applied.values, [result.values[0] for result in values], rtol=1e-5)
    expected = (2.0 * (q - 0.3) + 1.5) * values[0].forces - 0.5 * values[1].forces
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(applied.forces, expected, atol=2e-5 * np.abs(expected).max())
    expected = (2.0 * (q - 0.3) + 1.5) * values[0].virial - 0.5 * values[1].virial
    np.testing.assert_allclose(applied.virial, expected, atol=2e-5 * np.abs(expected).max())


def test_a_variable_named_twice_in_a_bias_counts_twice(local):
    once = Driver(Linear(FCC, 2.0), analyser=local).apply(frame_at())
    twice = Driver(
        Linear([mean_logit("fcc", name="a"), mean_logit("fcc", name="b")], [1.0, 1.0]), analyser=local
    ).apply(frame_at())
    np.testing.assert_allclose(twice.forces, once.forces, rtol=1e-6, atol=1e-12)


def test_variables_that_differ_in_name_alone_are_evaluated_once(local):
    named = mean_logit("fcc", name="q")
    driver = Driver([Linear(FCC, 1.0, name="one"), Linear(named, 1.0, name="two")], analyser=local)
    assert driver.names == ("q",)
    assert driver.apply(frame_at()).energy == pytest.approx(2 * driver.last.values[0])


def test_a_bias_moves_on_once_a_step_when_the_next_one_begins(local):
    bias = Counting(FCC)
    driver = Driver(bias, analyser=local)
    first = driver.apply(frame_at(0, time=0.0))
    again = driver.apply(frame_at(0, time=0.0))
    assert (again.energy, bias.steps) == (first.energy, [])
    driver.apply(frame_at(1, time=0.5))
    driver.apply(frame_at(2, time=1.0))
    assert bias.steps == [0, 1]
    assert bias.times == [0.0, 0.5]
    driver.advance()
    driver.advance()
    assert bias.steps == [0, 1, 2]
    # A counted step may be evaluated again, which moves nothing on.
    driver.apply(frame_at(2, time=1.0))
    driver.apply(frame_at(3, time=1.5))
    assert bias.steps == [0, 1, 2]


def test_impulses(local):
    every_step = Driver(Harmonic(FCC, 0.3, 2.0), analyser=local).apply(frame_at(4))
    counting = Faulty(local)
    driver = Driver(Harmonic(FCC, 0.3, 2.0), analyser=counting, every=4)
    assert not driver.apply(frame_at(3)).biased
    impulse = driver.apply(frame_at(4))
    np.testing.assert_array_equal(impulse.forces, 4 * every_step.forces)
    np.testing.assert_array_equal(impulse.virial, 4 * every_step.virial)
    between = driver.apply(frame_at(5))
    assert not between.forces.any()
    assert not between.virial.any()
    assert between.biased
    assert between.energy == impulse.energy == every_step.energy
    assert counting.asked == 1


def test_the_length_scale_is_estimated_once(local):
    counting = Faulty(local)
    driver = Driver(Linear(FCC, 1.0), analyser=counting)
    assert driver.length_scale is None
    driver.apply(frame_at(0))
    estimated = driver.length_scale
    driver.apply(frame_at(1, atoms=copper(noise=0.3)))
    assert counting.scales == [None, estimated]
    counting = Faulty(local)
    driver = Driver(Linear(FCC, 1.0), analyser=counting, length_scale="cell")
    driver.apply(frame_at(0))
    driver.apply(frame_at(1))
    assert counting.scales == ["cell", "cell"]
    assert driver.length_scale == "cell"


FAULTS = {
    "an error": (GONE, "SERVER_UNREACHABLE"),
    "a force that is not finite": (spoiled("forces", np.nan), "BAD_OPTION"),
    "an infinite virial": (spoiled("virial", np.inf), "BAD_OPTION"),
    "an energy that is not finite": (spoiled("energy", np.nan), "BAD_OPTION"),
    "forces of another step": (spoiled("step", 7), "BAD_OPTION"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_step_without_forces_stops_and_is_on_record(fault, local, tmp_path):
    cause, code = FAULTS[fault]
    bias = Counting(FCC)
    driver = Driver(bias, analyser=Faulty(local, {1: cause}), colvar=tmp_path / "COLVAR")
    driver.apply(frame_at(0, time=0.0))
    with pytest.raises(phasewire.PhasewireError) as caught:
        driver.apply(frame_at(1, time=0.5))
    assert caught.value.code == code
    assert [(failed.step, failed.time, failed.error) for failed in driver.failures] == [(1, 0.5, caught.value)]
    assert not driver.last.forces.any()
    assert not driver.last.biased
    driver.advance()
    assert bias.steps == [0]
    table = read_columns(tmp_path / "COLVAR")
    assert table.fields == ("time", "meanLogit.fcc", "counting.bias", "bias", "biased")
    np.testing.assert_array_equal(table["biased"], [1, 0])
    np.testing.assert_array_equal(table["bias"][1], 0)
    assert np.isnan(table["meanLogit.fcc"]).tolist() == [False, True]
    # The run may continue from there: the step gets its numbers.
    assert driver.apply(frame_at(1, time=0.5)).biased
    table = read_columns(tmp_path / "COLVAR")
    np.testing.assert_array_equal(table["time"], [0, 0.5])
    np.testing.assert_array_equal(table["biased"], [1, 1])


def test_a_step_has_one_row_however_often_and_well_it_is_evaluated(local, tmp_path):
    """Step 1 ends one run and begins the next, which fails."""
    driver = Driver(Counting(FCC), analyser=Faulty(local, {2: GONE, 4: GONE, 5: GONE}), colvar=tmp_path / "COLVAR")
    expected = {0: [1], 1: [1, 0, 1], 2: [0, 0, 1, 1]}
    for step, outcomes in expected.items():
        for outcome in outcomes:
            if outcome:
                driver.apply(frame_at(step))
            else:
                with pytest.raises(phasewire.ServerUnreachableError):
                    driver.apply(frame_at(step))
            table = read_columns(tmp_path / "COLVAR")
            np.testing.assert_array_equal(table["time"], range(step + 1))
            assert table["biased"][step] == max(outcomes[: outcomes.index(outcome) + 1])
    assert not np.isnan(table["meanLogit.fcc"]).any()


def test_a_step_whose_last_evaluation_failed_moves_nothing_on(local):
    bias = Counting(FCC)
    driver = Driver(bias, analyser=Faulty(local, {1: GONE}))
    driver.apply(frame_at(0))
    with pytest.raises(phasewire.ServerUnreachableError):
        driver.apply(frame_at(0))
    driver.apply(frame_at(1))
    driver.advance()
    assert bias.steps == [1]


def test_a_step_may_go_without_bias_if_asked_to(local, tmp_path):
    bias = Counting(FCC)
    driver = Driver(bias, analyser=Faulty(local, {1: GONE, 2: GONE}), on_failure="unbiased", colvar=tmp_path / "COLVAR")
    driver.apply(frame_at(0))
    with pytest.warns(RuntimeWarning, match="step 1 goes without bias"):
        applied = driver.apply(frame_at(1))
    assert (applied.energy, applied.biased, applied.forces.any(), applied.virial.any()) == (0.0, False, False, False)
    driver.apply(frame_at(2))
    driver.apply(frame_at(3))
    driver.close()
    assert bias.steps == [0, 3]
    assert [failed.step for failed in driver.failures] == [1, 2]
    table = read_columns(tmp_path / "COLVAR")
    np.testing.assert_array_equal(table["time"], [0, 1, 2, 3])
    np.testing.assert_array_equal(table["biased"], [1, 0, 0, 1])


def test_a_frame_that_could_not_be_read_loses_nothing_of_the_step_before(local):
    bias = Counting(FCC)
    driver = Driver(bias, analyser=local, on_failure="unbiased")
    driver.apply(frame_at(0))
    driver.apply(frame_at(1))
    with pytest.warns(RuntimeWarning, match="step 2 goes without bias"):
        driver.fail(make_error("BAD_OPTION", "no frame", field="positions"), 2, None, len(copper()))
    driver.apply(frame_at(3))
    driver.advance()
    assert bias.steps == [0, 1, 3]


def test_a_bias_that_cannot_move_on_stops_the_run_and_that_is_on_record(local, tmp_path):
    class Full(Counting):
        def update(self, values, step, time=None):
            raise make_error("FILE_ACCESS", "no space left", field="metad.hills")

    driver = Driver(Full(FCC), analyser=local, on_failure="unbiased", colvar=tmp_path / "COLVAR")
    driver.apply(frame_at(0))
    with pytest.raises(phasewire.PhasewireError, match="no space left"):
        driver.apply(frame_at(1))
    assert ([failed.step for failed in driver.failures], driver.step, driver.last.biased) == ([1], 1, False)
    driver.close()
    np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["biased"], [1, 0])


def test_a_mistake_in_a_bias_stops_in_any_case(local):
    class Broken(Counting):
        def energy(self, values, step):
            raise ZeroDivisionError

    driver = Driver(Broken(FCC), analyser=local, on_failure="unbiased")
    with pytest.raises(ZeroDivisionError):
        driver.apply(frame_at(0))
    assert driver.failures[0].error.code == "INTERNAL"


@pytest.mark.parametrize("answer", [(np.inf, [1.0]), (1.0, [np.nan]), (1.0, [1.0, 2.0])])
def test_numbers_of_a_bias_that_are_not_to_be_used(answer, local):
    class Wild(Counting):
        def energy(self, values, step):
            return answer[0], np.array(answer[1])

    driver = Driver(Wild(FCC, name="wild"), analyser=local)
    with pytest.raises(phasewire.PhasewireError) as caught:
        driver.apply(frame_at(0))
    assert caught.value.field == "wild"


def test_rows_of_colvar(local, tmp_path):
    driver = Driver(
        [Harmonic(FCC, 0.3, 2.0)],
        watch=[fraction("fcc")],
        analyser=Faulty(local, {3: GONE}),
        on_failure="unbiased",
        colvar="COLVAR",
        colvar_every=2,
        folder=tmp_path,
    )
    for step in (0, 0, 1, 3, 4):
        if step == 3:
            with pytest.warns(RuntimeWarning):
                driver.apply(frame_at(step, time=0.1 * step))
        else:
            driver.apply(frame_at(step, time=0.1 * step))
    driver.close()
    table = read_columns(tmp_path / "COLVAR")
    assert table.fields == ("time", "meanLogit.fcc", "fraction.fcc", "harmonic.bias", "bias", "biased")
    # Step 0 once; 1 is between; 3 too, but it has no forces.
    np.testing.assert_allclose(table["time"], [0, 0.3, 0.4])
    np.testing.assert_array_equal(table["biased"], [1, 0, 1])
    np.testing.assert_array_equal(table["harmonic.bias"][[0, 2]], table["bias"][[0, 2]])
    assert table["meanLogit.fcc"][2] == driver.last.values[0]


def run_to(driver, steps, start=0):
    atoms = copper()
    random = np.random.default_rng(5)
    for step in range(steps):
        moved = frame_at(step, atoms, time=0.5 * step, positions=atoms.positions + random.normal(0, 0.02, (108, 3)))
        if step >= start:
            driver.apply(moved)


def test_a_driver_goes_on_from_its_file(local, tmp_path):
    def make(colvar):
        return Driver([Counting(FCC), Harmonic(FCC, 0.1, 1.0)], analyser=local, colvar=tmp_path / colvar)

    whole = make("whole")
    run_to(whole, 10)
    broken = make("broken")
    run_to(broken, 6)
    broken.checkpoint(tmp_path / "state.npz")
    run_to(broken, 8, 6)
    resumed = make("broken")
    resumed.restore(tmp_path / "state.npz")
    assert resumed.step == 5
    assert resumed.length_scale == broken.length_scale
    # An engine begins with the last step again.
    run_to(resumed, 10, 5)
    assert resumed.biases[0].steps == whole.biases[0].steps == list(range(9))
    np.testing.assert_array_equal(resumed.last.forces, whole.last.forces)
    assert (tmp_path / "broken").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["broken", "state.npz", "whole"]


def make_driver(local, **changes):
    options = {"k": 1.0, "name": "counting", "variable": FCC, "every": 1, "length_scale": 2.27, "classes": None}
    options |= changes
    bias = Counting(options.pop("variable"), options.pop("k"), options.pop("name"))
    return Driver(bias, analyser=options.pop("analyser", local), **options)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"k": 2.0}, "counting.k"),
        ({"name": "other"}, "biases[0]"),
        ({"variable": mean_logit("hcp")}, "variables[0].class"),
        ({"variable": mean_logit("fcc", name="q")}, "names[0]"),
        ({"watch": fraction("fcc")}, "variables"),
        ({"every": 2}, "every"),
        ({"length_scale": "cell"}, "length_scale"),
        ({"classes": ["fcc", "hcp"]}, "classes"),
        ({"analyser": "core-large"}, "model.name"),
    ],
)
def test_other_settings_are_refused_by_name(changes, field, local, tmp_path):
    driver = make_driver(local)
    driver.apply(frame_at(3))
    driver.checkpoint(tmp_path / "state.npz")
    if "analyser" in changes:
        changes = {"analyser": phasewire.Local(changes["analyser"])}
    other = make_driver(local, **changes)
    with pytest.raises(phasewire.InputError) as caught:
        other.restore(tmp_path / "state.npz")
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", field)
    assert other.step is None
    assert other.biases[0].steps == []


def test_files_that_are_no_restart(local, tmp_path):
    driver = make_driver(local)
    driver.apply(frame_at(3))
    path = tmp_path / "state.npz"
    with pytest.raises(phasewire.InputError, match="FILE_ACCESS"):
        driver.restore(path)
    driver.checkpoint(path)
    whole = path.read_bytes()
    for damaged in (
        whole[:-40],
        whole[: len(whole) // 2],
        b"",
        b"PK\x03\x04",
        whole.replace(b"bias restart", b"bias restarT"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(phasewire.InputError, match="FILE_FORMAT"):
            driver.restore(path)
    np.savez(path, about=np.array([{"pickled": 1}], dtype=object))
    with pytest.raises(phasewire.InputError, match="FILE_FORMAT"):
        driver.restore(path)


def test_a_state_without_its_arrays_is_a_damaged_file(local, tmp_path):
    driver = make_driver(local)
    driver.apply(frame_at(3))
    path = tmp_path / "state.npz"
    driver.checkpoint(path)
    with np.load(path) as stored:
        entries = dict(stored)
    for name in (key for key in entries if key.startswith("0/")):
        np.savez(path, **{key: array for key, array in entries.items() if key != name})
        with pytest.raises(phasewire.InputError, match="FILE_FORMAT"):
            driver.restore(path)


def test_a_file_is_whole_or_the_old_one(tmp_path):
    path = tmp_path / "file"
    replace_file(path, lambda stream: stream.write(b"old"))

    def fail(stream):
        stream.write(b"new")
        raise OSError(28, "No space left on device")

    with pytest.raises(phasewire.InputError, match="No space left"):
        replace_file(path, fail)
    assert path.read_bytes() == b"old"
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "folder") as folder:
        (folder / "part").write_bytes(b"%d" % (1 // 0))
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"biases": []}, "biases"),
        ({"biases": [Counting(FCC), Counting(FCC)]}, "biases[1].name"),
        ({"biases": [7]}, "biases[0]"),
        ({"every": 0}, "every"),
        ({"deadline": 0}, "deadline"),
        ({"deadline": True}, "deadline"),
        ({"on_failure": "ignore"}, "on_failure"),
        ({"length_scale": -1.0}, "length_scale"),
        ({"colvar_every": 0}, "every"),
    ],
)
def test_options_that_cannot_be(options, field, local):
    with pytest.raises(phasewire.InputError) as caught:
        Driver(**{"biases": Counting(FCC), "analyser": local, **options})
    assert caught.value.field == field


def test_an_analyser_of_its_own_is_the_reproducible_build_and_is_closed():
    driver = Driver(Linear(FCC, 1.0))
    analyser = driver.analyser
    assert analyser.build == "baseline"
    with driver:
        driver.apply(frame_at(0))
    with pytest.raises(phasewire.InputError, match="closed"):
        analyser.analyse(copper().positions)


def test_it_says_what_it_is(local):
    driver = Driver([Counting(FCC)], analyser=Faulty(local, {0: GONE}))
    with pytest.raises(phasewire.ServerUnreachableError):
        driver.apply(frame_at(4))
    assert re.fullmatch(r"<Driver: counting on meanLogit.fcc; step 4, 1 steps without forces>", repr(driver))
