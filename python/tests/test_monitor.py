"""The monitor: events, errors, bounded queues; no engine and no server."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings

import ase.io
import numpy as np
import pytest

import phasewire
from scripted import Scripted, snapshot_at


def watch(monitor, *steps):
    for step in steps:
        monitor.observe(snapshot_at(step))


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def crossings(shares, **options):
    seen = []
    monitor = phasewire.Monitor(Scripted(*shares))
    monitor.on_crossing("fcc", action=lambda event: seen.append(event.step), **options)
    watch(monitor, *range(len(shares)))
    return seen


def test_crossings():
    assert crossings([1, 0.6, 0.4, 0.3, 0.6, 0.2], below=0.5) == [2, 5]
    assert crossings([1, 0.6, 0.4, 0.3, 0.6, 0.2], below=0.5, once=True) == [2]
    assert crossings([0, 0.4, 0.6, 0.9], above=0.5) == [2]
    assert crossings([0.4, 0.3, 0.2], below=0.5) == []
    assert crossings([0.5, 0.5, 0.49], below=0.5) == [2]
    assert crossings([1, 0.4, 0.55, 0.4, 0.8, 0.4], below=0.5, hysteresis=0.2) == [1, 5]


def test_other_quantities_cross_too():
    events = []
    monitor = phasewire.Monitor(Scripted(1, 0.25))
    monitor.on_crossing("crystalline", below=0.5, action=events.append)
    monitor.on_crossing("mean_margin", below=1.5, action=events.append)
    monitor.on_crossing("ccp", below=0.5, action=events.append)
    watch(monitor, 0, 10)
    assert [(event.quantity, event.value, event.step) for event in events] == [
        ("crystalline", 0.25, 10),
        ("mean_margin", 1.25, 10),
        ("ccp", 0.25, 10),
    ]
    assert str(events[0]) == "crystalline = 0.25 is below 0.5 at step 10"
    assert events[0].result is monitor.last


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"quantity": "bct", "below": 0.5}, "quantity"),
        ({"quantity": "fcc"}, "below"),
        ({"quantity": "fcc", "below": 0.5, "above": 0.5}, "below"),
        ({"quantity": "fcc", "below": 0.5, "hysteresis": -1.0}, "hysteresis"),
        ({"quantity": "fcc", "below": 0.5, "action": "stop"}, "action"),
    ],
)
def test_impossible_events_are_refused_at_once(arguments, field):
    monitor = phasewire.Monitor(Scripted())
    with pytest.raises(phasewire.InputError) as caught:
        monitor.on_crossing(**{"action": phasewire.stop, **arguments})
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", field)


def test_stop():
    monitor = phasewire.Monitor(Scripted(1, 0.25))
    monitor.on_crossing("fcc", below=0.5, action=phasewire.stop)
    watch(monitor, 0)
    assert not monitor.should_stop
    watch(monitor, 10)
    assert monitor.should_stop
    assert monitor.stop_reason == "fcc = 0.25 is below 0.5 at step 10"


def test_what_a_user_function_raises_is_recorded_and_warned_of_once():
    def fail(event):
        raise ZeroDivisionError("mine")

    monitor = phasewire.Monitor(Scripted(1, 0, 1, 0))
    later = []
    monitor.on_crossing("fcc", below=0.5, action=fail)
    monitor.on_crossing("fcc", below=0.5, action=lambda event: later.append(event.step))
    with pytest.warns(RuntimeWarning, match="mine") as caught:
        watch(monitor, 0, 1, 2, 3)
    assert len(caught) == 1
    assert later == [1, 3]
    assert [(incident.kind, incident.step, type(incident.error)) for incident in monitor.incidents] == [
        ("action", 1, ZeroDivisionError),
        ("action", 3, ZeroDivisionError),
    ]
    assert len(monitor.series) == 4


def test_warnings_turned_into_errors_do_not_reach_the_simulation():
    monitor = phasewire.Monitor(Scripted(RuntimeError("core")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch(monitor, 5)
    assert monitor.failures[0].error.code == "INTERNAL"
    assert "core" in monitor.failures[0].error.message


def test_refused_frames_are_failures_not_exceptions():
    monitor = phasewire.Monitor(Scripted(1, 1))
    bad = snapshot_at(10)
    bad.positions[2, 1] = np.nan
    watch(monitor, 0)
    with pytest.warns(RuntimeWarning, match="NON_FINITE_POSITIONS"):
        monitor.observe(bad)
    watch(monitor, 20)
    assert [(failure.step, failure.error.code) for failure in monitor.failures] == [(10, "NON_FINITE_POSITIONS")]
    np.testing.assert_array_equal(monitor.series.fraction("fcc"), [1, np.nan, 1])
    assert monitor.last is not None
    assert monitor.last.step == 20


def test_the_background_queue_is_bounded_and_drops_the_oldest():
    analyser = Scripted()
    analyser.gate.clear()
    with phasewire.Monitor(analyser, background=True, queue=2) as monitor:
        # The last two snapshots wait, whenever the thread takes the first one.
        watch(monitor, 0)
        wait_until(lambda: not monitor._link._queue)
        watch(monitor, 1, 2, 3, 4, 5)
        assert monitor.dropped == 3
        assert not monitor.flush(timeout=0.01)
        analyser.gate.set()
        assert monitor.flush()
        assert analyser.steps == [0, 4, 5]
        np.testing.assert_array_equal(monitor.series.dropped, [0, 3, 3])


def test_events_of_background_results_run_in_the_observing_thread():
    threads = []
    analyser = Scripted(1, 0)
    with phasewire.Monitor(analyser, background=True) as monitor:
        monitor.on_result(lambda result: threads.append(threading.current_thread()))
        watch(monitor, 0)
        assert monitor.flush()
    assert threads == [threading.current_thread()]


def test_monitors_may_share_one_analyser():
    positions = np.random.default_rng(2).random((400, 3)) * 16
    cell = np.eye(3) * 16
    frames = [
        phasewire.Snapshot(positions * (1 + 0.01 * step), cell * (1 + 0.01 * step), (True,) * 3, step=step)
        for step in range(8)
    ]
    with phasewire.Local() as analyser:
        alone = phasewire.Monitor(analyser)
        for frame in frames:
            alone.observe(frame)
        both = [phasewire.Monitor(analyser, background=True, queue=8) for _ in range(2)]
        for frame in frames:
            for monitor in both:
                monitor.observe(frame)
        for monitor in both:
            assert monitor.flush(60)
            monitor.close()
            np.testing.assert_array_equal(monitor.series.mean_log_density, alone.series.mean_log_density)


def test_close_counts_what_still_waited():
    analyser = Scripted()
    analyser.gate.clear()
    monitor = phasewire.Monitor(analyser, background=True, queue=3)
    watch(monitor, 0, 1, 2, 3)
    threading.Timer(0.1, analyser.gate.set).start()
    monitor.close(timeout=0.0)
    monitor.close()
    assert len(analyser.steps) + monitor.dropped == 4
    watch(monitor, 9)
    assert 9 not in analyser.steps


def test_snapshots_and_records_are_read_back(tmp_path):
    record, picture = tmp_path / "record.extxyz", tmp_path / "event.extxyz"
    monitor = phasewire.Monitor(Scripted(1, 0.5, 0.25), record=record)
    monitor.on_crossing("fcc", below=0.3, action=phasewire.snapshot(picture))
    watch(monitor, 0, 10, 20)
    frames = ase.io.read(record, index=":")
    assert [frame.info["step"] for frame in frames] == [0, 10, 20]
    assert frames[1].arrays["phase"].tolist() == ["fcc", "fcc", "disordered", "disordered"]
    np.testing.assert_allclose(frames[1].positions, np.arange(12.0).reshape(4, 3))
    np.testing.assert_allclose(frames[1].cell.array, np.eye(3) * 20)
    assert frames[1].pbc.all()
    assert frames[1].info["fraction_fcc"] == 0.5
    assert [frame.info["step"] for frame in ase.io.read(picture, index=":")] == [20]
    monitor.write_extxyz(tmp_path / "last.extxyz")
    assert ase.io.read(tmp_path / "last.extxyz").info["step"] == 20


def test_a_record_that_cannot_be_written_is_an_incident(tmp_path):
    monitor = phasewire.Monitor(Scripted(1, 1), record=tmp_path / "absent" / "record.extxyz")
    with pytest.warns(RuntimeWarning, match="could not be written") as caught:
        watch(monitor, 0, 10)
    assert len(caught) == 1
    assert [incident.kind for incident in monitor.incidents] == ["record", "record"]
    assert len(monitor.series) == 2


def test_writing_before_there_is_a_result(tmp_path):
    with pytest.raises(phasewire.InputError, match="no result yet"):
        phasewire.Monitor(Scripted()).write_extxyz(tmp_path / "none.extxyz")


@pytest.mark.parametrize("queue", [0, 1.5, "many"])
def test_queues_have_a_length(queue):
    with pytest.raises(phasewire.InputError, match="queue"):
        phasewire.Monitor(Scripted(), queue=queue)


def test_an_analyser_is_one():
    with pytest.raises(phasewire.InputError) as caught:
        phasewire.Monitor(50)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "analyser")


def test_any_trouble_with_the_record_is_an_incident():
    monitor = phasewire.Monitor(Scripted(1, 1), record=object())
    with pytest.warns(RuntimeWarning, match="could not be written"):
        watch(monitor, 0, 1)
    assert [incident.kind for incident in monitor.incidents] == ["record", "record"]
    np.testing.assert_array_equal(monitor.series.atom_count, [4, 4])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_analysis_in_the_background_yields_to_the_simulation():
    seen = []

    class Watching(Scripted):
        def _analyse(self, frame, options):
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super()._analyse(frame, options)

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with phasewire.Monitor(Watching(1.0), background=True) as monitor:
        watch(monitor, 0)
        assert monitor.flush(30)
    assert seen == [max(10, before)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
