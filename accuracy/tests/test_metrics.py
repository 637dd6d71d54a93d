"""Figures of merit against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from accuracy.metrics import (
    area_under_roc,
    course,
    crossings,
    displacements,
    nearest_periodic,
    reliability,
    roc_curve,
    root_mean_square,
    smoothed_share,
)


def test_area_under_roc_counts_pairs() -> None:
    random = np.random.default_rng(1)
    positive, negative = random.integers(0, 6, 40), random.integers(0, 5, 70)
    pairs = np.sign(positive[:, None] - negative[None])
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert area_under_roc(positive, negative) == pytest.approx(expected, abs=1e-12)
    false, true = roc_curve(positive, negative)
    assert np.trapezoid(true, false) == pytest.approx(expected, abs=1e-12)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


def test_area_under_roc_without_positives_is_nan() -> None:
    assert np.isnan(area_under_roc(np.zeros(0), np.ones(3)))


@pytest.mark.parametrize("equal", ["width", "count"])
def test_calibration_error_of_a_constant_overconfidence(equal: str) -> None:
    random = np.random.default_rng(2)
    confidence = random.uniform(0.5, 1.0, 200_000)
    right = random.random(len(confidence)) < confidence
    assert reliability(confidence, right, 15, equal).expected_calibration_error < 0.01
    right = random.random(len(confidence)) < confidence - 0.2
    assert reliability(confidence, right, 15, equal).expected_calibration_error == pytest.approx(0.2, abs=0.01)


def test_bins_of_equal_count_and_the_last_bin_of_equal_width() -> None:
    curve = reliability(np.linspace(0, 1, 90), np.ones(90), 9, "count")
    assert curve.count.tolist() == [10] * 9
    assert reliability(np.array([1.0, 1.0, 0.05]), np.array([1, 0, 1]), 10).count.tolist() == [1, 2]
    with pytest.raises(ValueError, match="size"):
        reliability(np.ones(3), np.ones(3), 5, "size")


def test_fronts_are_found_across_the_periodic_boundary() -> None:
    length = 60.0
    along = np.random.default_rng(3).uniform(0, length, 6000)
    disordered = (along > 31.0) & (along < 58.5)
    found = crossings(along, disordered, length, width=2.0)
    np.testing.assert_allclose(found, [31.0, 58.5], atol=0.3)
    shifted = crossings((along + 10.0) % length, disordered, length, width=2.0)
    np.testing.assert_allclose(shifted, [8.5, 41.0], atol=0.3)
    assert nearest_periodic(shifted, 59.0, length) == pytest.approx(shifted[0] + length - 59.0)
    assert len(crossings(along, np.zeros(len(along)), length, 2.0)) == 0
    assert np.isnan(nearest_periodic(np.zeros(0), 1.0, length))


def test_smoothed_share_far_from_every_atom_is_finite() -> None:
    share = smoothed_share(np.array([0.0]), np.array([1.0]), 1000.0, 0.1, np.array([500.0]))
    assert np.isfinite(share).all()


def test_course_of_a_line_and_of_a_step() -> None:
    along = np.linspace(0, 1, 41)
    line = course(along, 4.0 * along - 1.0)
    assert line.backward == 0.0
    assert line.jump == pytest.approx(1 / 40)
    assert (line.crossing, line.crossings) == (pytest.approx(0.25), 1)
    falling = course(along, 1.0 - 4.0 * along)
    assert falling.jump == pytest.approx(1 / 40)
    step = course(along, np.where(along < 0.5, -1.0, 1.0))
    assert step.jump == pytest.approx(1.0)
    wavy = course(along, along - 0.5 - 0.2 * np.sin(4 * np.pi * along))
    assert wavy.backward > 0.01
    assert wavy.crossings == 3


def test_course_without_a_change_is_nan() -> None:
    flat = course(np.linspace(0, 1, 5), np.ones(5))
    assert np.isnan(flat.backward)
    assert np.isnan(flat.jump)
    assert np.isnan(flat.crossing)


def test_displacements_ignore_a_common_shift_and_periodic_images() -> None:
    random = np.random.default_rng(4)
    cell = np.array([[8.0, 0, 0], [1.0, 7.0, 0], [0, 0.5, 9.0]])
    sites = random.random((50, 3)) @ cell
    noise = random.normal(size=(50, 3)) * 0.1
    noise -= noise.mean(axis=0)
    images = random.integers(-2, 3, (50, 3)) @ cell
    for shift in (np.array([0.7, -1.1, 0.4]), cell.sum(axis=0) / 2):
        moved = displacements(sites + noise + images + shift, sites, cell)
        np.testing.assert_allclose(moved, noise, atol=1e-12)
    assert root_mean_square(moved) == pytest.approx(np.sqrt((noise**2).sum(axis=1).mean()))
