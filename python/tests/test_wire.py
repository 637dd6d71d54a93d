"""The codec against the golden messages, which neither this package nor the server wrote."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

import phasewire
from phasewire._server.connection import Welcome
from phasewire._server.wire import decode, encode, forces_from_message, logits_from_message, result_from_message

GOLDEN = Path(__file__).resolve().parents[2] / "bridge" / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))
BAD = [name for name in NAMES if name.startswith("bad-")]
GOOD = [name for name in NAMES if not name.startswith("bad-")]


def parts_of(name):
    content = (GOLDEN / f"{name}.bin").read_bytes()
    (count,), at, parts = struct.unpack_from("<I", content), 4, []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", content, at)
        parts.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    assert at == len(content)
    return parts


def described(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def test_there_are_golden_messages():
    assert len(GOOD) > 15
    assert len(BAD) > 15


@pytest.mark.parametrize("name", GOOD)
def test_good_messages_decode(name):
    message, expected = decode(parts_of(name)), described(name)
    assert message.header == expected["header"]
    assert list(message.arrays) == list(expected["arrays"])
    for descriptor in expected["header"].get("arrays", []):
        array = message.arrays[descriptor["name"]]
        assert list(array.shape) == descriptor["shape"]
        values = [np.nan if value is None else value for value in expected["arrays"][descriptor["name"]]]
        np.testing.assert_array_equal(array.ravel(), np.array(values))
        assert array.flags.writeable
        assert array.flags.aligned


@pytest.mark.parametrize("name", BAD)
def test_bad_messages_are_refused(name):
    with pytest.raises(phasewire.ProtocolError) as caught:
        decode(parts_of(name))
    assert caught.value.code == described(name)["error"]["code"]


@pytest.mark.parametrize("name", GOOD)
def test_messages_survive_encoding(name):
    message = decode(parts_of(name))
    header = {key: value for key, value in message.header.items() if key != "arrays"}
    again = decode([bytes(part) for part in encode(header, message.arrays)])
    absent = [key for key, value in header.items() if value is None]
    assert {**again.header, **dict.fromkeys(absent)} == message.header
    assert list(again.arrays) == list(message.arrays)
    for key, array in message.arrays.items():
        np.testing.assert_array_equal(again.arrays[key], array)
        assert again.arrays[key].dtype == array.dtype


def test_welcome():
    welcome = Welcome.from_message(decode(parts_of("welcome")))
    assert welcome.phases[:2] == ("disordered", "fcc")
    assert welcome.aliases["ice-Ih"] == "hexdiamond"
    assert welcome.water_names["hexdiamond"] == "ice-Ih"
    assert welcome.limits["maxAtoms"] > 0
    assert welcome.classes == {"disordered": 0, "fcc": 2, "diamond": 0.5}
    message = decode(parts_of("pong"))
    with pytest.raises(phasewire.ProtocolError, match="incomplete"):
        Welcome.from_message(message)


def test_result_with_a_wrong_shape_is_refused():
    message = decode(parts_of("result"))
    phases = described("welcome")["header"]["model"]["classes"]
    # The golden message has logits of 2 classes, the model has more.
    with pytest.raises(phasewire.ProtocolError) as caught:
        result_from_message(message, phases, {})
    assert (caught.value.code, caught.value.field) == ("MESSAGE_SHAPE", "logits")


def test_forces():
    header = described("result-bias")["header"]
    message, count, scale = decode(parts_of("result-bias")), header["atomCount"], header["lengthScale"]
    forces, virial = forces_from_message(message, count, scale)
    assert (forces.shape, virial.shape) == ((count, 3), (3, 3))
    for wrong in ((count + 1, scale), (count, 1.001 * scale)):
        with pytest.raises(phasewire.ProtocolError):
            forces_from_message(message, *wrong)


def test_logits():
    message, header = decode(parts_of("result")), described("result")["header"]
    logits, scale = logits_from_message(message, header["atomCount"], 2, None)
    assert (logits.shape, scale) == ((header["atomCount"], 2), header["lengthScale"])
    with pytest.raises(phasewire.ProtocolError):
        logits_from_message(message, header["atomCount"], 3, None)


def test_every_cut_of_a_message_is_refused():
    parts = parts_of("result")
    for index, part in enumerate(parts):
        for length in range(len(part)):
            cut = [*parts[:index], part[:length], *parts[index + 1 :]]
            with pytest.raises(phasewire.ProtocolError):
                decode(cut)


def test_random_bytes_give_only_named_errors():
    random = np.random.default_rng(20251123)
    for _ in range(3000):
        count = int(random.integers(1, 4))
        parts = [random.bytes(int(random.integers(0, 40))) for _ in range(count)]
        with pytest.raises(phasewire.ProtocolError):
            decode(parts)


def test_flipped_bits_give_only_named_errors():
    random = np.random.default_rng(7)
    original = parts_of("result")
    phases = tuple(decode(original).header["fractions"])
    for _ in range(3000):
        parts = [bytearray(part) for part in original]
        parts[0][int(random.integers(len(parts[0])))] ^= 1 << int(random.integers(8))
        try:
            result_from_message(decode([bytes(part) for part in parts]), phases, {})
        except phasewire.ProtocolError:
            continue
