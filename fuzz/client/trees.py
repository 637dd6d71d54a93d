"""Values of headers with mistakes, as JSON that a file can hold, and as MessagePack.

JSON lacks some values of MessagePack. They are maps with one key:

- ``{"$raw": "c1"}``: bytes in hexadecimal, in place of a value
- ``{"$pairs": [[key, value], ...]}``: a map whose keys may repeat, and need not be text
- ``{"$float": "nan"}``, ``{"$int": "9223372036854775808"}``: numbers
- ``{"$sequence": 0}``, ``{"$step": 0}``: the number of the request, and its step, plus a number
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgpack

Tree = Any

_NUMBERS: list[Tree] = [
    *[0, -1, 1, 0.5, 1e-320, 1e300, -1e300, 2**31, 2**32, 2**53, 2**53 + 2, -(2**53) - 2],
    *[{"$float": text} for text in ("nan", "inf", "-inf", "-0.0")],
    *[{"$int": str(value)} for value in (2**63, 2**64 - 1, -(2**63))],
]
_TEXTS = ["", " ", "\0", "null", "0", "é", "a" * 129, "__proto__", "fcc", "FCC", "result", "error", "../../etc/passwd"]
_RAW = ["c1", "c4020102", "d40107", "d6ff00000001", "a3fffefd", "a3eda080", "ddffffffff", "df7fffffff", "d92041"]
_LONG = [129, 1000, 70_000, 300_000]


def encode(tree: Tree, sequence: int, step: int) -> bytes:
    """Return the MessagePack of a tree."""
    packer = msgpack.Packer()
    if isinstance(tree, list):
        return packer.pack_array_header(len(tree)) + b"".join(encode(item, sequence, step) for item in tree)
    if not isinstance(tree, dict):
        return packer.pack(_safe(tree))
    if _is_marked(tree):
        ((mark, value),) = tree.items()
        if mark == "$raw":
            return bytes.fromhex(value)
        if mark == "$pairs":
            return _map(value, sequence, step)
        marked = {"$float": float, "$int": int, "$sequence": sequence.__add__, "$step": step.__add__}
        return packer.pack(_safe(marked[mark](value)))
    return _map(list(tree.items()), sequence, step)


def mutate(tree: Tree, source: random.Random) -> Tree:
    """Return a copy of a tree with one to three mistakes."""
    for _ in range(source.randint(1, 3)):
        path = source.choice(_paths(tree))
        tree = _replace(tree, path, lambda value: _mistake(value, source))
    return tree


def _map(pairs: list[Any], sequence: int, step: int) -> bytes:
    items = [encode(key, sequence, step) + encode(value, sequence, step) for key, value in pairs]
    return msgpack.Packer().pack_map_header(len(items)) + b"".join(items)


def _safe(value: Tree) -> Tree:
    # Whole numbers beyond 64 bits have no MessagePack.
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value


def _is_marked(tree: dict[str, Tree]) -> bool:
    return len(tree) == 1 and next(iter(tree)) in ("$raw", "$pairs", "$float", "$int", "$sequence", "$step")


def _paths(tree: Tree, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(tree, list):
        for index, item in enumerate(tree[:8]):
            found += _paths(item, (*path, index))
    elif isinstance(tree, dict) and not _is_marked(tree):
        for key, item in tree.items():
            found += _paths(item, (*path, key))
    return found


def _replace(tree: Tree, path: tuple[Any, ...], change: Callable[[Tree], Tree]) -> Tree:
    if not path:
        return change(tree)
    key, *rest = path
    if isinstance(tree, list):
        return [_replace(item, tuple(rest), change) if index == key else item for index, item in enumerate(tree)]
    return {name: _replace(item, tuple(rest), change) if name == key else item for name, item in tree.items()}


def _mistake(value: Tree, source: random.Random) -> Tree:
    def anything() -> Tree:
        return source.choice([None, True, False, [], {}, source.choice(_NUMBERS), source.choice(_TEXTS)])

    choices: list[Callable[[], Tree]] = [
        anything,
        anything,
        lambda: {"$raw": source.choice(_RAW)},
        lambda: _nested(value, source),
        lambda: "x" * source.choice(_LONG),
    ]
    if isinstance(value, dict) and not _is_marked(value):
        choices += _mistakes_in_map(value, source, anything) * 4
    elif isinstance(value, list):
        choices += [
            lambda: value[:-1],
            lambda: value + value,
            lambda: [*value, anything()],
            lambda: value[::-1],
            # Of numbers: deep values many times over would only keep the attacker busy.
            lambda: [0] * source.choice([17, 300, 5000]),
        ] * 2
    elif isinstance(value, str):
        choices += [lambda: value.upper(), lambda: value[: source.randrange(len(value) + 1)], lambda: f"{value}x"]
    else:
        choices += [lambda: source.choice(_NUMBERS)] * 4
        if isinstance(value, dict) and next(iter(value)) in ("$sequence", "$step"):
            # Of another request, or of another step.
            choices += [lambda: {key: more + source.choice([-1, 1, 1000]) for key, more in value.items()}] * 4
    return source.choice(choices)()


def _mistakes_in_map(
    value: dict[str, Tree], source: random.Random, anything: Callable[[], Tree]
) -> list[Callable[[], Tree]]:
    if not value:
        return [lambda: {source.choice(_TEXTS): anything()}]
    key = source.choice(list(value))
    pairs = [list(item) for item in value.items()]
    return [
        lambda: {name: item for name, item in value.items() if name != key},
        lambda: {**value, source.choice(_TEXTS): anything()},
        lambda: {"$pairs": [*pairs, [key, anything()]]},
        lambda: {"$pairs": [*pairs, [source.choice([1, None, True]), 1]]},
    ]


def _nested(value: Tree, source: random.Random) -> Tree:
    for _ in range(source.choice([2, 15, 16, 17, 400])):
        value = [value]
    return value
