"""Settings of a client: the server's address, keys, and a description of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._model.weights import Classes, as_weights
from phasewire._server.access import usual_endpoint
from phasewire.errors import PhasewireError, make_error, refusal

ENDPOINT_VARIABLE = limits.text("transport", "endpointVariable")
ANSWER_SECONDS = 10.0
_ADDRESSES = read_table("protocol")["addresses"]
_TCP = re.compile(_ADDRESSES["tcp"])
_LOCAL_HOST = re.compile(_ADDRESSES["hostOfThisMachine"])
_NO_FILE = re.compile(_ADDRESSES["pathWithoutFile"])
_LARGEST_PORT: int = _ADDRESSES["largestPort"]


@dataclass(frozen=True)
class Settings:
    """The server to talk to, and the description of this client.

    Attributes
    ----------
    endpoint : str
    timeout : float
        Seconds to wait for an answer.
    keys : Path or None
        Folder with ``server.key`` and ``client.key_secret``.
    run, engine, title : str or None
        For ``hello``.
    classes : Mapping of str to float, or None
        Weights of the allowed classes, for ``hello``. None: those of the server.
    shared_memory : bool
        Whether to offer the server arrays in shared memory, if the address is on this machine.
    """

    endpoint: str
    timeout: float
    keys: Path | None = None
    run: str | None = None
    engine: str | None = None
    title: str | None = None
    classes: Mapping[str, float] | None = None
    shared_memory: bool = True


def make_settings(
    endpoint: str | None,
    *,
    timeout: float = ANSWER_SECONDS,
    keys: str | Path | None = None,
    run: str | None = None,
    engine: str | None = None,
    title: str | None = None,
    classes: Classes | None = None,
    shared_memory: bool = True,
) -> Settings:
    """Check an address and the other settings.

    Raises
    ------
    InputError
        ``BAD_OPTION``, or ``ENDPOINT_INSECURE`` for an address of another machine without keys.
    """
    address = endpoint or os.environ.get(ENDPOINT_VARIABLE) or usual_endpoint()
    folder = None if keys is None else Path(keys).expanduser()
    if folder is None and not is_local(address):
        raise refusal(
            "exposedEndpoint",
            endpoint=address,
            value=address,
            remedy="make keys with `phasewire serve --generate-keys DIR` and give keys=DIR, "
            "or use an ipc:// or tcp://127.0.0.1 address, for instance through an ssh tunnel",
        )
    if not timeout > 0:
        raise make_error(
            "BAD_OPTION", "timeout must be greater than 0", field="timeout", value=timeout, remedy="give it in seconds"
        )
    return Settings(address, float(timeout), folder, run, engine, title, as_weights(classes), bool(shared_memory))


def is_local(endpoint: str) -> bool:
    """Return whether an endpoint is on this machine, or raise ``BAD_OPTION`` if it is invalid."""
    if endpoint.startswith("ipc://"):
        path = endpoint.removeprefix("ipc://")
        if not path:
            raise _bad_endpoint(endpoint, "has no path")
        # Linux's abstract sockets have no file, so no permissions keep the servers of other users away.
        if _NO_FILE.fullmatch(path):
            raise _bad_endpoint(endpoint, "names no file")
        return True
    found = _TCP.fullmatch(endpoint)
    if found is None:
        raise _bad_endpoint(endpoint, "is neither tcp://HOST:PORT nor ipc://PATH")
    host, port = found.groups()
    if port != "*" and int(port) > _LARGEST_PORT:
        raise _bad_endpoint(endpoint, f"has the port {port}, above {_LARGEST_PORT}")
    return _LOCAL_HOST.fullmatch(host) is not None


def _bad_endpoint(endpoint: str, problem: str) -> PhasewireError:
    return refusal("badEndpoint", endpoint=endpoint, problem=problem, value=endpoint)
