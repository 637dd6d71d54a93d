"""A hostile server, which attacks the Python client in a process of its own.

It reads one line of JSON, ``{"seed", "cases", "inputs", "seconds"}``, and prints lines of JSON: ``sent`` and
``answered`` counts, ``broken`` promises with their cases, and ``memory`` at the end.

A case is a call of the client, which is a new one if the case is ``fresh``, and a list of answers to its requests, in
order; requests after the list are answered correctly. An answer is a header with parts, or one of these actions:

- ``{"silence": true}``: no answer
- ``{"flood": n}``: n messages that answer nothing, then no answer
- ``{"vanish": true}``: the server disappears, and is back at once
- ``{"twice": true}``: the correct answer twice
- ``{"other": true}``: the correct answer to another request, then the right one
- ``{"refuse": code}``: an error
- ``{"raw": [hexadecimal, ...]}``: bytes in place of header and parts
- ``{"stream": seed}``: the correct answer, but the bytes of the connection are damaged; only in cases with ``relayed``
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zmq

from fuzz.client.answers import CLASSES, Header, arrays_of, correct, mistaken
from fuzz.client.proxy import Proxy
from fuzz.client.trees import encode

TIMEOUT = 0.4
# A call may find a lost session, begin another and ask again: connect, ask, connect, ask.
ANSWERS_PER_CALL = 4
GRACE = 1.0
# A hanging call is ended after this.
PATIENCE = 60.0
CASES_PER_CLIENT = 20
# One of this number of clients is connected through the relay.
CLIENTS_PER_RELAY = 5
WARM_UP = 0.3
FACTOR, SLACK_MIB = 1.2, 48.0
CODES = set(json.loads((Path(__file__).resolve().parents[2] / "contract" / "errors.json").read_text())["codes"])

Case = dict[str, Any]


def main() -> None:
    """Attack until the time or the number of inputs is used up."""
    # Mistakes nest values deeply.
    sys.setrecursionlimit(20_000)
    task = json.loads(sys.stdin.readline())
    with tempfile.TemporaryDirectory(prefix="phasewire-fuzz-") as folder:
        attack = Attack(Path(folder))
        for case in task["cases"]:
            attack.play(case)
        began = time.monotonic()
        number = 0
        while attack.inputs < task["inputs"] and time.monotonic() - began < task["seconds"]:
            attack.play(generate(task["seed"], number))
            number += 1
            share = max(attack.inputs / task["inputs"], (time.monotonic() - began) / task["seconds"])
            attack.look_at_memory(share)
            if number % 20 == 0:
                attack.report(share)
        attack.finish()


def generate(seed: int, number: int) -> Case:
    """Return a case by its number."""
    source = random.Random(f"{seed} {number}")
    calls = ["analyse", "forces", "ping", "status", "monitor"]
    call: Header = {"do": source.choices(calls, [8, 8, 1, 1, 1])[0]}
    if call["do"] not in ("ping", "status"):
        call |= {"step": source.randrange(10_000), "atoms": source.choice([1, 2, 20])}
    if call["do"] == "analyse":
        call["fields"] = source.choice([["labels"], ["labels", "confidence", "logits"], []])
    client = number // CASES_PER_CLIENT
    is_relayed = client % CLIENTS_PER_RELAY == 0
    answers = [_bad_answer(source, is_relayed) for _ in range(source.randint(1, 4))]
    case = {"target": "client", "what": f"seed {seed}, call {number}", "call": call, "answers": answers}
    if number % CASES_PER_CLIENT == 0:
        case["fresh"] = True
    return {**case, "relayed": True} if is_relayed else case


def _bad_answer(source: random.Random, is_relayed: bool) -> Header:
    if is_relayed and source.random() < 0.7:
        return {"stream": source.randrange(2**32)}
    # Most mistakes are made when the request is known: `mistake` is their seed.
    kinds = ["mistake", "twice", "other", "refuse", "raw", "silence", "flood", "vanish", "correct"]
    kind = source.choices(kinds, [30, 2, 4, 2, 3, 0.3, 0.3, 0.3, 6])[0]
    values: dict[str, Any] = {
        "mistake": source.randrange(2**32),
        "refuse": source.choice([*sorted(CODES), "NEW_CODE"]),
        "raw": [source.randbytes(source.randrange(30)).hex() for _ in range(source.randint(1, 3))],
        "flood": source.choice([10, 300, 3000]),
    }
    return {kind: values.get(kind, True)}


class Attack:
    """The hostile server, the client's process, and what was found."""

    def __init__(self, folder: Path) -> None:
        self.inputs = 0
        self._endpoint, self._relayed_endpoint = f"ipc://{folder}/socket", f"ipc://{folder}/relay"
        self._proxy = Proxy(folder / "relay", folder / "socket")
        self._context = zmq.Context()
        self._socket = self._bind()
        self._victim = self._start()
        self._sent: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._slowest = 0.0
        self._played: list[Case] = []
        self._warm = self._memory = 0.0
        self._has_client = False

    # -- cases ------------------------------------------------------------------------------------------------------

    def play(self, case: Case) -> None:
        """Play a case, and check how the call ended."""
        if case.get("fresh") or not self._has_client:
            self.renew_client(case.get("relayed", False))
        self._played.append(case)
        outcome = self._call(case["call"], list(case["answers"]))
        if outcome is not None:
            self._judge(case, outcome)

    def renew_client(self, is_relayed: bool) -> None:
        """Let the victim make a new client."""
        self._played = []
        self._has_client = True
        endpoint = self._relayed_endpoint if is_relayed else self._endpoint
        self._call({"do": "connect", "endpoint": endpoint, "timeout": TIMEOUT}, [])

    def _call(self, call: Header, answers: list[Header]) -> Header | None:
        """Let the client make a call, and serve it until the call has ended; None if the process ended."""
        assert self._victim.stdin is not None
        try:
            self._victim.stdin.write(json.dumps(call).encode() + b"\n")
            self._victim.stdin.flush()
        except OSError:
            self._lost()
            return None
        poller = zmq.Poller()
        poller.register(self._victim.stdout, zmq.POLLIN)
        began, waited = time.monotonic(), _seconds_waited(self._victim.pid)
        while True:
            poller.register(self._socket, zmq.POLLIN)
            events = dict(poller.poll(500))
            if self._victim.stdout is not None and self._victim.stdout.fileno() in events:
                line = self._victim.stdout.readline()
                if not line:
                    self._lost()
                    return None
                outcome = json.loads(line)
                # A machine that others use takes time away from both processes.
                taken = _seconds_waited(self._victim.pid) + _seconds_waited(os.getpid()) - waited
                outcome["charged"] = max(0.0, outcome["seconds"] - max(0.0, taken))
                return outcome
            if self._socket in events:
                poller.unregister(self._socket)
                self._serve(answers)
            if time.monotonic() - began > PATIENCE:
                self._broken(f"a call did not end within {PATIENCE:g} s: {call}")
                self._victim.kill()
                self._restart()
                return None

    def _serve(self, answers: list[Header]) -> None:
        identity, *parts = self._socket.recv_multipart()
        request: Header = msgpack.unpackb(parts[0])
        answer = answers.pop(0) if answers else {"correct": True}
        kind = next(iter(answer))
        if kind != "correct":
            self._sent[f"{kind} to {request['type']}"] += 1
            self.inputs += 1
        for message in self._messages(kind, answer, request):
            self._socket.send_multipart([identity, *message])

    def _messages(self, kind: str, answer: Header, request: Header) -> Iterator[list[bytes]]:
        sequence, step = request["sequence"], request.get("step", 0)

        def encoded(header: Any, parts: list[str]) -> list[bytes]:
            return [encode(header, sequence, step), *map(bytes.fromhex, parts)]

        right = correct(request)
        if kind == "header":
            yield encoded(answer["header"], answer.get("parts", []))
        elif kind == "mistake":
            wrong = mistaken(right, random.Random(answer["mistake"]))
            yield encoded(wrong["header"], wrong["parts"])
        elif kind == "raw":
            yield [bytes.fromhex(part) for part in answer["raw"]]
        elif kind == "refuse":
            error = {
                "type": "error",
                "code": answer["refuse"],
                "field": "field",
                "message": "so it is",
                "remedy": "none",
            }
            yield encoded({"sequence": {"$sequence": 0}, **error}, [])
        elif kind == "flood":
            pong = {"type": "pong", "sequence": {"$sequence": -1}}
            yield from (encoded(pong, []) for _ in range(answer["flood"]))
        elif kind == "vanish":
            self._socket.close(linger=0)
            self._socket = self._bind()
        elif kind == "other":
            other = correct({**request, "step": step + 1}) if request["type"] == "analyse" else right
            head = {"sequence": {"$sequence": 0}, "step": {"$step": 1}} if "step" in request else {}
            yield encoded({**other["header"], "sequence": {"$sequence": 1}}, other["parts"])
            if request.get("mode") == "bias":
                yield encoded({**other["header"], **head}, other["parts"])
            yield encoded(right["header"], right["parts"])
        elif kind != "silence":
            if kind == "stream":
                self._proxy.damage(answer["stream"])
            for _ in range(2 if kind == "twice" else 1):
                yield encoded(right["header"], right["parts"])

    # -- promises ---------------------------------------------------------------------------------------------------

    def _judge(self, case: Case, outcome: Header) -> None:
        call = case["call"]
        self._answered[outcome.get("code", "fault" if "fault" in outcome else "accepted")] += 1
        self._slowest = max(self._slowest, outcome["seconds"])
        problem = None
        if "fault" in outcome:
            problem = f"{call['do']} raised another exception: {outcome['fault'][-1500:]}"
        elif outcome.get("code") == "INTERNAL" and {"refuse": "INTERNAL"} not in case["answers"]:
            problem = f"{call['do']} raised INTERNAL: {outcome['message']}"
        elif "code" in outcome and not outcome["remedy"]:
            problem = f"{call['do']} raised {outcome['code']} without a remedy"
        elif outcome["charged"] > ANSWERS_PER_CALL * TIMEOUT + GRACE:
            problem = f"{call['do']} with a timeout of {TIMEOUT} s took {outcome['charged']:.2f} s"
        elif "ok" in outcome and not case.get("relayed"):
            # Damage of a stream can hit the numbers of an array, where nothing shows it.
            problem = _wrong_result(call, outcome["ok"])
        if problem is not None:
            self._broken(f"{case['what']}: {problem}")

    def _lost(self) -> None:
        status = self._victim.wait()
        assert self._victim.stderr is not None
        errors = self._victim.stderr.read()[-1500:].decode(errors="replace")
        self._broken(f"the client's process ended with {status}: {errors}")
        self._restart()

    def _broken(self, what: str) -> None:
        # All cases of this client: it may remember the earlier ones.
        _say({"broken": what, "cases": self._played})

    def look_at_memory(self, share: float) -> None:
        """Note the client's memory, as warm-up or as the latest value."""
        self._memory = _memory_of(self._victim.pid)
        if share < WARM_UP:
            self._warm = max(self._warm, self._memory)

    def report(self, share: float) -> None:
        """Print what was counted since the last report."""
        _say({"share": share, "sent": self._sent, "answered": self._answered, "slowest": self._slowest})
        self._sent.clear()
        self._answered.clear()

    def finish(self) -> None:
        """Print the rest, and end the client's process."""
        self.report(1.0)
        if self._warm > 0 and self.inputs > 200:
            bound = FACTOR * self._warm + SLACK_MIB
            _say({"memory": {"name": "client", "warm": self._warm, "end": self._memory, "bound": bound}})
        self._victim.kill()

    # -- processes --------------------------------------------------------------------------------------------------

    def _bind(self) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        while True:
            try:
                socket.bind(self._endpoint)
                return socket
            except zmq.ZMQError:
                # ZeroMQ frees the address of the socket before it a moment later.
                time.sleep(0.01)

    def _start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        # Unbuffered, so that a line is either in the pipe or was read.
        return subprocess.Popen(
            [sys.executable, "-m", "fuzz.client.victim"], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )

    def _restart(self) -> None:
        self._victim.wait()
        self._victim = self._start()
        self._has_client = False
        self._warm = 0.0


def _wrong_result(call: Header, found: Header) -> str | None:
    """Return why a result cannot be the answer to the call, None if it can."""
    if call["do"] == "monitor":
        steps = [call["step"] + more for more in range(3)]
        if not set(found["rows"]) <= set(steps):
            return f"rows of the steps {found['rows']} for the steps {steps}"
        wrong = [_wrong_result({**call, "do": "analyse", "step": None}, result) for result in found["results"]]
        return next((problem for problem in wrong if problem is not None), None)
    if call["do"] not in ("analyse", "forces"):
        return None
    step = found["step"]
    if call["step"] not in (None, step):
        return f"a result of step {step} for step {call['step']}"
    right = arrays_of(step, call["atoms"])
    if call["do"] == "forces":
        # The core divides the seed by a power of two, and multiplies the forces by it.
        ratio = np.array(found["forces"]) / right["forces"]
        if ratio.shape != right["forces"].shape or not (ratio == ratio[0, 0]).all() or np.frexp(ratio[0, 0])[0] != 0.5:
            return f"forces of another step, shape or sort: {found['forces']}"
        return None
    if found["atoms"] != call["atoms"]:
        return f"a result of {found['atoms']} atoms for {call['atoms']}"
    for name, array in found["arrays"].items():
        if array is None:
            continue
        if np.shape(array) != right[name].shape:
            return f"{name} of the shape {np.shape(array)}"
        if name == "labels" and (np.array(array) >= len(CLASSES)).any():
            return "labels beyond the classes"
    return None


def _memory_of(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _seconds_waited(pid: int) -> float:
    """Return the seconds in which a process was ready to run, but other programs had the cores."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def _say(line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
