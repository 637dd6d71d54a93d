"""Free energies of reweighted frames: their definition, realistic errors, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from phasewire.bias import reweight
from phasewire.errors import InputError

EDGES = np.linspace(-2.0, 2.0, 9)


def flattened(seed, count=2000):
    """Frames of the landscape x^2 / 2 under the bias -x^2 / 2, which makes it flat; kT = 1."""
    values = np.random.default_rng(seed).uniform(-2.0, 2.0, count)
    return values, -0.5 * values**2


def test_the_free_energy_is_that_of_the_weights():
    # Weights 1, 2, 4 in the first bin, 8 and 6 in the last, none between; two frames outside.
    weights = np.array([1.0, 8.0, 2.0, 5.0, 4.0, 6.0, 3.0])
    values = np.array([0.1, 2.5, 0.2, -1.0, 0.9, 3.0, 3.1])
    found = reweight(values, 2.0 * np.log(weights), kT=2.0, edges=[0.0, 1.0, 2.0, 3.0], blocks=2)
    np.testing.assert_allclose(found.centres, [0.5, 1.5, 2.5])
    np.testing.assert_allclose(found.free_energy, [2.0 * np.log(14.0 / 7.0), np.nan, 0.0])
    np.testing.assert_array_equal(found.counts, [3, 0, 2])
    assert found.effective_samples == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    # Blocks of 4 and 3 frames: 3 and 8, 4 and 6. Each difference is known without one block.
    apart = 2.0 * (np.log(8.0 / 3.0) - np.log(6.0 / 4.0))
    np.testing.assert_allclose(found.error, [0.5 * abs(apart), np.nan, 0.0], atol=1e-12)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_bins_of_small_weights_are_not_lost_beside_those_of_large_ones(side):
    # F = 60 kT x on either side of the deepest bin, sampled flat.
    x = np.random.default_rng(0).uniform(0, 1, 20_000)
    edges = np.linspace(0, 1, 21)
    found = reweight(side * x, -60.0 * x, kT=1.0, edges=np.sort(side * edges))
    exact = -np.log(np.exp(-60.0 * edges[:-1]) - np.exp(-60.0 * edges[1:]))
    exact = (exact - exact[0])[:: int(side)]
    np.testing.assert_allclose(found.free_energy, exact, atol=0.3)
    assert (found.error < 0.3).all()


def test_errors_are_those_of_repeated_runs():
    runs = [reweight(*flattened(seed), kT=1.0, edges=EDGES) for seed in range(200)]
    # Relative to the lowest bin, or to its neighbour if that is as low by chance.
    free = np.array([run.free_energy - run.free_energy[3] for run in runs])
    inner = np.linspace(EDGES[:-1], EDGES[1:], 101)
    exact = -np.log(np.mean(np.exp(-0.5 * inner**2), axis=0))
    assert not np.abs(free.mean(axis=0) - exact + exact[3]).max() > 0.02
    spread, said = free.std(axis=0), np.sqrt(np.mean([run.error**2 for run in runs], axis=0))
    outside = [0, 1, 2, 5, 6, 7]
    np.testing.assert_allclose(said[outside], spread[outside], rtol=0.15)


def test_blocks_know_of_correlations():
    values, energies = flattened(1, 500)
    once = reweight(values, energies, kT=1.0, edges=EDGES)
    held = reweight(np.repeat(values, 20), np.repeat(energies, 20), kT=1.0, edges=EDGES)
    # Each frame twenty times in a row gives no more information than each once.
    np.testing.assert_allclose(held.free_energy, once.free_energy)
    np.testing.assert_allclose(held.error, once.error)


def test_a_constant_in_the_bias_does_not_matter_however_large():
    values, energies = flattened(2)
    one = reweight(values, energies, kT=0.025, edges=EDGES)
    for constant in (1e3, -1e3):
        other = reweight(values, energies + constant, kT=0.025, edges=EDGES)
        np.testing.assert_allclose(other.free_energy, one.free_energy, atol=1e-9)
        np.testing.assert_allclose(other.error, one.error, atol=1e-9)


def test_what_one_block_alone_has_seen_has_no_error():
    values, energies = flattened(3)
    values = np.where(values > 1.5, 0.0, values)
    values[7:9] = 1.7
    found = reweight(values, energies, kT=1.0, edges=EDGES)
    assert np.isfinite(found.free_energy[-1])
    assert np.isinf(found.error[-1])
    assert np.isfinite(found.error[:-1]).all()


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"energies": np.zeros(19)}, "energies", "SHAPE_MISMATCH"),
        ({"values": np.zeros((20, 1))}, "values", "SHAPE_MISMATCH"),
        ({"blocks": 21}, "values", "SHAPE_MISMATCH"),
        ({"energies": np.full(20, np.nan)}, "energies", "BAD_OPTION"),
        ({"values": np.full(20, np.inf)}, "values", "BAD_OPTION"),
        ({"values": np.full(20, 3.0)}, "edges", "BAD_OPTION"),
        ({"edges": [0.0, 0.0, 1.0]}, "edges", "BAD_OPTION"),
        ({"edges": [0.0]}, "edges", "BAD_OPTION"),
        ({"blocks": 1}, "blocks", "BAD_OPTION"),
        ({"blocks": 2.5}, "blocks", "BAD_OPTION"),
        ({"kT": 0.0}, "kT", "BAD_OPTION"),
        ({"kT": np.nan}, "kT", "BAD_OPTION"),
    ],
)
def test_frames_that_say_nothing_are_refused(changed, field, code):
    options = {"values": np.linspace(-1, 1, 20), "energies": np.zeros(20), "kT": 1.0, "edges": EDGES, **changed}
    with pytest.raises(InputError) as refused:
        reweight(options.pop("values"), options.pop("energies"), **options)
    assert (refused.value.field, refused.value.code) == (field, code)
