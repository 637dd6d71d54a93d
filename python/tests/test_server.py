"""The real server, compared with the core in this process."""

from __future__ import annotations

import threading
import time

import msgpack
import numpy as np
import pytest
import zmq
from ase.build import bulk

import phasewire
from phasewire._server.wire import PROTOCOL_VERSION
from test_local import PRIORS, VARIABLES, hot_crystal

FIELDS = ["labels", "confidence", "margin", "distance", "probabilities", "logits", "score"]


@pytest.fixture
def client(server):
    with phasewire.connect(server.endpoint) as analyser:
        yield analyser


def same(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("log_density", "mean_log_density", "mean_margin", "length_scale", "mean_displacement"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12), name
    for name in ("fractions", "phases", "aliases", "atom_count", "step", "time", "denoising_steps"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("denoise", [0, 3, "converged"])
def test_server_and_process_agree_to_the_last_bit(client, local, denoise):
    positions, cell, species = hot_crystal(strain=0.1)
    fields = [*FIELDS, "denoised"] if denoise else FIELDS
    arguments = {"denoise": denoise, "fields": fields, "step": 12, "time": 0.25}
    ours = local.analyse(positions, cell, True, species, **arguments)
    theirs = client.analyse(positions, cell, True, species, **arguments)
    same(theirs, ours)
    if denoise:
        np.testing.assert_array_equal(theirs.denoised, ours.denoised)


@pytest.mark.parametrize("denoise", [0, 3])
@pytest.mark.parametrize("classes", PRIORS.values(), ids=PRIORS)
def test_server_and_process_agree_to_the_last_bit_with_a_prior(client, server, local, classes, denoise):
    frame = hot_crystal(strain=0.1)
    frame = (*frame[:2], True, frame[2])
    fields = [*FIELDS, "denoised"] if denoise else FIELDS
    ours = local.analyse(*frame, denoise=denoise, fields=fields, classes=classes)
    theirs = client.analyse(*frame, denoise=denoise, fields=fields, classes=classes)
    same(theirs, ours)
    with phasewire.connect(server.endpoint, classes=classes) as limited:
        of_session = limited.analyse(*frame, denoise=denoise, fields=fields)
        forces = limited.forces(*frame, variables=phasewire.log_density(), length_scale=2.3)
    same(of_session, ours)
    own_forces = local.forces(*frame, variables=phasewire.log_density(), length_scale=2.3, classes=classes)
    assert forces.energy == pytest.approx(own_forces.energy, rel=1e-12)
    np.testing.assert_array_equal(forces.forces, own_forces.forces)
    if denoise:
        np.testing.assert_array_equal(theirs.denoised, ours.denoised)
    unlimited = client.analyse(*frame, fields=["logits"])
    assert not np.array_equal(unlimited.logits, ours.logits)


def test_a_server_says_which_classes_it_allows_and_refuses_others(server):
    with phasewire.connect(server.endpoint) as client:
        assert client.server.classes is None
    with phasewire.connect(server.endpoint, classes={"fcc": 2, "hcp": 0}) as client:
        assert client.server.classes == {"disordered": 1, "fcc": 2}
    with pytest.raises(phasewire.InputError, match="Did you mean fcc") as caught:
        phasewire.connect(server.endpoint, classes=["fccc"])
    assert (caught.value.code, caught.value.field, caught.value.value) == ("BAD_OPTION", "classes", "fccc")


def test_clusters_names_and_ignored_species(client, local):
    positions, cell, _ = hot_crystal()
    names = np.where(np.arange(len(positions)) % 3, "Ni", "Al")
    for frame in (
        (positions,),
        (positions, cell, (True, False, True)),
        (positions, cell, True, names),
        (positions, cell[::-1], True, names),
    ):
        same(client.analyse(*frame, fields=FIELDS), local.analyse(*frame, fields=FIELDS))


@pytest.mark.parametrize("name", VARIABLES)
def test_forces_agree(client, local, name):
    positions, cell, species = hot_crystal()
    arguments = {"variables": VARIABLES[name], "coefficients": [2.5], "length_scale": 2.3}
    ours = local.forces(positions, cell, True, species, **arguments)
    theirs = client.forces(positions, cell, True, species, **arguments)
    np.testing.assert_allclose(theirs.values, ours.values, rtol=1e-10)
    assert theirs.energy == pytest.approx(ours.energy, rel=1e-10)
    scale = np.abs(ours.forces).max()
    np.testing.assert_allclose(theirs.forces, ours.forces, rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(theirs.virial, ours.virial, rtol=0, atol=1e-6 * np.abs(ours.virial).max())


def test_bad_input_that_only_the_core_sees(client):
    positions, cell, _ = hot_crystal()
    twice = np.vstack([positions, positions[7]])
    with pytest.raises(phasewire.InputError) as caught:
        client.analyse(twice, cell)
    assert caught.value.code == "COINCIDENT_ATOMS"
    with pytest.raises(phasewire.InputError) as caught:
        client.analyse(positions[:4])
    assert caught.value.code == "BAD_LENGTH_SCALE"
    assert client.analyse(positions, cell).atom_count == len(positions)


def test_ping_and_status(client):
    assert client.ping() > 0
    positions, cell, _ = hot_crystal()
    before = client.status()["analysed"]
    client.analyse(positions, cell)
    status = client.status()
    assert status["analysed"] == before + 1
    assert status["model"] == client.model_name
    assert [session["client"] for session in status["sessions"]]


def test_two_clients_share_a_server(server):
    positions, cell, _ = hot_crystal()
    with phasewire.connect(server.endpoint) as one, phasewire.connect(server.endpoint) as two:
        first, second = one.analyse(positions, cell, step=1), two.analyse(positions, cell, step=2)
        assert (first.step, second.step) == (1, 2)
        assert first.fractions == second.fractions


def test_a_killed_server_is_an_error_and_its_successor_is_found(mortal_server):
    positions, cell, _ = hot_crystal()
    # Longer than the longest pause between two attempts to reconnect.
    with phasewire.connect(mortal_server.endpoint, timeout=8) as client:
        before = client.analyse(positions, cell)
        mortal_server.kill()
        with pytest.raises(phasewire.ServerUnreachableError):
            client.analyse(positions, cell)
        mortal_server.start()
        assert client.analyse(positions, cell).log_density == before.log_density


def test_a_server_that_stops_in_the_middle_of_an_analysis_does_so_at_once_and_its_successor_is_asked(mortal_server):
    atoms = bulk("Cu", cubic=True) * 10
    positions = atoms.positions + np.random.default_rng(4).normal(0, 0.1, atoms.positions.shape)
    seconds = []

    def restart():
        started = time.monotonic()
        mortal_server.stop()
        seconds.append(time.monotonic() - started)
        mortal_server.start()

    with phasewire.connect(mortal_server.endpoint, timeout=120) as analyser:
        timer = threading.Timer(0.5, restart)
        timer.start()
        result = analyser.analyse(positions, atoms.cell.array, denoise=32)
        timer.join()
    assert result.denoising_steps == 32
    # The analysis takes many times as long.
    assert seconds[0] < 4


def test_a_monitor_and_its_series_on_the_server(server):
    from phasewire import Snapshot

    positions, cell, _ = hot_crystal()
    monitor = phasewire.Monitor(phasewire.connect(server.endpoint, run="melt", lazy=True), queue=10, denoise=2)
    for step in range(5):
        monitor.observe(
            Snapshot(positions, cell, (True, True, True), step=step, observables={"temperature": 10.0 * step})
        )
    assert monitor.flush(30)
    np.testing.assert_array_equal(monitor.series.step, range(5))
    assert monitor.last is not None
    assert 0 < monitor.last.denoising_steps <= 2
    with phasewire.connect(server.endpoint) as other:
        runs = [session["run"] for session in other.status()["sessions"]]
        assert "melt" in runs
    monitor.close()


def test_a_monitor_sends_its_classes(server, local):
    positions, cell, _ = hot_crystal()
    monitor = phasewire.Monitor(server.endpoint, queue=10, classes=["bcc", "hcp"], fields=["logits"])
    monitor.observe(phasewire.Snapshot(positions, cell, (True, True, True)))
    assert monitor.flush(30)
    monitor.close()
    own = local.analyse(positions, cell, classes=["bcc", "hcp"], fields=["logits"])
    np.testing.assert_array_equal(monitor.last.logits, own.logits)


@pytest.mark.parametrize("leaves", [True, False], ids=["scripts that end", "scripts that stay"])
def test_a_monitor_that_pauses_outlives_many_scripts_without_goodbye(mortal_server, leaves):
    crystal = bulk("Cu", cubic=True) * 10
    frame = (crystal.positions, crystal.cell.array, (True, True, True))
    monitor = phasewire.Monitor(mortal_server.endpoint, queue=10)
    monitor.observe(phasewire.Snapshot(*frame, step=0))
    assert monitor.flush(30)
    hello = {"type": "hello", "sequence": 0, "versions": [PROTOCOL_VERSION], "client": {"name": "s", "version": "0"}}
    with zmq.Context() as context:
        scripts = []
        for number in range(270):
            script = context.socket(zmq.DEALER)
            script.linger = 0
            script.connect(mortal_server.endpoint)
            script.send(msgpack.packb(hello | {"run": f"script {number}"}))
            assert msgpack.unpackb(script.recv())["type"] == "welcome"
            script.close() if leaves else scripts.append(script)
        # The first of these frames may be lost with the session, and is then counted.
        for step in range(1, 4):
            monitor.observe(phasewire.Snapshot(*frame, step=step))
            assert monitor.flush(30)
            time.sleep(0.3)
        for script in scripts:
            script.close()
    assert {0, 2, 3} <= set(monitor.series.step)
    assert [failure for failure in monitor.failures if failure.error.code != "NO_SESSION"] == []
    monitor.close()
