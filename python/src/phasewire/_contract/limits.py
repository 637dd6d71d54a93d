"""Numbers and defaults of ``limits.json``, by group and name."""

from __future__ import annotations

from typing import Any

from phasewire._contract.tables import read_table

_LIMITS = read_table("limits")


def number(group: str, name: str) -> float:
    """Return a number."""
    return float(_value(group, name))


def whole(group: str, name: str) -> int:
    """Return a whole number."""
    value = _value(group, name)
    assert isinstance(value, int)
    return value


def text(group: str, name: str) -> str:
    """Return a text."""
    value = _value(group, name)
    assert isinstance(value, str)
    return value


def _value(group: str, name: str) -> Any:
    return _LIMITS[group][name]["value"]
