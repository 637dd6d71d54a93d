"""The JAX model: harmonics, invariances, the model file and the golden files."""

from __future__ import annotations

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from training.export import read_model
from training.golden import golden_frames, golden_record
from training.model import harmonics

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"


def default_model() -> Path:
    return MODELS / f"{json.loads((MODELS / 'manifest.json').read_text())['default']}.safetensors"


def test_harmonics_add_up_to_legendre_polynomials() -> None:
    rng = np.random.default_rng(2)
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, 50, 3)))
    degrees = tuple(range(7))
    left, right = harmonics(degrees, jnp.asarray(first)), harmonics(degrees, jnp.asarray(second))
    cosine = (first * second).sum(axis=1)
    for degree in range(7):
        block = slice(degree**2, (degree + 1) ** 2)
        expected = np.polynomial.legendre.legval(cosine, [0.0] * degree + [1.0])
        assert np.abs(np.asarray((left * right)[:, block].sum(axis=1)) - expected).max() < 1e-12


@pytest.fixture(scope="module")
def model():
    config, weights, info = read_model(default_model())
    return config, {name: jnp.asarray(value, jnp.float64) for name, value in weights.items()}, info


@pytest.mark.parametrize("name", ["bcc-primitive", "hcp-small", "cluster"])
def test_golden_files_are_reproduced(model, name: str) -> None:
    frame = next(frame for frame in golden_frames() if frame.name == name)
    record = golden_record(*model, frame)
    stored = json.loads((MODELS / "golden" / f"{name}.json").read_text())
    for key in ("invariants", "hidden", "messages", "logits", "score", "virial", "logDensity"):
        assert np.abs(np.array(record[key]) - np.array(stored[key])).max() < 1e-9, key


def test_a_rotated_frame_has_the_same_logits_and_a_rotated_score(model) -> None:
    frame = next(frame for frame in golden_frames() if frame.name == "cluster")
    before = golden_record(*model, frame)
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    frame.atoms.positions = frame.atoms.positions @ rotation
    after = golden_record(*model, frame)
    assert np.abs(np.array(after["logits"]) - np.array(before["logits"])).max() < 1e-9
    assert np.abs(np.array(after["score"]) - np.array(before["score"]) @ rotation).max() < 1e-9


def test_shipped_model_has_a_flat_class_0_and_recognises_ideal_prototypes(model) -> None:
    _, params, info = model
    assert not np.asarray(params["network2.weight1"])[0].any()
    assert info["idealLogits"][0] == pytest.approx(float(params["network2.bias1"][0]))
    assert all(logit > info["idealLogits"][0] + 3 for logit in info["idealLogits"][1:])


def test_a_changed_model_file_is_refused(tmp_path: Path) -> None:
    blob = bytearray(default_model().read_bytes())
    blob[-5] ^= 1
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(blob)
    with pytest.raises(ValueError, match="sha256"):
        read_model(changed)
