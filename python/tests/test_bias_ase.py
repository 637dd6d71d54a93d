"""ASE under biases: what its calculator and its restarts do beyond the rules of all engines, tested in conformance/."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import ase.units
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.mixing import SumCalculator
from ase.filters import FrechetCellFilter
from ase.md.andersen import Andersen
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGSLineSearch

import phasewire
import phasewire.ase
from biased import Counting, Faulty, copper
from phasewire.bias import Harmonic, Linear, Metadynamics
from phasewire.files.colvars import read_columns
from phasewire.variables import mean_logit

Q = mean_logit("fcc", name="q")


def warm(noise=0.02, kelvin=600):
    atoms = copper(noise=noise)
    atoms.calc = EMT()
    width = np.sqrt(kelvin * ase.units.kB * atoms.get_masses())[:, None]
    atoms.set_momenta(np.random.default_rng(4).normal(size=(len(atoms), 3)) * width)
    return atoms


def verlet(atoms, femtoseconds=1.0):
    return VelocityVerlet(atoms, femtoseconds * ase.units.fs)


def close(actual, expected, relative):
    assert np.abs(np.subtract(actual, expected)).max() <= relative * np.abs(expected).max()


@pytest.mark.parametrize("scale", [2.27, "cell"])
def test_forces_and_stress_are_slopes_of_the_energy(scale):
    atoms = copper(noise=0.1)
    # Skewed, so that no component of the stress vanishes.
    atoms.set_cell(atoms.cell.array @ [[1.01, 0.02, -0.01], [0.0, 0.98, 0.03], [0.0, 0.0, 1.0]], scale_atoms=True)
    with phasewire.ase.BiasCalculator(Harmonic(Q, 3.0, 50.0), length_scale=scale) as atoms.calc:
        forces, stress = atoms.get_forces(), atoms.get_stress()
        assert atoms.get_potential_energy() == atoms.calc.driver.last.energy
        close(forces[[1, 50]], calculate_numerical_forces(atoms, eps=0.01, iatoms=[1, 50]), 0.01)
        assert stress.shape == (6,)
        close(stress, calculate_numerical_stress(atoms, eps=2e-3), 0.02)
        assert np.abs(stress[3:]).min() > 0.02 * np.abs(stress).max()
        assert np.abs(forces.sum(axis=0)).max() < 1e-5 * np.abs(forces).max()


def test_in_a_sum_it_adds_its_part(local):
    atoms = warm()
    alone = phasewire.ase.BiasCalculator(Harmonic(Q, 3.0, 5.0), analyser=local)
    plain = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    atoms.calc = SumCalculator([EMT(), alone])
    together = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    bias = (alone.results["energy"], alone.results["forces"], alone.results["stress"])
    for whole, part, rest in zip(together, bias, plain, strict=True):
        np.testing.assert_allclose(whole, np.add(part, rest), rtol=1e-12, atol=1e-12)
        assert np.abs(part).max() > 1e-3 * np.abs(rest).max()


def test_a_cluster_has_no_stress(local):
    atoms = copper(noise=0.05)
    atoms.set_pbc(False)
    atoms.set_cell(None)
    atoms.calc = phasewire.ase.BiasCalculator(Linear(Q, 1.0), analyser=local)
    assert np.abs(atoms.get_forces()).max() > 0
    assert "stress" not in atoms.calc.results


def test_a_bias_moves_on_once_a_step(local):
    atoms = warm()
    run = verlet(atoms)
    counting = Counting(Q, 0.01)
    bias = phasewire.ase.bias(run, counting, analyser=local)
    # Callers evaluate more often than once per step, also other structures.
    run.attach(lambda: (atoms.get_stress(), atoms.get_potential_energy()), interval=1)
    run.run(3)
    other = atoms.copy()
    other.calc = atoms.calc
    run.run(2)
    assert (bias.step, run.nsteps) == (5, 5)
    assert counting.steps == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(counting.times, np.arange(5) * ase.units.fs)
    bias.close()
    assert counting.steps == [0, 1, 2, 3, 4, 5]


def test_the_trials_of_an_optimiser_are_no_steps(local):
    atoms = copper(noise=0.3)
    atoms.calc = EMT()
    optimiser = BFGSLineSearch(atoms, logfile=None)
    counting, driven = Counting(Q, 0.01), Faulty(local)
    bias = phasewire.ase.bias(optimiser, counting, analyser=driven)
    optimiser.run(fmax=1e-6, steps=4)
    assert driven.asked > 5
    assert bias.step == optimiser.nsteps == 4
    assert counting.steps == [0, 1, 2, 3]
    assert np.isnan(counting.times).all()


def test_the_atoms_behind_a_filter_are_biased(local):
    atoms = copper(noise=0.05)
    atoms.calc = EMT()
    optimiser = BFGSLineSearch(FrechetCellFilter(atoms), logfile=None)
    bias = phasewire.ase.bias(optimiser, Harmonic(Q, 0.0, 1.0), analyser=local, length_scale="cell")
    optimiser.run(fmax=1e-6, steps=2)
    assert bias.driver.step == 2


# -- steps without forces -----------------------------------------------------------------------------------------


def test_a_frame_that_cannot_be_used_is_on_record(local):
    atoms = copper()
    atoms.calc = phasewire.ase.BiasCalculator(Counting(Q), analyser=local)
    atoms.positions[3] = np.nan
    with pytest.raises(phasewire.InputError, match="NON_FINITE"):
        atoms.get_forces()
    assert atoms.calc.driver.failures[0].error.code == "NON_FINITE_POSITIONS"


# -- killed runs --------------------------------------------------------------------------------------------------


def dynamics_of(atoms, kind):
    step = 2 * ase.units.fs
    if kind == "VelocityVerlet":
        return VelocityVerlet(atoms, step)
    if kind == "Langevin":
        return Langevin(atoms, step, temperature_K=600, friction=0.02, rng=np.random.default_rng(3), fixcm=False)
    return Andersen(atoms, step, temperature_K=600, andersen_prob=0.05, rng=np.random.RandomState(3), fixcm=False)


def checkpointed(folder, steps, kind, *, kill_at=None):
    """Run metadynamics with checkpoints, and be killed at a step on request."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    atoms = warm()
    run = dynamics_of(atoms, kind)
    metadynamics = Metadynamics(Q, sigma=0.1, height=0.1, pace=4, kT=0.05, bias_factor=10.0, hills=folder / "HILLS")
    bias = phasewire.ase.bias(run, metadynamics, colvar=folder / "COLVAR")
    apply = bias.driver.apply

    def killing(frame):
        if frame.step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return apply(frame)

    bias.driver.apply = killing
    phasewire.ase.run_checkpointed(run, bias, steps, folder, every=10)
    bias.close()
    return atoms


@pytest.mark.parametrize("kind", ["Langevin", "Andersen"])
def test_a_killed_run_goes_on_to_the_last_bit(kind, tmp_path):
    whole = checkpointed(tmp_path / "whole", 30, kind)
    call = f"checkpointed({str(tmp_path / 'killed')!r}, 30, {kind!r}, kill_at=27)"
    dead = subprocess.run(
        [sys.executable, "-c", f"from test_bias_ase import checkpointed; {call}"],
        cwd=Path(__file__).parent,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL
    folders = [entry.name for entry in (tmp_path / "killed").iterdir() if entry.is_dir()]
    assert folders == ["step-000000000020"]
    resumed = checkpointed(tmp_path / "killed", 30, kind)
    np.testing.assert_array_equal(resumed.positions, whole.positions)
    np.testing.assert_array_equal(resumed.get_momenta(), whole.get_momenta())
    for name in ("COLVAR", "HILLS"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    hills = read_columns(tmp_path / "whole" / "HILLS")
    assert len(hills) >= 7
    assert np.ptp(hills["q"]) > 0.1


def test_checkpoints_of_another_run_are_refused(tmp_path):
    checkpointed(tmp_path, 5, "VelocityVerlet")
    with pytest.raises(phasewire.InputError, match="VelocityVerlet") as caught:
        checkpointed(tmp_path, 10, "Langevin")
    assert caught.value.field == "dynamics"


def test_dynamics_of_unknown_state_are_refused(local, tmp_path):
    atoms = warm()
    run = NoseHooverChainNVT(atoms, ase.units.fs, temperature_K=300, tdamp=50.0)
    bias = phasewire.ase.bias(run, Counting(Q), analyser=local)
    with pytest.raises(phasewire.InputError, match="NoseHooverChainNVT"):
        phasewire.ase.run_checkpointed(run, bias, 5, tmp_path, every=5)
