"""Models of other shapes: random weights, compared with the double-precision reference."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from ase.build import bulk

import phasewire
from phasewire._core.core import Core
from phasewire._frame.frame import make_frame
from phasewire._model.shape import ModelShape

SHAPES = [
    ModelShape(31, 10, 8, 4, 0, 48, 32, 16, 64, 0),
    ModelShape(2, 10, 8, 2, 0, 8, 8, 8, 16, 0),
    ModelShape(12, 9, 16, 3, 0, 128, 64, 24, 80, 0),
    ModelShape(7, 10, 8, 6, 0, 40, 16, 16, 48, 0),
    ModelShape(5, 12, 16, 5, 0, 56, 64, 64, 512, 0),
    ModelShape(31, 10, 8, 6, 5, 48, 32, 32, 64, 0),
]


def write_model(path, shape, seed=3, **settings):
    """Write a model file with random weights."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, size in shape.tensor_shapes().items():
        tensors[name] = random.normal(0, 1.3 / np.sqrt(size[-1]), size).astype("<f4")
    tensors["radial.mix"] = random.normal(0, 0.3, tensors["radial.mix"].shape).astype("<f4")
    tensors["standard.scale"] = random.normal(0.8, 0.1, tensors["standard.scale"].shape).astype("<f4")
    tensors["network2.weight1"][0] = 0
    described = {
        "format": "phasewire-model",
        "version": 1,
        "name": "made-up",
        "classes": [{"name": f"c{number}" if number else "disordered"} for number in range(shape.classCount)],
        "cutoff": 2.1,
        "basisFirst": 0.6,
        "basisLast": 2.1,
        "basisWidth": 0.2,
        "epsilon": 1e-3,
        "logitLength": 0.06,
        "idealLogits": [0.0] * shape.classCount,
        **{name: size for name, size in shape.sizes() if name != "classCount"},
        **settings,
    }
    header, data = {}, b""
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [len(data), len(data) + tensor.nbytes]}
        data += tensor.tobytes()
    text = json.dumps({key: value for key, value in described.items() if value is not None})
    header["__metadata__"] = {"phasewire": text, "sha256": hashlib.sha256(text.encode() + data).hexdigest()}
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)
    return path


def frame():
    random = np.random.default_rng(8)
    atoms = bulk("Cu", cubic=True) * 2
    positions = atoms.positions + random.normal(0, 0.15, atoms.positions.shape)
    return make_frame(positions, atoms.cell.array, True, random.integers(0, 2, len(atoms)))


def reference(core, count):
    """Evaluate logits, gradient and virial of logP in double precision."""
    end = core.call(
        "layoutFrame",
        core._fields.address,
        core._frame_base,
        count,
        core._fields.count("PAIR_CAPACITY"),
        1,
        core._features,
    )
    end = core.call("layoutReference", core._fields.address, int(end), 0)
    core.grow(int(end))
    for stage in ("loadFrame", "referencePairs"):
        assert core.call(stage, core._fields.address) == core.constants["STATUS_OK"]
    log_density = core.call("forwardReference", core._fields.address)
    logits = core._fields.array("REFERENCE_LOGITS", np.float64, (count, core.model.shape.classCount)).copy()
    core.call("seedReference", core._fields.address)
    core.call("backwardReference", core._fields.address)
    return logits, log_density, core._fields.array("REFERENCE_GRADIENT", np.float64, (count, 3)).copy(), core.virial()


def close(actual, expected, relative):
    expected = np.asarray(expected)
    error = np.abs(actual - expected).max()
    assert error <= relative * max(1.0, np.abs(expected).max()), error


@pytest.mark.parametrize("build", ["baseline", "relaxed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shape_agrees_with_the_reference(tmp_path, shape, build):
    model = phasewire.load_model(write_model(tmp_path / "model.safetensors", shape))
    assert model.shape == shape
    core = Core(model, build=build)
    atoms = frame()
    core.load(atoms, 2.3, gradient=True)
    core.forward()
    logits, log_density = core.logits(), core.log_density
    core.score()
    score, virial = core.gradient(), core.virial()
    exact = reference(core, len(atoms))
    close(logits, exact[0], 1e-5)
    close(log_density, exact[1], 1e-5)
    close(score, exact[2], 1e-4)
    close(virial, exact[3], 1e-4)
    assert np.ptp(logits) > 0.1


def test_sizes_that_a_file_leaves_out_are_the_usual_ones(tmp_path):
    usual = ModelShape(4, 10, 16, 6, 0, 64, 32, 32, 64, 0)
    absent = dict.fromkeys(
        ["channels", "lmax", "skippedDegree", "innerWidth", "hiddenWidth", "messageWidth", "outerWidth", "knownWidth"]
    )
    path = write_model(tmp_path / "model.safetensors", usual, **absent)
    assert phasewire.load_model(path).shape == usual


@pytest.mark.parametrize(
    ("key", "size", "possible"),
    [
        ("channels", 24, "a multiple of 8 from 8 to 16"),
        ("lmax", 1, "a whole number from 2 to 6"),
        ("skippedDegree", 5, r"from 0 to 0 \(5 only if lmax is 6\)"),
        ("innerWidth", 136, "a multiple of 8 from 8 to 128"),
        ("hiddenWidth", 4, "a multiple of 8 from 8 to 64"),
        ("messageWidth", 40, r"a multiple of 8 from 8 to 32 \(hiddenWidth\)"),
        ("basisCount", 1, "a whole number from 2 to 64"),
    ],
)
def test_an_impossible_size_is_named(tmp_path, key, size, possible):
    path = write_model(tmp_path / "model.safetensors", SHAPES[0], **{key: size})
    with pytest.raises(phasewire.ModelError, match=possible) as caught:
        phasewire.load_model(path)
    assert (caught.value.code, caught.value.field) == ("MODEL_SHAPE", key)


@pytest.mark.parametrize(
    ("key", "size", "tensor"),
    [
        ("channels", 16, "radial.mix"),
        ("lmax", 5, "invariants.mix"),
        ("innerWidth", 56, "network1.weight0"),
        ("hiddenWidth", 40, "network1.weight1"),
        ("messageWidth", 24, "network2.weight0"),
    ],
)
def test_a_size_that_the_tensors_do_not_have(tmp_path, key, size, tensor):
    path = write_model(tmp_path / "model.safetensors", SHAPES[0], **{key: size})
    with pytest.raises(phasewire.ModelError) as caught:
        phasewire.load_model(path)
    assert (caught.value.code, caught.value.field) == ("MODEL_SHAPE", tensor)
