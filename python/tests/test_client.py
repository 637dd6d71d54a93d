"""The client with a server that behaves, misbehaves, starts late and disappears."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import msgpack
import numpy as np
import pytest

import phasewire
from fake_server import FakeServer, answer, deaf_after_hello, error_for, result_for, silent
from phasewire.watching import server_link
from scripted import snapshot_at

ATOMS = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
CELL = np.eye(3) * 4.0


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def watch(monitor, steps, pause=0.0):
    for step in steps:
        monitor.observe(snapshot_at(step))
        time.sleep(pause)


# -- request mode ---------------------------------------------------------------------------------------------------


def test_a_result_says_what_the_server_said(endpoint):
    with FakeServer(endpoint) as server, phasewire.connect(endpoint, run="melt") as client:
        assert client.phases == ("disordered", "fcc", "hcp")
        assert client.model_name == "fake"
        result = client.analyse(
            ATOMS,
            CELL,
            [True, True, False],
            ["Cu", "Ni"],
            step=7,
            time=0.5,
            fields=["labels"],
            length_scale=2.5,
            denoise=8,
        )
        assert result.step == 7
        assert result.fractions == {"disordered": 0.25, "fcc": 0.75, "hcp": 0}
        assert result.where("ccp").all()
        hello, analyse = server.of_type("hello")[0], server.of_type("analyse")[0]
        assert hello["run"] == "melt"
        assert hello["versions"] == [3]
        assert analyse["mode"] == "request"
        assert analyse["periodic"] == [True, True, False]
        assert analyse["denoise"] == 8
        assert analyse["lengthScale"] == 2.5
        assert analyse["time"] == 0.5
        assert analyse["speciesNames"] == ["Cu", "Ni"]
        assert [array["name"] for array in analyse["arrays"]] == ["positions", "cell", "species"]
    assert [header["type"] for header in server.headers][-1] == "goodbye"


def test_no_server(endpoint):
    with pytest.raises(phasewire.ServerUnreachableError, match="phasewire serve") as caught:
        phasewire.connect(endpoint, timeout=0.3)
    assert caught.value.code == "SERVER_UNREACHABLE"


def test_a_lazy_client_needs_no_server_yet(endpoint):
    with phasewire.connect(endpoint, lazy=True) as client, FakeServer(endpoint):
        assert client.analyse(ATOMS, CELL).atom_count == 2


@pytest.mark.parametrize("handler", [silent, deaf_after_hello])
def test_a_server_that_hangs(endpoint, handler):
    with FakeServer(endpoint, handler), phasewire.connect(endpoint, lazy=True, timeout=0.3) as client:
        with pytest.raises(phasewire.DeadlineError) as caught:
            client.analyse(ATOMS, CELL)
        assert caught.value.code == "TIMEOUT"


def test_late_answers_are_not_taken_for_others(endpoint):
    def hold_first(header, server):
        if header["type"] != "analyse":
            return answer(header, server)
        if header["step"] == 1:
            server.held = header
            return None
        # Now the answer to the earlier request arrives; the right one never does.
        return result_for(server.held)

    with FakeServer(endpoint, hold_first), phasewire.connect(endpoint, timeout=0.3) as client:
        for step in (1, 2):
            with pytest.raises(phasewire.DeadlineError):
                client.analyse(ATOMS, CELL, step=step)


def test_a_restarted_server_is_found_by_the_next_call(endpoint):
    with phasewire.connect(endpoint, lazy=True, run="melt") as client:
        with FakeServer(endpoint):
            client.analyse(ATOMS, CELL)
        with FakeServer(endpoint) as second:
            assert client.analyse(ATOMS, CELL).atom_count == 2
            assert second.of_type("hello")[0]["run"] == "fake-run"


def test_a_server_lost_before_it_answers_is_asked_again(endpoint):
    asked = threading.Event()

    def swallow(header, server):
        if header["type"] != "analyse":
            return answer(header, server)
        asked.set()
        return None

    successors = []

    def replace(first):
        asked.wait(10)
        first.close()
        successors.append(FakeServer(endpoint))

    with phasewire.connect(endpoint, lazy=True) as client:
        thread = threading.Thread(target=replace, args=(FakeServer(endpoint, swallow),))
        thread.start()
        try:
            assert client.analyse(ATOMS, CELL).atom_count == 2
        finally:
            thread.join()
            successors[0].close()
    assert len(successors[0].of_type("analyse")) == 1


def test_a_forgotten_session_is_begun_again(endpoint):
    def forget(header, server):
        if header["type"] == "analyse" and len(server.of_type("hello")) == 1:
            return error_for(header, "NO_SESSION")
        return answer(header, server)

    with FakeServer(endpoint, forget) as server, phasewire.connect(endpoint) as client:
        assert client.analyse(ATOMS, CELL).atom_count == 2
        assert len(server.of_type("hello")) == 2


def test_a_frame_that_a_server_has_no_room_for_is_sent_again(endpoint):
    def crowded(header, server):
        if header["type"] == "analyse" and len(server.of_type("analyse")) < 4:
            return error_for(header, "OVERLOADED")
        return answer(header, server)

    with FakeServer(endpoint, crowded) as server, phasewire.connect(endpoint) as client:
        assert client.analyse(ATOMS, CELL, step=7).step == 7
        assert [header["step"] for header in server.of_type("analyse")] == [7] * 4
        assert len(server.of_type("hello")) == 1


def test_a_server_without_room_until_the_deadline(endpoint):
    def full(header, server):
        return error_for(header, "OVERLOADED") if header["type"] == "analyse" else answer(header, server)

    with (
        FakeServer(endpoint, full),
        phasewire.connect(endpoint, timeout=0.3) as client,
        pytest.raises(phasewire.PhasewireError) as caught,
    ):
        client.analyse(ATOMS, CELL)
    assert caught.value.code == "OVERLOADED"


def test_errors_of_the_server_are_raised_by_name(endpoint):
    def refuse(header, server):
        if header["type"] == "analyse" and header["step"] == 1:
            return error_for(header, "COINCIDENT_ATOMS", field="positions", value=[3, 4])
        return answer(header, server)

    with FakeServer(endpoint, refuse), phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.InputError) as caught:
            client.analyse(ATOMS, CELL, step=1)
        assert (caught.value.code, caught.value.value) == ("COINCIDENT_ATOMS", [3, 4])
        assert client.analyse(ATOMS, CELL, step=2).step == 2


def test_a_server_of_another_version(endpoint):
    def refuse(header, server):
        return error_for(header, "PROTOCOL_VERSION", field="versions", value=[2], supported=[3])

    with FakeServer(endpoint, refuse):
        with pytest.raises(phasewire.ProtocolError) as caught:
            phasewire.connect(endpoint)
        assert caught.value.code == "PROTOCOL_VERSION"


BAD_RESULTS = {
    "short labels": ("MESSAGE_LENGTH", {}, b"\1\0"),
    "labels of one": ("MESSAGE_SHAPE", {"arrays": [{"name": "labels", "dtype": "u16", "shape": [1]}]}, b"\1\0"),
    "labels of bytes": ("MESSAGE_SHAPE", {"arrays": [{"name": "labels", "dtype": "u8", "shape": [2]}]}, b"\1\1"),
    "labels of floats": ("MESSAGE_SHAPE", {"arrays": [{"name": "labels", "dtype": "f32", "shape": [2]}]}, bytes(8)),
    "no such class": ("MESSAGE_FORMAT", {}, b"\1\0\0\1"),
    "a fraction of no class": ("MESSAGE_FORMAT", {"fractions": {"bcc": 1}}, b"\1\0\1\0"),
    "another step": ("MESSAGE_FORMAT", {"step": 1}, b"\1\0\1\0"),
    "a step beyond all others": ("MESSAGE_FORMAT", {"step": 2**63}, b"\1\0\1\0"),
    "no atoms": ("MESSAGE_FORMAT", {"atomCount": 0, "arrays": None}, None),
    "300 extents": ("MESSAGE_SHAPE", {"arrays": [{"name": "x", "dtype": "u8", "shape": [1] * 300}]}, b"\1"),
    "an extent beyond numpy": (
        "MESSAGE_SHAPE",
        {"arrays": [{"name": "x", "dtype": "u8", "shape": [0, 2**52, 2**52]}]},
        b"",
    ),
    "no fractions": ("MESSAGE_FORMAT", {"fractions": None}, b"\1\0\1\0"),
    "text for a number": ("MESSAGE_FORMAT", {"lengthScale": "wide"}, b"\1\0\1\0"),
    "of another step": ("MESSAGE_FORMAT", {"step": 1}, b"\1\0\1\0"),
    "of other atoms": (
        "MESSAGE_FORMAT",
        {"atomCount": 1, "arrays": [{"name": "labels", "dtype": "u16", "shape": [1]}]},
        b"\1\0",
    ),
    "another type": ("MESSAGE_TYPE", {"type": "pong"}, b"\1\0\1\0"),
}


@pytest.mark.parametrize("name", BAD_RESULTS)
def test_results_that_break_the_protocol(endpoint, name):
    code, changes, labels = BAD_RESULTS[name]

    def garble(header, server):
        if header["type"] != "analyse":
            return answer(header, server)
        return [result_for(header, **changes)[0], *([] if labels is None else [labels])]

    with FakeServer(endpoint, garble), phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.ProtocolError) as caught:
            client.analyse(ATOMS, CELL)
        assert caught.value.code == code


def test_frames_above_the_limits_are_not_sent(endpoint):
    with FakeServer(endpoint) as server, phasewire.connect(endpoint) as client:
        with pytest.raises(phasewire.InputError) as caught:
            client.analyse(np.random.default_rng(0).random((1001, 3)) * 100)
        assert caught.value.code == "TOO_LARGE"
        assert not server.of_type("analyse")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("tcp://192.168.1.7:5757", "ENDPOINT_INSECURE"),
        ("tcp://example.org:5757", "ENDPOINT_INSECURE"),
        ("tcp://0.0.0.0:5757", "ENDPOINT_INSECURE"),
        ("tcp://[2001:db8::1]:5757", "ENDPOINT_INSECURE"),
        ("udp://127.0.0.1:5757", "BAD_OPTION"),
        ("localhost", "BAD_OPTION"),
        ("tcp://127.0.0.1:notaport", "BAD_OPTION"),
    ],
)
def test_addresses_that_are_refused(address, code):
    with pytest.raises(phasewire.InputError) as caught:
        phasewire.connect(address, timeout=0.2)
    assert caught.value.code == code
    assert caught.value.field == "endpoint"


def test_missing_keys_are_named(tmp_path):
    with pytest.raises(phasewire.InputError, match=r"server\.key") as caught:
        phasewire.connect("tcp://192.168.1.7:5757", keys=tmp_path)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "keys")


def test_an_error_without_a_number_is_that_of_the_request(endpoint):
    """The server could not read the header, such as one with too many species names."""

    def refuse(header, server):
        if header["type"] != "analyse":
            return answer(header, server)
        return error_for({"sequence": None}, "MESSAGE_FORMAT", field="header")

    with FakeServer(endpoint, refuse), phasewire.connect(endpoint, timeout=60) as client:
        with pytest.raises(phasewire.ProtocolError) as caught:
            client.analyse(ATOMS, CELL)
        assert (caught.value.code, caught.value.field) == ("MESSAGE_FORMAT", "header")


def test_a_client_that_is_forgotten_says_goodbye(endpoint):
    with FakeServer(endpoint) as server:
        client = phasewire.connect(endpoint)
        client.analyse(ATOMS, CELL)
        del client
        gc.collect()
        wait_until(lambda: server.of_type("goodbye"))


# -- monitor mode ---------------------------------------------------------------------------------------------------


def test_a_monitor_sends_and_collects(endpoint):
    with FakeServer(endpoint) as server:
        monitor = phasewire.Monitor(endpoint, queue=10)
        watch(monitor, range(0, 50, 10))
        assert monitor.flush()
        assert monitor.connected
        monitor.close()
        np.testing.assert_array_equal(monitor.series.step, range(0, 50, 10))
        np.testing.assert_array_equal(monitor.series.fraction("fcc"), [0.75] * 5)
        assert monitor.dropped == 0
        assert {header["mode"] for header in server.of_type("analyse")} == {"monitor"}
        assert [header["type"] for header in server.headers][-1] == "goodbye"


def test_a_server_may_start_late(endpoint):
    monitor = phasewire.Monitor(endpoint, queue=2)
    watch(monitor, range(10))
    assert not monitor.connected
    assert monitor.dropped == 8
    with FakeServer(endpoint):
        assert monitor.flush()
        np.testing.assert_array_equal(monitor.series.step, [8, 9])
        np.testing.assert_array_equal(monitor.series.dropped, [8, 8])
        monitor.close()


def test_a_server_that_never_comes_is_told_at_the_end(endpoint):
    monitor = phasewire.Monitor(endpoint)
    watch(monitor, range(5))
    with pytest.warns(RuntimeWarning, match="no server answered at .*phasewire serve"):
        monitor.close(timeout=0.1)
    assert monitor.dropped == 5


def test_a_hanging_server_never_holds_the_simulation(endpoint):
    with FakeServer(endpoint, deaf_after_hello) as server:
        monitor = phasewire.Monitor(phasewire.connect(endpoint, timeout=0.3, lazy=True), queue=1)
        wait_until(lambda: monitor.connected)
        # Without a pause: all these steps must pass while the server answers none, and it receives only the two
        # frames of each session that may be unanswered.
        watch(monitor, range(20_000))
        wait_until(lambda: any(incident.kind == "lost" for incident in monitor.incidents))
        watch(monitor, range(20_000, 20_010))
        assert {incident.error.code for incident in monitor.incidents if incident.error} == {"TIMEOUT"}
        assert len(server.of_type("analyse")) <= 2 * len(server.of_type("hello"))
        assert len(monitor.series) == 0
        with pytest.warns(RuntimeWarning, match="no server answered"):
            monitor.close(timeout=0.1)
        assert monitor.dropped == 20_010


def test_at_most_two_frames_are_under_way(endpoint):
    with FakeServer(endpoint, deaf_after_hello) as server:
        monitor = phasewire.Monitor(endpoint, queue=3)
        wait_until(lambda: monitor.connected)
        watch(monitor, range(10), pause=0.02)
        assert [header["step"] for header in server.of_type("analyse")] == [0, 1]
        assert monitor.dropped == 5
        server.handler = answer
        with pytest.warns(RuntimeWarning, match="no server answered"):
            monitor.close(timeout=0.1)


def test_kill_and_restart(endpoint):
    monitor = phasewire.Monitor(endpoint, queue=1)
    first = FakeServer(endpoint)
    watch(monitor, [0])
    assert monitor.flush()
    first.close()
    wait_until(lambda: not monitor.connected)
    watch(monitor, range(1, 11))
    assert monitor.dropped == 9
    with FakeServer(endpoint) as second:
        assert monitor.flush()
        assert second.of_type("hello")[0]["run"] == "fake-run"
        monitor.close()
    np.testing.assert_array_equal(monitor.series.step, [0, 10])
    np.testing.assert_array_equal(monitor.series.dropped, [0, 9])
    assert [incident.kind for incident in monitor.incidents] == ["connected", "lost", "connected"]


def test_frames_under_way_when_the_server_dies_are_counted(endpoint):
    monitor = phasewire.Monitor(endpoint, queue=1)
    first = FakeServer(endpoint, deaf_after_hello)
    wait_until(lambda: monitor.connected)
    watch(monitor, [0, 1], pause=0.05)
    assert len(first.of_type("analyse")) == 2
    first.close()
    wait_until(lambda: monitor.dropped == 2)
    with FakeServer(endpoint):
        watch(monitor, [2])
        assert monitor.flush()
        np.testing.assert_array_equal(monitor.series.step, [2])
        np.testing.assert_array_equal(monitor.series.dropped, [2])
        monitor.close()


def test_drops_by_the_server_are_added(endpoint):
    def drop_some(header, server):
        if header["type"] != "analyse":
            return answer(header, server)
        # The first of each session is dropped by the server.
        asked = len(server.of_type("analyse"))
        return None if asked == 1 else result_for(header, dropped=1)

    monitor = phasewire.Monitor(endpoint, queue=5)
    for first in (0, 100):
        with FakeServer(endpoint, drop_some):
            wait_until(lambda: monitor.connected)
            watch(monitor, range(first, first + 3), pause=0.05)
            assert monitor.flush()
        wait_until(lambda: not monitor.connected)
    np.testing.assert_array_equal(monitor.series.step, [1, 2, 101, 102])
    np.testing.assert_array_equal(monitor.series.dropped, [1, 1, 2, 2])
    monitor.close()


def refuse_two(monitor, bad):
    watch(monitor, [1])
    monitor.observe(bad)
    assert monitor.flush()


def test_refused_frames_are_failures(endpoint):
    def refuse(header, server):
        if header["type"] == "analyse" and header["step"] == 1:
            return error_for(header, "COINCIDENT_ATOMS", dropped=0)
        return answer(header, server)

    with FakeServer(endpoint, refuse):
        monitor = phasewire.Monitor(endpoint, queue=5)
        bad = snapshot_at(2)
        bad.positions[0, 0] = np.nan
        watch(monitor, [0])
        assert monitor.flush()
        with pytest.warns(RuntimeWarning, match="gave no result"):
            refuse_two(monitor, bad)
        watch(monitor, [3])
        assert monitor.flush()
        monitor.close()
    codes = {failure.step: failure.error.code for failure in monitor.failures}
    assert codes == {1: "COINCIDENT_ATOMS", 2: "NON_FINITE_POSITIONS"}
    assert monitor.series.step[0] == 0
    assert monitor.series.step[3] == 3
    assert monitor.dropped == 0


def test_garbage_is_reported_and_survived(endpoint):
    def garble(header, server):
        if header["type"] == "analyse" and header["step"] == 0:
            return [b"\xc1 no messagepack"]
        return answer(header, server)

    with FakeServer(endpoint, garble):
        monitor = phasewire.Monitor(endpoint, queue=5)
        watch(monitor, [0, 1])
        assert monitor.flush()
        monitor.close()
    assert "garbled" in [incident.kind for incident in monitor.incidents]
    np.testing.assert_array_equal(monitor.series.step, [1])


def test_observables_travel_and_are_kept(endpoint):
    from dataclasses import replace

    with FakeServer(endpoint) as server:
        monitor = phasewire.Monitor(endpoint)
        monitor.observe(replace(snapshot_at(0), observables={"temperature": 300.0, "pressure": np.nan}))
        assert monitor.flush()
        monitor.close()
        assert server.of_type("analyse")[0]["observables"] == {"temperature": 300.0}
    np.testing.assert_array_equal(monitor.series.observable("temperature"), [300.0])


def test_a_server_that_says_goodbye_is_looked_for_again(endpoint):
    def leave(header, server):
        if header["type"] == "analyse" and len(server.of_type("hello")) == 1:
            return [msgpack.packb({"type": "goodbye", "reason": "shutdown"})]
        return answer(header, server)

    with FakeServer(endpoint, leave):
        monitor = phasewire.Monitor(endpoint)
        watch(monitor, [0])
        wait_until(lambda: monitor.dropped == 1)
        watch(monitor, [1])
        assert monitor.flush()
        monitor.close()
    np.testing.assert_array_equal(monitor.series.step, [1])


UNCLOSED = """
import sys, time, numpy as np, phasewire
client = phasewire.connect(sys.argv[1])
monitor = phasewire.Monitor(sys.argv[1])
lazy = phasewire.connect(sys.argv[1], lazy=True)
while not monitor.connected:
    time.sleep(0.01)
monitor.observe(phasewire.Snapshot(np.eye(3), None, (False,) * 3))
print("done", flush=True)
"""


@pytest.mark.parametrize("handler", [answer, deaf_after_hello])
def test_a_script_that_forgets_to_close_says_goodbye_and_ends_at_once(endpoint, handler):
    with FakeServer(endpoint, handler) as server:
        script = subprocess.Popen([sys.executable, "-c", UNCLOSED, endpoint], stdout=subprocess.PIPE, text=True)
        assert script.stdout.readline() == "done\n"
        began = time.monotonic()
        assert script.wait(60) == 0
        script.stdout.close()
        assert time.monotonic() - began < 10
        wait_until(lambda: len(server.of_type("goodbye")) == 2)


def test_a_script_without_a_server_ends_at_once(endpoint):
    script = "import sys, phasewire; monitor = phasewire.Monitor(sys.argv[1]); print('done')"
    finished = subprocess.run([sys.executable, "-c", script, endpoint], capture_output=True, timeout=60, check=True)
    assert finished.stdout.decode().strip() == "done"


def test_an_error_without_a_number_is_that_of_the_oldest_frame(endpoint):
    def refuse(header, server):
        if header["type"] == "analyse" and header["step"] == 1:
            return error_for({"sequence": None}, "MESSAGE_FORMAT", field="header")
        return answer(header, server)

    with FakeServer(endpoint, refuse):
        monitor = phasewire.Monitor(phasewire.connect(endpoint, lazy=True, timeout=60), queue=5)
        with pytest.warns(RuntimeWarning, match="gave no result"):
            flush_after(monitor, range(3))
        monitor.close()
    assert {failure.step: failure.error.code for failure in monitor.failures} == {1: "MESSAGE_FORMAT"}
    np.testing.assert_array_equal(monitor.series.step, [0, 1, 2])


def flush_after(monitor, steps):
    for step in steps:
        watch(monitor, [step])
        assert monitor.flush()


def test_an_idle_monitor_notices_a_server_that_hangs(endpoint, monkeypatch):
    monkeypatch.setattr(server_link, "PING_SECONDS", 0.05)
    with FakeServer(endpoint) as server:
        monitor = phasewire.Monitor(phasewire.connect(endpoint, lazy=True, timeout=0.5))
        wait_until(lambda: len(server.of_type("ping")) > 3)
        assert monitor.connected
        server.handler = silent
        wait_until(lambda: not monitor.connected)
        assert monitor.incidents[-1].error.code == "TIMEOUT"
        server.handler = answer
        wait_until(lambda: monitor.connected)
        flush_after(monitor, [0])
        monitor.close()
    np.testing.assert_array_equal(monitor.series.step, [0])


def test_a_welcome_to_another_hello_begins_no_session(endpoint):
    def confuse(header, server):
        if header["type"] == "hello" and len(server.of_type("hello")) == 1:
            return answer({**header, "sequence": header["sequence"] + 5}, server)
        return answer(header, server)

    with FakeServer(endpoint, confuse) as server:
        monitor = phasewire.Monitor(endpoint)
        watch(monitor, [0])
        assert monitor.flush()
        monitor.close()
        assert len(server.of_type("hello")) == 2
    np.testing.assert_array_equal(monitor.series.step, [0])
