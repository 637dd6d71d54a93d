"""Values and derivatives of variables, against the golden file and central differences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import phasewire
from evaluated import Evaluated, Forward
from phasewire._frame.frame import Frame
from phasewire._model.facts import ModelFacts
from phasewire.errors import PhasewireError
from phasewire.variables import atoms, ball, slab, variable_from_dict, variable_names, variables_from_list
from phasewire.variables.grammar import KINDS
from phasewire.variables.schema import check_variables

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "test" / "variables" / "golden.json").read_text())
ALIASES = {alias: name for name, aliases in GOLDEN["aliases"].items() for alias in aliases}


def system(number):
    body = GOLDEN["systems"][number]
    positions, species = np.array(body["positions"], dtype=float), body["species"]
    frame = Frame(
        positions=positions,
        cell=None if body["cell"] is None else np.array(body["cell"], dtype=float),
        periodic=tuple(body["periodic"]),
        species=None if species is None else np.array(species, dtype=np.int32),
        names=None if body["speciesNames"] is None else tuple(body["speciesNames"]),
        ids=None if body["ids"] is None else np.array(body["ids"]),
        origin=None if body.get("origin") is None else np.array(body["origin"], dtype=float),
    )
    return Forward(
        frame=frame,
        logits=np.array(body["logits"], dtype=float),
        length_scale=body["lengthScale"],
        model=ModelFacts(
            phases=tuple(GOLDEN["classes"]),
            aliases=ALIASES,
            class_weights=np.exp(np.array(body["logWeights"], dtype=float)),
            ideal_logits=np.array(body["idealLogits"], dtype=float),
            logit_length=body["logitLength"],
        ),
    )


def value_of(variable, forward):
    return float(Evaluated([variable], forward).values[0])


def derivatives_of(variable, forward):
    return Evaluated([variable], forward).pull(np.ones(1))


def close(actual, expected, tolerance):
    expected = np.asarray(expected, dtype=float)
    assert np.shape(actual) == expected.shape
    error = np.abs(actual - expected).max()
    assert error <= tolerance * max(1.0, np.abs(expected).max()), error


def test_the_golden_file_has_every_kind():
    assert {case["variable"]["kind"] for case in GOLDEN["cases"]} == set(KINDS)


@pytest.mark.parametrize("number", range(len(GOLDEN["cases"])))
def test_golden(number):
    case = GOLDEN["cases"][number]
    forward, variable = system(case["system"]), variable_from_dict(case["variable"])
    found = Evaluated([variable], forward)
    close(found.values[0], case["value"], 1e-12)
    if "seed" not in case:
        # A sharp edge.
        with pytest.raises(PhasewireError) as caught:
            found.pull(np.ones(1))
        assert caught.value.code == "BAD_OPTION"
        return
    adjoint = found.pull(np.ones(1))
    count, classes = forward.logits.shape
    close(adjoint.seed, np.reshape(case["seed"], (count, classes)), 1e-12)
    gradient = np.zeros((count, 3)) if case["gradient"] is None else np.reshape(case["gradient"], (count, 3))
    close(adjoint.gradient, gradient, 1e-12)
    virial = np.zeros((3, 3)) if case["virial"] is None else np.reshape(case["virial"], (3, 3))
    close(adjoint.virial, virial, 1e-12)
    close(adjoint.by_log_length_scale, case["logLengthScale"], 1e-12)


@pytest.mark.parametrize("number", range(len(GOLDEN["unreadable"])))
def test_golden_unreadable(number):
    case = GOLDEN["unreadable"][number]
    with pytest.raises(PhasewireError) as caught:
        check_variables(variables_from_list(case["variables"]), GOLDEN["classes"], ALIASES)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", case["field"])


@pytest.mark.parametrize("number", range(len(GOLDEN["unusable"])))
def test_golden_unusable(number):
    case = GOLDEN["unusable"][number]
    forward, variables = system(case["system"]), variables_from_list([case["variable"]])

    def use():
        check_variables(variables, forward.model.phases, forward.model.aliases)
        Evaluated(variables, forward)

    with pytest.raises(PhasewireError) as caught:
        use()
    assert (caught.value.code, caught.value.field) == (case["code"], case["field"])


def test_golden_names():
    assert GOLDEN["names"]
    for case in GOLDEN["names"] if isinstance(GOLDEN["names"], list) else [GOLDEN["names"]]:
        assert list(variable_names(variables_from_list(case["variables"]))) == case["names"]


def slope_along(variable, forward, move, step):
    """Central difference of a variable along ``move(forward, t)``, of fourth order."""
    ends = {t: value_of(variable, move(forward, t * step)) for t in (-2, -1, 1, 2)}
    return (8 * (ends[1] - ends[-1]) - (ends[2] - ends[-2])) / (12 * step)


def moves(forward, random):
    """Directions in which a frame can change, and the derivative of an adjoint along each."""
    count, classes = forward.logits.shape
    by_logits = random.normal(size=(count, classes))
    by_positions = random.normal(size=(count, 3))
    strain = random.normal(size=(3, 3))

    def strained(forward, t):
        deformation = np.eye(3) + t * strain
        frame = forward.frame
        cell = None if frame.cell is None else frame.cell @ deformation
        origin = None if frame.origin is None else frame.origin @ deformation
        return replace(forward, frame=replace(frame, positions=frame.positions @ deformation, cell=cell, origin=origin))

    def moved(forward, t):
        return replace(forward, frame=replace(forward.frame, positions=forward.frame.positions + t * by_positions))

    return {
        "logits": (
            lambda forward, t: replace(forward, logits=forward.logits + t * by_logits),
            lambda adjoint: np.sum(adjoint.seed * by_logits),
        ),
        "positions": (
            moved,
            lambda adjoint: np.sum(adjoint.gradient * by_positions),
        ),
        "strain": (strained, lambda adjoint: -np.sum(adjoint.virial.T * strain)),
        "log a0": (
            lambda forward, t: replace(forward, length_scale=forward.length_scale * np.exp(t)),
            lambda adjoint: adjoint.by_log_length_scale,
        ),
    }


CELL = np.array([[7.2, 0.3, 0], [-1.1, 6.8, 0.4], [0.2, 0.5, 8.1]])
OWN = {
    "custom": phasewire.custom(lambda x: np.tanh(x[:, 1] * x[:, 2]).mean() ** 2, lambda x: tanh_squared_slopes(x)),
    "per atom, slopes given": phasewire.per_atom(
        lambda x: np.sin(x[:, 1]) * x[:, 3],
        lambda x: np.stack([0 * x[:, 0], np.cos(x[:, 1]) * x[:, 3], 0 * x[:, 0], np.sin(x[:, 1])], axis=1),
    ),
    "per atom, numerically, in a ball": phasewire.per_atom(
        lambda x: np.exp(0.3 * x[:, 1]) / (1 + x[:, 0] ** 2),
        select=atoms(region=ball((0.4, 0.5, 0.6), 1.0, width=2.0)),
        switch=(1.0, 0.5),
    ),
    "everything": 0.5
    * phasewire.smooth_max(
        phasewire.fraction("fcc", "hcp", select=atoms(region=slab(0, 0.2, 0.5, width=0.2))),
        phasewire.switch(phasewire.log_density(select=atoms(species=[1]), reduce="mean"), 2.0, 1.0),
        sharpness=3.0,
    )
    - phasewire.distance("bcc", switch=phasewire.Switch(0.3, 0.1), select=atoms(region=ball((0, 0, 0), 1.0, width=2.0)))
    + 2,
}


def tanh_squared_slopes(logits):
    product = logits[:, 1] * logits[:, 2]
    outer = 2 * np.tanh(product).mean() * (1 - np.tanh(product) ** 2) / len(logits)
    zero = np.zeros(len(logits))
    return np.stack([zero, outer * logits[:, 2], outer * logits[:, 1], zero], axis=1)


def own_system():
    random = np.random.default_rng(3)
    frame = Frame(
        positions=random.uniform(-2, 9, (20, 3)),
        cell=CELL,
        periodic=(True, False, True),
        species=random.integers(0, 2, 20).astype(np.int32),
        origin=np.array([0.7, -0.4, 0.2]),
    )
    whole = system(0)
    model = replace(whole.model, class_weights=None, ideal_logits=np.full(4, 2.5))
    return replace(whole, frame=frame, logits=random.normal(1, 2, (20, 4)), model=model)


@pytest.mark.parametrize("direction", ["logits", "positions", "strain", "log a0"])
@pytest.mark.parametrize("number", [*range(len(GOLDEN["cases"])), *OWN])
def test_derivatives_are_those_of_the_values(number, direction):
    if number in OWN:
        forward, variable = own_system(), OWN[number]
    else:
        case = GOLDEN["cases"][number]
        if "seed" not in case:
            assert case["variable"]["select"]["region"]["width"] == 0
            return
        forward, variable = system(case["system"]), variable_from_dict(case["variable"])
        # One system has an atom exactly on the corner of a distance, where differences are not derivatives.
        off_corners = 0.05 * np.random.default_rng(5).normal(size=forward.logits.shape)
        forward = replace(forward, logits=forward.logits + off_corners)
    move, said = moves(forward, np.random.default_rng(4))[direction]
    adjoint = derivatives_of(variable, forward)
    predicted = said(adjoint)
    found = slope_along(variable, forward, move, 1e-3 if direction != "logits" else 3e-4)
    scale = max(abs(found), abs(predicted), 1e-2 * np.linalg.norm(adjoint.seed))
    # Extreme logits are near corners.
    tolerance = 1e-4 if number in OWN or GOLDEN["cases"][number]["system"] == 3 else 1e-6
    assert abs(found - predicted) <= tolerance * scale + 1e-11


def test_an_energy_of_several_variables_adds_up():
    forward = own_system()
    variables, weights = list(OWN.values()), np.array([0.5, -2.0, 3.0, 0.0])
    together = Evaluated(variables, forward).pull(weights)
    seed, gradient, virial = together.seed.copy(), together.gradient.copy(), together.virial
    for variable, weight in zip(variables, weights, strict=True):
        part = derivatives_of(variable, forward)
        seed -= weight * part.seed
        gradient -= weight * part.gradient
        virial = virial - weight * part.virial
    assert np.abs(seed).max() <= 1e-12
    assert np.abs(gradient).max() <= 1e-12
    assert np.abs(virial).max() <= 1e-12


def test_what_has_no_weight_is_not_differentiated():
    def refuse(logits):
        raise AssertionError("an unused derivative was evaluated")

    forward = own_system()
    variables = [phasewire.custom(lambda x: 1.0, refuse), phasewire.fraction("fcc")]
    assert Evaluated(variables, forward).pull(np.array([0.0, 1.0])).seed.any()
    assert not Evaluated(variables, forward).pull(np.zeros(2)).seed.any()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (phasewire.custom(lambda x: x.sum(), lambda x: 0.9 * np.ones_like(x)), "derivative is wrong"),
        (phasewire.custom(lambda x: x.sum(), lambda x: np.zeros_like(x)), "derivative is wrong"),
        (phasewire.custom(lambda x: x.sum(), lambda x: np.full_like(x, np.nan)), "derivative is wrong"),
        (phasewire.custom(lambda x: x.sum(), lambda x: np.ones(len(x))), "shape"),
        (phasewire.custom(lambda x: x.sum(axis=1), lambda x: np.ones_like(x)), "one number"),
        (phasewire.per_atom(lambda x: x[:, 0], lambda x: np.ones_like(x)), "derivative is wrong"),
        (phasewire.per_atom(lambda x: x.sum()), "one number per atom"),
    ],
)
def test_wrong_functions_are_refused(variable, text):
    with pytest.raises(PhasewireError, match=text) as caught:
        derivatives_of(variable, own_system())
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "variables[0]")


def test_functions_are_checked_once_and_may_compute_in_single_precision():
    calls = []

    def function(logits):
        calls.append(1)
        return float(np.square(logits.astype(np.float32)).mean(dtype=np.float32))

    variable = phasewire.custom(function, lambda x: 2 * x / x.size)
    derivatives_of(variable, own_system())
    first = len(calls)
    derivatives_of(variable, own_system())
    assert (first > 1, len(calls) - first) == (True, 1)


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(PhasewireError, match="not finite") as caught:
        value_of(phasewire.custom(lambda x: np.inf, lambda x: 0 * x), own_system())
    assert caught.value.field == "variables[0]"


def test_a_distance_needs_ideal_logits():
    forward = own_system()
    with pytest.raises(PhasewireError) as caught:
        value_of(phasewire.distance("fcc"), replace(forward, model=replace(forward.model, ideal_logits=None)))
    assert caught.value.code == "PROTOCOL_VERSION"


def test_the_smooth_distance_is_the_distance_far_from_the_corner():
    forward = own_system()
    for gap in (0.1, 0.4, 2.0):
        # sqrt(2 s^2 u) of u, in units of a0.
        u = 0.5 * (gap / forward.model.logit_length) ** 2
        logits = np.full((20, 4), 2.5 - u)
        smooth = value_of(phasewire.distance("fcc"), replace(forward, logits=logits))
        assert abs(smooth / (gap * forward.length_scale) - 1) <= 0.03


def test_a_singular_cell_is_refused():
    frame = replace(own_system().frame, cell=np.diag([5.0, 5.0, 0.0]), periodic=(True, True, False))
    variable = phasewire.fraction("fcc", select=atoms(region=slab(0, 0, 0.1, width=0.1)))
    with pytest.raises(PhasewireError) as caught:
        value_of(variable, replace(own_system(), frame=frame))
    assert caught.value.code == "SINGULAR_CELL"


@pytest.mark.parametrize("region", [slab(0, 0.2, 0.4, width=0.2), ball((0.2, 0.5, 0.4), 1.0, width=2.0)])
def test_regions_count_from_the_origin_of_the_cell(region):
    forward, variable = own_system(), phasewire.fraction("fcc", select=atoms(region=region))
    frame, shift = forward.frame, np.array([0.9, -1.7, 2.3])
    together = replace(frame, positions=frame.positions + shift, origin=frame.origin + shift)
    alone = replace(frame, origin=frame.origin + shift)
    none, zero = replace(frame, origin=None), replace(frame, origin=np.zeros(3))
    value, *values = (value_of(variable, replace(forward, frame=one)) for one in (frame, together, alone, none, zero))
    assert values[0] == pytest.approx(value, rel=1e-12)
    assert abs(values[1] - value) > 1e-3
    assert values[2] == values[3]
