"""Checks declarations against the table of kinds, keys and values (contract/variables.json).

Every refusal is ``BAD_OPTION`` and names the key, the value and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire.errors import PhasewireError, refusal, show

_TABLE = read_table("variables")
_VALUES: dict[str, dict[str, Any]] = _TABLE["values"]
_EVERY: dict[str, str] = _TABLE["every"]
_MEANS: dict[str, str] = _TABLE["means"]
_DEEPEST = limits.whole("variables", "deepest")
_MOST = limits.whole("variables", "most")
# Larger whole numbers of JSON are not exact.
_MOST_WHOLE = 2**53 - 1

KINDS: dict[str, dict[str, Any]] = _TABLE["kinds"]
"""The rule for each kind of variable that can be written."""

FUNCTIONS: dict[str, dict[str, Any]] = {
    "custom": {"needs": {"function": "function"}},
    "perAtom": {"needs": {"function": "function"}, "isMean": True},
}
"""The rule for each kind of custom function, which only a program can declare."""


class Grammar:
    """Reads declarations; keys with the value None count as absent.

    Parameters
    ----------
    kinds : Mapping
        The kinds that may be declared, `KINDS` or `FUNCTIONS` or both.
    """

    def __init__(self, kinds: Mapping[str, Mapping[str, Any]] = KINDS) -> None:
        self._kinds = kinds
        self._count = 0

    def read_list(self, body: Any, where: str) -> list[dict[str, Any]]:
        """Read a list of variables."""
        if not isinstance(body, (list, tuple)):
            raise _bad_key(where, body, "a list")
        variables = self._items("variable", body, where, 0)
        if self._count > _MOST:
            raise refusal("manyVariables", field=where, count=self._count, most=_MOST, value=self._count)
        return variables

    def read(self, body: Any, where: str, level: int = 1) -> dict[str, Any]:
        """Read one variable at a level of nesting."""
        field = where or "variable"
        self._count += 1
        if level > _DEEPEST:
            raise refusal("deepVariable", field=field, level=level, most=_DEEPEST, value=level)
        if not isinstance(body, Mapping):
            raise _bad_key(field, body, "an object")
        kind = body.get("kind")
        rule = self._kinds.get(kind) if isinstance(kind, str) else None
        if rule is None:
            raise _bad_key(_at(where, "kind"), kind, f"one of {', '.join(KINDS)}")
        more = {**_EVERY, **(_MEANS if rule.get("isMean") else {})}
        keys = {key: value for key, value in body.items() if key != "kind"}
        return {"kind": kind, **self._object({**rule, "may": {**rule.get("may", {}), **more}}, keys, where, level)}

    def _items(self, of: str, body: Sequence[Any], where: str, level: int) -> list[Any]:
        """Read the items of a list; variables in it have different names."""
        items = [self._value(of, item, f"{where}[{index}]", level) for index, item in enumerate(body)]
        names = [item.get("name") for item in items] if of == "variable" else []
        for index, name in enumerate(names):
            if name is not None and name in names[:index]:
                raise refusal("nameTwice", field=f"{where}[{index}].name", name=name, value=name)
        return items

    def _value(self, name: str, body: Any, where: str, level: int) -> Any:
        """Read a value of a variable at a level of nesting."""
        rule = _VALUES.get(name)
        if rule is None:
            # A function, which the declaration has already checked.
            return body
        match rule["is"]:
            case "variable":
                return self.read(body, where, level + 1)
            case "union":
                if not isinstance(body, Mapping):
                    raise _bad_key(where, body, "an object")
                chosen = rule["with"] if body.get(rule["key"]) is not None else rule["without"]
                return self._value(chosen, body, where, level)
            case "object":
                return self._object(rule, body, where, level)
            case "items":
                if not isinstance(body, (list, tuple)) or not body:
                    raise _bad_key(where, body, rule["expected"])
                return self._items(rule["of"], body, where, level)
            case _:
                if not _fits(rule, body):
                    raise _bad_key(where, body, rule["expected"])
                return _plain(rule, body)

    def _object(self, rule: Mapping[str, Any], body: Any, where: str, level: int) -> dict[str, Any]:
        if not isinstance(body, Mapping):
            raise _bad_key(where, body, "an object")
        needs, may = rule.get("needs", {}), rule.get("may", {})
        known: dict[str, str] = {**needs, **may}
        given = {key: value for key, value in body.items() if value is not None}
        for key, value in given.items():
            if key not in known:
                shown = value if isinstance(value, (str, int, float)) else None
                raise refusal("unknownKey", field=_at(where, key), keys=", ".join(known), value=shown)
        if rule.get("isNeverEmpty") and not given:
            raise refusal("emptyObject", field=where, keys=", ".join(known), value=dict(body))
        either = rule.get("either", ())
        if either and all(key in given for key in either):
            value = given[either[1]]
            raise refusal("excludingKeys", field=_at(where, either[1]), other=_at(where, either[0]), value=value)
        needed = {*needs, *([] if any(key in given for key in either) else either[:1])}
        read = {
            key: self._value(name, given.get(key), _at(where, key), level)
            for key, name in known.items()
            if key in given or key in needed
        }
        if "ascending" in rule:
            first, second = rule["ascending"]
            if read[second] < read[first]:
                number, bound = read[second], read[first]
                fields = {"field": _at(where, second), "other": _at(where, first)}
                raise refusal("descending", **fields, number=number, bound=bound, value=number)
        return read


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _fits(rule: Mapping[str, Any], value: Any) -> bool:
    check: Callable[[Mapping[str, Any], Any], bool] = _CHECKS[rule["is"]]
    return check(rule, value)


def _is_number(rule: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool) or not np.isfinite(value):
        return False
    return bool(value >= rule.get("least", -np.inf) and value > rule.get("above", -np.inf))


def _is_whole(rule: Mapping[str, Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # 1.0 is 1 in JSON.
    return abs(value) <= _MOST_WHOLE and value == int(value)


def _is_choice(rule: Mapping[str, Any], value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (str, int, float)) and value in rule["of"]


def _is_text(rule: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, str) or not value:
        return False
    return "pattern" not in rule or re.fullmatch(rule["pattern"], value) is not None


def _is_list(rule: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or not value or len(value) != rule.get("length", len(value)):
        return False
    kinds = [_VALUES[name] for name in rule["of"]]
    return all(any(_fits(kind, item) for kind in kinds) for item in value)


_CHECKS: dict[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "number": _is_number,
    "whole": _is_whole,
    "choice": _is_choice,
    "text": _is_text,
    "list": _is_list,
}


def _plain(rule: Mapping[str, Any], value: Any) -> Any:
    """Return a value that fits its rule: whole numbers as int, lists as tuples."""
    if rule["is"] == "list":
        is_whole = "whole" in rule["of"]
        return tuple(int(item) if is_whole and isinstance(item, float) else item for item in value)
    return int(value) if rule["is"] in ("whole", "choice") and isinstance(value, float) else value


def _bad_key(field: str, value: Any, expected: str) -> PhasewireError:
    found = "missing" if value is None else show(value)
    return refusal("badKey", field=field, found=found, expected=expected, value=value)
