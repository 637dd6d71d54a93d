"""Umbrella windows: samples in files, and their free energy by pymbar."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from phasewire.bias import Harmonic, umbrella
from phasewire.errors import InputError
from toy import X, Y, double_well, double_well_in_bins, error_within

WINDOWS = umbrella.windows(X, np.linspace(-1.9, 1.9, 20), 25.0)


def walk(bias, seed, *, walkers=80, rounds=220):
    """Metropolis walks in the double well and a window, one after the other."""
    rng = np.random.default_rng(seed)
    position = np.full((walkers, 1), bias.centre[0])
    kept = []
    for number in range(rounds):
        proposed = position + 0.35 * rng.normal(size=position.shape)
        rise = double_well(proposed)[0] + bias.energies(proposed)[0]
        rise -= double_well(position)[0] + bias.energies(position)[0]
        position = np.where((np.log(rng.random(walkers)) < -rise)[:, None], proposed, position)
        if number >= 20:
            kept.append(position)
    return np.concatenate(np.stack(kept, axis=1))


def test_windows_give_back_the_free_energy_with_an_error_that_is_true():
    samples = umbrella.sample(WINDOWS, lambda bias: walk(bias, 4 + WINDOWS.index(bias)))
    edges = np.linspace(-1.8, 1.8, 37)
    found = umbrella.profile(WINDOWS, samples, kT=1.0, edges=edges)
    exact = double_well_in_bins(edges)
    inside = exact - exact.min() < 6.0
    # With four seeds: 0.06 to 0.17, with errors of up to 0.09.
    assert not error_within(found.free_energy, exact) > 0.2
    assert found.error[inside].max() < 0.1
    pulls = (found.free_energy - exact + exact.min())[inside] / np.maximum(found.error[inside], 0.02)
    assert not np.sqrt(np.mean(pulls**2)) > 3.0
    assert (found.inefficiency > 1.5).all()
    assert 0.05 < found.overlap < 0.5
    assert found.counts.sum() < sum(map(len, samples)) / 2


def test_stiff_windows_up_a_high_slope_are_solved():
    # Starting from equal heights of all windows, the solver does not converge within minutes.
    biases = umbrella.windows(X, np.linspace(0.0, 1.2, 34), 9700.0)
    edges = np.linspace(0.0, 1.2, 41)
    fine = np.linspace(-0.1, 1.3, 14001)
    height = 330.0 * np.sin(np.pi * fine / 2.4)
    rng = np.random.default_rng(3)
    samples = []
    for bias in biases:
        energy = height + bias.energies(fine[:, None])[0]
        weights = np.exp(energy.min() - energy)
        samples.append(rng.choice(fine, 60, p=weights / weights.sum()))
    found = umbrella.profile(biases, samples, kT=1.0, edges=edges)
    bins = np.digitize(fine, edges) - 1
    exact = np.array([-np.log(np.exp(-height[bins == number]).mean()) for number in range(len(edges) - 1)])
    assert (found.free_energy == 0.0).nonzero()[0] == [0]
    assert found.free_energy[-1] > 300.0
    assert found.error[-1] < 4.0
    np.testing.assert_array_less(np.abs(found.free_energy - exact + exact[0])[1:], 3.0 * found.error[1:])


def test_what_moves_the_variable_little_but_for_long_counts_as_correlated():
    # A hidden state that changes every 1000 samples moves the mean by a tenth of the noise; pymbar alone finds 1.2.
    rng = np.random.default_rng(5)
    count, runs = 8000, 40
    series = rng.normal(size=(runs, count))
    series += 0.1 * np.where(np.cumsum(rng.random((runs, count)) < 1e-3, axis=1) % 2, 1.0, -1.0)
    true = count * series.mean(axis=1).var() / series.var(axis=1).mean()
    bias, edges = Harmonic(X, 0.0, 1.0), [-1.0, 1.0]
    found = [umbrella.profile([bias], [run], kT=1.0, edges=edges) for run in series]
    assert all(profile.overlap == 1.0 for profile in found)
    assert true > 4.0
    assert true / 2 < np.mean([profile.inefficiency[0] for profile in found]) < 2 * true


def test_energies_scale_with_kt_and_bins_without_samples_are_nan():
    samples = [walk(bias, 1, walkers=20, rounds=60) for bias in WINDOWS[8:12]]
    edges = np.linspace(-1.0, 3.0, 21)
    one = umbrella.profile(WINDOWS[8:12], samples, kT=1.0, edges=edges)
    strong = [Harmonic(X, bias.centre, 300.0 * bias.strength) for bias in WINDOWS[8:12]]
    other = umbrella.profile(strong, samples, kT=300.0, edges=edges)
    np.testing.assert_allclose(other.free_energy, 300.0 * one.free_energy, rtol=1e-6, atol=1e-4)
    assert (np.isnan(one.free_energy) == (one.counts == 0)).all()
    assert np.isnan(one.free_energy).any()
    assert np.nanmin(one.free_energy) == 0.0


def test_finished_windows_are_read_and_not_simulated_again(tmp_path):
    windows, done, seen = WINDOWS[:3], [], []

    def simulate(bias):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(bias.name)
        return walk(bias, 7, walkers=3, rounds=30)

    with pytest.raises(KeyboardInterrupt):
        umbrella.sample(windows, simulate, folder=tmp_path / "run")
    assert done == ["window0", "window1"]
    (tmp_path / "run" / "window-002.part").write_bytes(b"torn")
    second = umbrella.sample(
        windows,
        lambda bias: walk(bias, 8, walkers=3, rounds=30),
        folder=tmp_path / "run",
        progress=lambda number, count, samples: seen.append((number, count, len(samples))),
    )
    assert seen == [(0, 3, 30), (1, 3, 30), (2, 3, 30)]
    np.testing.assert_array_equal(second[0], walk(windows[0], 7, walkers=3, rounds=30))
    np.testing.assert_array_equal(second[2], walk(windows[2], 8, walkers=3, rounds=30))


def test_saved_windows_of_other_settings_and_damaged_files_are_refused(tmp_path):
    umbrella.sample(WINDOWS[:1], lambda bias: walk(bias, 1, walkers=2, rounds=30), folder=tmp_path)
    with pytest.raises(InputError, match=r"window0\.strength"):
        umbrella.sample(umbrella.windows(X, [-1.9], 26.0), lambda bias: [0.0, 1.0], folder=tmp_path)
    for damaged in (b"PK\x03\x04 torn", b""):
        (tmp_path / "window-000.npz").write_bytes(damaged)
        with pytest.raises(InputError, match="FILE_FORMAT"):
            umbrella.sample(WINDOWS[:1], lambda bias: [0.0, 1.0], folder=tmp_path)


@pytest.mark.parametrize(
    ("samples", "edges", "code"),
    [
        ([[0.1, 0.2, 0.15]], [0.0, 1.0], "SHAPE_MISMATCH"),
        ([[0.1, 0.2, 0.15], [[0.1, 0.2]]], [0.0, 1.0], "SHAPE_MISMATCH"),
        ([[0.1, 0.2, 0.15], [0.3, np.nan]], [0.0, 1.0], "BAD_OPTION"),
        ([[0.1, 0.2, 0.15], [0.3, 0.3, 0.3]], [0.0, 1.0], "BAD_OPTION"),
        ([[0.1, 0.2, 0.15], [0.3, 0.1, 0.2]], [1.0, 0.0], "BAD_OPTION"),
        ([[0.1, 0.2, 0.15], [0.3, 0.1, 0.2]], [5.0, 6.0], "BAD_OPTION"),
    ],
)
def test_samples_that_say_nothing_are_refused(samples, edges, code):
    with pytest.raises(InputError) as refused:
        umbrella.profile(WINDOWS[9:11], samples, kT=1.0, edges=edges)
    assert refused.value.code == code


def test_a_profile_along_the_second_of_two_variables():
    rng = np.random.default_rng(3)
    biases = [Harmonic((X, Y), (0.0, centre), (1.0, 8.0), name=f"w{centre}") for centre in (-0.5, 0.0, 0.5)]
    # In the landscape 1/2 (x^2 + 2 y^2): windows with variances 1/2 and 1/10, centred at 0 and 0.8 c.
    samples = [rng.normal((0.0, 0.8 * bias.centre[1]), np.sqrt([0.5, 0.1]), (1500, 2)) for bias in biases]
    found = umbrella.profile(biases, samples, kT=1.0, edges=np.linspace(-1.0, 1.0, 11), along=1)
    assert not error_within(found.free_energy, found.centres**2) > 0.2


def test_without_pymbar_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymbar", None)
    with pytest.raises(ImportError, match=r"phasewire\[sampling\]"):
        umbrella.profile(WINDOWS[:1], [[0.1, 0.2]], kT=1.0, edges=[0.0, 1.0])
