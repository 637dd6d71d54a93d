"""Results on disk are found again, and only under their own key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from accuracy.cache import Cache, digest


def test_an_entry_is_computed_once(tmp_path: Path) -> None:
    calls = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(4), "b": np.array(2.5)}

    for _ in range(3):
        arrays = Cache(tmp_path / "cache").get({"model": "x", "frame": "y"}, compute)
        np.testing.assert_array_equal(arrays["a"], np.arange(4))
        assert float(arrays["b"]) == 2.5
    assert len(calls) == 1
    Cache(tmp_path / "cache").get({"model": "x", "frame": "z"}, compute)
    assert len(calls) == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04half"])
def test_a_damaged_entry_is_computed_again(tmp_path: Path, content: bytes) -> None:
    cache = Cache(tmp_path)
    cache.get({"k": 1}, lambda: {"a": np.ones(3)})
    (entry,) = tmp_path.glob("*.npz")
    entry.write_bytes(content)
    np.testing.assert_array_equal(cache.get({"k": 1}, lambda: {"a": np.zeros(3)})["a"], np.zeros(3))


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Cache(tmp_path).get({"k": 1}, lambda: {"a": np.array(1 // 0)})
    assert list(tmp_path.iterdir()) == []


def test_the_digest_follows_everything_that_an_analysis_depends_on() -> None:
    atoms = bulk("Cu", cubic=True)
    changed = [atoms.copy() for _ in range(4)]
    changed[0].positions[1, 2] += 1e-9
    changed[1].cell[0, 0] += 1e-9
    changed[2].pbc = (True, True, False)
    changed[3].numbers[0] = 28
    assert len({digest(a) for a in (atoms, *changed)}) == 5
    same = atoms.copy()
    same.info["comment"] = "not part of it"
    assert digest(same) == digest(atoms)
