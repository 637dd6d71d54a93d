"""Neighbour lists with a skin, and the layout of memory, affect only speed."""

from __future__ import annotations

import numpy as np
import pytest

import phasewire


def crystal(random, repeats=4):
    grid = np.stack(np.meshgrid(*[np.arange(repeats)] * 3), axis=-1).reshape(-1, 3)
    return 2.5 * grid + random.normal(0, 0.05, (repeats**3, 3)), 2.5 * repeats * np.eye(3)


def close(actual, expected, relative):
    assert np.abs(actual - expected).max() <= relative * max(1.0, np.abs(expected).max())


def test_results_do_not_depend_on_the_skin():
    random = np.random.default_rng(3)
    positions, cell = crystal(random)
    species = random.integers(0, 2, len(positions))
    reused = []
    with phasewire.Local(build="baseline", skin=0.3) as kept, phasewire.Local(build="baseline") as fresh:
        for frame in range(40):
            # Most frames are close to the last one; some jump, are wrapped, strained, or change a species.
            positions = positions + random.normal(0, 0.3 if frame % 11 == 10 else 0.02, positions.shape)
            if frame % 7 == 3:
                positions = positions + random.integers(-1, 2, positions.shape) @ cell
            if frame % 9 == 4:
                strain = np.eye(3) + random.normal(0, 0.002, (3, 3))
                positions, cell = positions @ strain, cell @ strain
            if frame % 8 == 5:
                species[random.integers(len(species))] ^= 1
            scale = 2.5 if frame % 2 else None
            arguments = (positions, cell, True, species)
            found, expected = (
                analyser.analyse(*arguments, length_scale=scale, fields=["logits", "score"])
                for analyser in (kept, fresh)
            )
            reused.append(kept._core.reused_lists)
            assert not fresh._core.reused_lists
            assert found.length_scale == pytest.approx(expected.length_scale, rel=1e-12)
            close(found.logits, expected.logits, 1e-5)
            close(found.score, expected.score, 1e-4)
    assert 5 < sum(reused) < 40


@pytest.mark.parametrize("skin", [-0.1, float("nan"), 3, True, "0.3"])
def test_a_skin_that_is_no_length(skin):
    with pytest.raises(phasewire.InputError, match="skin") as caught:
        phasewire.Local(skin=skin)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "skin")


def test_frames_of_one_size_take_no_more_memory(monkeypatch):
    random = np.random.default_rng(4)
    positions, cell = crystal(random)
    with phasewire.Local() as analyser:
        analyser.analyse(positions, cell, fields=["score"])
        core = analyser._core
        size = core._memory.data_len()
        calls = []
        call = core.call
        monkeypatch.setattr(core, "call", lambda name, *rest: calls.append(name) or call(name, *rest))
        for _ in range(50):
            analyser.analyse(positions + random.normal(0, 0.05, positions.shape), cell, fields=["score"])
        assert core._memory.data_len() == size
        assert "layoutFrame" not in calls
        assert calls.count("loadFrame") == 50


def test_denser_frames_are_searched_once(monkeypatch):
    random = np.random.default_rng(5)
    positions, cell = crystal(random)
    with phasewire.Local() as analyser:
        expected = analyser.analyse(positions, cell, length_scale=3.3, fields=["logits"])
        core = analyser._core
        calls = []
        call = core.call
        monkeypatch.setattr(core, "call", lambda name, *rest: calls.append(name) or call(name, *rest))
        again = analyser.analyse(positions, cell, length_scale=3.3, fields=["logits"])
        assert calls.count("loadFrame") == 1
    np.testing.assert_array_equal(again.logits, expected.logits)


def test_a_batch_is_its_frames_one_by_one():
    random = np.random.default_rng(6)
    frames = [(*crystal(random, repeats), True) for repeats in (3, 5, 3, 4)]
    with phasewire.Local() as analyser:
        batch = analyser.analyse_batch(frames, fields=["logits"], length_scale=2.5)
        alone = [analyser.analyse(*frame, fields=["logits"], length_scale=2.5) for frame in frames]
        with pytest.raises(phasewire.InputError, match="length scale"):
            analyser.analyse_batch(frames, length_scale=-1)
    assert [result.atom_count for result in batch] == [27, 125, 27, 64]
    for found, expected in zip(batch, alone, strict=True):
        np.testing.assert_array_equal(found.logits, expected.logits)


def test_a_prior_is_set_where_it_changes(monkeypatch):
    random = np.random.default_rng(7)
    positions, cell = crystal(random)
    with phasewire.Local() as analyser:
        core = analyser._core
        calls = []
        call = core.call
        monkeypatch.setattr(core, "call", lambda name, *rest: calls.append(name) or call(name, *rest))
        for classes in (None, None, ["fcc"], ["fcc"], None):
            analyser.analyse(positions, cell, classes=classes)
        assert calls.count("setPrior") == 3
