"""A phase server as an analyser, over ZeroMQ (bridge/PROTOCOL.md)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from phasewire._analyser import Analyser, Options
from phasewire._classes import Classes
from phasewire._connection import Connection, Settings, Welcome, make_settings
from phasewire._energy import Task
from phasewire._frame import Frame
from phasewire._result import Evaluation, Result
from phasewire._wire import Array, Message, evaluation_from_message, evaluation_space, result_from_message, result_space
from phasewire.errors import PhasewireError, ServerUnreachableError, error_from_wire, make_error

_RETRY_PAUSE = 0.05
# Longest name in a header, in bytes (bridge/PROTOCOL.md, section 4).
_LONGEST_NAME = 128
_START_SERVER = "start one with `phasewire serve`, and compare the addresses"


def connect(
    endpoint: str | None = None,
    *,
    run: str | None = None,
    timeout: float = 10.0,
    keys: str | Path | None = None,
    engine: str | None = None,
    title: str | None = None,
    classes: Classes | None = None,
    shared_memory: bool = True,
    lazy: bool = False,
) -> Client:
    """Connect to a phase server.

    Parameters
    ----------
    endpoint : str, optional
        Address that ``phasewire serve`` prints. Default: the environment variable ``PHASEWIRE_ENDPOINT``, or
        ``tcp://127.0.0.1:5757``.
    run : str, optional
        Name under which the server keeps the time series of this run.
    timeout : float
        Seconds to wait for the server and for each of its answers.
    keys : path, optional
        Folder with ``server.key`` and ``client.key_secret``, which an address on another machine needs.
    engine, title : str, optional
        What runs, for people who look at the server.
    classes : sequence of str or mapping of str to float, optional
        The classes allowed where a call does not say, as for `Analyser.analyse`. Default: those that the server was
        started with.
    shared_memory : bool
        Hand large arrays over in shared memory where the server is on this machine and agrees
        (``client.server.shared_memory`` tells). False: all arrays go by message.
    lazy : bool
        Return at once and look for the server when it is first needed. A monitor needs no server to start.

    Raises
    ------
    ServerUnreachableError
        If no server is there, unless ``lazy``.
    InputError
        ``ENDPOINT_INSECURE`` for another machine without keys, ``BAD_OPTION`` for a class that the server's model
        lacks or a weight that cannot be.
    """
    client = Client(
        make_settings(
            endpoint,
            timeout=timeout,
            keys=keys,
            run=run,
            engine=engine,
            title=title,
            classes=classes,
            shared_memory=shared_memory,
        )
    )
    if not lazy:
        try:
            client.open()
        except PhasewireError:
            client.close()
            raise
    return client


class Client(Analyser):
    """A server that answers each frame in turn; made by `connect`.

    A server that was restarted is found again by the next call.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._connection: Connection | None = None
        self._welcome: Welcome | None = None
        self._session_open = False
        self._losses_at_welcome = 0

    @property
    def settings(self) -> Settings:
        """Whom this client talks to."""
        return self._settings

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return self._settings.endpoint

    @property
    def server(self) -> Welcome:
        """What the server said of itself; looks for it if need be."""
        if self._welcome is None:
            self.open()
        assert self._welcome is not None
        return self._welcome

    @property
    def model_name(self) -> str:
        """Name of the server's model."""
        return self.server.model_name

    @property
    def phases(self) -> tuple[str, ...]:
        """Class names in the order of the labels; the first is ``disordered``."""
        return self.server.phases

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of classes."""
        return self.server.aliases

    @property
    def water_names(self) -> Mapping[str, str]:
        """What classes are called where the atoms are the oxygens of water."""
        return self.server.water_names

    @property
    def known_phases(self) -> tuple[str, ...]:
        """Class names if the server was already heard of, else none."""
        return () if self._welcome is None else self._welcome.phases

    def open(self) -> None:
        """Look for the server and begin a session.

        Raises
        ------
        ServerUnreachableError
            If there is none within the timeout.
        DeadlineError
            If it is there but says nothing.
        ProtocolError
            If it speaks another version of the protocol.
        """
        deadline = time.monotonic() + self._settings.timeout
        message = self._greet(deadline)
        if message.type != "welcome":
            raise _unexpected(message, "welcome")
        self._welcome = Welcome.from_message(message)
        self._session_open = True
        # Later connections of this client, and a restarted server, get the same run.
        self._settings = replace(self._settings, run=self._welcome.run)
        connection = self._connect()
        connection.settings = self._settings
        self._losses_at_welcome = connection.losses

    def _greet(self, deadline: float) -> Message:
        connection = self._connect()
        while connection.wait_for_peer(deadline):
            sequence = connection.hello()
            if sequence is None:
                # The peer went away in this instant; the next turn waits for it.
                time.sleep(_RETRY_PAUSE)
                continue
            try:
                return self._await(sequence, deadline)
            except ServerUnreachableError:
                continue
        raise self._unreachable("no server answers")

    def ping(self) -> float:
        """Return the seconds of a round trip."""
        started = time.perf_counter()
        with self._turn:
            reply = self._ask({"type": "ping"}, {})
        if reply.type != "pong":
            raise _unexpected(reply, "pong")
        return time.perf_counter() - started

    def status(self) -> dict[str, Any]:
        """Return what the server says it is doing (bridge/PROTOCOL.md, section 5.5)."""
        with self._turn:
            reply = self._ask({"type": "status"}, {})
        if reply.type != "status":
            raise _unexpected(reply, "status")
        return {key: value for key, value in reply.header.items() if key not in ("type", "sequence", "arrays")}

    def close(self) -> None:
        """Say goodbye and close the connection, after the call that another thread may have under way."""
        with self._turn:
            if self._connection is not None:
                if self._session_open:
                    self._connection.send({"type": "goodbye"})
                    # The reply tells that the goodbye has left this process; LINGER 0 would discard it.
                    self._connection.receive(0.2)
                self._connection.close()
            self._connection = None
            self._session_open = False

    def __repr__(self) -> str:
        state = f"model {self._welcome.model_name}" if self._welcome is not None else "not yet connected"
        return f"<Client: {self.endpoint}, {state}>"

    def _analyse(self, frame: Frame, options: Options) -> Result:
        header, arrays = analyse_message(frame, options)
        space = result_space(options.fields, len(frame), len(self.phases))
        reply = self._ask({**header, "mode": "request"}, arrays, space)
        if reply.type != "result":
            raise _unexpected(reply, "result")
        return result_from_message(reply, self.phases, self.aliases)

    def _evaluate(self, frame: Frame, task: Task, options: Options) -> Evaluation:
        header, arrays = analyse_message(frame, options)
        header |= {
            "mode": "request",
            "fields": ["forces", "virial"],
            "variables": [variable.to_wire() for variable in task.variables],
        }
        zeros = np.zeros(len(task.variables))
        reply = self._ask(header | {"coefficients": zeros.tolist()}, arrays, evaluation_space(len(frame)))
        values = evaluation_from_message(reply, len(task.variables)).values
        energy, slopes = task.energy(values)
        header |= {"coefficients": np.asarray(slopes).tolist(), "lengthScale": reply.header["lengthScale"]}
        reply = self._ask(header, arrays, evaluation_space(len(frame)))
        found = evaluation_from_message(reply, len(task.variables))
        return replace(found, energy=energy, coefficients=np.array(slopes))

    def _ask(self, header: Mapping[str, Any], arrays: Mapping[str, Array], result_bytes: int = 0) -> Message:
        """Send a message and return its answer, whose arrays take ``result_bytes``.

        A second try, by message, follows if shared memory failed; or one in a new session if the server has forgotten
        ours, or was lost before it answered: a restarted server is found by one call even if the loss of the old one
        is noticed only after sending. Asking twice is safe, since no question changes anything at the server.
        """
        for last_try in (False, True):
            connection = self._connect()
            connection.refresh()
            if not self._session_open or connection.losses != self._losses_at_welcome:
                self.open()
            check_limits(arrays, self.server.limits)
            deadline = time.monotonic() + self._settings.timeout
            sequence = connection.send(header, arrays, result_bytes)
            try:
                if sequence is None:
                    raise self._unreachable("the server is gone")
                reply = self._await(sequence, deadline)
                connection.settle(sequence)
                return reply
            except PhasewireError as error:
                if error.code == "SHARED_MEMORY" and not last_try:
                    connection.stop_sharing()
                    continue
                self._session_open = False
                if last_try or error.code not in ("NO_SESSION", "SERVER_UNREACHABLE"):
                    raise
        raise self._unreachable("the server is gone")

    def _await(self, sequence: int, deadline: float) -> Message:
        connection = self._connect()
        losses = connection.losses
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self._session_open = False
                raise make_error(
                    "TIMEOUT",
                    f"the server did not answer within {self._settings.timeout:g} s",
                    field="endpoint",
                    value=self.endpoint,
                    remedy="give a longer timeout, fewer atoms, or the server more threads",
                )
            for message in connection.receive(remaining):
                if isinstance(message, PhasewireError):
                    raise message
                if message.sequence != sequence:
                    # An answer that came after its deadline belongs to an earlier question.
                    continue
                if message.type == "error":
                    raise error_from_wire(message.header)
                return message
            if connection.losses != losses:
                self._session_open = False
                raise self._unreachable("the connection was lost before the answer came")

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._settings)
        return self._connection

    def _unreachable(self, problem: str) -> PhasewireError:
        return make_error(
            "SERVER_UNREACHABLE",
            f"{problem} at {self.endpoint}",
            field="endpoint",
            value=self.endpoint,
            remedy=_START_SERVER,
        )


def analyse_message(frame: Frame, options: Options) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header, without its mode, and the arrays of an ``analyse`` message."""
    arrays: dict[str, Array] = {"positions": frame.positions}
    if frame.cell is not None:
        arrays["cell"] = frame.cell
    if frame.species is not None:
        arrays["species"] = frame.species
    header = {
        "type": "analyse",
        "step": frame.step,
        "time": frame.time if frame.time is not None and math.isfinite(frame.time) else None,
        "periodic": list(frame.periodic),
        "lengthScale": options.length_scale,
        "denoise": options.denoise or None,
        "fields": list(options.fields),
        "classes": None if options.classes is None else dict(options.classes),
        "speciesNames": None if frame.names is None else list(frame.names),
        "selection": None if frame.selected is None else _clipped(frame.selected),
    }
    return header, arrays


def check_limits(arrays: Mapping[str, Array], limits: Mapping[str, int]) -> None:
    """Raise ``TOO_LARGE`` if the server would close the connection over a message of this size."""
    if "positions" not in arrays:
        return
    count = len(arrays["positions"])
    largest = max(array.nbytes for array in arrays.values())
    if count > limits.get("maxAtoms", count) or largest > limits.get("maxFrameBytes", largest):
        raise make_error(
            "TOO_LARGE",
            f"the server takes at most {limits.get('maxAtoms')} atoms and {limits.get('maxFrameBytes')} bytes an array",
            field="positions",
            value=count,
            remedy="analyse a part of the system at a time, or start the server with higher limits",
        )


def _clipped(name: str) -> str:
    """Return as much of a name as a header may hold."""
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _unexpected(message: Message, wanted: str) -> PhasewireError:
    return make_error(
        "MESSAGE_TYPE",
        f"the server answered with {message.type!r} instead of {wanted!r}",
        field="type",
        value=message.type,
        remedy="install the same release of phasewire on both sides",
    )
