"""The network of known surroundings: it learns what can be told apart, and enters a model file without changing it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from phasewire import Local, load_model

from training.export import TENSORS, add_known
from training.known import (
    AVERAGES,
    KINDS,
    KNOWN_SHARES,
    NO_KIND,
    KnownConfig,
    Surroundings,
    averaging,
    balance,
    fingerprint,
    fit,
    log_odds,
    report,
)

SETTINGS = KnownConfig(updates=600, batch=32, width=32, learning_rate=1e-2)
MODELS = Path(__file__).resolve().parents[2] / "models"


def surroundings(seed: int = 0) -> Surroundings:
    """Two shells of points: the inner one is known. No straight cut separates them. Samples are rings of ten atoms."""
    rng = np.random.default_rng(seed)
    samples, size = 300, 10
    count = samples * size
    sample = np.repeat(np.arange(samples), size)
    kind = np.where(rng.random(samples) < 0.4, rng.integers(0, 2, samples), rng.integers(2, len(KINDS), samples))[
        sample
    ]
    points = rng.normal(size=(count, 4))
    points *= (np.where(kind < 2, 1.0, 3.0) / np.linalg.norm(points, axis=1))[:, None]
    place = np.arange(count)
    others = np.column_stack([place // size * size + (place + step) % size for step in (1, -1)]).ravel()
    return Surroundings(
        5.0 + points * [1.0, 2.0, 0.5, 1.0],
        kind,
        sample,
        sample % 4 == 0,
        2 * np.arange(count + 1),
        others,
        rng.uniform(0.1, 1.0, 2 * count),
    )


def test_it_learns_what_no_straight_cut_separates() -> None:
    data = surroundings()
    tensors = fit(data, SETTINGS)
    shares = report(data, tensors)
    assert min(shares.pop(kind) for kind in KNOWN_SHARES) > 0.98
    assert set(shares) == set(KINDS) - set(KNOWN_SHARES) and max(shares.values()) < 0.02, shares
    odds = log_odds(tensors, data)
    assert odds[data.known].mean() > 2.0 > -2.0 > odds[~data.known].mean()


def test_odds_are_averaged_within_a_sample_as_the_core_does() -> None:
    data = surroundings()
    tensors = {
        "known.weight0": np.zeros((8, 4), np.float32),
        "known.bias0": np.ones(8, np.float32),
        "known.weight1": np.ones(8, np.float32),
    }
    tensors["known.weight0"][0] = 1.0
    alone = log_odds(tensors, data.__class__(*[*vars(data).values()][:-1], np.zeros_like(data.weights)))
    expected = alone
    for _ in range(AVERAGES):
        expected = np.array(
            [
                (expected[atom] + data.weights[pairs] @ expected[data.others[pairs]]) / (1 + data.weights[pairs].sum())
                for atom, pairs in enumerate(slice(2 * atom, 2 * atom + 2) for atom in range(len(alone)))
            ]
        )
    np.testing.assert_allclose(log_odds(tensors, data), expected, rtol=1e-12)
    np.testing.assert_allclose(averaging(data, slice(20, 30)) @ alone[20:30], expected[20:30], rtol=1e-5)
    assert np.abs(expected - alone).max() > 0.1


def test_kinds_count_by_their_shares_and_samples_by_the_root_of_their_atoms() -> None:
    kind = np.array([0, 0, 0, 0, 0, 1, 2, 3, 4, 5, NO_KIND])
    none = np.zeros(0)
    data = Surroundings(
        np.zeros((11, 1)), kind, np.array([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 6]), np.zeros(11, bool), none, none, none
    )
    odds = balance(data)
    assert np.isclose(odds[:4].sum(), 2 * odds[4]) and odds[10] == 0.0
    assert np.isclose(odds.sum(), 1.0) and np.isclose(sum(KINDS.values()), 1.0)
    for index, share in enumerate(KINDS.values()):
        assert np.isclose(odds[kind == index].sum(), share)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("core.safetensors", "manifest.json"):
        shutil.copy(MODELS / name, tmp_path)
    return tmp_path


def test_a_model_file_gains_it_and_keeps_all_else(folder) -> None:
    path = folder / "core.safetensors"
    before = load_model(path)
    width, inputs = 8, before.shape.hiddenWidth + before.shape.messageWidth
    tensors = {
        "known.weight0": np.zeros((width, inputs), np.float32),
        "known.bias0": np.ones(width, np.float32),
        "known.weight1": np.full(width, -10.0, np.float32),
    }
    add_known(path, tensors, {"heldOut": {}})
    after = load_model(path)
    assert fingerprint(after) == fingerprint(before)
    assert after.shape.knownWidth == width and after.classes == before.classes
    for name in TENSORS:
        np.testing.assert_array_equal(after.tensors[name], before.tensors[name])
    entry = next(one for one in json.loads((folder / "manifest.json").read_text())["models"] if one["name"] == "core")
    assert entry["sha256"] == after.sha256 != before.sha256
    add_known(path, {**tensors, "known.bias0": np.zeros(width, np.float32)}, {"heldOut": {}})
    assert not load_model(path).tensors["known.bias0"].any()
    add_known(path, tensors, {"heldOut": {}})
    # Nothing is known to this network, so every atom is rejected after denoising, and only then.
    frame = (3.6 * np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]), np.eye(3) * 3.6)
    with Local(path) as doubting, Local(MODELS / "core.safetensors") as shipped:
        assert doubting.analyse(*frame).fractions["fcc"] == shipped.analyse(*frame).fractions["fcc"] == 1.0
        rejected = doubting.analyse(*frame, denoise=2, fields=("labels", "confidence"))
        assert rejected.fractions["disordered"] == 1.0 and (rejected.confidence > 0.999).all()


def test_weights_that_are_not_finite_are_refused(folder) -> None:
    path = folder / "core.safetensors"
    broken = {"known.weight0": np.full((8, 64), np.nan), "known.bias0": np.ones(8), "known.weight1": np.ones(8)}
    with pytest.raises(ValueError, match="non-finite"):
        add_known(path, broken, {})


def test_unknown_settings_are_refused(tmp_path) -> None:
    path = tmp_path / "known.json"
    path.write_text('{"with": 64}')
    with pytest.raises(ValueError, match="with"):
        KnownConfig.load(path)
