"""Forces of an energy of variables: in process, from a server, and from servers that fail in every way."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from ase.build import bulk

import phasewire
from fake_server import WELCOME, FakeServer, answer, error_for, silent
from phasewire import atoms, ball, fraction, slab
from phasewire._frame.frame import make_frame
from phasewire.errors import PhasewireError, make_error

SCALE = 2.3
IN_SLAB = atoms(region=slab(1, 0.2, 0.5, width=0.15))
IN_BALL = atoms(region=ball((0.95, 0.1, 0.5), 2.0, width=3.0))


def tanh_of_mean(logits):
    return np.tanh(0.1 * logits[:, 1].mean())


def slopes_of_tanh(logits):
    slopes = np.zeros_like(logits)
    slopes[:, 1] = 0.1 * (1 - tanh_of_mean(logits) ** 2) / len(logits)
    return slopes


VARIABLES = {
    "fraction": fraction("fcc"),
    "several classes": fraction("fcc", "hcp", "bcc"),
    "switch of atoms": fraction("fcc", switch=(0.6, 0.2)),
    "species": fraction("fcc", select=atoms(species=1)),
    "ids": phasewire.mean_logit("fcc", select=atoms(ids=range(10, 40))),
    "slab": fraction("fcc", select=IN_SLAB),
    "ball": phasewire.logit_difference("fcc", "bcc", select=IN_BALL),
    "sum over a ball": fraction("fcc", select=IN_BALL, reduce="sum"),
    "mean logit": phasewire.mean_logit("hcp"),
    "difference": phasewire.logit_difference("bcc", "fcc"),
    "distance": phasewire.distance("fcc"),
    "distance in a slab": phasewire.distance("fcc", select=IN_SLAB),
    "log density": phasewire.log_density(),
    "sum": 0.5 * fraction("fcc") - phasewire.distance("bcc") + 1,
    "smooth least": phasewire.smooth_min(fraction("fcc"), fraction("bcc", select=IN_SLAB), sharpness=5.0),
    "smooth largest": phasewire.smooth_max(phasewire.mean_logit("fcc"), phasewire.mean_logit("hcp"), sharpness=0.5),
    "switch": phasewire.switch(fraction("fcc"), 0.7, 0.2),
    "custom": phasewire.custom(tanh_of_mean, slopes_of_tanh),
    "per atom": phasewire.per_atom(lambda logits: np.sin(0.3 * logits[:, 1]) * logits[:, 2]),
}
WITH_REGIONS = {name for name in VARIABLES if "slab" in name or "ball" in name} | {"smooth least"}


def hot_frame(seed=5):
    """A hot crystal, in which the model hardly recognises half of the atoms as fcc."""
    crystal = bulk("Cu", cubic=True) * 3
    random = np.random.default_rng(seed)
    positions = crystal.positions + random.normal(0, 0.2, crystal.positions.shape)
    shape = np.eye(3) + np.array([[0, 0.05, 0], [0, 0, -0.03], [0.02, 0, 0.01]])
    species = random.integers(0, 2, len(crystal))
    return make_frame(positions @ shape, crystal.cell.array @ shape, True, species)


def strained(frame, strain):
    deformation = np.eye(3) + strain
    return replace(frame, positions=frame.positions @ deformation, cell=frame.cell @ deformation)


def moved(frame, displacement):
    return replace(frame, positions=frame.positions + displacement)


def check_derivatives(analyser, frame, *, tolerance=1e-3, **arguments):
    """Compare forces and virial with central differences of the energy along random directions."""

    def energy(changed):
        return analyser.evaluate_frame(changed, **arguments).energy

    def slope(change, step):
        near = energy(change(step)) - energy(change(-step))
        far = energy(change(2 * step)) - energy(change(-2 * step))
        return (8 * near - far) / (12 * step)

    central = analyser.evaluate_frame(frame, **arguments)
    random = np.random.default_rng(11)
    # Mostly along the forces, so that the change is well above single precision.
    direction = central.forces / np.linalg.norm(central.forces)
    direction += 0.3 * random.normal(size=direction.shape) / np.sqrt(direction.size)
    predicted = -np.sum(central.forces * direction)
    found = slope(lambda t: moved(frame, t * direction), 2e-2)
    assert abs(found - predicted) <= tolerance * abs(predicted)
    strain = -central.virial.T / np.linalg.norm(central.virial) + 0.3 * random.normal(size=(3, 3)) / 3
    predicted = -np.sum(central.virial.T * strain)
    found = slope(lambda t: strained(frame, t * strain), 1e-3)
    assert abs(found - predicted) <= tolerance * abs(predicted)
    return central


@pytest.fixture(scope="module")
def exact():
    with phasewire.Local(build="baseline") as analyser:
        yield analyser


# -- in process -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIABLES)
def test_forces_and_virial_are_derivatives(exact, name):
    found = check_derivatives(exact, hot_frame(), variables=VARIABLES[name], coefficients=[2.0], length_scale=SCALE)
    assert found.coefficients.tolist() == [2.0]
    total, size = np.abs(found.forces.sum(axis=0)).max(), np.abs(found.forces).sum()
    if name in WITH_REGIONS:
        assert total > 1e-5 * size
    else:
        assert total <= 1e-5 * size


@pytest.mark.parametrize("name", ["fraction", "distance", "distance in a slab", "ball", "switch", "sum"])
def test_forces_and_virial_where_the_length_scale_follows_the_cell(exact, name):
    frame = hot_frame()
    found = check_derivatives(exact, frame, variables=VARIABLES[name], length_scale="cell")
    assert found.length_scale == pytest.approx((abs(np.linalg.det(frame.cell)) / len(frame)) ** (1 / 3), rel=1e-14)
    fixed = exact.evaluate_frame(frame, variables=VARIABLES[name], length_scale=found.length_scale)
    np.testing.assert_array_equal(found.forces, fixed.forces)
    assert np.abs(found.virial - fixed.virial).max() > 1e-3 * np.abs(fixed.virial).max()


def test_what_follows_the_cell_presses_by_its_unit_alone(exact):
    frame = hot_frame()
    share, length = (
        exact.evaluate_frame(frame, variables=variable, length_scale="cell")
        for variable in (fraction("fcc"), phasewire.distance("fcc"))
    )
    assert abs(np.trace(share.virial)) <= 1e-12 * np.abs(share.virial).max()
    # A length grows with the cell: dE/dlog V^(1/3) = E.
    assert np.trace(length.virial) == pytest.approx(-length.energy, rel=1e-12)


def test_an_energy_of_the_values(exact):
    """A spring on two variables, and its derivatives."""
    variables = [fraction("fcc"), phasewire.mean_logit("hcp", select=IN_SLAB)]
    seen = []

    def spring(values):
        seen.append(values.copy())
        return 50 * (values[0] - 0.9) ** 2 + values[0] * values[1], [100 * (values[0] - 0.9) + values[1], values[0]]

    found = check_derivatives(exact, hot_frame(), variables=variables, energy=spring, length_scale=SCALE)
    np.testing.assert_array_equal(found.values, seen[0])
    assert found.energy == spring(found.values)[0]
    np.testing.assert_array_equal(found.coefficients, spring(found.values)[1])


def test_coefficients_are_the_linear_energy(exact):
    variables = [fraction("fcc"), phasewire.log_density()]
    one = exact.evaluate_frame(hot_frame(), variables=variables, coefficients=[3, -2], length_scale=SCALE)
    weights = np.array([3.0, -2.0])
    two = exact.evaluate_frame(
        hot_frame(), variables=variables, energy=lambda values: (weights @ values, weights), length_scale=SCALE
    )
    assert one.energy == two.energy
    np.testing.assert_array_equal(one.forces, two.forces)
    np.testing.assert_array_equal(one.virial, two.virial)


def test_no_backward_pass_where_nothing_is_asked_of_it(local, monkeypatch):
    passes = []
    backward = type(local._core).backward
    monkeypatch.setattr(type(local._core), "backward", lambda core: (passes.append(1), backward(core))[1])
    arguments = {"variables": [fraction("fcc"), fraction("fcc", select=IN_BALL)], "length_scale": SCALE}
    quiet = local.evaluate_frame(hot_frame(), energy=lambda values: (7.0, np.zeros(2)), **arguments)
    assert (passes, quiet.energy) == ([], 7.0)
    assert not quiet.forces.any()
    assert not quiet.virial.any()
    assert quiet.values[0] > 0
    # This sum has no atom to move.
    frame = hot_frame()
    empty = fraction("fcc", select=atoms(ids=[0], region=slab(0, 0.5, 0.5, width=0.1)), reduce="sum")
    assert local.evaluate_frame(frame, variables=empty, length_scale=SCALE).values == [0.0]
    assert passes == []
    local.evaluate_frame(frame, energy=lambda values: (7.0, [0.0, 1e-300]), **arguments)
    assert passes == [1]


def test_values_of_sharp_regions_can_be_watched_but_not_driven(exact):
    sharp = fraction("fcc", select=atoms(region=slab(0, 0.0, 0.5, width=0)))
    arguments = {"variables": [fraction("fcc"), sharp], "length_scale": SCALE}
    assert 0 < exact.evaluate_frame(hot_frame(), coefficients=[1, 0], **arguments).values[1] < 1
    with pytest.raises(PhasewireError) as caught:
        exact.evaluate_frame(hot_frame(), coefficients=[1, 1], **arguments)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "variables[1].select.region.width")


def test_selections_of_frames_and_of_variables_combine(exact):
    """Ids refer to all given atoms, and the forces are those of all of them."""
    frame = hot_frame()
    names = np.where(frame.species == 1, "Ni", "Cu")
    chosen = np.flatnonzero(frame.species == 1)
    found = exact.forces(
        frame.positions,
        frame.cell,
        True,
        names,
        variables=phasewire.log_density(select=atoms(ids=chosen[:5], species="Ni")),
        select="Ni",
        length_scale=SCALE,
    )
    assert found.forces.shape == frame.positions.shape
    assert not found.forces[frame.species == 0].any()
    assert found.forces[chosen].any()


class OwnError(Exception):
    pass


@pytest.mark.parametrize("error", [OwnError("mine"), make_error("NO_SESSION", "of the user's own")])
def test_an_error_of_the_energy_goes_through(local, error):
    def fail(values):
        raise error

    with pytest.raises(type(error)) as caught:
        local.evaluate_frame(hot_frame(), variables=fraction("fcc"), energy=fail, length_scale=SCALE)
    assert caught.value is error
    # The analyser still works.
    assert local.evaluate_frame(hot_frame(), variables=fraction("fcc"), length_scale=SCALE).values.shape == (1,)


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        ({"energy": lambda v: (1.0, [1.0, 2.0])}, "BAD_OPTION", "energy"),
        ({"energy": lambda v: (np.nan, [1.0])}, "BAD_OPTION", "energy"),
        ({"energy": lambda v: (1.0, [np.inf])}, "BAD_OPTION", "energy"),
        ({"energy": lambda v: (1.0, [1e308])}, "BAD_OPTION", "energy"),
        ({"energy": lambda v: (1.0, [1.0]), "coefficients": [1.0]}, "BAD_OPTION", "coefficients"),
        ({"coefficients": [1.0, 2.0]}, "BAD_OPTION", "coefficients"),
        ({"deadline": 0}, "BAD_OPTION", "deadline"),
        ({"length_scale": "volume"}, "BAD_LENGTH_SCALE", "length_scale"),
        ({"variables": fraction("omega-9")}, "BAD_OPTION", "variables[0].class"),
        ({"variables": fraction("fcc", "A1")}, "BAD_OPTION", "variables[0].classes[1]"),
        ({"variables": fraction("fcc", select=atoms(ids=[500]))}, "EMPTY_SELECTION", "variables[0].select.ids"),
        ({"variables": 3}, "BAD_OPTION", "variables[0]"),
    ],
)
def test_what_is_refused(local, arguments, code, field):
    with pytest.raises(PhasewireError) as caught:
        local.evaluate_frame(hot_frame(), **{"variables": phasewire.log_density(), "length_scale": SCALE, **arguments})
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_length_scale_that_follows_the_cell_needs_one(local):
    frame = replace(hot_frame(), periodic=(True, True, False))
    with pytest.raises(PhasewireError, match="all three") as caught:
        local.evaluate_frame(frame, variables=fraction("fcc"), length_scale="cell")
    assert caught.value.code == "BAD_LENGTH_SCALE"


# -- from a server --------------------------------------------------------------------------------------------------


def test_a_server_gives_the_same(server, local):
    frame = hot_frame()
    with phasewire.connect(server.endpoint) as client:
        for name, variable in VARIABLES.items():
            arguments = {"variables": variable, "coefficients": [2.5], "length_scale": "cell", "classes": None}
            ours, theirs = (analyser.evaluate_frame(frame, **arguments) for analyser in (local, client))
            np.testing.assert_allclose(theirs.values, ours.values, rtol=1e-6, atol=1e-9, err_msg=name)
            for key in ("forces", "virial"):
                expected = getattr(ours, key)
                error = np.abs(getattr(theirs, key) - expected).max()
                assert error <= 1e-6 * np.abs(expected).max(), (name, key)
        # Weights of classes and an estimated length scale.
        allowed = {"fcc": 2.0, "hcp": 1.0}
        for arguments in ({"classes": allowed, "length_scale": SCALE}, {}):
            ours, theirs = (
                analyser.evaluate_frame(frame, variables=phasewire.distance("fcc") + fraction("fcc"), **arguments)
                for analyser in (local, client)
            )
            assert theirs.length_scale == pytest.approx(ours.length_scale, rel=1e-12)
            np.testing.assert_allclose(theirs.values, ours.values, rtol=1e-6)
            assert np.abs(theirs.forces - ours.forces).max() <= 1e-6 * np.abs(ours.forces).max()


def test_a_killed_server_is_replaced_within_the_deadline(mortal_server):
    frame, calls = hot_frame(), []

    def spring(values):
        calls.append(float(values[0]))
        if len(calls) == 1:
            mortal_server.kill()
            threading.Thread(target=mortal_server.start).start()
        return values[0] ** 2, 2 * values

    with phasewire.connect(mortal_server.endpoint) as client:
        found = client.evaluate_frame(
            frame, variables=fraction("fcc"), energy=spring, length_scale=SCALE, deadline=60.0
        )
        expected = client.evaluate_frame(frame, variables=fraction("fcc"), energy=spring, length_scale=SCALE)
    # The second answer came from the second server only.
    assert len(calls) >= 3
    np.testing.assert_array_equal(found.forces, expected.forces)


ATOMS = make_frame(np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]]), np.eye(3) * 4.0, True, step=7)
LOGITS = np.array([[0.5, 2.0, -1.0], [0.5, 1.0, 3.0]], dtype="<f4")
FORCES = np.array([[1.0, -2.0, 3.0], [-1.0, 2.0, -3.0]])
VIRIAL = np.arange(9.0).reshape(3, 3)


def reply(header, arrays, **changes):
    body = {"type": "result", "sequence": header["sequence"], "mode": header["mode"], "step": header["step"]}
    body |= {"atomCount": 2, "lengthScale": header.get("lengthScale", 2.5), "seconds": 0.001}
    codes = {"float32": "f32", "float64": "f64"}
    body["arrays"] = [
        {"name": name, "dtype": codes[array.dtype.name], "shape": list(array.shape)} for name, array in arrays.items()
    ]
    return [msgpack.packb({**body, **changes}), *(array.tobytes() for array in arrays.values())]


def logits_for(header, **changes):
    return reply(header, {"logits": LOGITS}, **changes)


def forces_for(header, forces=FORCES, virial=VIRIAL, **changes):
    return reply(header, {"forces": forces, "virial": virial}, **changes)


def is_seed(header):
    return any(array["name"] == "seed" for array in header.get("arrays", []))


def biasing(first=logits_for, second=forces_for, **model):
    """A server that gives forces; one of its two answers may be replaced."""

    def handler(header, server):
        if header["type"] == "hello":
            welcome = {**WELCOME, "capabilities": ["request", "bias", "seed"], "model": {**WELCOME["model"], **model}}
            session = f"s{len(server.headers)}"
            return [msgpack.packb({**welcome, "sequence": header["sequence"], "session": session})]
        if header["type"] == "analyse":
            return (second if is_seed(header) else first)(header)
        return answer(header, server)

    return handler


def ask(client, **arguments):
    return client.evaluate_frame(
        ATOMS, **{"variables": phasewire.log_density(), "length_scale": 2.5, "deadline": 5.0, **arguments}
    )


def test_two_questions_about_one_frame(endpoint):
    with FakeServer(endpoint, biasing()) as server, phasewire.connect(endpoint, shared_memory=False) as client:
        found = ask(client, coefficients=[4.0])
        first, second = server.of_type("analyse")
    values = np.log(np.exp(LOGITS.astype(float)).sum(axis=1)).sum()
    assert found.values.tolist() == [pytest.approx(values, rel=1e-12)]
    # The seed, 4 p, has 2 as its power of two.
    np.testing.assert_array_equal(found.forces, 2 * FORCES)
    np.testing.assert_array_equal(found.virial, 2 * VIRIAL)
    for header in (first, second):
        assert (header["mode"], header["step"], header["lengthScale"]) == ("bias", 7, 2.5)
        assert 0 < header["timeoutMs"] <= 5000
    assert (first["fields"], second["fields"]) == (["logits"], ["forces", "virial"])
    assert second["arrays"][-1] == {"name": "seed", "dtype": "f32", "shape": [2, 3]}
    assert first["arrays"] == second["arrays"][:-1]


def test_an_estimated_length_scale_is_that_of_both_questions(endpoint):
    estimate = biasing(lambda header: logits_for(header, lengthScale=2.125))
    with FakeServer(endpoint, estimate) as server, phasewire.connect(endpoint) as client:
        assert ask(client, length_scale=None).length_scale == 2.125
        first, second = server.of_type("analyse")
    assert (first["mode"], first.get("lengthScale")) == ("request", None)
    assert (second["mode"], second["lengthScale"]) == ("bias", 2.125)


def test_one_question_is_enough_without_derivatives(endpoint):
    with FakeServer(endpoint, biasing()) as server, phasewire.connect(endpoint) as client:
        found = ask(client, energy=lambda values: (3.0, [0.0]))
        assert len(server.of_type("analyse")) == 1
    assert (found.energy, found.forces.any(), found.virial.any()) == (3.0, False, False)


def test_a_distance_needs_the_servers_ideal_logits(endpoint):
    server = FakeServer(endpoint, biasing())
    with server, phasewire.connect(endpoint) as client, pytest.raises(PhasewireError, match="ideal logits"):
        ask(client, variables=phasewire.distance("fcc"))


def test_ideal_logits_come_with_the_welcome(endpoint):
    with FakeServer(endpoint, biasing(idealLogits=[0.5, 4.0, 5.0])), phasewire.connect(endpoint) as client:
        found = ask(client, variables=phasewire.distance("fcc"))
    u = 4.0 - LOGITS[:, 1].astype(float)
    expected = 2.5 * 0.1 * np.sqrt(2 * u**3 / (u**2 + 1 / 16)).mean()
    assert found.values[0] == pytest.approx(expected, rel=1e-12)


def with_nan(array):
    spoilt = array.copy()
    spoilt.flat[-1] = np.nan
    return spoilt


WRONG_SECOND_ANSWERS = {
    "forces of more atoms": lambda header: forces_for(header, np.zeros((3, 3))),
    "forces in single precision": lambda header: forces_for(header, FORCES.astype(np.float32)),
    "NaN": lambda header: forces_for(header, with_nan(FORCES)),
    "NaN in the virial": lambda header: forces_for(header, virial=with_nan(VIRIAL)),
    "no virial": lambda header: reply(header, {"forces": FORCES}),
    "logits again": logits_for,
    "another length scale": lambda header: forces_for(header, lengthScale=2.5000001),
    "a pong": lambda header: forces_for(header, type="pong"),
    "cut short": lambda header: [*forces_for(header)[:2], b"\0" * 64],
}
WRONG_FIRST_ANSWERS = {
    "logits of fewer classes": lambda header: reply(header, {"logits": LOGITS[:, :2].copy()}),
    "NaN": lambda header: reply(header, {"logits": with_nan(LOGITS)}),
    "no logits": forces_for,
    "another length scale": lambda header: logits_for(header, lengthScale=2.4),
}


@pytest.mark.parametrize(
    "handler",
    [
        *(biasing(second=wrong) for wrong in WRONG_SECOND_ANSWERS.values()),
        *(biasing(wrong) for wrong in WRONG_FIRST_ANSWERS.values()),
    ],
    ids=[*WRONG_SECOND_ANSWERS, *(f"first: {name}" for name in WRONG_FIRST_ANSWERS)],
)
def test_wrong_answers_are_errors(endpoint, handler):
    server = FakeServer(endpoint, handler)
    with server, phasewire.connect(endpoint) as client, pytest.raises(phasewire.ProtocolError):
        ask(client)


@pytest.mark.parametrize(
    "handler",
    [
        silent,
        biasing(lambda header: None),
        biasing(second=lambda header: None),
        biasing(lambda header: logits_for(header, step=6)),
        biasing(second=lambda header: forces_for(header, step=8)),
        biasing(second=lambda header: forces_for(header, sequence=header["sequence"] - 1)),
        biasing(second=lambda header: forces_for(header, session="another")),
    ],
    ids=[
        *("no welcome", "no logits", "no forces", "logits of a step before", "forces of a later step"),
        *("answer to an earlier question", "another session"),
    ],
)
def test_no_answer_to_this_step_within_the_deadline(endpoint, handler):
    # Before the client's timeout, which is longer.
    late = pytest.raises(phasewire.DeadlineError, match=r"within 0\.3 s")
    with FakeServer(endpoint, handler), phasewire.connect(endpoint, lazy=True) as client, late:
        ask(client, deadline=0.3)


def test_the_deadline_is_one_for_all_questions(endpoint):
    def slow(make):
        def handler(header):
            time.sleep(0.25)
            return make(header)

        return handler

    with FakeServer(endpoint, biasing(slow(logits_for), slow(forces_for))), phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.DeadlineError):
            ask(client, deadline=0.4)
        np.testing.assert_array_equal(ask(client, deadline=20.0).forces, FORCES / 2)


def test_late_forces_are_not_taken_for_those_of_the_next_step(endpoint):
    held = []

    def hold_first(header):
        if not held:
            held.append(header)
            return None
        # First a late answer, then the requested one.
        server.send(forces_for(held[0], -FORCES, step=header["step"]))
        return forces_for(header)

    with FakeServer(endpoint, biasing(second=hold_first)) as server, phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.DeadlineError):
            ask(client, deadline=0.3)
        np.testing.assert_array_equal(ask(client).forces, FORCES / 2)


def test_a_server_lost_between_the_questions_is_asked_for_the_whole_anew(endpoint):
    servers = [FakeServer(endpoint, biasing())]

    def spring(values):
        if len(servers) == 1:
            servers[0].close()
            servers.append(FakeServer(endpoint, biasing()))
        return 1.0, [1.0]

    with phasewire.connect(endpoint) as client:
        try:
            np.testing.assert_array_equal(ask(client, energy=spring, deadline=20.0).forces, FORCES / 2)
        finally:
            servers[-1].close()
    assert not any(map(is_seed, servers[0].headers))
    assert [is_seed(header) for header in servers[1].of_type("analyse")] == [False, True]


@pytest.mark.parametrize(("code", "sessions"), [("NO_SESSION", 2), ("SHARED_MEMORY", 1)])
def test_what_can_be_cured_is_asked_anew_as_a_whole(endpoint, code, sessions):
    refusals = []

    def forget_once(header):
        if refusals:
            return forces_for(header)
        refusals.append(header)
        return error_for(header, code)

    with FakeServer(endpoint, biasing(second=forget_once)) as server, phasewire.connect(endpoint) as client:
        np.testing.assert_array_equal(ask(client).forces, FORCES / 2)
        assert [is_seed(header) for header in server.of_type("analyse")] == [False, True, False, True]
        assert len(server.of_type("hello")) == sessions


def test_a_server_that_does_not_come_back(endpoint):
    server = FakeServer(endpoint, biasing())

    def spring(values):
        server.close()
        return 1.0, [1.0]

    with phasewire.connect(endpoint) as client, pytest.raises(phasewire.ServerUnreachableError):
        ask(client, energy=spring, deadline=0.5)


def test_a_server_that_comes_back_with_another_model_is_refused(endpoint):
    with phasewire.connect(endpoint, lazy=True) as client:
        with FakeServer(endpoint, biasing()):
            ask(client)
        with FakeServer(endpoint, biasing(sha256="1" * 64)), pytest.raises(phasewire.ModelError) as caught:
            ask(client)
    assert caught.value.code == "MODEL_HASH"


def test_a_server_that_knows_no_seeds_is_refused(endpoint):
    with FakeServer(endpoint) as server, phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.ProtocolError, match="seed") as caught:
            ask(client)
        assert not server.of_type("analyse")
    assert caught.value.code == "PROTOCOL_VERSION"


def test_a_refusal_of_the_server_goes_through(endpoint):
    def refuse(header):
        return error_for(header, "COINCIDENT_ATOMS")

    with FakeServer(endpoint, biasing(refuse)) as server, phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.InputError) as caught:
            ask(client)
        assert len(server.of_type("analyse")) == 1
    assert caught.value.code == "COINCIDENT_ATOMS"


@pytest.mark.parametrize("error", [OwnError("mine"), make_error("NO_SESSION", "of the user's own")])
def test_an_error_of_the_energy_goes_through_the_client(endpoint, error):
    def fail(values):
        raise error

    with FakeServer(endpoint, biasing()) as server, phasewire.connect(endpoint) as client:
        with pytest.raises(type(error)) as caught:
            ask(client, energy=fail)
        assert len(server.of_type("analyse")) == 1
    assert caught.value is error


def test_frames_of_all_sizes_share_one_memory(local):
    """Variables lie after the frame, whose size varies, and whose layout may change while it is loaded."""
    random = np.random.default_rng(11)
    variables = [VARIABLES["ball"], VARIABLES["species"], VARIABLES["custom"], VARIABLES["per atom"]]
    arguments = {"variables": variables, "coefficients": [1.0, -2.0, 0.5, 3.0], "length_scale": SCALE}
    for repeats in (3, 5, 3, 4, 6, 3):
        crystal = bulk("Cu", cubic=True) * repeats
        # Denser than all before, with more pairs than there is room for.
        cell = crystal.cell.array * (1 - 0.02 * repeats)
        scattered = crystal.get_scaled_positions() @ cell + random.normal(0, 0.1, crystal.positions.shape)
        frame = make_frame(scattered, cell, True, random.integers(0, 2, len(crystal)))
        found = local.evaluate_frame(frame, **arguments)
        with phasewire.Local() as fresh:
            expected = fresh.evaluate_frame(frame, **arguments)
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.forces, expected.forces)
        np.testing.assert_array_equal(found.virial, expected.virial)


def test_forces_of_frames_of_one_size_take_no_more_memory():
    arguments = {"variables": list(VARIABLES.values()), "length_scale": SCALE}
    with phasewire.Local() as analyser:
        analyser.evaluate_frame(hot_frame(), **arguments)
        size = analyser._core._memory.data_len()
        for seed in range(20):
            analyser.evaluate_frame(hot_frame(seed), **arguments)
        assert analyser._core._memory.data_len() == size
