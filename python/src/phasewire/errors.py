"""Errors that say what was wrong, where, and what to do about it.

Every error carries the ``code`` that the TypeScript library and the wire protocol use for the same
condition (``docs/errors.md``), so that a program can react to it without reading the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT_LIMIT = 200


class PhasewireError(Exception):
    """The base of everything that phasewire raises.

    Parameters
    ----------
    code : str
        Stable name of the condition, such as ``"SINGULAR_CELL"``.
    message : str
        What was wrong.
    field : str, optional
        The argument, option, tensor or header key at fault.
    value : object, optional
        The offending value, short enough to print.
    remedy : str, optional
        What to do about it.
    """

    def __init__(self, code: str, message: str, *, field: str = "", value: Any = None, remedy: str = "") -> None:
        self.code = code
        self.message = message
        self.field = field
        self.value = value
        self.remedy = remedy
        super().__init__(code, message, field, value, remedy)

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.message}"]
        where = self.field
        if self.value is not None:
            where = f"{where} = {_shorten(self.value)}" if where else _shorten(self.value)
        if where:
            parts.append(f"({where})")
        if self.remedy:
            parts.append(f"Remedy: {self.remedy}")
        return " ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.code, self.message, self.field, self.value, self.remedy)


class InputError(PhasewireError, ValueError):
    """A frame or an option that cannot be analysed."""


class ModelError(PhasewireError, ValueError):
    """A model file that is missing, damaged or of another version."""


class ProtocolError(PhasewireError, ValueError):
    """A message that does not follow ``bridge/PROTOCOL.md``."""


class ServerUnreachableError(PhasewireError, ConnectionError):
    """Nobody answers at the endpoint, or the connection was lost before the answer came."""


class DeadlineError(PhasewireError, TimeoutError):
    """The server is there but did not answer in time."""


class InternalError(PhasewireError, RuntimeError):
    """A condition that should not occur: please report it."""


_CLASSES: dict[str, type[PhasewireError]] = {
    **dict.fromkeys(
        (
            "NON_FINITE_POSITIONS",
            "SHAPE_MISMATCH",
            "SINGULAR_CELL",
            "NON_FINITE_CELL",
            "MISSING_CELL",
            "UNKNOWN_SPECIES",
            "BAD_LENGTH_SCALE",
            "COINCIDENT_ATOMS",
            "EMPTY_FRAME",
            "TOO_LARGE",
            "FILE_FORMAT",
            "FILE_ACCESS",
            "EMPTY_SELECTION",
            "BAD_OPTION",
            "ENDPOINT_INSECURE",
            "ENDPOINT_IN_USE",
        ),
        InputError,
    ),
    **dict.fromkeys(
        ("MODEL_NOT_FOUND", "MODEL_FORMAT", "MODEL_HASH", "MODEL_VERSION", "MODEL_SHAPE", "MODEL_NON_FINITE"),
        ModelError,
    ),
    **dict.fromkeys(
        (
            "MESSAGE_FORMAT",
            "MESSAGE_SHAPE",
            "MESSAGE_LENGTH",
            "MESSAGE_TYPE",
            "PROTOCOL_VERSION",
            "NO_SESSION",
            "QUEUE_FULL",
            "SHARED_MEMORY",
        ),
        ProtocolError,
    ),
    "SERVER_UNREACHABLE": ServerUnreachableError,
    "TIMEOUT": DeadlineError,
    "INTERNAL": InternalError,
}


def make_error(code: str, message: str, *, field: str = "", value: Any = None, remedy: str = "") -> PhasewireError:
    """Build the exception class that belongs to a code.

    An unknown code, as a newer server may send, gives a plain `PhasewireError` with that code.
    """
    return _CLASSES.get(code, PhasewireError)(code, message, field=field, value=value, remedy=remedy)


def error_from_wire(body: Mapping[str, Any]) -> PhasewireError:
    """Build the exception that an error map ``{code, field, value, message, remedy}`` describes."""
    return make_error(
        str(body.get("code", "INTERNAL")),
        str(body.get("message", "the peer reported an error without a message")),
        field=str(body.get("field") or ""),
        value=body.get("value"),
        remedy=str(body.get("remedy") or ""),
    )


def as_phasewire_error(error: BaseException) -> PhasewireError:
    """Return the error itself, or an ``INTERNAL`` one that carries its text."""
    if isinstance(error, PhasewireError):
        return error
    return make_error(
        "INTERNAL", f"{type(error).__name__}: {error}", remedy="please report this with what the simulation did"
    )


def _rebuild(code: str, message: str, field: str, value: Any, remedy: str) -> PhasewireError:
    return make_error(code, message, field=field, value=value, remedy=remedy)


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 3] + "..."
