"""Results and series."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

import phasewire
from phasewire.errors import make_error
from scripted import PHASES, result_with


def test_masks_and_names():
    result = result_with(0.5)
    np.testing.assert_array_equal(result.where("fcc"), [True, True, False, False])
    np.testing.assert_array_equal(result.where("ccp"), result.where("fcc"))
    assert result.phase_names().tolist() == ["fcc", "fcc", "disordered", "disordered"]
    assert result.crystalline == 0.5
    with pytest.raises(phasewire.InputError, match='no class "bct"') as caught:
        result.where("bct")
    assert caught.value.code == "BAD_OPTION"


def test_the_representation_says_what_matters():
    assert repr(result_with(0.75, step=300)) == "<Result step 300: 4 atoms, fcc 75.0 %, disordered 25.0 %; a0 2.5>"


def test_labels_that_were_not_asked_for():
    result = phasewire.Result(PHASES, {"disordered": 1, "fcc": 0, "hcp": 0}, 0, 0, 0, 1, 4)
    with pytest.raises(phasewire.InputError, match="fields"):
        result.where("fcc")


def filled():
    series = phasewire.Series()
    series.append(result_with(1.0, 0), {"temperature": 300.0})
    series.append(result_with(0.25, 100))
    error = make_error("NON_FINITE_POSITIONS", "blown up")
    series.append_failure(phasewire.FailedFrame(200, None, error), dropped=3)
    return series


def test_series_are_arrays():
    series = filled()
    assert len(series) == 3
    np.testing.assert_array_equal(series.step, [0, 100, 200])
    np.testing.assert_array_equal(series.time, [0, 50, np.nan])
    np.testing.assert_array_equal(series.fraction("fcc"), [1, 0.25, np.nan])
    np.testing.assert_array_equal(series.fraction("ccp"), series.fraction("fcc"))
    np.testing.assert_array_equal(series.crystalline, [1, 0.25, np.nan])
    np.testing.assert_array_equal(series.dropped, [0, 0, 3])
    np.testing.assert_array_equal(series.observable("temperature"), [300, np.nan, np.nan])
    assert series.fractions.shape == (3, 3)
    assert series.failures[0].error.code == "NON_FINITE_POSITIONS"


def test_an_empty_series():
    series = phasewire.Series()
    assert len(series) == len(series.step) == len(series.crystalline) == len(series.fraction("fcc")) == 0
    assert series.fractions.shape == (0, 0)
    assert "no results" in repr(series)


def test_series_whose_first_frame_failed():
    series = phasewire.Series()
    series.append_failure(phasewire.FailedFrame(0, 0.0, make_error("EMPTY_FRAME", "none")), dropped=0)
    assert np.isnan(series.crystalline).all()
    series.append(result_with(1.0, 1))
    np.testing.assert_array_equal(series.fraction("fcc"), [np.nan, 1])


def test_csv(tmp_path):
    path = tmp_path / "series.csv"
    filled().to_csv(path)
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["0", "100", "200"]
    assert [row["fcc"] for row in rows] == ["1", "0.25", ""]
    assert [row["error"] for row in rows] == ["", "", "NON_FINITE_POSITIONS"]
    assert [row["temperature"] for row in rows] == ["300", "", ""]
    assert rows[1]["mean_margin"] == "1.25"
    assert rows[2]["dropped"] == "3"


def test_of_hundreds_of_classes_those_that_occur_are_written(tmp_path):
    phases = ("disordered", *(f"phase-{number}" for number in range(349)))
    series = phasewire.Series()
    for step, name in enumerate(("phase-300", "phase-300", "phase-7")):
        fractions = dict.fromkeys(phases, 0.0) | {name: 1.0}
        series.append(replace(result_with(1.0, step), phases=phases, fractions=fractions))
    series.to_csv(tmp_path / "series.csv")
    with (tmp_path / "series.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [name for name in rows[0] if name in phases] == ["disordered", "phase-7", "phase-300"]
    assert [row["phase-300"] for row in rows] == ["1", "1", "0"]
    assert series.fractions.shape == (3, 350)
    np.testing.assert_array_equal(series.fraction("phase-7"), [0, 0, 1])
    np.testing.assert_array_equal(series.fraction("phase-8"), [0, 0, 0])
    np.testing.assert_array_equal(series.crystalline, [1, 1, 1])
