"""Errors that state what was wrong, where, and how to fix it.

Every error carries the ``code`` that the TypeScript library and the wire protocol use for the same
condition (``docs/errors.md``), so that a program can react to it without reading the message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from phasewire._contract.tables import read_table

_TEXT_LIMIT = 200
_SHOWN_LIMIT = 80


class PhasewireError(Exception):
    """The base class of all errors of phasewire.

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
        return _presentable(" ".join(parts))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.code, self.message, self.field, self.value, self.remedy)


class InputError(PhasewireError, ValueError):
    """A frame or an option that cannot be analysed."""


class ModelError(PhasewireError, ValueError):
    """A model file that is missing, damaged or of another version."""


class ProtocolError(PhasewireError, ValueError):
    """A message that does not follow ``bridge/PROTOCOL.md``."""


class ServerUnreachableError(PhasewireError, ConnectionError):
    """No server answers at the endpoint, or the connection was lost before the answer arrived."""


class DeadlineError(PhasewireError, TimeoutError):
    """The server is running but did not answer in time."""


class AbortedError(PhasewireError, RuntimeError):
    """An analysis that was ended before it was done, on request or because the server shut down."""


class InternalError(PhasewireError, RuntimeError):
    """A condition that should not occur: please report it."""


_TABLE = read_table("errors")
_KINDS: dict[str, type[PhasewireError]] = {
    "input": InputError,
    "model": ModelError,
    "protocol": ProtocolError,
    "unreachable": ServerUnreachableError,
    "deadline": DeadlineError,
    "aborted": AbortedError,
    "internal": InternalError,
}
_CODES: dict[str, dict[str, str]] = _TABLE["codes"]
_REASONS: dict[str, dict[str, str]] = _TABLE["reasons"]
_FIELDS: dict[str, str] = _TABLE["pythonFields"]

STATUS_REASONS: dict[str, str] = _TABLE["statuses"]
"""The reason for a refusal that each status of the core stands for."""


def make_error(code: str, message: str, *, field: str = "", value: Any = None, remedy: str = "") -> PhasewireError:
    """Build the exception class that belongs to a code.

    Without a remedy it has the one of docs/errors.md. An unknown code, such as one of a newer server, gives
    a plain `PhasewireError` with that code.
    """
    known = _CODES.get(code)
    if known is None:
        return PhasewireError(code, message, field=field, value=value, remedy=remedy)
    return _KINDS[known["kind"]](code, message, field=field, value=value, remedy=remedy or known["remedy"])


def refusal(
    reason: str, /, *, value: Any = None, where: str | None = None, remedy: str | None = None, **details: str | float
) -> PhasewireError:
    """Build the error for a reason that several hosts give (contract/errors.json).

    Parameters
    ----------
    reason : str
    value : object, optional
        The value at fault.
    where, remedy : str, optional
        Another field and a better remedy than those of the table.
    **details : str or number
        What the message names.
    """
    entry = _REASONS[reason]
    texts = {name: plain(detail) for name, detail in details.items()}
    field = entry["field"].format_map(texts) if where is None else where
    return make_error(
        entry["code"],
        entry["message"].format_map(texts),
        field=_FIELDS.get(field, field),
        value=value,
        remedy=remedy or entry.get("remedy", ""),
    )


def plain(value: str | float) -> str:
    """Return a number as messages show it, up to six digits; the same text in TypeScript."""
    if isinstance(value, str):
        return _presentable(value)
    try:
        number = float(value)
    except OverflowError:
        # A whole number beyond doubles.
        number = math.inf if value > 0 else -math.inf
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "infinity" if number > 0 else "-infinity"
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    short = repr(float(f"{number:.6g}")).removesuffix(".0")
    return re.sub(r"e([+-])0*", r"e\1", short)


def show(value: Any) -> str:
    """Return a value as messages show it: numbers as `plain` does, all else as JSON, cut if it is long."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return plain(value)
    try:
        text = _presentable(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError):
        text = _represented(value)
    return text if len(text) <= _SHOWN_LIMIT else text[:_SHOWN_LIMIT] + "..."


def error_from_wire(body: Mapping[str, Any]) -> PhasewireError:
    """Build the exception that an error map ``{code, field, value, message, remedy}`` describes."""
    code = body.get("code")
    if not isinstance(code, str) or not code:
        return make_error("MESSAGE_FORMAT", "the peer reported an error without a code", field="code", value=code)
    return make_error(
        code,
        str(body.get("message", "the peer reported an error without a message")),
        field=_FIELDS.get(str(body.get("field")), str(body.get("field") or "")),
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
    text = _represented(value)
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 3] + "..."


def _represented(value: Any) -> str:
    try:
        return _presentable(repr(value))
    except ValueError:
        # Python writes no whole numbers of thousands of digits.
        return f"<{type(value).__name__}>"


def _presentable(text: str) -> str:
    """Return a text that every stream takes; halves of surrogate pairs are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
