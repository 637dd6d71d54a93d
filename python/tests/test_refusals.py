"""contract/refusals.json, run in process, with a server, and by messages as they are on the wire."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time

import msgpack
import numpy as np
import pytest
from ase.build import bulk
from zmq.auth import create_certificates

import phasewire
from fake_server import FakeServer, Flooding, deaf_after_hello
from phasewire._core.core import Core
from phasewire._model.model import load_model
from phasewire._server.connection import Connection
from phasewire._server.settings import make_settings
from phasewire._server.shared import shared_folder
from phasewire.errors import PhasewireError, error_from_wire
from phasewire.files.colvars import ColumnWriter
from phasewire.files.locks import lock
from phasewire.variables import variables_from_list
from refusal_cases import (
    REPOSITORY,
    arguments_of,
    cases_of,
    changed_model,
    expanded,
    name_of,
    number,
    options_of,
    parts_of,
)
from runtime import free_address, leave_token
from server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ServerProcess(f"ipc://{tmp_path_factory.mktemp('r')}/socket")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def client(server):
    with phasewire.connect(server.endpoint, timeout=60) as analyser:
        yield analyser


def error_of(action):
    try:
        action()
    except PhasewireError as error:
        return error
    return None


def check(case, error):
    if case["code"] is None:
        assert error is None, error
        return
    assert error is not None
    assert error.code == case["code"], error
    assert error.remedy
    if "message" in case:
        # Errors of a model begin with its file.
        shown = error.message.split(": ", 1)[1] if "model" in case["given"] else error.message
        assert shown == case["message"]
    if error.code == "INTERNAL":
        return
    assert error.field
    if "field" in case:
        assert error.field == {"lengthScale": "length_scale", "speciesMap": "species_map", "{path}": "path"}.get(
            case["field"], case["field"]
        )
    if "isMissing" not in case:
        assert error.value is not None, error


def analyse(analyser, given):
    if "variables" not in given:
        analyser.analyse(**arguments_of(given["frame"]), **options_of(given["options"]))
        return
    variables = variables_from_list(expanded(given["variables"]))
    analyser.forces(**arguments_of(given["frame"]), variables=variables, **options_of(given["options"]))


@pytest.mark.parametrize("case", cases_of("local"), ids=name_of)
def test_in_process(case, local, tmp_path):
    given = case["given"]

    def act():
        if "frame" in given:
            analyse(local, given)
        elif "analyser" in given:
            phasewire.Local(**given["analyser"])
        elif "model" in given:
            change = given["model"]
            path = tmp_path / change.get("path", "model.safetensors")
            if not {"name", "path"} & set(change):
                path.write_bytes(changed_model(change))
            phasewire.Local(change.get("name", path))
        elif "variablesFile" in given:
            path = tmp_path / "variables.json"
            if given["variablesFile"] is not None:
                path.write_text(given["variablesFile"])
            phasewire.read_variables(path)
        else:
            IN_PROCESS[given["situation"]]()

    check(case, error_of(act))


def shaken():
    atoms = bulk("Cu", cubic=True) * 3
    return atoms.positions + np.random.default_rng(1).normal(0, 0.1, atoms.positions.shape), atoms.cell.array


def end_by_its_caller():
    with phasewire.Local() as analyser:
        timer = threading.Timer(0.05, analyser.abort)
        timer.start()
        analyser.analyse(*shaken(), denoise=10_000)


def exceed_a_budget():
    with phasewire.Local(budget=0.01) as analyser:
        analyser.analyse(*shaken(), denoise=10_000)


def call_what_is_not_there():
    Core(load_model()).call("noSuchFunction")


def write_a_file_of_another_run():
    with tempfile.NamedTemporaryFile() as other:
        assert lock(other.fileno())
        ColumnWriter(other.name, ["time"])


IN_PROCESS = {
    "a file that another run writes": write_a_file_of_another_run,
    "an analysis that its caller ends": end_by_its_caller,
    "an analysis beyond its budget": exceed_a_budget,
    "a fault of the software": call_what_is_not_there,
}


@pytest.mark.parametrize("case", cases_of("server"), ids=name_of)
def test_with_a_server(case, client, server, tmp_path):
    given = case["given"]
    if "situation" in given:
        check(case, error_of(lambda: WITH_A_SERVER[given["situation"]](client, server, tmp_path)))
    elif "endpoint" in given:
        check(case, error_of(lambda: phasewire.connect(given["endpoint"], timeout=0.1)))
    else:
        check(case, error_of(lambda: analyse(client, given)))


def ask_a_server_that_hangs(client, server, tmp_path):
    with phasewire.connect(server.endpoint, timeout=0.2) as other:
        server.pause()
        try:
            other.ping()
        finally:
            server.resume()


def ask_a_server_that_floods(client, server, tmp_path):
    endpoint = f"ipc://{tmp_path}/flood"
    pong = [msgpack.packb({"type": "pong", "sequence": 10_000})]
    with Flooding(endpoint, pong, deaf_after_hello), phasewire.connect(endpoint) as other:
        other.ping()


def use_an_open_secret(client, server, tmp_path):
    create_certificates(tmp_path, "server")
    _, secret = create_certificates(tmp_path, "client")
    os.chmod(secret, 0o644)  # noqa: PTH101
    phasewire.connect("tcp://127.0.0.1:1", keys=tmp_path, timeout=0.1)


def ask_a_program_that_took_the_port(client, server, tmp_path):
    with FakeServer("tcp://127.0.0.1:*") as other:
        leave_token(other.endpoint, "00" * 32)
        phasewire.connect(other.endpoint, timeout=2)


WITH_A_SERVER = {
    "a secret key that others may read": use_an_open_secret,
    "a program that took the port first": ask_a_program_that_took_the_port,
    "no server at the address": lambda client, server, tmp_path: phasewire.connect(
        f"ipc://{tmp_path}/nobody", timeout=0.1
    ),
    "a server that floods": ask_a_server_that_floods,
    "a server that hangs": ask_a_server_that_hangs,
    "more atoms than the server takes": lambda client, server, tmp_path: client.analyse(np.zeros((1_000_001, 3))),
}


class Wire:
    """A client that sends what it is told and checks nothing."""

    def __init__(self, endpoint, shared_memory=False):
        self.connection = Connection(make_settings(endpoint, shared_memory=shared_memory))
        assert self.connection.wait_for_peer(time.monotonic() + 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def greet(self):
        """Begin a session."""
        self.connection.hello()
        assert self.answers(1)[0].type == "welcome"
        return self

    def answers(self, count):
        """Return the next answers."""
        found = []
        deadline = time.monotonic() + 60
        while len(found) < count:
            assert time.monotonic() < deadline
            found += self.connection.receive(1)
        return found

    def ask(self, header, arrays=None):
        """Send a message, and raise the error if that is the answer."""
        self.connection.send(header, arrays)
        self.read(self.answers(1))

    def read(self, messages):
        """Raise the first error among some answers."""
        for message in messages:
            if message.type == "error":
                raise error_from_wire(message.header)


REQUEST = {"type": "analyse", "mode": "request", "step": 0, "periodic": [False, False, False], "lengthScale": 1.0}
ATOM = {"positions": np.zeros((1, 3))}
MANY = {"positions": np.stack(np.meshgrid(*[np.arange(16.0)] * 3), axis=-1).reshape(-1, 3)}
LARGE = {"positions": np.stack(np.meshgrid(*[np.arange(40.0, dtype=np.float32)] * 3), axis=-1).reshape(-1, 3)}


@pytest.mark.parametrize("case", cases_of("wire"), ids=name_of)
def test_on_the_wire(case, server):
    given = case["given"]
    if "situation" in given:
        check(case, error_of(lambda: ON_THE_WIRE[given["situation"]](server)))
        return
    with Wire(server.endpoint) as wire:
        wire.greet()
        check(case, error_of(lambda: send(wire, given)))


def send(wire, given):
    if "golden" in given:
        content = (REPOSITORY / "bridge" / "golden" / f"{given['golden']}.bin").read_bytes()
        assert wire.connection._transport.send(parts_of_golden(content))
        wire.read(wire.answers(1))
        return
    if "header" in given:
        arrays = {}
        if "positions" in given:
            arrays["positions"] = np.array(given["positions"], dtype=np.float64)
        if "species" in given:
            arrays["species"] = np.array(given["species"], dtype=np.int32)
        wire.ask(given["header"], arrays)
        return
    keys, arrays = parts_of(given["frame"])
    options = {key: number(value) if key == "lengthScale" else value for key, value in given["options"].items()}
    header = {**REQUEST, "lengthScale": None, **keys, **options}
    if "variables" in given:
        fields = ["forces"] if given.get("forces") else []
        header |= {"variables": expanded(given["variables"]), "fields": fields}
    wire.ask(header, arrays)


def parts_of_golden(content):
    """Return the parts of a golden message (bridge/PROTOCOL.md, section 11)."""
    count, at, parts = int.from_bytes(content[:4], "little"), 4, []
    for _ in range(count):
        size = int.from_bytes(content[at : at + 4], "little")
        parts.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    return parts


def wait_too_long(server):
    with Wire(server.endpoint) as wire:
        wire.greet()
        wire.connection.send(REQUEST, MANY)
        wire.connection.send({**REQUEST, "timeoutMs": 1e-6}, ATOM)
        wire.read(wire.answers(2))


def cut_a_shared_file_short(server):
    with Wire(server.endpoint, shared_memory=True) as wire:
        wire.greet()
        array = {"name": "positions", "dtype": "f64", "shape": [1, 3], "source": "shared", "offset": 1 << 20}
        wire.ask({**REQUEST, "arrays": [array]})


def begin_without_hello(server):
    with Wire(server.endpoint) as wire:
        wire.ask(REQUEST, ATOM)


def know_no_token(server):
    process = ServerProcess(free_address())
    process.start()
    try:
        leave_token(process.endpoint, "00" * 32)
        with Wire(process.endpoint) as wire:
            wire.connection.hello()
            wire.read(wire.answers(1))
    finally:
        process.stop()


def speak_another_protocol(server):
    with Wire(server.endpoint) as wire:
        wire.ask({"type": "hello", "versions": [99], "client": {"name": "test", "version": "0"}})


def ask_too_much_at_once(server):
    with Wire(server.endpoint) as wire:
        wire.greet()
        count = 0
        for _ in range(12):
            # ZeroMQ takes a few messages at a time.
            while wire.connection.send(REQUEST, MANY) is None:
                time.sleep(0.001)
            count += 1
        wire.read(wire.answers(count))


def hold_too_many_bytes(server):
    # Half of the memory is for one client.
    small = ServerProcess(f"{server.endpoint}-small", options=["--max-memory", "4"])
    small.start()
    try:
        with Wire(small.endpoint) as wire:
            wire.greet()
            for _ in range(3):
                while wire.connection.send(REQUEST, LARGE) is None:
                    time.sleep(0.001)
            wire.read(wire.answers(3))
    finally:
        small.stop()


def send_too_many_atoms(server):
    with Wire(server.endpoint) as wire:
        wire.greet().ask(REQUEST, {"positions": np.zeros((1_000_001, 3), dtype=np.float32)})


ON_THE_WIRE = {
    "a frame that waited longer than it may": wait_too_long,
    "a shared file that was cut short": cut_a_shared_file_short,
    "a frame before hello": begin_without_hello,
    "a client of another user": know_no_token,
    "no protocol version in common": speak_another_protocol,
    "more requests than the queue holds": ask_too_much_at_once,
    "more bytes than the server may hold": hold_too_many_bytes,
    "more atoms than the server takes": send_too_many_atoms,
}


def test_every_situation_has_a_scenario():
    for host, scenarios in (("local", IN_PROCESS), ("server", WITH_A_SERVER), ("wire", ON_THE_WIRE)):
        named = {case["given"]["situation"] for case in cases_of(host) if "situation" in case["given"]}
        assert named == set(scenarios)


def test_messages_hold_what_json_does():
    assert json.loads(json.dumps(expanded([{"repeat": 2, "of": {"a": []}}]))) == [{"a": []}, {"a": []}]
    assert os.path.isdir(shared_folder())  # noqa: PTH112
