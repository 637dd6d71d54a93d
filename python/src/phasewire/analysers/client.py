"""A phase server as an analyser, over ZeroMQ (bridge/PROTOCOL.md)."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire._frame.options import Options
from phasewire._frame.result import Evaluation, Result
from phasewire._model.weights import Classes
from phasewire._server.connection import Connection, Welcome
from phasewire._server.settings import ANSWER_SECONDS, Settings, make_settings
from phasewire._server.wire import (
    Array,
    Message,
    analyse_message,
    check_limits,
    require_answer_to,
    result_from_message,
    result_space,
)
from phasewire.analysers.base import Analyser
from phasewire.analysers.task import Task
from phasewire.errors import PhasewireError, ServerUnreachableError, error_from_wire, make_error

if TYPE_CHECKING:
    from phasewire._core.variables import CoreVariables

_RETRY_PAUSE = 0.05
_TOKEN_SECONDS = 1.0
# Errors that asking again may cure: a restarted server, one that stops, or memory that could not be shared.
_CURABLE = ("NO_SESSION", "SERVER_UNREACHABLE", "SHARED_MEMORY", "ABORTED")
# The server holds too many frames at the moment.
_PASSING = "OVERLOADED"
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
# Pause between two greetings of a server that does not answer them.
_GREETING_SECONDS = 5.0
_SEED = "seed"
_PARTING_SECONDS = limits.number("transport", "partingMs") / 1000
_START_SERVER = "start one with `phasewire serve`, and compare the addresses"


def connect(
    endpoint: str | None = None,
    *,
    run: str | None = None,
    timeout: float = ANSWER_SECONDS,
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
        Address that ``phasewire serve`` prints. Default: the environment variable ``PHASEWIRE_ENDPOINT``, or the
        address of a server that was started without one.
    run : str, optional
        Name under which the server keeps the time series of this run.
    timeout : float
        Seconds to wait for the server and for each of its answers.
    keys : path, optional
        Folder with ``server.key`` and ``client.key_secret``, which an address on another machine needs.
    engine, title : str, optional
        Description of the run, which the server displays.
    classes : sequence of str or mapping of str to float, optional
        The allowed classes, unless a call gives others, as for `Analyser.analyse`. Default: those of the server.
    shared_memory : bool
        Pass large arrays in shared memory if the server is on this machine and agrees (see
        ``client.server.shared_memory``). False: all arrays go by message.
    lazy : bool
        Return at once, and connect when the server is first needed. A monitor starts without a server.

    Raises
    ------
    ServerUnreachableError
        If no server answers, unless ``lazy``.
    InputError
        ``ENDPOINT_INSECURE`` for another machine without keys, ``BAD_OPTION`` for a class that the server's model
        lacks or an invalid weight.
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


class _Deadline:
    """The latest time of an answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.moment = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds until then, negative afterwards."""
        return self.moment - time.monotonic()


class _Interrupted(Exception):  # noqa: N818
    """A request failed in a way that asking again may cure; the cause is the error."""


Accept = Callable[[Message], bool]


def _accept_all(message: Message) -> bool:
    return True


class Client(Analyser):
    """A server that answers each frame in turn; made by `connect`.

    After a restart of the server, the next call connects again.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._connection: Connection | None = None
        self._leaving: weakref.finalize[..., Client] | None = None
        self._welcome: Welcome | None = None
        self._session_open = False
        self._losses_at_welcome = 0
        self._greeting: int | None = None
        self._next_greeting = 0.0
        self._variables: CoreVariables | None = None
        # SHA-256 of the model that gave forces: a run must not continue with another model.
        self._driving_model: str | None = None

    @property
    def settings(self) -> Settings:
        """The settings of this client."""
        return self._settings

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return self._settings.endpoint

    @property
    def server(self) -> Welcome:
        """The server's description of itself; connects if necessary."""
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
    def model_sha256(self) -> str:
        """SHA-256 of the server's model."""
        return self.server.model_sha256

    @property
    def remote(self) -> Settings:
        """The settings of the server that computes."""
        return self._settings

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of classes."""
        return self.server.aliases

    @property
    def water_names(self) -> Mapping[str, str]:
        """Names of classes if the atoms are the oxygens of water."""
        return self.server.water_names

    @property
    def known_phases(self) -> tuple[str, ...]:
        """Class names, empty before the first connection."""
        return () if self._welcome is None else self._welcome.phases

    def open(self) -> None:
        """Connect to the server and begin a session.

        Raises
        ------
        ServerUnreachableError
            If no server answers within the timeout.
        DeadlineError
            If it is running but does not answer.
        ProtocolError
            If it uses another version of the protocol.
        """
        self._open(_Deadline(self._settings.timeout))

    def available(self) -> bool:
        """Return whether the server has begun a session. Never waits, and greets a server that has appeared."""
        with self._turn:
            connection = self._connect()
            answers = connection.receive(0.0)
            if self._in_session():
                return True
            for message in answers:
                if isinstance(message, Message) and message.sequence == self._greeting and message.type == "welcome":
                    self._begin(message)
                    return True
            if connection.connected and time.monotonic() >= self._next_greeting:
                self._next_greeting = time.monotonic() + _GREETING_SECONDS
                with contextlib.suppress(PhasewireError):
                    self._greeting = connection.hello()
            return False

    def _open(self, deadline: _Deadline) -> None:
        message = self._greet(deadline)
        if message.type != "welcome":
            raise _unexpected(message, "welcome")
        self._begin(message)

    def _begin(self, message: Message) -> None:
        self._welcome = Welcome.from_message(message)
        self._session_open = True
        # Later connections of this client, and a restarted server, get the same run.
        self._settings = replace(self._settings, run=self._welcome.run)
        connection = self._connect()
        connection.settings = self._settings
        self._losses_at_welcome = connection.losses

    def _greet(self, deadline: _Deadline) -> Message:
        connection = self._connect()
        # A server that has just begun to listen leaves its token a moment later.
        patience = time.monotonic() + min(_TOKEN_SECONDS, deadline.remaining)
        while connection.wait_for_peer(deadline.moment):
            try:
                sequence = connection.hello()
                if sequence is not None:
                    return self._await(sequence, deadline)
            except ServerUnreachableError:
                continue
            except PhasewireError as error:
                if error.code != "ACCESS_DENIED" or time.monotonic() >= patience:
                    raise
            # The peer has just disappeared, or its token was not there; the next turn tries again.
            time.sleep(_RETRY_PAUSE)
        raise self._unreachable("no server answers")

    def ping(self) -> float:
        """Return the duration of a round trip in seconds."""
        started = time.perf_counter()
        with self._turn:
            reply = self._ask({"type": "ping"}, {})
        if reply.type != "pong":
            raise _unexpected(reply, "pong")
        return time.perf_counter() - started

    def status(self) -> dict[str, Any]:
        """Return the status of the server (bridge/PROTOCOL.md, section 5.5)."""
        with self._turn:
            reply = self._ask({"type": "status"}, {})
        if reply.type != "status":
            raise _unexpected(reply, "status")
        return {key: value for key, value in reply.header.items() if key not in ("type", "sequence", "arrays")}

    def close(self) -> None:
        """Send ``goodbye`` and close the connection, after any running call of another thread."""
        with self._turn:
            if self._connection is not None:
                if self._leaving is not None:
                    self._leaving.detach()
                if self._session_open:
                    self._connection.part(_PARTING_SECONDS)
                self._connection.close()
            self._connection = None
            self._variables = None
            self._session_open = False

    def __repr__(self) -> str:
        state = f"model {self._welcome.model_name}" if self._welcome is not None else "not yet connected"
        return f"<Client: {self.endpoint}, {state}>"

    def _analyse(self, frame: Frame, options: Options) -> Result:
        header, arrays = analyse_message(frame, options)
        reply = self._ask(
            {**header, "mode": "request"},
            arrays,
            lambda welcome: result_space(options.fields, len(frame), len(welcome.phases)),
        )
        if reply.type != "result":
            raise _unexpected(reply, "result")
        require_answer_to(frame, reply)
        return result_from_message(reply, self.phases, self.aliases)

    def _evaluate(self, frame: Frame, task: Task, options: Options) -> Evaluation:
        """Request the logits of a frame, then the forces of the seed of the energy.

        If the server is lost in between, both are requested again while there is time: no server continues the work
        of another.
        """
        # Only forces need WebAssembly in this process, for the variables.
        from phasewire.analysers.evaluation import evaluate
        from phasewire.analysers.server_passes import ServerPasses, variables_without_model

        started = time.perf_counter()
        self._variables = self._variables or variables_without_model()
        deadline = _Deadline(self._settings.timeout if task.seconds is None else task.seconds)
        ask = functools.partial(self._trip, deadline=deadline)
        while True:
            try:
                self._ensure_session(deadline)
                welcome = self.server
                self._check_driver(welcome)
                return evaluate(ServerPasses(ask, welcome, frame, options, self._variables), task, started)
            except _Interrupted as interruption:
                error = interruption.__cause__
                assert isinstance(error, PhasewireError)
                if error.code == "SHARED_MEMORY":
                    self._connect().stop_sharing()
                time.sleep(_RETRY_PAUSE)
                if deadline.remaining <= 0:
                    raise error from None

    def _check_driver(self, welcome: Welcome) -> None:
        """Raise unless the server can give forces, and with the same model as before."""
        if _SEED not in welcome.capabilities:
            raise make_error(
                "PROTOCOL_VERSION",
                f"{welcome.server} at {self.endpoint} cannot give forces of an energy: it lacks the capability seed",
                field="capabilities",
                value=list(welcome.capabilities),
                remedy="start a server of this release, or use phasewire.Local()",
            )
        if self._driving_model not in (None, welcome.model_sha256):
            raise make_error(
                "MODEL_HASH",
                f"the server at {self.endpoint} has another model than the one that gave earlier forces",
                field="model",
                value=welcome.model_sha256,
                remedy="start the server with the earlier model, or make a new connection for a new run",
            )
        self._driving_model = welcome.model_sha256

    def _trip(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array], result_bytes: int, deadline: _Deadline
    ) -> Message:
        """Send a request in the present session, before the deadline, and accept only the answer to this step.

        Raises
        ------
        _Interrupted
            If the frame may be requested again.
        PhasewireError
            Any other refusal; ``TIMEOUT``.
        """
        session, step = self.server.session, header["step"]

        def is_of_this_step(message: Message) -> bool:
            answer = message.header
            return bool(answer.get("step") == step and answer.get("session", session) == session)

        try:
            if not self._in_session():
                raise self._unreachable("the connection was lost between two requests of a frame")
            limit = {"timeoutMs": max(1.0, 1000 * deadline.remaining)}
            reply = self._exchange({**header, **limit}, arrays, result_bytes, deadline, is_of_this_step)
        except PhasewireError as error:
            if error.code in _CURABLE:
                raise _Interrupted from error
            raise
        if reply.type != "result":
            raise _unexpected(reply, "result")
        return reply

    def _ensure_session(self, deadline: _Deadline) -> None:
        self._connect().refresh()
        if not self._in_session():
            self._open(deadline)

    def _in_session(self) -> bool:
        return self._session_open and self._connect().losses == self._losses_at_welcome

    def _ask(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, Array],
        result_bytes: Callable[[Welcome], int] = lambda welcome: 0,
    ) -> Message:
        """Send a message and return its answer; a function of the server's model gives the bytes of its arrays.

        If shared memory failed, a second try goes by message. If the server no longer knows the session, or was lost
        before it answered, a second try opens a new session: one call finds a restarted server, even if the loss of
        the old one is noticed only after sending. A repeat is safe, since no request changes the server's state.
        """
        for last_try in (False, True):
            self._ensure_session(_Deadline(self._settings.timeout))
            try:
                return self._exchange(header, arrays, result_bytes(self.server), _Deadline(self._settings.timeout))
            except PhasewireError as error:
                if last_try or error.code not in _CURABLE:
                    raise
                if error.code == "SHARED_MEMORY":
                    self._connect().stop_sharing()
        raise self._unreachable("the server is gone")

    def _exchange(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, Array],
        result_bytes: int,
        deadline: _Deadline,
        accept: Accept = _accept_all,
    ) -> Message:
        """Send a message in this session and return its answer; errors, except of shared memory, end the session.

        A message that the server has no room for at the moment is sent again while there is time.
        """
        check_limits(arrays, self.server.limits)
        connection = self._connect()
        pause = _FIRST_PAUSE
        try:
            while True:
                sequence = connection.send(header, arrays, result_bytes)
                if sequence is None:
                    raise self._unreachable("the server is gone")
                try:
                    reply = self._await(sequence, deadline, accept)
                except PhasewireError as error:
                    if error.code != _PASSING or deadline.remaining <= pause:
                        raise
                    connection.settle(sequence)
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                connection.settle(sequence)
                return reply
        except BaseException as error:
            connection.give_up()
            self._session_open = (
                self._session_open and isinstance(error, PhasewireError) and error.code == "SHARED_MEMORY"
            )
            raise

    def _await(self, sequence: int, deadline: _Deadline, accept: Accept = _accept_all) -> Message:
        connection = self._connect()
        losses = connection.losses
        strays = 0
        while True:
            remaining = deadline.remaining
            if remaining <= 0:
                self._session_open = False
                raise make_error(
                    "TIMEOUT",
                    f"the server did not answer within {deadline.seconds:g} s"
                    + (f"; {strays} answers to other steps were discarded" if strays else ""),
                    field="endpoint",
                    value=self.endpoint,
                    remedy="give a longer timeout or fewer atoms, or give the server more threads",
                )
            for message in connection.receive(remaining):
                if isinstance(message, PhasewireError):
                    raise message
                if message.type == "error" and message.sequence in (sequence, None):
                    # Without a number it answers a message whose number the server could not read.
                    raise error_from_wire(message.header)
                if message.sequence != sequence:
                    # This answer came after its deadline; it belongs to an earlier request.
                    continue
                if not accept(message):
                    strays += 1
                    continue
                return message
            if connection.losses != losses:
                self._session_open = False
                raise self._unreachable("the connection was lost before the answer arrived")

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._settings)
            self._leaving = weakref.finalize(self, _leave, self._connection, os.getpid())
        return self._connection

    def _unreachable(self, problem: str) -> PhasewireError:
        reason = self._connect().problem
        return make_error(
            "SERVER_UNREACHABLE",
            f"{problem} at {self.endpoint}" + (f": {reason}" if reason else ""),
            field="endpoint",
            value=self.endpoint,
            remedy=_START_SERVER,
        )


def _leave(connection: Connection, process: int) -> None:
    """End the session of a client that was not closed; a forked process leaves that of its parent alone."""
    if os.getpid() == process:
        connection.part(0.0 if connection.settings.keys is None else _PARTING_SECONDS)


def _unexpected(message: Message, wanted: str) -> PhasewireError:
    return make_error(
        "MESSAGE_TYPE",
        f"the server answered with {message.type!r} instead of {wanted!r}",
        field="type",
        value=message.type,
        remedy="install the same release of phasewire on both sides",
    )
