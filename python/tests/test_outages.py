"""Runs whose server forgets them, is replaced, or is gone for a while."""

from __future__ import annotations

import time

import msgpack
import numpy as np
import pytest

import phasewire
from biased import Counting, frame_at
from fake_server import WELCOME, FakeServer, answer
from phasewire._server.connection import Connection
from phasewire._server.settings import make_settings
from phasewire.driving.driver import Driver
from phasewire.files.colvars import read_columns
from phasewire.variables import mean_logit
from scripted import snapshot_at

FCC = mean_logit("fcc")
# Seconds that a busy machine may add to a promise.
ROOM = 20.0
SESSIONS = 256


def evict(endpoint):
    """Begin so many sessions that all others end."""
    connections = [Connection(make_settings(endpoint, shared_memory=False)) for _ in range(SESSIONS)]
    for connection in connections:
        assert connection.wait_for_peer(time.monotonic() + 60)
        connection.hello()
        while not connection.receive(60):
            pass
    for connection in connections:
        connection.part(10)


@pytest.fixture(scope="module")
def right(server):
    """Forces of some steps that no eviction disturbed."""
    with Driver(Counting(FCC), analyser=server.endpoint, length_scale=2.56) as driver:
        return [driver.apply(frame_at(step)).forces for step in range(3)]


def test_a_bias_outlives_its_session(server, right):
    with Driver(Counting(FCC), analyser=server.endpoint, length_scale=2.56, deadline=60) as driver:
        found = [driver.apply(frame_at(0)).forces]
        evict(server.endpoint)
        found.append(driver.apply(frame_at(1)).forces)
        found.append(driver.apply(frame_at(2)).forces)
        assert not driver.failures
    np.testing.assert_array_equal(found, right)


def test_a_bias_outlives_its_session_between_the_requests_of_a_step(server, right):
    class Evicting(Counting):
        def energy(self, values, step):
            if step == 1 and not evicted:
                evicted.append(step)
                evict(server.endpoint)
            return super().energy(values, step)

    evicted = []
    with Driver(Evicting(FCC), analyser=server.endpoint, length_scale=2.56, deadline=60) as driver:
        found = [driver.apply(frame_at(step)).forces for step in range(3)]
        assert not driver.failures
    assert evicted == [1]
    np.testing.assert_array_equal(found, right)


def test_a_monitor_outlives_its_session(server):
    monitor = phasewire.Monitor(phasewire.connect(server.endpoint, lazy=True, timeout=60), queue=5)
    positions = frame_at().positions
    for step in range(3):
        monitor.observe(phasewire.Snapshot(positions, frame_at().cell, (True,) * 3, step=step))
        assert monitor.flush(60)
        if step == 0:
            evict(server.endpoint)
    monitor.close()
    # The frame that was refused is counted, and the next one is labelled.
    assert monitor.series.step.tolist() == [0, 2]
    assert monitor.dropped == 1
    assert [incident.kind for incident in monitor.incidents] == ["connected", "lost", "connected"]
    assert monitor.incidents[1].error.code == "NO_SESSION"


def serving(**model):
    def handler(header, server):
        if header["type"] != "hello":
            return answer(header, server)
        welcome = {**WELCOME, "model": {**WELCOME["model"], **model}}
        return [msgpack.packb({**welcome, "sequence": header["sequence"], "session": f"s{len(server.headers)}"})]

    return handler


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_labels_of_another_model_do_not_come_into_a_series(endpoint, monkeypatch):
    monkeypatch.setattr("phasewire.watching.server_link.LONGEST_PAUSE", 0.2)
    with FakeServer(endpoint):
        monitor = phasewire.Monitor(phasewire.connect(endpoint, lazy=True), queue=1)
        monitor.observe(snapshot_at(0))
        assert monitor.flush()
    wait_until(lambda: not monitor.connected)
    other = serving(name="other", sha256="1" * 64, classes=["disordered", "bcc"], aliases={})
    with FakeServer(endpoint, other) as second:
        with pytest.warns(RuntimeWarning, match="not labelled.*other.*fake"):
            wait_until(lambda: len(second.of_type("hello")) > 2)
        for step in range(1, 4):
            monitor.observe(snapshot_at(step))
        assert not monitor.connected
        assert not second.of_type("analyse")
    told = [incident for incident in monitor.incidents if incident.kind == "model"]
    assert [incident.error.code for incident in told] == ["MODEL_HASH"]
    with FakeServer(endpoint):
        wait_until(lambda: monitor.connected)
        assert monitor.flush()
        monitor.close()
    assert monitor.series.step.tolist() == [0, 3]
    assert monitor.dropped == 2
    assert monitor.phases == ("disordered", "fcc", "hcp")


def test_a_run_without_bias_waits_for_a_lost_server_once(mortal_server, tmp_path):
    steps = 300
    with Driver(
        Counting(FCC),
        analyser=mortal_server.endpoint,
        length_scale=2.56,
        deadline=2.0,
        on_failure="unbiased",
        colvar=tmp_path / "COLVAR",
    ) as driver:
        before = driver.apply(frame_at(0)).forces
        mortal_server.kill()
        began = time.monotonic()
        with pytest.warns(RuntimeWarning, match="step 1 goes without bias"):
            lost = [driver.apply(frame_at(step)) for step in range(1, steps)]
        # One deadline, not 299.
        assert time.monotonic() - began < 2.0 + ROOM
        assert not any(applied.biased or applied.forces.any() or applied.energy for applied in lost)
        assert [failed.step for failed in driver.failures] == list(range(1, steps))
        mortal_server.start()
        step, deadline = steps, time.monotonic() + 60
        while not (applied := driver.apply(frame_at(step))).biased:
            assert time.monotonic() < deadline
            assert not applied.forces.any()
            step += 1
            time.sleep(0.01)
        # The history of the bias has one step, the one before the server was lost.
        np.testing.assert_array_equal(applied.forces, 2 * before)
    assert read_columns(tmp_path / "COLVAR")["biased"].tolist() == [1.0, *[0.0] * (step - 1), 1.0]


def test_a_run_without_bias_waits_for_a_hanging_server_once(mortal_server):
    with Driver(
        Counting(FCC), analyser=mortal_server.endpoint, length_scale=2.56, deadline=2.0, on_failure="unbiased"
    ) as driver:
        driver.apply(frame_at(0))
        mortal_server.pause()
        try:
            began = time.monotonic()
            with pytest.warns(RuntimeWarning, match="step 1 goes without bias"):
                lost = [driver.apply(frame_at(step)) for step in range(1, 100)]
            assert not any(applied.biased or applied.forces.any() for applied in lost)
            assert time.monotonic() - began < 2.0 + ROOM
        finally:
            mortal_server.resume()
        step, deadline = 100, time.monotonic() + 60
        while not driver.apply(frame_at(step)).biased:
            assert time.monotonic() < deadline
            step += 1
            time.sleep(0.01)
        assert len(driver.failures) == step - 1
