"""Forces of all biases are the derivatives of their energies; formulas, work and refusals of the simple biases."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import phasewire.bias
from phasewire.bias import (
    BiasPotential,
    Harmonic,
    Linear,
    LowerWall,
    Metadynamics,
    Moving,
    Opes,
    OpesExplore,
    UpperWall,
)
from phasewire.errors import InputError
from toy import X, Y

PAIR = (X, Y)


def filled(bias, seed=3, hills=60):
    """A bias that has moved on."""
    rng = np.random.default_rng(seed)
    for step in range(0, (hills + 1) * bias.pace, bias.pace):
        bias.update(rng.normal(0.0, 0.6, len(bias.variables)), step, 0.5 * step)
    return bias


BIASES = {
    "harmonic": lambda: Harmonic(PAIR, (0.2, -1.0), (3.0, 7.0)),
    "moving": lambda: Moving(PAIR, [0, 100], [(0.0, 1.0), (2.0, -1.0)], [(1.0, 2.0), (5.0, 0.5)]),
    "uwall": lambda: UpperWall(PAIR, (0.1, -0.3), 4.0, exponent=(2.0, 3.0), offset=0.2, scale=(0.5, 0.8)),
    "lwall": lambda: LowerWall(PAIR, (0.3, 0.2), (4.0, 1.0), exponent=4.0, offset=0.1),
    "linear": lambda: Linear(PAIR, (1.5, -2.0)),
    "metad": lambda: filled(Metadynamics(PAIR, height=0.5, sigma=(0.2, 0.3), pace=10, kT=1.0)),
    "metad plain": lambda: filled(Metadynamics(PAIR, height=0.5, sigma=(0.2, 0.3), pace=10, bias_factor=None)),
    "metad grid": lambda: filled(
        Metadynamics(PAIR, height=0.5, sigma=(0.2, 0.3), pace=10, kT=1.0, grid=(-4, 4, (100, 90)))
    ),
    "metad grid 1": lambda: filled(Metadynamics(X, height=0.5, sigma=0.2, pace=10, kT=1.0, grid=(-4, 4, 100))),
    "opes": lambda: filled(Opes(PAIR, barrier=6.0, kT=1.0, pace=10, sigma=(0.3, 0.4))),
    "opes explore": lambda: filled(OpesExplore(PAIR, barrier=6.0, kT=1.0, pace=10, sigma=(0.3, 0.4))),
}


def test_every_bias_is_tested_here_and_documented(repository):
    exported = [getattr(phasewire.bias, name) for name in phasewire.bias.__all__]
    kinds = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, BiasPotential)}
    assert {type(make()) for make in BIASES.values()} == kinds - {BiasPotential}
    rows = [
        row.split("|")[1] for row in (repository / "docs" / "biasing.md").read_text().splitlines() if row[:1] == "|"
    ]
    assert {kind.__name__ for kind in kinds - {BiasPotential}} <= set(re.findall(r"`(\w+)`", "".join(rows)))


@pytest.mark.parametrize("make", BIASES.values(), ids=BIASES)
def test_derivatives_are_those_of_the_energy(make):
    bias = make()
    rng = np.random.default_rng(11)
    forced = 0
    for point in rng.uniform(-1.2, 1.2, (25, len(bias.variables))):
        energy, derivatives = bias.energy(point, 37)
        assert energy == bias.energy(point, 37)[0]
        for along in range(len(point)):
            ahead, behind = point.copy(), point.copy()
            ahead[along] += 1e-5
            behind[along] -= 1e-5
            numeric = (bias.energy(ahead, 37)[0] - bias.energy(behind, 37)[0]) / 2e-5
            # A step across the cutoff of a kernel would include its jump; none of these points does.
            assert not abs(numeric - derivatives[along]) > 1e-6 * max(1.0, abs(numeric))
            forced += abs(numeric) > 0.01
    assert forced > 10


@pytest.mark.parametrize("make", BIASES.values(), ids=BIASES)
def test_asking_for_the_energy_changes_nothing(make):
    bias = make()
    before = {key: np.array(value) for key, value in bias.state().items()}
    bias.energy(np.full(len(bias.variables), 0.3), 1000)
    after = bias.state()
    assert set(before) == set(after)
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key])


@pytest.mark.parametrize("make", BIASES.values(), ids=BIASES)
def test_settings_are_json_and_another_bias_is_refused_by_the_name_of_the_setting(make):
    bias = make()
    stored = json.loads(json.dumps(bias.settings(), allow_nan=False))
    bias.check_settings(stored)
    for key in stored:
        with pytest.raises(InputError) as refused:
            bias.check_settings({**stored, key: "another"})
        assert refused.value.code == "BAD_OPTION"
        assert refused.value.field == f"{bias.name}.{key}"
    with pytest.raises(InputError, match=rf"{bias.name}\.extra"):
        bias.check_settings({**stored, "extra": 1})


@pytest.mark.parametrize("make", BIASES.values(), ids=BIASES)
def test_columns_begin_with_the_name_and_hold_the_energy(make):
    bias = make()
    energy, _ = bias.energy(np.full(len(bias.variables), 0.4), 5)
    columns = bias.columns()
    assert all(column.startswith(f"{bias.name}.") for column in columns)
    assert columns[f"{bias.name}.bias"] == energy


@pytest.mark.parametrize("make", BIASES.values(), ids=BIASES)
@pytest.mark.parametrize("values", [[0.1, 0.2, 0.3], [np.nan, 0.0], [np.inf, 0.0]])
def test_values_that_cannot_be_are_refused(make, values):
    bias = make()
    with pytest.raises(InputError) as refused:
        bias.energy(values[: max(1, len(bias.variables))] if len(values) == 2 else values, 0)
    assert refused.value.field == f"{bias.name}.values"


def test_harmonic_and_linear_are_their_formulas():
    energy, derivatives = Harmonic(PAIR, (1.0, 2.0), (3.0, 4.0)).energy([2.0, 0.0], 0)
    assert energy == 0.5 * 3.0 * 1.0 + 0.5 * 4.0 * 4.0
    np.testing.assert_array_equal(derivatives, [3.0, -8.0])
    energy, derivatives = Linear(PAIR, (1.0, -2.0)).energy([3.0, 5.0], 0)
    assert energy == -7.0
    np.testing.assert_array_equal(derivatives, [1.0, -2.0])


def test_walls_stand_where_they_are_told_and_push_inwards():
    upper = UpperWall(X, 1.0, 2.0, exponent=2, offset=0.5, scale=0.25)
    assert upper.energy([0.5], 0) == (0.0, np.array([0.0]))
    energy, slope = upper.energy([0.75], 0)
    assert energy == 2.0 * 1.0**2
    assert slope[0] == 2.0 * 2.0 * 1.0 / 0.25
    lower = LowerWall(X, 1.0, 2.0, exponent=2, offset=0.5, scale=0.25)
    assert lower.energy([1.5], 0)[0] == 0.0
    energy, slope = lower.energy([1.25], 0)
    assert energy == 2.0
    assert slope[0] == -16.0


def test_a_moving_centre_follows_its_schedule_and_stays_at_its_ends():
    bias = Moving(X, [10, 20, 40], [0.0, 1.0, -1.0], [2.0, 2.0, 6.0])
    for step, centre, strength in [(0, 0.0, 2.0), (10, 0.0, 2.0), (15, 0.5, 2.0), (30, 0.0, 4.0), (99, -1.0, 6.0)]:
        found_centre, found_strength = bias.at(step)
        np.testing.assert_allclose([found_centre[0], found_strength[0]], [centre, strength], atol=1e-15)
        assert bias.energy([0.7], step)[0] == pytest.approx(0.5 * strength * (0.7 - centre) ** 2)


def test_the_work_is_what_the_motion_adds_to_the_energy():
    # Constant values: the whole change of the energy is work, for any number of steps.
    for stride in (1, 7):
        bias = Moving(X, [0, 50], [0.0, 2.0], [1.0, 9.0])
        for step in range(0, 71, stride):
            bias.update([0.3], step)
            bias.update([0.3], step)
        assert bias.columns()["moving.work"] == pytest.approx(bias.energy([0.3], 70)[0] - bias.energy([0.3], 0)[0])


def test_jarzynski_gives_the_free_energy_of_the_pulled_spring():
    # A spring of strength 4 pulled by one of 6: F(1) - F(0) = 1/2 (4 * 6 / 10) 1^2, kT = 1.
    rng = np.random.default_rng(5)
    steps, step = 60, 0.02
    works = []
    for _ in range(400):
        bias = Moving(X, [0, steps], [0.0, 1.0], 6.0)
        position = rng.normal(0.0, np.sqrt(1.0 / 10.0), 1)
        for number in range(steps + 1):
            bias.update(position, number)
            slope = bias.energy(position, number)[1]
            position = position - step * (slope + 4.0 * position) + np.sqrt(2.0 * step) * rng.normal(size=1)
        works.append(bias.work)
    mean = float(np.mean(works))
    assert not abs(-np.log(np.mean(np.exp(-np.array(works)))) - 1.2) > 0.1
    assert mean > 1.2


def test_columns_tell_centre_and_work_of_the_step_that_was_evaluated_last():
    bias = Moving([X], [0, 10], [0.0, 1.0], 4.0)
    assert np.isnan(bias.columns()["moving.x_cntr"])
    for step in (0, 5, 10):
        bias.energy([0.0], step)
        # A row of COLVAR is written before the bias moves on, and a second evaluation of the step changes nothing.
        for _ in range(2):
            columns = bias.columns()
            assert columns["moving.x_cntr"] == pytest.approx(step / 10)
            assert columns["moving.work"] == pytest.approx(2.0 * (step / 10) ** 2)
            assert columns["moving.bias"] == pytest.approx(2.0 * (step / 10) ** 2)
            bias.energy([0.0], step)
        bias.update([0.0], step)
        assert bias.columns()["moving.work"] == pytest.approx(2.0 * (step / 10) ** 2)


def test_the_work_goes_on_after_a_restart(tmp_path):
    def make():
        return Moving(X, [0, 50], [0.0, 2.0], [1.0, 9.0])

    values = np.random.default_rng(2).normal(size=60)
    whole, first = make(), make()
    for step, value in enumerate(values):
        whole.update([value], step)
        if step < 23:
            first.update([value], step)
    np.savez(tmp_path / "state.npz", **first.state())
    second = make()
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.restore(state)
    for step in range(23, 60):
        second.update([values[step]], step)
    assert second.columns() == pytest.approx(whole.columns(), nan_ok=True, rel=0, abs=0)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Harmonic((), 0.0, 1.0), "harmonic.variables"),
        (lambda: Harmonic((X, X), 0.0, 1.0), "harmonic.variables"),
        (lambda: Harmonic("x", 0.0, 1.0), "harmonic.variables"),
        (lambda: Harmonic(X, (0.0, 1.0), 1.0), "harmonic.centre"),
        (lambda: Harmonic(X, 0.0, -1.0), "harmonic.strength"),
        (lambda: Harmonic(X, "here", 1.0), "harmonic.centre"),
        (lambda: Moving(X, [0, 0], [0.0, 1.0], 1.0), "moving.steps"),
        (lambda: Moving(X, [0, 1], [0.0, 1.0, 2.0], 1.0), "moving.centres"),
        (lambda: Moving(X, [0, 1], [0.0, 1.0], [-1.0, 1.0]), "moving.strengths"),
        (lambda: UpperWall(X, 0.0, 0.0), "uwall.strength"),
        (lambda: UpperWall(X, 0.0, 1.0, exponent=1.0), "uwall.exponent"),
        (lambda: LowerWall(X, 0.0, 1.0, scale=-1.0), "lwall.scale"),
        (lambda: Linear(X, np.inf), "linear.slope"),
        (lambda: Metadynamics(X, height=0.0, sigma=0.1, kT=1.0), "metad.height"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.0, kT=1.0), "metad.sigma"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.1, pace=0, kT=1.0), "metad.pace"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.1, pace=True, kT=1.0), "metad.pace"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.1, bias_factor=1.0, kT=1.0), "metad.bias_factor"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.1), "metad.kT"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.1, kT=1.0, grid=(0, 0, 10)), "metad.grid"),
        (lambda: Metadynamics(X, height=1.0, sigma=0.1, kT=1.0, grid=(0, 1, 19)), "metad.grid.bins"),
        (lambda: Opes(X, barrier=0.5, kT=1.0, sigma=0.1), "opes.barrier"),
        (lambda: Opes(X, barrier=2000.0, kT=1.0, sigma=0.1), "opes.barrier"),
        (lambda: Opes(X, barrier=5.0, kT=0.0, sigma=0.1), "opes.kT"),
        (lambda: Opes(X, barrier=5.0, kT=1.0, bias_factor=np.inf), "opes.sigma"),
        (lambda: Opes(X, barrier=5.0, kT=1.0, sigma=0.1, adaptive=100), "opes.adaptive"),
        (lambda: Opes(X, barrier=5.0, kT=1.0, adaptive=100), "opes.adaptive"),
        (lambda: Opes(X, barrier=5.0, kT=1.0, sigma=0.1, compression=9.0), "opes.compression"),
        (lambda: OpesExplore(X, barrier=5.0, kT=1.0, sigma=0.1, bias_factor=np.inf), "opes.bias_factor"),
    ],
)
def test_parameters_that_cannot_be_are_refused_by_name(make, field):
    with pytest.raises(InputError) as refused:
        make()
    assert refused.value.code == "BAD_OPTION"
    assert refused.value.field == field


def test_a_state_of_another_kind_is_refused():
    state = BIASES["opes"]().state()
    with pytest.raises(InputError, match=r"metad\.state"):
        BIASES["metad"]().restore(state)
    with pytest.raises(InputError, match=r"harmonic\.state"):
        BIASES["harmonic"]().restore(state)
    with pytest.raises(InputError, match=r"metad\.state"):
        BIASES["metad grid 1"]().restore(BIASES["metad"]().state())
    with pytest.raises(InputError, match=r"opes\.state"):
        Opes(X, barrier=6.0, kT=1.0, sigma=0.1).restore(state)
