"""The JSON form of variables, and the rules that a declaration must keep (docs/variables.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasewire._contract import limits
from phasewire._model.class_names import class_number
from phasewire.errors import make_error
from phasewire.variables.declaration import JSON_KEYS, Switch, Term, Variable
from phasewire.variables.regions import AtomSelection, Ball, Region, Slab, check_number, check_selection, refused

MAX_DEPTH = limits.whole("variables", "deepest")
MAX_VARIABLES = limits.whole("variables", "most")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True)
class _Keys:
    """What a kind of variable must and may say, by the attributes of `Variable`."""

    needed: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


_OF_MEANS = ("reduce", "select", "switch")
_KINDS = {
    "fraction": _Keys((), ("phase", "phases", *_OF_MEANS)),
    "meanLogit": _Keys(("phase",), _OF_MEANS),
    "logitDifference": _Keys(("phase", "minus"), _OF_MEANS),
    "distance": _Keys(("phase",), _OF_MEANS),
    "logDensity": _Keys((), _OF_MEANS),
    "sum": _Keys(("terms",), ("constant",)),
    "smoothMin": _Keys(("variables", "sharpness")),
    "smoothMax": _Keys(("variables", "sharpness")),
    "switch": _Keys(("variable", "centre", "width")),
}
_OWN_KINDS = {
    "custom": _Keys(("function",)),
    "perAtom": _Keys(("function",), _OF_MEANS),
}


def check_variables(variables: Sequence[Variable], phases: Sequence[str], aliases: Mapping[str, str]) -> None:
    """Raise ``BAD_OPTION`` that names the key, unless the variables are sound and name classes of the model."""
    check_list(variables, "variables")
    for index, variable in enumerate(variables):
        _check_classes(variable, phases, aliases, f"variables[{index}]")


def check_list(variables: Sequence[Variable], where: str) -> None:
    """Raise ``BAD_OPTION`` that names the key, unless the variables are sound, few enough, and differently named."""
    if not variables:
        raise refused("no variables were given", where, None, 'for example fraction("fcc")')
    for index, variable in enumerate(variables):
        check_variable(variable, f"{where}[{index}]")
    _check_names(variables, where)
    count = sum(map(_count, variables))
    if count > MAX_VARIABLES:
        raise refused(f"there may be at most {MAX_VARIABLES} variables, inner ones included", where, count)


def check_variable(variable: Any, where: str, depth: int = 1) -> None:
    """Raise ``BAD_OPTION`` unless a declaration is one that docs/variables.md allows; classes are not looked up."""
    prefix = f"{where}." if where else ""
    if not isinstance(variable, Variable):
        raise refused("this is no variable", where or "variable", variable, 'for example fraction("fcc")')
    keys = (_KINDS | _OWN_KINDS).get(variable.kind)
    if keys is None:
        raise _unknown_kind(variable.kind, where)
    if depth > MAX_DEPTH:
        raise refused(f"variables may be nested at most {MAX_DEPTH} deep", where or "variable", None)
    for attribute, key in (JSON_KEYS | {"function": "function"}).items():
        value = getattr(variable, attribute)
        if value is not None and attribute not in (*keys.needed, *keys.allowed, "name"):
            raise _surplus(variable.kind, keys, prefix + key, value)
        if value is None and attribute in keys.needed:
            raise _missing(variable.kind, prefix + key)
    if variable.name is not None and not (isinstance(variable.name, str) and _NAME.fullmatch(variable.name)):
        raise refused(
            "a name is 1 to 128 letters, digits and the characters _ . -", f"{prefix}name", variable.name, "rename it"
        )
    if variable.kind == "fraction":
        _check_phases(variable, prefix)
    for attribute in ("phase", "minus"):
        value = getattr(variable, attribute)
        if value is not None and not (isinstance(value, str) and value):
            raise refused("a class is named by a string", prefix + JSON_KEYS[attribute], value)
    if variable.reduce not in (None, "mean", "sum"):
        raise refused('reduce is "mean" or "sum"', f"{prefix}reduce", variable.reduce)
    if variable.select is not None:
        check_selection(variable.select, f"{prefix}select")
    if variable.switch is not None:
        _check_switch(variable.switch, f"{prefix}switch")
    _check_inner(variable, prefix, depth)


def _check_phases(variable: Variable, prefix: str) -> None:
    if variable.phases is None:
        if variable.phase is None:
            raise _missing(variable.kind, f"{prefix}class")
        return
    if variable.phase is not None:
        raise refused("class and classes exclude each other", f"{prefix}classes", list(variable.phases))
    named = isinstance(variable.phases, tuple) and all(isinstance(name, str) and name for name in variable.phases)
    if not named or not variable.phases:
        raise refused("classes is a list of class names, with one at least", f"{prefix}classes", variable.phases)


def _check_switch(switch: Any, where: str) -> None:
    if not isinstance(switch, Switch):
        raise refused("switch must be a phasewire.Switch, or (centre, width)", where, switch)
    check_number(switch.centre, f"{where}.centre")
    check_number(switch.width, f"{where}.width", above=0)


def _check_inner(variable: Variable, prefix: str, depth: int) -> None:
    if variable.constant is not None:
        check_number(variable.constant, f"{prefix}constant")
    if variable.sharpness is not None:
        check_number(variable.sharpness, f"{prefix}sharpness", above=0)
    if variable.centre is not None:
        check_number(variable.centre, f"{prefix}centre")
    if variable.width is not None:
        check_number(variable.width, f"{prefix}width", above=0)
    for attribute in ("terms", "variables"):
        value = getattr(variable, attribute)
        if value is not None and not (isinstance(value, tuple) and value):
            raise refused("a list with one entry at least is needed", prefix + attribute, value)
    for index, term in enumerate(variable.terms or ()):
        check_number(term.weight, f"{prefix}terms[{index}].weight")
        check_variable(term.variable, f"{prefix}terms[{index}].variable", depth + 1)
    for index, inner in enumerate(variable.variables or ()):
        check_variable(inner, f"{prefix}variables[{index}]", depth + 1)
    _check_names(variable.variables or (), f"{prefix}variables")
    if variable.variable is not None:
        check_variable(variable.variable, f"{prefix}variable", depth + 1)


def _check_names(variables: Sequence[Variable], where: str) -> None:
    names = [variable.name for variable in variables]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            raise refused(f"two variables have the name {name}", f"{where}[{index}].name", name, "rename one of them")


def _check_classes(variable: Variable, phases: Sequence[str], aliases: Mapping[str, str], where: str) -> None:
    for attribute in ("phase", "minus"):
        name = getattr(variable, attribute)
        if name is not None:
            class_number(name, phases, aliases, f"{where}.{JSON_KEYS[attribute]}")
    numbers: set[int] = set()
    for index, name in enumerate(variable.phases or ()):
        number = class_number(name, phases, aliases, f"{where}.classes[{index}]")
        if number in numbers:
            raise refused(f"the class {phases[number]} stands there twice", f"{where}.classes[{index}]", name)
        numbers.add(number)
    for inner, path in _inner_paths(variable):
        _check_classes(inner, phases, aliases, f"{where}.{path}")


def _inner_paths(variable: Variable) -> list[tuple[Variable, str]]:
    paths = [(term.variable, f"terms[{index}].variable") for index, term in enumerate(variable.terms or ())]
    paths += [(inner, f"variables[{index}]") for index, inner in enumerate(variable.variables or ())]
    return paths + ([] if variable.variable is None else [(variable.variable, "variable")])


def _count(variable: Variable) -> int:
    return 1 + sum(map(_count, variable.inner))


def read_file(path: Path) -> tuple[Variable, ...]:
    """Read a JSON file of variables (`phasewire.variables.read_variables`)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise make_error(
            "FILE_ACCESS",
            f"the file of variables cannot be read: {error}",
            field="path",
            value=str(path),
            remedy="give a JSON file that exists",
        ) from error
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise make_error(
            "FILE_FORMAT",
            f"the file of variables is no JSON: {error}",
            field="path",
            value=str(path),
            remedy="write a list of variables as docs/variables.md says",
        ) from error
    return read_list(body, "variables")


def read_list(bodies: Any, where: str) -> tuple[Variable, ...]:
    """Read a list of JSON objects."""
    if not isinstance(bodies, (list, tuple)):
        raise refused("a list of variables is needed", where, type(bodies).__name__, 'such as [{"kind": "logDensity"}]')
    variables = tuple(_read(body, f"{where}[{index}]", 1) for index, body in enumerate(bodies))
    check_list(variables, where)
    return variables


def read_variable(body: Any, where: str) -> Variable:
    """Read one JSON object."""
    variable = _read(body, where, 1)
    check_variable(variable, where)
    return variable


def _read(body: Any, where: str, depth: int) -> Variable:
    """Bring a JSON object into the form of a variable; the values are checked afterwards."""
    _require_map(body, where)
    kind = body.get("kind")
    keys = _KINDS.get(kind) if isinstance(kind, str) else None
    if keys is None:
        raise _unknown_kind(kind, where)
    if depth > MAX_DEPTH:
        raise refused(f"variables may be nested at most {MAX_DEPTH} deep", where, None)
    attributes = {JSON_KEYS[attribute]: attribute for attribute in (*keys.needed, *keys.allowed, "name")}
    given: dict[str, Any] = {}
    for key, value in body.items():
        if key == "kind" or value is None:
            continue
        if key not in attributes:
            raise _surplus(kind, keys, f"{where}.{key}", value)
        given[attributes[key]] = _convert(attributes[key], value, f"{where}.{key}", depth)
    return Variable(kind, **given)


def _convert(attribute: str, value: Any, where: str, depth: int) -> Any:
    if attribute == "select":
        return _read_selection(value, where)
    if attribute == "switch":
        _require_map(value, where, ("centre", "width"))
        return Switch(value["centre"], value["width"])
    if attribute == "variable":
        return _read(value, where, depth + 1)
    if attribute not in ("phases", "terms", "variables"):
        return value
    if not isinstance(value, (list, tuple)):
        raise refused("a list is needed", where, value)
    if attribute == "phases":
        return tuple(value)
    if attribute == "variables":
        return tuple(_read(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value))
    return tuple(_read_term(item, f"{where}[{index}]", depth) for index, item in enumerate(value))


def _read_term(body: Any, where: str, depth: int) -> Term:
    _require_map(body, where, ("weight", "variable"))
    return Term(body["weight"], _read(body["variable"], f"{where}.variable", depth + 1))


def _read_selection(body: Any, where: str) -> AtomSelection:
    _require_map(body, where, (), ("ids", "species", "region"))
    lists: dict[str, Any] = {}
    for key in ("ids", "species"):
        if key in body:
            if not isinstance(body[key], (list, tuple)):
                raise refused("a list is needed", f"{where}.{key}", body[key])
            lists[key] = tuple(int(item) if _is_integral(item) else item for item in body[key])
    region = _read_region(body["region"], f"{where}.region") if "region" in body else None
    return AtomSelection(region=region, **lists)


def _read_region(body: Any, where: str) -> Region:
    _require_map(body, where)
    if "axis" in body:
        _require_map(body, where, ("axis", "from", "to", "width"))
        return Slab(int(body["axis"]) if _is_integral(body["axis"]) else body["axis"], *_edges(body))
    _require_map(body, where, ("centre", "radius", "width"))
    if not isinstance(body["centre"], (list, tuple)):
        raise refused("centre must be three numbers", f"{where}.centre", body["centre"])
    return Ball(tuple(body["centre"]), body["radius"], body["width"])


def _edges(body: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return body["from"], body["to"], body["width"]


def _require_map(body: Any, where: str, needed: Sequence[str] = (), allowed: Sequence[str] = ()) -> None:
    """Raise ``BAD_OPTION`` unless a value is a map, with the keys named if any are."""
    if not isinstance(body, Mapping):
        raise refused("an object with keys is needed", where, body)
    for key in needed:
        if key not in body:
            raise refused(f"{key} is missing", f"{where}.{key}", None)
    known = (*needed, *allowed)
    for key in body:
        if known and key not in known:
            raise refused(f"there is no key {key!r} here", f"{where}.{key}", body[key], f"use {', '.join(known)}")


def _is_integral(value: Any) -> bool:
    # 1.0 is 1 in JSON.
    return isinstance(value, float) and value.is_integer()


def _unknown_kind(kind: Any, where: str) -> Exception:
    field = f"{where}.kind" if where else "kind"
    return refused(f"there is no variable of kind {kind!r}", field, kind, f"choose among {', '.join(_KINDS)}")


def _surplus(kind: str, keys: _Keys, where: str, value: Any) -> Exception:
    known = [JSON_KEYS[attribute] for attribute in (*keys.needed, *keys.allowed, "name") if attribute in JSON_KEYS]
    shown = value if isinstance(value, (str, int, float)) else None
    return refused(f"a variable of kind {kind} has no such key", where, shown, f"it has {', '.join(known)}")


def _missing(kind: str, where: str) -> Exception:
    return refused(f"a variable of kind {kind} needs this key", where, None)
