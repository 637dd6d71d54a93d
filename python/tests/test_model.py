"""Model files: valid ones are read, and each kind of damage is refused."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest

import phasewire
from phasewire._model.model import read_model


def split(content):
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return header, content[8 + length :]


def join(header, data):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def rehash(header, data):
    described = header["__metadata__"]["phasewire"]
    header["__metadata__"]["sha256"] = hashlib.sha256(described.encode() + data).hexdigest()
    return join(header, data)


@pytest.fixture(scope="module")
def original():
    return phasewire.shipped_models()[0].file.read_bytes()


@pytest.fixture
def refusal(tmp_path):
    def read(content):
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        with pytest.raises(phasewire.ModelError) as caught:
            phasewire.load_model(path)
        assert caught.value.remedy
        return caught.value

    return read


def change_settings(content, change):
    header, data = split(content)
    settings = json.loads(header["__metadata__"]["phasewire"])
    change(settings)
    header["__metadata__"]["phasewire"] = json.dumps(settings)
    return rehash(header, data)


def test_the_default_model_names_its_phases():
    model = phasewire.load_model()
    assert model.phases[0] == "disordered"
    assert {"fcc", "hcp", "bcc", "B1", "L1_2"} <= set(model.phases)
    assert model.aliases["ice-Ih"] == "hexdiamond"
    assert model.ideal_logits.shape == (len(model.phases),)
    assert {name: tensor.shape for name, tensor in model.tensors.items()} == model.shape.tensor_shapes()
    assert not model.tensors["network1.weight0"].flags.writeable


def test_a_model_can_be_named_or_given_by_its_path():
    info = phasewire.shipped_models()[0]
    named = phasewire.load_model(info.name)
    by_path = phasewire.load_model(info.file)
    assert named.sha256 == by_path.sha256 == info.sha256
    assert len(named.phases) == info.class_count


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(phasewire.ModelError, match=phasewire.shipped_models()[0].name) as caught:
        phasewire.load_model("no-such-model")
    assert caught.value.code == "MODEL_NOT_FOUND"


def test_a_missing_file(tmp_path):
    with pytest.raises(phasewire.ModelError) as caught:
        phasewire.load_model(tmp_path / "absent.safetensors")
    assert caught.value.code == "MODEL_NOT_FOUND"


def test_missing_package_data_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PHASEWIRE_DATA", str(tmp_path))
    with pytest.raises(phasewire.ModelError, match="npm run build") as caught:
        phasewire.Local()
    assert caught.value.code == "MODEL_NOT_FOUND"


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_truncated(original, refusal, length):
    assert refusal(original[:length]).code == "MODEL_FORMAT"


def test_not_safetensors(refusal):
    assert refusal(b"PK\3\4" + bytes(1000)).code == "MODEL_FORMAT"
    assert refusal(join([], b"")).code == "MODEL_FORMAT"
    assert refusal(join({"__metadata__": {}}, b"")).code == "MODEL_VERSION"


def test_one_flipped_bit(original, refusal):
    content = bytearray(original)
    content[-5] ^= 1
    error = refusal(bytes(content))
    assert error.code == "MODEL_HASH"
    assert error.field == "sha256"


def test_another_hash_than_the_manifest_says(original, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(original)
    with pytest.raises(phasewire.ModelError) as caught:
        read_model(path, expected_sha256="0" * 64)
    assert caught.value.code == "MODEL_HASH"


@pytest.mark.parametrize("key", ["format", "version"])
def test_another_version(original, refusal, key):
    error = refusal(change_settings(original, lambda settings: settings.update({key: 2})))
    assert error.code == "MODEL_VERSION"


DISORDERED = {"name": "disordered"}


def with_classes(content, listed):
    """Build a model file with these classes, and weights of the right shapes."""
    header, data = split(content)
    settings = json.loads(header["__metadata__"]["phasewire"])
    settings |= {"classes": listed, "idealLogits": [0.0] * len(listed)}
    header["__metadata__"]["phasewire"] = json.dumps(settings)
    width = settings.get("outerWidth", 64)
    weights = {"network2.weight1": np.zeros((len(listed), width)), "network2.bias1": np.zeros(len(listed))}
    return with_tensors(header, data, weights)


def with_tensors(header, data, tensors):
    """Build a model file in which these tensors replace those with the same names."""
    packed = {"__metadata__": header.pop("__metadata__")}
    content = b""
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        given = tensors.get(name)
        own = data[begin:end] if given is None else np.ascontiguousarray(given, "<f4").tobytes()
        shape = entry["shape"] if given is None else list(given.shape)
        offsets = [len(content), len(content) + len(own)]
        packed[name] = {"dtype": entry["dtype"], "shape": shape, "data_offsets": offsets}
        content += own
    return rehash(packed, content)


def with_outer_width(content, width):
    """Build a model file with a wider last hidden layer, whose new units no class reads."""
    header, data = split(content)
    settings = json.loads(header["__metadata__"]["phasewire"])
    header["__metadata__"]["phasewire"] = json.dumps(settings | {"outerWidth": width})
    old = phasewire.load_model().tensors
    random = np.random.default_rng(4)
    weights = {
        "network2.weight0": random.normal(0, 0.2, (width, old["network2.weight0"].shape[1])),
        "network2.bias0": random.normal(0, 0.2, width),
        "network2.weight1": np.zeros((len(settings["classes"]), width)),
    }
    for name, tensor in weights.items():
        tensor[tuple(slice(size) for size in old[name].shape)] = old[name]
    return with_tensors(header, data, weights)


def test_every_name_of_every_class(original, tmp_path):
    names = {"strukturbericht": "A4", "pearson": "cF8", "aflow": "A_cF8_227_a", "water": "ice-Ic"}
    diamond = {"name": "diamond", "aliases": ["ice-Ic"], "prototype": "C", "spaceGroup": 227, **names}
    path = tmp_path / "small.safetensors"
    path.write_bytes(with_classes(original, [DISORDERED, diamond, {"name": "hcp", "pearson": None}]))
    disordered, found, hcp = phasewire.classes(path)
    assert found == phasewire.PhaseClass(
        name="diamond",
        aliases=("ice-Ic",),
        prototype="C",
        strukturbericht="A4",
        pearson="cF8",
        aflow="A_cF8_227_a",
        space_group=227,
        water="ice-Ic",
        model=phasewire.load_model().name,
        number=1,
    )
    assert (disordered.aliases, disordered.prototype, disordered.space_group) == ((), "disordered", None)
    assert (hcp.strukturbericht, hcp.pearson, hcp.aflow, hcp.water) == (None,) * 4
    model = phasewire.load_model(path)
    assert (model.phases, dict(model.aliases)) == (("disordered", "diamond", "hcp"), {"ice-Ic": "diamond"})
    assert model.water_names == {"diamond": "ice-Ic"}


def test_the_classes_of_the_shipped_models():
    for info in phasewire.shipped_models():
        found = phasewire.classes(info.name)
        assert [phase.number for phase in found] == list(range(info.class_count))
        assert {phase.model for phase in found} == {info.name}
    assert phasewire.classes() == phasewire.classes(phasewire.shipped_models()[0].name)


def test_1023_classes_are_read_and_1024_are_too_many(original, refusal, tmp_path):
    listed = [DISORDERED, *({"name": f"c{number}"} for number in range(1, 1024))]
    path = tmp_path / "large.safetensors"
    path.write_bytes(with_classes(original, listed[:1023]))
    assert len(phasewire.classes(path)) == 1023
    error = refusal(with_classes(original, listed))
    assert (error.code, error.field) == ("MODEL_FORMAT", "classes")


@pytest.mark.parametrize(
    ("listed", "field"),
    [
        ([{"name": "fcc"}, DISORDERED], "classes[0].name"),
        ([DISORDERED, 3], "classes[1]"),
        ([DISORDERED, {"name": "two words"}], "classes[1].name"),
        ([DISORDERED, {"name": "fcc,hcp"}], "classes[1].name"),
        ([DISORDERED, {"name": "fcc=2"}], "classes[1].name"),
        ([DISORDERED, {"name": "fcc", "aliases": "ccp"}], "classes[1].aliases"),
        ([DISORDERED, {"name": "fcc"}, {"name": "hcp", "aliases": ["fcc"]}], "classes"),
        ([DISORDERED, {"name": "fcc", "pearson": 4}], "classes[1].pearson"),
        ([DISORDERED, {"name": "fcc", "strukturbericht": ""}], "classes[1].strukturbericht"),
        ([DISORDERED, {"name": "bcc", "water": "ice-VII"}], "classes[1].water"),
    ],
)
def test_a_damaged_class_is_named(original, refusal, listed, field):
    error = refusal(with_classes(original, listed))
    assert (error.code, error.field) == ("MODEL_FORMAT", field)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("name", None, "MODEL_FORMAT"),
        ("classes", [], "MODEL_FORMAT"),
        ("cutoff", "far", "MODEL_FORMAT"),
        ("cutoff", 0, "MODEL_FORMAT"),
        # JSON has no NaN, but it has numbers beyond all doubles.
        ("epsilon", math.nan, "MODEL_FORMAT"),
        ("epsilon", 10**400, "MODEL_NON_FINITE"),
        ("channels", 12, "MODEL_SHAPE"),
        ("lmax", 7, "MODEL_SHAPE"),
        ("innerWidth", 60, "MODEL_SHAPE"),
        ("hiddenWidth", 72, "MODEL_SHAPE"),
        ("messageWidth", 72, "MODEL_SHAPE"),
        ("messageWidth", True, "MODEL_SHAPE"),
        ("basisCount", 11, "MODEL_SHAPE"),
        ("basisCount", 2.5, "MODEL_SHAPE"),
        ("idealLogits", [0.0], "MODEL_SHAPE"),
    ],
)
def test_settings_out_of_range(original, refusal, key, value, code):
    assert refusal(change_settings(original, lambda settings: settings.update({key: value}))).code == code


def test_units_that_no_class_reads_change_no_bit(original, local, tmp_path):
    path = tmp_path / "wide.safetensors"
    path.write_bytes(with_outer_width(original, 512))
    model = phasewire.load_model(path)
    assert (model.settings["outerWidth"], model.tensors["network2.bias0"].shape) == (512, (512,))
    random = np.random.default_rng(6)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cells = np.stack(np.meshgrid(*[range(3)] * 3), axis=-1).reshape(-1, 1, 3)
    positions = 3.6 * (cells + sites).reshape(-1, 3) + random.normal(0, 0.15, (108, 3))
    frame = (positions, 10.8 * np.eye(3), True, random.integers(0, 2, 108))
    expected = local.analyse(*frame, fields=["logits", "score"])
    with phasewire.Local(path) as wide:
        found = wide.analyse(*frame, fields=["logits", "score"])
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.score, expected.score)
    assert np.any(expected.score)


def test_the_width_of_the_last_hidden_layer_may_be_left_out(original, tmp_path):
    path = tmp_path / "usual.safetensors"
    path.write_bytes(change_settings(with_outer_width(original, 64), lambda settings: settings.pop("outerWidth")))
    assert phasewire.load_model(path).shape.outerWidth == 64


@pytest.mark.parametrize("width", [15, 0, 24, -64, 528, 1024, 64.5, "64", None, True])
def test_an_impossible_width_of_the_last_hidden_layer(original, refusal, width):
    error = refusal(change_settings(original, lambda settings: settings.update(outerWidth=width)))
    assert (error.code, error.field) == ("MODEL_SHAPE", "outerWidth")
    assert "a multiple of 16 from 16 to 512" in str(error)


def test_a_width_that_the_tensors_do_not_have(original, refusal):
    error = refusal(change_settings(original, lambda settings: settings.update(outerWidth=192)))
    assert (error.code, error.field) == ("MODEL_SHAPE", "network2.weight0")


def test_a_missing_tensor_and_a_wrong_shape(original, refusal):
    header, data = split(original)
    left_out = header.pop("network2.bias1")["data_offsets"]
    length = left_out[1] - left_out[0]
    for name, tensor in header.items():
        if name != "__metadata__" and tensor["data_offsets"][0] >= left_out[1]:
            tensor["data_offsets"] = [offset - length for offset in tensor["data_offsets"]]
    error = refusal(rehash(header, data[: left_out[0]] + data[left_out[1] :]))
    assert (error.code, error.field) == ("MODEL_SHAPE", "network2.bias1")

    header, data = split(original)
    (width,) = header["standard.mean"]["shape"]
    header["standard.mean"]["shape"] = [width // 2, 2]
    error = refusal(rehash(header, data))
    assert (error.code, error.field) == ("MODEL_SHAPE", "standard.mean")

    header, data = split(original)
    header["standard.mean"]["dtype"] = "I32"
    assert refusal(rehash(header, data)).code == "MODEL_SHAPE"

    header, data = split(original)
    header["standard.mean"]["shape"] = [width, 2]
    error = refusal(rehash(header, data))
    assert error.code == "MODEL_FORMAT"
    assert "its offsets span" in str(error)


def test_offsets_outside_the_file(original, refusal):
    header, data = split(original)
    begin, end = header["standard.mean"]["data_offsets"]
    header["standard.mean"]["data_offsets"] = [begin + len(data), end + len(data)]
    error = refusal(rehash(header, data))
    assert (error.code, error.field) == ("MODEL_FORMAT", "model")


def test_tensors_that_share_bytes(original, refusal):
    header, data = split(original)
    header["network1.bias0"]["data_offsets"] = header["network2.bias0"]["data_offsets"]
    error = refusal(rehash(header, data))
    assert (error.code, error.field) == ("MODEL_FORMAT", "model")


def test_weights_that_are_not_finite(original, refusal):
    header, data = split(original)
    begin, _ = header["network1.bias0"]["data_offsets"]
    damaged = bytearray(data)
    damaged[begin : begin + 4] = np.array([np.nan], "<f4").tobytes()
    error = refusal(rehash(header, bytes(damaged)))
    assert (error.code, error.field) == ("MODEL_NON_FINITE", "network1.bias0")
