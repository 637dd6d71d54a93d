"""Values that Python holds and the analysis cannot use: each is refused by name, none raises a bare error."""

from __future__ import annotations

import random

import msgpack
import numpy as np
import pytest

import phasewire
from fake_server import FakeServer
from phasewire._frame.frame import make_frame
from phasewire._frame.options import check_options
from phasewire._model.weights import as_weights
from phasewire.errors import PhasewireError, make_error

SEED = 14
HUGE = 10**400
# Python refuses to write so many digits.
ENDLESS = 10**5000
SURROGATE = "\ud800"
ATOMS = np.arange(12.0).reshape(4, 3)


def masked(values, entry):
    array = np.ma.array(values)
    array[entry] = np.ma.masked
    return array


REFUSED = {
    "masked positions": (lambda: make_frame(masked(ATOMS, (1, 2))), "NON_FINITE_POSITIONS", "positions"),
    "a list with a masked row": (
        lambda: make_frame([masked(ATOMS[0], 1), *ATOMS[1:]]),
        "NON_FINITE_POSITIONS",
        "positions",
    ),
    "a masked cell": (lambda: make_frame(ATOMS, masked(np.eye(3), (0, 0))), "NON_FINITE_CELL", "cell"),
    "masked species": (lambda: make_frame(ATOMS, species=masked([0, 1, 0, 1], 2)), "UNKNOWN_SPECIES", "species"),
    "masked ids": (lambda: make_frame(ATOMS, ids=masked([1, 2, 3, 4], 3)), "BAD_OPTION", "ids"),
    "positions beyond doubles": (lambda: make_frame([[HUGE, 0, 0]]), "SHAPE_MISMATCH", "positions"),
    "a cell beyond doubles": (lambda: make_frame(ATOMS, [HUGE, 1, 1]), "SHAPE_MISMATCH", "cell"),
    "ids beyond integers": (lambda: make_frame(ATOMS, ids=[HUGE] * 4), "BAD_OPTION", "ids"),
    "a step beyond integers": (lambda: make_frame(ATOMS, step=HUGE), "BAD_OPTION", "step"),
    "a step with endless digits": (lambda: make_frame(ATOMS, step=ENDLESS), "BAD_OPTION", "step"),
    "an infinite step": (lambda: make_frame(ATOMS, step=np.inf), "BAD_OPTION", "step"),
    "text for a step": (lambda: make_frame(ATOMS, step="many"), "BAD_OPTION", "step"),
    "a time beyond doubles": (lambda: make_frame(ATOMS, time=HUGE), "BAD_OPTION", "time"),
    "text for a time": (lambda: make_frame(ATOMS, time="late"), "BAD_OPTION", "time"),
    "a length scale beyond doubles": (
        lambda: check_options(HUGE, 0, ("labels",)),
        "BAD_LENGTH_SCALE",
        "length_scale",
    ),
    "endless denoising": (lambda: check_options(None, ENDLESS, ("labels",)), "BAD_OPTION", "denoise"),
    "a weight beyond doubles": (lambda: as_weights({"fcc": HUGE}), "BAD_OPTION", "classes"),
    "a species that is not text": (lambda: make_frame(ATOMS, species=[SURROGATE] * 4), "UNKNOWN_SPECIES", "species"),
    "a model that is not text": (lambda: phasewire.Local(SURROGATE), "MODEL_NOT_FOUND", "model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_they_are_refused_by_name(name):
    act, code, field = REFUSED[name]
    with pytest.raises(PhasewireError) as caught:
        act()
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.remedy
    # The message can be shown.
    assert str(caught.value).encode()


def test_masked_arrays_without_masked_entries_are_arrays():
    frame = make_frame(np.ma.array(ATOMS), np.ma.array(np.eye(3)), species=np.ma.array([0, 1, 0, 1]))
    np.testing.assert_array_equal(frame.positions, ATOMS)
    assert type(frame.positions) is np.ndarray


def test_any_value_can_be_shown():
    for value in (HUGE, ENDLESS, -ENDLESS, SURROGATE, [ENDLESS], {SURROGATE: ENDLESS}):
        assert str(make_error("BAD_OPTION", "so it is", field="x", value=value)).encode()


@pytest.mark.parametrize(
    "settings", [{"run": SURROGATE}, {"title": SURROGATE}, {"engine": "LAMMPS " + SURROGATE}, {"classes": [SURROGATE]}]
)
def test_texts_that_cannot_be_sent_are_refused(endpoint, settings):
    with FakeServer(endpoint), pytest.raises(PhasewireError) as caught:
        phasewire.connect(endpoint, timeout=5, **settings)
    assert caught.value.code == "BAD_OPTION"


@pytest.mark.parametrize("endpoint", [f"ipc:///tmp/{SURROGATE}", "ipc:///tmp/a\0b"])
def test_addresses_that_no_system_takes_are_errors(endpoint):
    with pytest.raises(PhasewireError):
        phasewire.connect(endpoint, timeout=0.1)


def test_a_header_with_too_many_species_is_refused_before_it_is_sent(endpoint):
    count = 37_044
    with FakeServer(endpoint) as server, phasewire.connect(endpoint, timeout=60) as client:
        client.server.limits["maxAtoms"] = count
        client.server.limits["maxFrameBytes"] = 1 << 30
        positions, names = np.arange(3.0 * count).reshape(-1, 3), [f"X{number}" for number in range(count)]
        with pytest.raises(PhasewireError) as caught:
            client.analyse(positions, species=names)
        assert caught.value.code == "TOO_LARGE"
        assert not server.of_type("analyse")


def odd_value(source, depth=0):
    """Return a value of any kind."""
    plain = (None, True, False, 0, -1, 3, 0.5, np.nan, np.inf, HUGE, -HUGE, ENDLESS, 1j, "", "fcc", SURROGATE, b"\xff")
    if depth > 2 or source.random() < 0.6:
        return source.choice(plain)
    items = [odd_value(source, depth + 1) for _ in range(source.randint(0, 4))]
    kind = source.choice(["list", "tuple", "array", "masked", "dict"])
    if kind == "list":
        return items
    if kind == "tuple":
        return tuple(items)
    if kind == "dict":
        return {str(place): item for place, item in enumerate(items)}
    array = np.array(source.choice([ATOMS, ATOMS.T, ATOMS[:1], ATOMS.astype(int), ATOMS.astype(str), ATOMS[:, 0]]))
    return np.ma.array(array, mask=source.random() < 0.5) if kind == "masked" else array


CALLS = {
    "positions": lambda value: make_frame(value),
    "cell": lambda value: make_frame(ATOMS, value),
    "periodic": lambda value: make_frame(ATOMS, np.eye(3), value),
    "species": lambda value: make_frame(ATOMS, species=value),
    "ids": lambda value: make_frame(ATOMS, ids=value),
    "step": lambda value: make_frame(ATOMS, step=value),
    "time": lambda value: make_frame(ATOMS, time=value),
    "length_scale": lambda value: check_options(value, 0, ("labels",)),
    "denoise": lambda value: check_options(None, value, ("labels",)),
    "fields": lambda value: check_options(None, 0, value),
    "classes": lambda value: as_weights(value),
}


@pytest.mark.parametrize("name", CALLS)
def test_random_values_give_a_frame_or_a_named_error(name):
    print(f"seed {SEED}")
    source = random.Random(f"{SEED} {name}")
    refusals = []
    for _ in range(300):
        try:
            CALLS[name](odd_value(source))
        except PhasewireError as error:
            refusals.append(error)
    assert refusals
    assert all(str(error).encode() and error.remedy for error in refusals)


def test_the_wire_holds_what_was_checked():
    """Steps within these bounds are whole numbers for every reader of a header."""
    for step in (2**53 - 1, -(2**53) + 1):
        assert msgpack.unpackb(msgpack.packb(make_frame(ATOMS, step=step).step)) == step
