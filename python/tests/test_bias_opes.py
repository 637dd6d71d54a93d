"""OPES: free energies of toys, sums and merging against their definitions, restarts to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from phasewire.bias import Opes, OpesExplore, reweight
from phasewire.errors import InputError
from phasewire.files.colvars import read_columns
from toy import Walkers, X, Y, double_well, double_well_2d, double_well_in_bins, error_within, spread_within

LINE = np.linspace(-1.8, 1.8, 73)[:, None]
EDGES = np.linspace(-1.8, 1.8, 37)
PLANE = np.stack(np.meshgrid(np.linspace(-1.7, 1.7, 35), np.linspace(-2.0, 2.0, 41), indexing="ij"), -1).reshape(-1, 2)


def make(kind=Opes, **options):
    settings = {"barrier": 6.0, "kT": 1.0, "pace": 5, "sigma": (0.15, 0.2), **options}
    return kind((X, Y), **settings)


def values(count, seed=1):
    return np.random.default_rng(seed).normal(0.0, 0.5, (count, 2)).cumsum(axis=0) % 3.0 - 1.5


def run(bias, series, first=0):
    energies = []
    for step, value in enumerate(series[first:], start=first):
        energies.append(bias.energy(value, step)[0])
        bias.update(value, step, 0.25 * step)
    return energies


@pytest.mark.parametrize("kind", [Opes, OpesExplore])
def test_the_free_energy_of_a_double_well(kind):
    bias = kind(X, barrier=8.0, kT=1.0, pace=75, sigma=0.12)
    walkers = Walkers(double_well, [-1.0], 128, seed=2, stride=0.7)
    walkers.run(bias, 800)
    found = reweight(*walkers.sample(bias, 3200), kT=1.0, edges=EDGES)
    exact = double_well_in_bins(EDGES)
    # Of four seeds of either kind: 0.06 to 0.12; of the kernels 0.19 to 0.36, rms 0.08 to 0.10.
    assert not error_within(found.free_energy, exact) > 0.2
    assert not error_within(bias.free_energy(LINE), double_well(LINE)[0]) > 0.4
    assert not spread_within(bias.free_energy(LINE), double_well(LINE)[0]) > 0.12


def test_the_free_energy_of_a_double_well_in_two_variables():
    bias = Opes((X, Y), barrier=6.0, kT=1.0, pace=11, sigma=(0.25, 0.5))
    Walkers(double_well_2d, [-1.0, -0.5], 32, seed=1, stride=0.7).run(bias, 1500)
    assert not spread_within(bias.free_energy(PLANE), double_well_2d(PLANE)[0]) > 0.25


def kernels(bias, prefix="kernel_"):
    state = bias.state()
    return state[f"{prefix}centres"], state[f"{prefix}sigmas"], state[f"{prefix}heights"]


@pytest.mark.parametrize("kind", [Opes, OpesExplore])
def test_the_bias_is_that_of_its_definition(kind):
    bias = make(kind, bias_factor=4.0)
    run(bias, values(400))
    centres, sigmas, heights = kernels(bias)

    def density(points):
        square = np.sum(((points[:, None] - centres) / sigmas) ** 2, axis=2)
        cut = np.exp(-0.5 * bias.cutoff**2)
        return np.sum(np.where(square < bias.cutoff**2, heights * (np.exp(-0.5 * square) - cut), 0.0), axis=1)

    columns = bias.columns()
    # Heights are divided by their number (exploring), or by their weights: kT log(sum w / count) is known.
    norm = 80.0 if kind is OpesExplore else 80.0 * np.exp(columns["opes.rct"])
    zed = np.mean(density(centres)) / norm
    assert columns["opes.zed"] == pytest.approx(zed, rel=1e-9)
    factor = 3.0 if kind is OpesExplore else 0.75
    points = np.random.default_rng(2).uniform(-2, 2, (50, 2))
    wanted = factor * np.log(density(points) / norm / zed + np.exp(-6.0 / factor))
    np.testing.assert_allclose(bias.energies(points)[0], wanted, atol=1e-9)
    assert bias.energies([[50.0, 50.0]])[0][0] == pytest.approx(-6.0)


def test_merging_keeps_height_mean_and_variance():
    bias = make(fixed_sigma=True, compression=1.0)
    plain = make(fixed_sigma=True, compression=0.0)
    # The second is close to the first, the third far away.
    for number, value in enumerate([(0.0, 0.0), (0.0, 0.0), (0.1, 0.05), (1.4, 1.4)]):
        bias.update(value, 5 * number)
        plain.update(value, 5 * number)
    assert (bias.kernel_count, plain.kernel_count) == (2, 3)
    centres, sigmas, heights = kernels(bias)
    parts, widths, weights = kernels(plain)
    weights = weights.copy()
    weights[1] = heights[0] - weights[0]
    assert heights.sum() == pytest.approx(weights.sum(), rel=0.5)
    share = weights[:2] / weights[:2].sum()
    mean = share @ parts[:2]
    np.testing.assert_allclose(centres[0], mean)
    np.testing.assert_allclose(sigmas[0] ** 2, share @ (widths[:2] ** 2 + parts[:2] ** 2) - mean**2)


def test_compression_keeps_the_number_of_kernels_down_and_the_density():
    series = values(3000)
    merged, plain = make(compression=1.0), make(compression=0.0)
    run(merged, series)
    run(plain, series)
    assert plain.kernel_count == 599
    assert merged.kernel_count < 400
    points = np.random.default_rng(2).uniform(-1.4, 1.4, (200, 2))
    difference = merged.free_energy(points) - plain.free_energy(points)
    assert np.median(np.abs(difference - np.median(difference))) < 0.3


def test_the_bandwidth_shrinks_with_the_effective_number_of_samples():
    bias = make(compression=0.0)
    run(bias, values(500))
    _, sigmas, _ = kernels(bias)
    expected = (0.15, 0.2) * np.full(2, bias.effective_samples ** (-1.0 / 6.0))
    np.testing.assert_allclose(sigmas[-1], expected)
    floor = make(compression=0.0, least_sigma=(0.14, 0.01))
    run(floor, values(500))
    _, sigmas, _ = kernels(floor)
    assert sigmas[-1][0] == pytest.approx(0.14)
    assert sigmas[-1][1] < 0.15
    fixed = make(compression=0.0, fixed_sigma=True)
    run(fixed, values(500))
    np.testing.assert_array_equal(kernels(fixed)[1], np.tile([0.15, 0.2], (99, 1)))


@pytest.mark.parametrize("kind", [Opes, OpesExplore])
def test_without_a_sigma_it_is_measured_and_until_then_there_is_no_force(kind):
    bias = kind((X, Y), barrier=6.0, kT=1.0, pace=10, adaptive=2000, compression=0.0)
    rng = np.random.default_rng(6)
    for step in range(2001):
        value = rng.normal((1.0, 2.0), (0.1, 0.4))
        energy, derivatives = bias.energy(value, step)
        assert energy == pytest.approx(-6.0)
        assert (derivatives == 0).all()
        bias.update(value, step)
    assert bias.kernel_count == 1
    size = 2.0 if kind is OpesExplore else bias.effective_samples
    wide = np.sqrt(6.0) if kind is OpesExplore else 1.0
    np.testing.assert_allclose(kernels(bias)[1][0], wide * np.array([0.1, 0.4]) * size ** (-1.0 / 6.0), rtol=0.05)
    still = kind(X, barrier=6.0, kT=1.0, pace=1, adaptive=5)
    for step in range(5):
        still.update([1.0], step)
    with pytest.raises(InputError, match="did not change"):
        still.update([1.0], 5)


@pytest.mark.parametrize("kind", [Opes, OpesExplore])
@pytest.mark.parametrize("options", [{}, {"sigma": None}, {"normalise": False}], ids=["sigma", "adaptive", "Z = 1"])
def test_a_run_that_was_interrupted_at_any_step_goes_on_as_if_it_had_not_been(tmp_path, kind, options):
    series = values(200)
    whole = make(kind, kernels=tmp_path / "whole", **options)
    energies = run(whole, series)
    for cut in (0, 1, 5, 23, 60, 140):
        first = make(kind, kernels=tmp_path / f"KERNELS{cut}", **options)
        run(first, series[:cut])
        np.savez(tmp_path / "state.npz", **first.state())
        run(first, series[: cut + 9], first=cut)
        second = make(kind, kernels=tmp_path / f"KERNELS{cut}", **options)
        second.check_settings(first.settings())
        with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
            second.restore(state)
        assert run(second, series, first=cut) == energies[cut:]
        assert second.columns() == whole.columns()
        for key, value in whole.state().items():
            np.testing.assert_array_equal(second.state()[key], value)
        np.testing.assert_array_equal(second.free_energy(LINE @ [[1, 1]]), whole.free_energy(LINE @ [[1, 1]]))
        assert (tmp_path / f"KERNELS{cut}").read_bytes() == (tmp_path / "whole").read_bytes()
        # The same object, with its file open, also goes back.
        with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
            second.restore(state)
        run(second, series, first=cut)
        assert (tmp_path / f"KERNELS{cut}").read_bytes() == (tmp_path / "whole").read_bytes()


def test_kernels_are_written_as_plumed_writes_them(tmp_path):
    bias = make(kernels=tmp_path / "KERNELS", compression=0.0)
    run(bias, values(31))
    found = read_columns(tmp_path / "KERNELS")
    assert found.fields == ("time", "x", "y", "sigma_x", "sigma_y", "height", "logweight")
    assert found.constants["action"] == "OPES_METAD_kernels"
    assert float(found.constants["biasfactor"]) == 6.0
    centres, sigmas, heights = kernels(bias)
    np.testing.assert_array_equal(found.rows[:, 1:3], centres)
    np.testing.assert_array_equal(found.rows[:, 3:5], sigmas)
    np.testing.assert_array_equal(found["height"], heights)
    assert found["logweight"][0] == pytest.approx(-6.0)


def test_a_flat_target_and_a_fixed_normalisation():
    flat = make(bias_factor=np.inf)
    assert flat.settings()["bias_factor"] == "inf"
    run(flat, values(100))
    assert flat.epsilon == pytest.approx(np.exp(-6.0))
    plain = make(normalise=False)
    run(plain, values(100))
    assert plain.columns()["opes.zed"] == 1.0
