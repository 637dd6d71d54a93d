"""Reading variables from JSON, and checking those that a program declares (docs/variables.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phasewire._model.class_names import class_number
from phasewire.errors import make_error, refusal
from phasewire.variables.declaration import JSON_KEYS, Switch, Term, Variable
from phasewire.variables.grammar import FUNCTIONS, KINDS, Grammar
from phasewire.variables.regions import AtomSelection, Ball, Region, Slab

_ALL_KINDS = KINDS | FUNCTIONS
_ATTRIBUTES = {key: attribute for attribute, key in JSON_KEYS.items()}


def check_variables(variables: Sequence[Variable], phases: Sequence[str], aliases: Mapping[str, str]) -> None:
    """Raise ``BAD_OPTION`` that names the key, unless the variables are valid and name classes of the model."""
    check_list(variables, "variables")
    for index, variable in enumerate(variables):
        _check_classes(variable, phases, aliases, f"variables[{index}]")


def check_list(variables: Sequence[Variable], where: str) -> None:
    """Raise ``BAD_OPTION`` that names the key, unless variables are valid, not too many, and differently named."""
    if not variables:
        raise refusal("badKey", field=where, found="[]", expected="a list of at least one entry")
    Grammar(_ALL_KINDS).read_list([_body(variable) for variable in variables], where)


def check_variable(variable: Any, where: str) -> None:
    """Raise ``BAD_OPTION`` unless a declaration is one that docs/variables.md allows; classes are not looked up."""
    Grammar(_ALL_KINDS).read(_body(variable), where)


def _body(value: Any) -> Any:
    """Return the JSON of a declaration, valid or not."""
    match value:
        case Variable():
            keys = {key: _body(getattr(value, attribute)) for attribute, key in JSON_KEYS.items()}
            return {"kind": value.kind, "function": value.function, **keys}
        case Term():
            return {"weight": value.weight, "variable": _body(value.variable)}
        case AtomSelection():
            return {"ids": value.ids, "species": value.species, "region": _body(value.region)}
        case Switch() | Slab() | Ball():
            return value.to_dict()
        case tuple():
            return [_body(item) for item in value]
        case Mapping() | list():
            # JSON has no place in a declaration.
            return repr(value)
        case _:
            return value


def _check_classes(variable: Variable, phases: Sequence[str], aliases: Mapping[str, str], where: str) -> None:
    for attribute in ("phase", "minus"):
        name = getattr(variable, attribute)
        if name is not None:
            class_number(name, phases, aliases, f"{where}.{JSON_KEYS[attribute]}")
    numbers: set[int] = set()
    for index, name in enumerate(variable.phases or ()):
        number = class_number(name, phases, aliases, f"{where}.classes[{index}]")
        if number in numbers:
            also = "" if name == phases[number] else f", as {name} too"
            field = f"{where}.classes[{index}]"
            raise refusal("classTwice", where=field, name=phases[number], also=also, value=name)
        numbers.add(number)
    for inner, path in _inner_paths(variable):
        _check_classes(inner, phases, aliases, f"{where}.{path}")


def _inner_paths(variable: Variable) -> list[tuple[Variable, str]]:
    paths = [(term.variable, f"terms[{index}].variable") for index, term in enumerate(variable.terms or ())]
    paths += [(inner, f"variables[{index}]") for index, inner in enumerate(variable.variables or ())]
    return paths + ([] if variable.variable is None else [(variable.variable, "variable")])


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
            f"the file of variables is not JSON: {error}",
            field="path",
            value=str(path),
            remedy="write a list of variables, as in docs/variables.md",
        ) from error
    return read_list(body, "variables")


def read_list(bodies: Any, where: str) -> tuple[Variable, ...]:
    """Read a list of JSON objects."""
    return tuple(map(_variable, Grammar().read_list(bodies, where)))


def read_variable(body: Any, where: str) -> Variable:
    """Read one JSON object."""
    return _variable(Grammar().read(body, where))


def _variable(body: Mapping[str, Any]) -> Variable:
    """Return the variable of a body that was checked."""
    given = {_ATTRIBUTES[key]: _attribute(key, value) for key, value in body.items() if key != "kind"}
    return Variable(body["kind"], **given)


def _attribute(key: str, value: Any) -> Any:
    match key:
        case "select":
            region = value.get("region")
            return AtomSelection(value.get("ids"), value.get("species"), None if region is None else _region(region))
        case "switch":
            return Switch(**value)
        case "variable":
            return _variable(value)
        case "variables":
            return tuple(map(_variable, value))
        case "terms":
            return tuple(Term(term["weight"], _variable(term["variable"])) for term in value)
        case _:
            return value


def _region(body: Mapping[str, Any]) -> Region:
    if "axis" in body:
        return Slab(body["axis"], body["from"], body["to"], body["width"])
    return Ball(body["centre"], body["radius"], body["width"])
