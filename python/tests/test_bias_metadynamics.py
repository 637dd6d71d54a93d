"""Metadynamics: free energies of toys, hills in files, restarts to the last bit, also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from phasewire.bias import Grid, LowerWall, Metadynamics, UpperWall
from phasewire.errors import InputError
from phasewire.files.colvars import read_columns
from toy import Walkers, X, Y, double_well, double_well_2d, error_within, spread_within

TESTS = Path(__file__).resolve().parent
LINE = np.linspace(-1.8, 1.8, 73)[:, None]
PLANE = np.stack(np.meshgrid(np.linspace(-1.7, 1.7, 35), np.linspace(-2.0, 2.0, 41), indexing="ij"), -1).reshape(-1, 2)


def make(**options):
    settings = {"height": 0.4, "sigma": 0.15, "pace": 5, "bias_factor": 6.0, "kT": 1.0, **options}
    return Metadynamics(X, **settings)


def values(count, seed=1):
    return np.random.default_rng(seed).normal(0.0, 0.7, (count, 1)).cumsum(axis=0) % 3.0 - 1.5


def run(bias, series, first=0):
    """Energies of a series of values, evaluated as by a driver; 0.25 units of time per step."""
    energies = []
    for step, value in enumerate(series[first:], start=first):
        energies.append(bias.energy(value, step)[0])
        bias.update(value, step, 0.25 * step)
    return energies


def test_the_free_energy_of_a_double_well():
    bias = Metadynamics(X, height=0.06, sigma=0.12, pace=47, bias_factor=6.0, kT=1.0, grid=(-3.5, 3.5, 200))
    Walkers(double_well, [-1.0], 128, seed=0, stride=0.7).run(bias, 4000)
    # Of five seeds: 0.11 to 0.18.
    assert not error_within(bias.free_energy(LINE), double_well(LINE)[0]) > 0.2


def test_the_free_energy_of_a_double_well_in_two_variables():
    bias = Metadynamics(
        (X, Y), height=0.15, sigma=(0.25, 0.5), pace=47, bias_factor=5.0, kT=1.0, grid=(-3.5, 3.5, (60, 40))
    )
    Walkers(double_well_2d, [-1.0, -0.5], 128, seed=0, stride=0.7).run(bias, 3000)
    exact = double_well_2d(PLANE)[0]
    assert not spread_within(bias.free_energy(PLANE), exact) > 0.2
    assert not error_within(bias.free_energy(PLANE), exact) > 0.5


def test_plain_hills_keep_their_height_and_well_tempered_ones_shrink():
    plain, tempered = make(bias_factor=None, kT=None), make()
    for bias in (plain, tempered):
        run(bias, np.zeros((40, 1)))
    assert plain.hill_count == tempered.hill_count == 7
    assert plain.energy([0.0], 0)[0] == pytest.approx(7 * 0.4)
    heights, bias_so_far = [], 0.0
    for _ in range(7):
        heights.append(0.4 * np.exp(-bias_so_far / 5.0))
        bias_so_far += heights[-1]
    np.testing.assert_allclose(tempered.state()["heights"], heights)
    np.testing.assert_allclose(plain.free_energy([0.0, 9.0]), [0.0, 2.8])
    np.testing.assert_allclose(tempered.free_energy([0.0, 9.0]), [0.0, 6.0 / 5.0 * bias_so_far])


@pytest.mark.parametrize(("nodes", "error"), [(5, 1.3e-5), (2, 4.9e-4)])
def test_the_grid_is_as_far_from_the_sum_of_gaussians_as_it_says(nodes, error):
    exact = Metadynamics((X, Y), height=1.0, sigma=(0.2, 0.4), pace=1, bias_factor=None)
    bins = np.round(nodes * 4.0 / np.array([0.2, 0.4])).astype(int)
    grid = Metadynamics(
        (X, Y), height=1.0, sigma=(0.2, 0.4), pace=1, bias_factor=None, grid=Grid((-2, -2), (2, 2), bins.tolist())
    )
    rng = np.random.default_rng(4)
    for bias in (exact, grid):
        bias.update([0.013, -0.017], 0)
        bias.update([0.013, -0.017], 1)
    points = rng.uniform(-1, 1, (4000, 2))
    deviation = np.abs(exact.energies(points)[0] - grid.energies(points)[0])
    assert not deviation.max() > 2.0 * 1.02 * error
    # The bound must be sharp to a small factor to be useful.
    assert deviation.max() > 0.3 * error


def test_values_outside_the_grid_are_refused_and_at_its_edges_are_not():
    bias = run_grid = make(grid=(-1.5, 1.5, 60))
    run(run_grid, values(50))
    for inside in (-1.5, 1.5):
        assert np.isfinite(bias.energy([inside], 0)[0])
    for outside in (-1.5000001, 1.6):
        with pytest.raises(InputError) as refused:
            bias.energy([outside], 0)
        assert refused.value.field == "metad.grid"
        assert "UpperWall" in refused.value.remedy
    assert UpperWall(X, 1.4, 100.0).energy([1.5], 0)[1][0] > 0 > LowerWall(X, -1.4, 100.0).energy([-1.5], 0)[1][0]


def test_the_constant_of_reweighting_is_that_of_its_definition():
    bias = make(grid=(-3.0, 3.0, 240))
    energies = run(bias, values(200))
    nodes = np.linspace(-3.0, 3.0, 241)
    bias_there = bias.energies(nodes)[0]
    expected = np.log(np.sum(np.exp(6.0 / 5.0 * bias_there)) / np.sum(np.exp(bias_there / 5.0)))
    columns = bias.columns()
    assert columns["metad.rct"] == pytest.approx(expected)
    assert columns["metad.rbias"] == pytest.approx(energies[-1] - expected)
    assert set(make().columns()) == {"metad.bias"}


def test_frames_reweighted_by_it_give_the_free_energy_too():
    bias = Metadynamics(X, height=0.05, sigma=0.1, pace=41, bias_factor=10.0, kT=1.0, grid=(-3.5, 3.5, 280))
    walkers = Walkers(double_well, [-1.0], 128, seed=2, stride=0.7)
    walkers.run(bias, 1000)
    weights, places = [], []
    for _ in range(200):
        walkers.run(bias, 5)
        weights.append(np.exp(bias.energies(walkers.positions)[0] - bias.columns()["metad.rct"]))
        places.append(walkers.positions[:, 0])
    share = np.concatenate(weights)[np.concatenate(places) > 0].sum() / np.concatenate(weights).sum()
    # Each well has half of the weight.
    assert not abs(np.log(share / (1.0 - share))) > 0.2


@pytest.mark.parametrize("grid", [None, (-1.5, 1.5, 60)], ids=["sum", "grid"])
def test_a_run_that_was_interrupted_at_any_step_goes_on_as_if_it_had_not_been(tmp_path, grid):
    series = values(60)
    whole = make(grid=grid, hills=tmp_path / "whole")
    energies = run(whole, series)
    for cut in (0, 1, 5, 6, 23, 59):
        first = make(grid=grid, hills=tmp_path / f"HILLS{cut}")
        run(first, series[:cut])
        np.savez(tmp_path / "state.npz", **first.state())
        # Hills after the checkpoint are lost.
        run(first, series[: cut + 9], first=cut)
        second = make(grid=grid, hills=tmp_path / f"HILLS{cut}")
        with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
            second.restore(state)
        assert run(second, series, first=cut) == energies[cut:]
        assert second.columns() == whole.columns()
        for key, value in whole.state().items():
            np.testing.assert_array_equal(second.state()[key], value)
        assert (tmp_path / f"HILLS{cut}").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_file_that_lost_hills_is_made_anew_from_the_state(tmp_path):
    series = values(40)
    first = make(hills=tmp_path / "HILLS")
    run(first, series)
    whole = (tmp_path / "HILLS").read_bytes()
    (tmp_path / "HILLS").write_bytes(whole[: len(whole) // 2])
    second = make(hills=tmp_path / "HILLS")
    second.restore(first.state())
    assert (tmp_path / "HILLS").read_bytes() == whole
    (tmp_path / "HILLS").unlink()
    make(hills=tmp_path / "HILLS").restore(first.state())
    assert (tmp_path / "HILLS").read_bytes() == whole


def test_hills_are_written_as_plumed_writes_them(tmp_path):
    tempered = make(hills=tmp_path / "HILLS")
    run(tempered, values(31))
    found = read_columns(tmp_path / "HILLS")
    assert found.fields == ("time", "x", "sigma_x", "height", "biasf")
    assert found.constants == {"multivariate": "false", "kerneltype": "gaussian"}
    np.testing.assert_array_equal(found["time"], 0.25 * np.arange(5, 31, 5))
    np.testing.assert_allclose(found["height"], tempered.state()["heights"] * 6.0 / 5.0)
    assert set(found["biasf"]) == {6.0}
    # So the sum of the hills in the file is minus the free energy, as PLUMED's sum_hills assumes.
    points = np.linspace(-1, 1, 9)
    summed = np.sum(found["height"] * np.exp(-0.5 * ((points[:, None] - found["x"]) / 0.15) ** 2), axis=1)
    np.testing.assert_allclose(tempered.free_energy(points), summed.max() - summed)
    plain = make(bias_factor=None, hills=tmp_path / "HILLS")
    run(plain, values(31))
    assert set(read_columns(tmp_path / "HILLS")["biasf"]) == {-1.0}
    assert (tmp_path / "bck.0.HILLS").exists()


@pytest.mark.parametrize("torn", [0, 1, 30])
def test_a_restart_from_hills_alone_has_all_that_are_whole(tmp_path, torn):
    series = values(40)
    first = make(hills=tmp_path / "HILLS")
    run(first, series)
    data = (tmp_path / "HILLS").read_bytes()
    (tmp_path / "HILLS").write_bytes(data[: len(data) - torn])
    second = make(hills=tmp_path / "HILLS")
    count = second.restore_hills()
    assert count == first.hill_count - (torn > 0)
    for key in ("centres", "sigmas", "times"):
        np.testing.assert_array_equal(second.state()[key], first.state()[key][:count])
    np.testing.assert_allclose(second.state()["heights"], first.state()["heights"][:count], rtol=1e-15)
    # The file continues and is complete.
    second.update([0.0], 100, 25.0)
    second.update([0.0], 105, 26.25)
    assert len(read_columns(tmp_path / "HILLS")) == count + 1
    elsewhere = make()
    assert elsewhere.restore_hills(tmp_path / "HILLS") == count + 1


def test_hills_of_other_variables_or_another_bias_factor_are_refused(tmp_path):
    run(make(hills=tmp_path / "HILLS"), values(31))
    with pytest.raises(InputError) as refused:
        make(bias_factor=7.0).restore_hills(tmp_path / "HILLS")
    assert refused.value.field == "metad.bias_factor"
    with pytest.raises(InputError) as refused:
        make(bias_factor=None).restore_hills(tmp_path / "HILLS")
    assert refused.value.field == "metad.bias_factor"
    with pytest.raises(InputError) as refused:
        Metadynamics(Y, height=1.0, sigma=0.1, kT=1.0).restore_hills(tmp_path / "HILLS")
    assert refused.value.field == "metad.variables"
    with pytest.raises(InputError, match=r"metad\.hills"):
        make().restore_hills()


def test_a_bias_asked_at_every_third_step_keeps_its_pace():
    bias = make()
    for step in range(3, 33, 3):
        bias.update([0.0], step)
        bias.update([0.0], step)
    np.testing.assert_array_equal(bias.state()["times"], [6, 12, 15, 21, 27, 30])


CHILD = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from test_bias_metadynamics import make, values
bias = make(hills="HILLS")
series = values(100000)
for step, value in enumerate(series):
    bias.energy(value, step)
    bias.update(value, step, 0.25 * step)
    if step % 50 == 0:
        np.savez("part.npz", **bias.state())
        import os
        os.replace("part.npz", "state.npz")
        print(step, flush=True)
"""


def test_a_run_that_was_killed_goes_on_from_its_checkpoint_as_if_it_had_not_been(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(tests=str(TESTS))], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    while int(child.stdout.readline()) < 500:
        pass
    # A step between two checkpoints.
    time.sleep(0.003)
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    second = make(hills=tmp_path / "HILLS")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.restore(state)
        begin = int(state["step"]) + 1
    assert begin > 500
    end = begin + 300
    series = values(100000)[:end]
    whole = make(hills=tmp_path / "whole")
    assert run(second, series, first=begin) == run(whole, series)[begin:]
    assert (tmp_path / "HILLS").read_bytes() == (tmp_path / "whole").read_bytes()
