"""Arrays in shared memory: the file, its failures, and its removal."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import phasewire
from fake_server import WELCOME, FakeServer, answer, error_for, result_for
from phasewire._frame import snapshot as _snapshot
from phasewire._server import connection as _connection
from phasewire._server import shared as _shared
from phasewire._server import wire as _wire
from phasewire._server.shared import HEAD_BYTES, SharedArrays, shared_folder, sweep
from scripted import snapshot_at

COUNT = 800
"""Atoms of a frame that is large enough to be shared."""


@pytest.fixture
def shared(tmp_path):
    made = SharedArrays.create(tmp_path)
    assert made is not None
    yield made
    made.close()


def hot_crystal():
    atoms = bulk("Cu", cubic=True) * 6
    generator = np.random.default_rng(5)
    species = generator.integers(0, 2, len(atoms))
    return atoms.positions + generator.normal(0, 0.1, atoms.positions.shape), atoms.cell.array, species


def descriptor_of(shared):
    return shared._descriptor


def content(shared, offset, array):
    return np.frombuffer(os.pread(descriptor_of(shared), array.nbytes, offset), array.dtype).reshape(array.shape)


def names_in(folder):
    return sorted(path.name for path in Path(folder).glob("phasewire-*"))


def own_names():
    return [name for name in names_in(shared_folder()) if name.split("-")[1] == str(os.getpid())]


# -- the file -------------------------------------------------------------------------------------------------------


def test_the_file_is_private_and_named_as_the_protocol_says(shared, tmp_path):
    (path,) = tmp_path.iterdir()
    assert path.name == shared.offer["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name.split("-")[:2] == ["phasewire", str(os.getpid())]
    assert path.read_bytes() == (b"phasewire-shared" + shared.offer["token"].encode()).ljust(HEAD_BYTES, b"\0")
    other = SharedArrays.create(tmp_path)
    assert other.offer["token"] != shared.offer["token"]
    other.close()


def test_the_name_goes_when_the_server_has_the_file(shared, tmp_path):
    shared.confirm()
    assert names_in(tmp_path) == []
    array = np.arange(10.0)
    offsets, _ = shared.store(1, {"positions": array}, 0)
    np.testing.assert_array_equal(content(shared, offsets["positions"], array), array)


def test_the_name_goes_with_a_file_that_no_server_took(tmp_path):
    made = SharedArrays.create(tmp_path)
    made.close()
    made.close()
    assert names_in(tmp_path) == []
    assert made.store(1, {"positions": np.zeros(3)}, 0) is None
    assert made.load(1, HEAD_BYTES, np.dtype(np.uint8), (1,)) is None


def test_arrays_and_results_pass_through(shared):
    positions, species = np.random.default_rng(1).normal(size=(7, 3)), np.arange(7, dtype=np.int32)
    offsets, space = shared.store(3, {"positions": positions, "species": species}, 100)
    np.testing.assert_array_equal(content(shared, offsets["positions"], positions), positions)
    np.testing.assert_array_equal(content(shared, offsets["species"], species), species)
    assert space["bytes"] >= 100
    labels = np.arange(50, dtype=np.uint16)
    os.pwrite(descriptor_of(shared), labels.tobytes(), space["offset"])
    loaded = shared.load(3, space["offset"], labels.dtype, (50,))
    np.testing.assert_array_equal(loaded, labels)
    assert loaded.flags.owndata
    assert loaded.flags.writeable
    assert shared.load(3, space["offset"], labels.dtype, (0,)).shape == (0,)


def test_regions_of_frames_under_way_never_overlap(shared):
    print("seed 5")
    generator = random.Random(5)
    held: dict[int, dict[str, np.ndarray]] = {}
    offsets: dict[int, dict[str, int]] = {}
    for sequence in range(400):
        arrays = {name: np.full(generator.randrange(1, 400), sequence, np.float64) for name in ("a", "b")}
        stored = shared.store(sequence, arrays, generator.randrange(500))
        if len(held) >= 4:
            assert stored is None
        else:
            held[sequence], offsets[sequence] = arrays, stored[0]
        for number, frame in held.items():
            for name, array in frame.items():
                np.testing.assert_array_equal(content(shared, offsets[number][name], array), array)
        if held and generator.random() < 0.6:
            settled = generator.choice(list(held))
            shared.release(settled)
            held = {number: frame for number, frame in held.items() if number > settled}
    # The frames unanswered at the same time bound the memory, not the number of frames.
    assert os.fstat(descriptor_of(shared)).st_size < 64 + 8 * (2 * 400 * 8 + 500)


def test_a_frame_that_was_not_sent_frees_its_own_region_only(shared):
    arrays = {"positions": np.ones(100)}
    first = shared.store(1, arrays, 0)[0]["positions"]
    second = shared.store(2, arrays, 0)[0]["positions"]
    shared.forget(2)
    assert shared.store(3, arrays, 0)[0]["positions"] == second
    assert first != second


def test_results_outside_the_frames_region_are_refused(shared):
    _, space = shared.store(1, {"positions": np.zeros(8)}, 64)
    shared.store(2, {"positions": np.zeros(8)}, 64)
    one = np.dtype(np.float64)
    for offset, length in ((space["offset"] + 64, 1), (space["offset"], 9), (0, 1), (2**62, 1), (HEAD_BYTES, 2**60)):
        with pytest.raises(phasewire.ProtocolError) as caught:
            shared.load(1, offset, one, (length,))
        assert caught.value.code == "SHARED_MEMORY"
    assert shared.load(9, space["offset"], one, (1,)) is None
    assert shared.load(None, space["offset"], one, (1,)) is None
    shared.release(1)
    assert shared.load(1, space["offset"], one, (1,)) is None


def test_a_file_that_was_cut_short_is_an_error(shared):
    _, space = shared.store(1, {"positions": np.zeros(8)}, 640)
    os.truncate(descriptor_of(shared), space["offset"] + 10)
    with pytest.raises(phasewire.ProtocolError, match="cut short") as caught:
        shared.load(1, space["offset"], np.dtype(np.float64), (10,))
    assert caught.value.code == "SHARED_MEMORY"


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_memory_file_system_is_an_error(shared, monkeypatch):
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(phasewire.ProtocolError, match="No space left") as caught:
        shared.store(1, {"positions": np.zeros(8)}, 0)
    assert caught.value.code == "SHARED_MEMORY"
    monkeypatch.undo()
    assert shared.store(1, {"positions": np.zeros(8)}, 0) is not None


def test_there_is_none_where_it_cannot_be(tmp_path, monkeypatch):
    assert SharedArrays.create(tmp_path / "missing") is None
    monkeypatch.setattr(os, "pwrite", full)
    assert SharedArrays.create(tmp_path) is None
    assert names_in(tmp_path) == []
    monkeypatch.undo()
    monkeypatch.delattr(os, "preadv")
    assert SharedArrays.create(tmp_path) is None


# -- files of killed clients ---------------------------------------------------------------------------------------

MAKE_AND_WAIT = """
import sys, time
from pathlib import Path
from phasewire._server.shared import SharedArrays
made = SharedArrays.create(Path(sys.argv[1]))
print(made.offer["file"], flush=True)
time.sleep(60)
"""


def grow_old(path):
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))


def test_files_of_killed_processes_are_swept_once_they_are_old(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", MAKE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    name = process.stdout.readline().strip()
    path = tmp_path / name
    grow_old(path)
    sweep(tmp_path)
    assert path.exists(), "its process is alive"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    os.utime(path)
    sweep(tmp_path)
    assert path.exists(), "it is young"
    grow_old(path)
    SharedArrays.create(tmp_path).close()
    assert not path.exists()


def test_nothing_else_is_swept(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = process.pid
    hexadecimal = "0123456789abcdef" * 2
    kept = [
        f"phasewire-{dead}-{hexadecimal}x",
        f"phasewire-{dead}-{hexadecimal[1:]}",
        f"phasewire-x-{hexadecimal}",
        f"other-{dead}-{hexadecimal}",
        f"phasewire-{os.getpid()}-{hexadecimal}",
    ]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
        grow_old(tmp_path / name)
    folder = tmp_path / f"phasewire-{dead}-{hexadecimal}"
    folder.mkdir()
    link = tmp_path / f"phasewire-{dead}-{hexadecimal[::-1]}"
    link.symlink_to(tmp_path / kept[0])
    sweep(tmp_path)
    assert all((tmp_path / name).exists() for name in [*kept, folder.name, link.name])
    sweep(tmp_path / "missing")


# -- messages -------------------------------------------------------------------------------------------------------


def test_descriptors_of_shared_arrays_are_checked(shared):
    offsets, space = shared.store(5, {"positions": np.zeros((4, 3))}, 64)
    header = {"type": "result", "sequence": 5}
    arrays = {"labels": np.arange(4, dtype=np.uint16)}

    def decoded(offset, session=shared, sequence=5):
        return _wire.decode(_wire.encode({**header, "sequence": sequence}, arrays, {"labels": offset}), session)

    os.pwrite(descriptor_of(shared), arrays["labels"].tobytes(), space["offset"])
    np.testing.assert_array_equal(decoded(space["offset"]).arrays["labels"], arrays["labels"])
    assert decoded(space["offset"], sequence=4).arrays == {}
    for offset, session, code in (
        (space["offset"], None, "MESSAGE_FORMAT"),
        (HEAD_BYTES - 1, shared, "MESSAGE_FORMAT"),
        (64.5, shared, "MESSAGE_FORMAT"),
        (True, shared, "MESSAGE_FORMAT"),
        (None, shared, "MESSAGE_FORMAT"),
        (offsets["positions"] + 10**6, shared, "SHARED_MEMORY"),
    ):
        with pytest.raises(phasewire.ProtocolError) as caught:
            decoded(offset, session)
        assert caught.value.code == code


def test_parts_and_shared_arrays_mix():
    arrays = {name: np.full(3, number, np.float32) for number, name in enumerate("abc")}
    parts = _wire.encode({"type": "x"}, arrays, {"b": 64})
    assert len(parts) == 3
    with pytest.raises(phasewire.ProtocolError) as caught:
        _wire.decode(parts[:2])
    assert caught.value.code == "MESSAGE_FORMAT"


# -- client and server ----------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch):
    """Sizes of the parts after the header of each ``analyse`` message."""
    sizes = []
    encode = _connection.encode

    def recording(header, *arguments):
        parts = encode(header, *arguments)
        if header["type"] == "analyse":
            sizes.append([len(part) for part in parts[1:]])
        return parts

    monkeypatch.setattr(_connection, "encode", recording)
    return sizes


@pytest.mark.parametrize("fields", [["labels"], ["labels", "confidence", "logits", "probabilities", "score"]])
def test_shared_memory_and_messages_give_the_same(server, sent, fields):
    positions, cell, species = hot_crystal()
    assert positions.nbytes >= 16384
    arguments = {"fields": fields, "step": 3}
    with phasewire.connect(server.endpoint, shared_memory=False) as client:
        assert not client.server.shared_memory
        by_message = [client.analyse(positions + shift, cell, True, species, **arguments) for shift in (0, 0.3)]
    with phasewire.connect(server.endpoint) as client:
        assert client.server.shared_memory
        assert own_names() == []
        shared = [client.analyse(positions + shift, cell, True, species, **arguments) for shift in (0, 0.3)]
        held = client._connection._shared
        assert held._regions == {}
    assert sent[0][0] == positions.nbytes
    # Only the cell is small enough to be sent.
    assert all(max(sizes, default=0) < 16384 for sizes in sent[2:])
    for one, other in zip(by_message, shared, strict=True):
        for name in fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert one.log_density == other.log_density
    assert own_names() == []


def test_forces_come_back_through_shared_memory(server, sent):
    positions, cell, species = hot_crystal()
    arguments = {"variables": phasewire.fraction("fcc"), "length_scale": 2.3}
    with phasewire.connect(server.endpoint, shared_memory=False) as client:
        by_message = client.forces(positions, cell, True, species, **arguments)
    with phasewire.connect(server.endpoint) as client:
        shared = client.forces(positions, cell, True, species, **arguments)
    np.testing.assert_array_equal(shared.forces, by_message.forces)
    np.testing.assert_array_equal(shared.virial, by_message.virial)


def test_a_bad_frame_is_refused_by_name_and_the_next_one_taken(server):
    positions, cell, _ = hot_crystal()
    twice = positions.copy()
    twice[1] = twice[0]
    with phasewire.connect(server.endpoint) as client:
        with pytest.raises(phasewire.InputError) as caught:
            client.analyse(twice, cell)
        assert caught.value.code == "COINCIDENT_ATOMS"
        assert client.analyse(positions, cell).atom_count == len(positions)


def test_a_killed_server_leaves_nothing_and_its_successor_shares_again(mortal_server):
    positions, cell, _ = hot_crystal()
    snapshot = phasewire.Snapshot(positions, cell, (True, True, True))
    with phasewire.Monitor(phasewire.connect(mortal_server.endpoint, timeout=8, lazy=True), queue=10) as monitor:
        monitor.observe(snapshot)
        assert monitor.flush(30)
        mortal_server.kill()
        monitor.observe(snapshot)
        assert own_names() == []
        mortal_server.start()
        deadline = time.monotonic() + 30
        while len(monitor.series) < 3 and time.monotonic() < deadline:
            monitor.observe(snapshot)
            time.sleep(0.05)
        assert monitor.flush(30)
        assert monitor._link._connection._sharing
    assert not monitor.failures
    assert own_names() == []


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def sharing(handler=answer):
    """Answer like a server that has opened the client's file."""

    def handle(header, server):
        reply = handler(header, server)
        if header["type"] == "hello":
            reply = [_wire.msgpack.packb({**WELCOME, "shared": True, "sequence": header["sequence"], "session": "s"})]
        return reply

    return handle


def refuse_shared(header, server):
    """Fail to read shared memory."""
    if header["type"] == "analyse" and header["arrays"][0].get("source") == "shared":
        return error_for(header, "SHARED_MEMORY")
    return answer(header, server)


def test_a_client_asks_again_by_message(endpoint, sent):
    positions = np.random.default_rng(2).normal(size=(COUNT, 3))
    with FakeServer(endpoint, sharing(refuse_shared)) as server, phasewire.connect(endpoint) as client:
        for _ in range(2):
            assert client.analyse(positions, fields=["labels"]).atom_count == COUNT
    assert sent == [[], [positions.nbytes], [positions.nbytes]]
    assert len(server.of_type("hello")) == 1


def test_a_monitor_notes_it_and_goes_on_by_message(endpoint, sent):
    with FakeServer(endpoint, sharing(refuse_shared)), phasewire.Monitor(endpoint) as monitor:
        for step in range(3):
            monitor.observe(snapshot_at(step, COUNT))
            assert monitor.flush(30)
        assert monitor.connected
    kinds = [incident.kind for incident in monitor.incidents]
    assert kinds == ["connected", "shared"]
    assert monitor.incidents[1].error.code == "SHARED_MEMORY"
    assert monitor.dropped == 1
    np.testing.assert_array_equal(monitor.series.step, [1, 2])
    assert not monitor.failures
    assert len(sent[0]) == 1
    assert sent[1][0] == 24 * COUNT


def test_a_full_memory_file_system_costs_a_monitor_nothing(endpoint, sent, monkeypatch):
    with FakeServer(endpoint, sharing()), phasewire.Monitor(endpoint) as monitor:
        monitor.observe(snapshot_at(0, COUNT))
        assert monitor.flush(30)
        monkeypatch.setattr(os, "pwrite", full)
        for step in (1, 2):
            monitor.observe(snapshot_at(step, COUNT))
            assert monitor.flush(30)
        monkeypatch.undo()
    assert [incident.kind for incident in monitor.incidents] == ["connected", "shared"]
    np.testing.assert_array_equal(monitor.series.step, [0, 1, 2])
    assert monitor.dropped == 0
    assert [24 * COUNT in sizes for sizes in sent] == [False, True, True]


def test_late_answers_in_shared_memory_are_not_read(endpoint):
    waiting = []

    def hold_first(header, server):
        if header["type"] == "analyse" and not waiting:
            waiting.append(header)
            return None
        return answer(header, server)

    positions = np.zeros((COUNT, 3)) + np.arange(COUNT)[:, None]
    with FakeServer(endpoint, sharing(hold_first)) as server, phasewire.connect(endpoint, timeout=0.5) as client:
        with pytest.raises(phasewire.DeadlineError):
            client.analyse(positions, fields=["labels"])
        first = client._connection._shared
        assert first._regions, "the server may still be reading"

        def late_answer_first(header, server):
            if header["type"] == "analyse":
                stale = {"name": "labels", "dtype": "u16", "shape": [COUNT], "source": "shared", "offset": 64}
                server.send(result_for(waiting[0], arrays=[stale])[:1])
            return answer(header, server)

        server.handler = sharing(late_answer_first)
        assert client.analyse(positions, fields=["labels"], step=7).step == 7
        # A new session has a new file: only the server still has the old one.
        assert client._connection._shared is not first
        assert first._regions == {}


def test_a_client_offers_its_file_to_this_machine_only(endpoint, tmp_path):
    with FakeServer(endpoint) as server:
        with phasewire.connect(endpoint) as client:
            assert not client.server.shared_memory
            assert client._connection._shared is None
        phasewire.connect(endpoint, shared_memory=False).close()
    first, second = server.of_type("hello")
    assert set(first["shared"]) == {"file", "token"}
    assert "shared" not in second
    assert own_names() == []


# -- copies ---------------------------------------------------------------------------------------------------------


def test_a_snapshots_arrays_are_not_copied_again():
    snapshot = phasewire.Snapshot(
        np.random.default_rng(3).normal(size=(5, 3)),
        np.eye(3),
        (True, True, True),
        species=np.zeros(5, np.int32),
        ids=np.arange(5, dtype=np.int64),
    )
    frame = snapshot.checked()
    for name in ("positions", "species", "ids"):
        assert np.shares_memory(getattr(frame, name), getattr(snapshot, name)), name


def test_frames_made_for_keeping_are_copies():
    positions = np.zeros((5, 3))
    assert not np.shares_memory(_snapshot.make_frame(positions).positions, positions)


def test_arrays_are_sent_from_where_they_are(shared, monkeypatch):
    positions = np.random.default_rng(4).normal(size=(COUNT, 3))
    (part,) = _wire.encode({"type": "x"}, {"positions": positions})[1:]
    assert np.shares_memory(np.frombuffer(part, np.uint8), positions)
    written = []
    monkeypatch.setattr(_shared, "_write", lambda _, data, __: written.append(data))
    shared.store(1, {"positions": _wire.wire_order(positions)}, 0)
    assert np.shares_memory(np.frombuffer(written[0], np.uint8), positions)
