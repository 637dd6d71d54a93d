"""ASE: molecular dynamics and an optimiser, watched. The rules of all engines are tested in conformance/."""

from __future__ import annotations

import ase.io
import ase.units
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS

import phasewire
import phasewire.ase
from scripted import Scripted


def crystal(size=2):
    atoms = bulk("Cu", cubic=True) * size
    atoms.calc = EMT()
    width = np.sqrt(300 * ase.units.kB * atoms.get_masses())[:, None]
    atoms.set_momenta(np.random.default_rng(4).normal(size=(len(atoms), 3)) * width)
    return atoms


def dynamics(atoms):
    return VelocityVerlet(atoms, 2 * ase.units.fs)


def test_an_observer_takes_snapshots():
    atoms = crystal()
    run = dynamics(atoms)
    monitor = phasewire.ase.Monitor(atoms, phasewire.Local())
    run.attach(monitor, interval=5)
    run.run(20)
    assert len(monitor.series) == 5
    frame = monitor.last_frame
    assert frame is not None
    np.testing.assert_array_equal(frame.positions, atoms.positions)
    np.testing.assert_array_equal(frame.cell, atoms.cell.array)
    assert frame.periodic == (True, True, True)
    assert frame.symbols() == ["Cu"] * 32
    assert monitor.last is not None
    assert monitor.last.atom_count == 32


def test_the_temperature_stands_beside_the_results():
    atoms = crystal()
    run = dynamics(atoms)
    monitor = phasewire.ase.attach(run, 5, Scripted())
    run.run(10)
    assert monitor.series.observable("temperature")[-1] == pytest.approx(atoms.get_temperature())


def test_an_optimiser_can_be_stopped():
    atoms = crystal()
    atoms.rattle(0.2, seed=1)
    run = BFGS(atoms, logfile=None)
    monitor = phasewire.ase.attach(run, 1, Scripted(1, 1, 1, 0))
    monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
    run.run(fmax=1e-12, steps=50)
    assert run.nsteps == 3
    np.testing.assert_array_equal(monitor.series.time, [np.nan] * 4)


def test_the_atoms_behind_a_filter_are_watched():
    atoms = crystal()
    atoms.rattle(0.05, seed=3)
    run = BFGS(FrechetCellFilter(atoms), logfile=None)
    monitor = phasewire.ase.attach(run, 1, Scripted())
    run.run(fmax=1e-6, steps=2)
    assert len(monitor.series) == 3
    assert monitor.last_frame is not None
    np.testing.assert_array_equal(monitor.last_frame.cell, atoms.cell.array)


def test_runs_that_cannot_be_attached_to():
    band = BFGS(NEB([crystal() for _ in range(3)], method="improvedtangent"), logfile=None)
    with pytest.raises(phasewire.InputError) as caught:
        phasewire.ase.attach(band, 5, Scripted())
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "atoms")


def test_without_its_dynamics_a_stop_is_an_incident():
    atoms = crystal()
    run = dynamics(atoms)
    monitor = phasewire.ase.Monitor(atoms, Scripted(1, 0))
    monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
    run.attach(monitor, interval=5)
    with pytest.warns(RuntimeWarning, match="dynamics=dyn"):
        run.run(20)
    assert run.nsteps == 20


def test_trouble_with_the_atoms_does_not_end_the_run():
    atoms = crystal()
    run = dynamics(atoms)
    monitor = phasewire.ase.Monitor("not atoms", Scripted())
    run.attach(monitor, interval=10)
    with pytest.warns(RuntimeWarning, match="could not be taken"):
        run.run(20)
    assert run.nsteps == 20
    assert [incident.kind for incident in monitor.incidents] == ["observe"] * 3


def test_analysing_atoms(local):
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 2
    apart = phasewire.ase.analyse(atoms, local, fields=["logits"])
    alike = phasewire.ase.analyse(atoms, local, ignore_species=True, fields=["logits"])
    assert apart.atom_count == 64
    assert not np.array_equal(apart.logits, alike.logits)
    cluster = atoms.copy()
    cluster.pbc = False
    cluster.cell[:] = 0
    assert phasewire.ase.analyse(cluster, local).atom_count == 64


def test_the_classes_allowed_are_handed_on(local):
    atoms = crystal(4)
    allowed = {"bcc": 1, "disordered": 0}
    assert phasewire.ase.analyse(atoms, local).fractions["fcc"] == 1
    assert phasewire.ase.analyse(atoms, local, classes=allowed).fractions["bcc"] == 1


def test_selected_species_are_analysed_alone(local):
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 3
    chlorine = np.flatnonzero(atoms.symbols == "Cl")
    result = phasewire.ase.analyse(atoms, local, select="Cl", fields=["logits", "labels"])
    alone = phasewire.ase.analyse(atoms[chlorine], local, fields=["logits"])
    assert result.atom_count == 108
    np.testing.assert_array_equal(result.logits, alone.logits)
    assert result.fractions["fcc"] == 1
    assert phasewire.ase.analyse(atoms, local, select=("Na", "Cl"), ignore_species=True).atom_count == 216


def test_selections_that_find_nothing(local):
    atoms = crystal()
    run = dynamics(atoms)
    for select, code in (("O", "EMPTY_SELECTION"), ((), "EMPTY_SELECTION"), (1.5, "BAD_OPTION")):
        for call in (
            lambda select=select: phasewire.ase.analyse(atoms, local, select=select),
            lambda select=select: phasewire.ase.attach(run, 5, local, select=select),
        ):
            with pytest.raises(phasewire.InputError) as caught:
                call()
            assert (caught.value.code, caught.value.field) == (code, "select")
            assert code == "BAD_OPTION" or "Cu" in caught.value.remedy
