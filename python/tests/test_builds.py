"""The builds of the core, and the choice between them."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

import phasewire
from phasewire._core import build as _build
from phasewire._core.core import Core
from phasewire._frame.frame import make_frame
from phasewire._model.data import data_file


def test_the_fastest_is_taken_and_told():
    with phasewire.Local() as analyser:
        assert analyser.build == ("relaxed" if _build.accepts_relaxed() else "baseline")
        assert analyser.threads == 1
    with phasewire.Local(build="baseline") as analyser:
        assert analyser.build == "baseline"
        assert "baseline" in repr(analyser)


def test_without_relaxed_simd(monkeypatch):
    monkeypatch.setattr(_build, "accepts_relaxed", lambda: False)
    with phasewire.Local() as analyser:
        assert analyser.build == "baseline"
    with pytest.raises(phasewire.InputError, match="needs relaxed SIMD") as caught:
        phasewire.Local(build="relaxed")
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "build")
    assert "baseline" in caught.value.remedy


def test_a_build_that_there_is_not():
    with pytest.raises(phasewire.InputError, match="fast") as caught:
        phasewire.Local(build="fast")
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "build")


def test_relaxed_simd_is_looked_for(monkeypatch):
    assert _build.accepts_relaxed()
    monkeypatch.setattr(_build, "_RELAXED_MODULE", b"\0asm nonsense")
    assert not _build.accepts_relaxed()


def test_a_file_is_compiled_once():
    assert _build.compile_core(data_file("phasewire.wasm")) is _build.compile_core(data_file("phasewire.wasm"))


def test_builds_differ_by_rounding_alone():
    random = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    positions = 2.5 * grid + random.normal(0, 0.1, grid.shape)
    results = []
    for build in ("baseline", "relaxed"):
        with phasewire.Local(build=build) as analyser:
            results.append(analyser.analyse(positions, [10, 10, 10], fields=["logits", "score"]))
    first, second = results
    assert np.abs(first.logits - second.logits).max() <= 1e-5 * np.abs(first.logits).max()
    assert np.abs(first.score - second.score).max() <= 1e-4 * np.abs(first.score).max()


@pytest.mark.parametrize("build", ["baseline", "relaxed"])
def test_how_numbers_are_spread_over_lanes_changes_no_bit(build):
    """`splatNumbers` changes an instruction, not the result."""
    atoms = bulk("Cu", cubic=True) * 3
    atoms.rattle(0.1, seed=4)
    frame = make_frame(atoms.positions, atoms.cell.array, True)
    results = []
    for flag in (0, 1):
        core = Core(phasewire.load_model(), build=build)
        core.call("splatNumbers", flag)
        core.load(frame, None, gradient=True)
        core.forward()
        core.score()
        results.append((core.logits(), core.gradient(), core.virial()))
    for ours, others in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, others)
