"""The picture of a run's log."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from training.config import TrainingConfig
from training.plot import plot_run, read_log, smooth


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [
        {
            "step": step,
            "loss": 1.0 / step,
            "labels": 0.5 / step,
            "accuracy": 1 - 0.1 / step,
            "accuracy0": 1.0,
            "finite": 1,
        }
        for step in range(10, 300, 10)
    ]
    # An interval without finite steps, and a row of an older log.
    rows[3]["loss"] = float("nan")
    del rows[5]["labels"]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.json").write_text(json.dumps(asdict(TrainingConfig(prototypes=["fcc"], steps=300))))
    return tmp_path


@pytest.mark.filterwarnings("error")
def test_every_part_of_the_loss_the_labels_and_the_learning_rate_are_drawn(run: Path) -> None:
    text = plot_run(run, run / "training.svg").read_text()
    # matplotlib keeps each text as a comment next to its outlines.
    for word in ("loss", "labels", "share of wrong labels", "of class 0", "learning rate", "290 of 300 steps"):
        assert f"<!-- {word}" in text or f"{word}, " in text, word
    assert plot_run(run, run / "training.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_log_gives_the_same_picture(run: Path) -> None:
    first = plot_run(run, run / "training.svg").read_bytes()
    assert plot_run(run, run / "training.svg").read_bytes() == first


def test_smoothing_leaves_out_what_is_missing() -> None:
    np.testing.assert_allclose(smooth(np.array([1.0, 2.0, np.nan, 4.0, 9.0]), 3), [1.5, 1.5, 3.0, 6.5, 6.5])
    assert np.isnan(smooth(np.array([np.nan, np.nan]), 1)).all()


def test_a_run_without_steps_is_refused(run: Path) -> None:
    (run / "log.jsonl").write_text("")
    with pytest.raises(ValueError, match="no step"):
        read_log(run / "log.jsonl")
