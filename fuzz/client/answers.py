"""Correct answers of a server, and answers with mistakes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzz.client.trees import Tree, mutate

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = json.loads((ROOT / "contract" / "protocol.json").read_text(encoding="utf-8"))
CLASSES = ["disordered", "fcc", "hcp"]
LENGTH_SCALE = 2.5

Header = dict[str, Any]
Answer = dict[str, Any]
"""``{"header": tree, "parts": [hexadecimal, ...]}``, or an action of `hostile`."""


def correct(request: Header) -> Answer:
    """Return the answer to a request; numbers of the request are marked, so that the answer can be stored."""
    kind = request["type"]
    head: Header = {"sequence": {"$sequence": 0}}
    if kind == "hello":
        return {"header": {**head, **_WELCOME}, "parts": []}
    if kind == "analyse":
        return _result(request, head)
    types = {"ping": "pong", "subscribe": "subscribed", "unsubscribe": "unsubscribed"}
    return {"header": {**head, "type": types.get(kind, kind), **_MORE.get(kind, {})}, "parts": []}


def arrays_of(step: int, atoms: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of the correct result of a step. They differ from those of other steps."""
    rows = np.arange(atoms)
    pattern = 1.0 + step % 97 + np.arange(3.0 * atoms).reshape(atoms, 3) / 4
    columns = np.arange(float(len(CLASSES)))
    return {
        "labels": ((rows + step) % len(CLASSES)).astype("<u2"),
        "confidence": np.full(atoms, 0.5 + step % 7 / 16, dtype="<f4"),
        "logits": np.add.outer(rows / 8.0, columns + step % 5).astype("<f4"),
        "forces": pattern.astype("<f8"),
        "virial": (np.eye(3) * (1 + step % 97)).astype("<f8"),
    }


def mistaken(answer: Answer, source: random.Random) -> Answer:
    """Return an answer with mistakes that a client can notice."""
    header, parts = answer["header"], answer["parts"]
    chance = source.random()
    if not parts or chance < 0.6:
        return {"header": mutate(header, source), "parts": parts}
    at = source.randrange(len(parts))
    part = parts[at]
    changed = source.choice(
        [
            lambda: [*parts[:at], *parts[at + 1 :]],
            lambda: [*parts, part],
            lambda: [*parts, ""],
            lambda: [*parts[:at], part[: 2 * source.randrange(len(part) // 2)], *parts[at + 1 :]],
            lambda: [*parts[:at], part + "00" * source.choice([1, 8, 24]), *parts[at + 1 :]],
        ]
    )()
    if chance < 0.9:
        return {"header": header, "parts": changed}
    # Numbers that are not finite, or beyond the classes: `poisoned` marks that no result may be made of them.
    poison = "ff" * (len(part) // 2)
    return {"header": header, "parts": [*parts[:at], poison, *parts[at + 1 :]]}


_WELCOME: Header = {
    "type": "welcome",
    "version": PROTOCOL["version"],
    "session": "hostile",
    "run": "hostile-run",
    "server": {"name": "hostile", "version": "0"},
    "capabilities": [*PROTOCOL["capabilities"]],
    "model": {
        "name": "hostile",
        "sha256": "0" * 64,
        "classes": CLASSES,
        "aliases": {"ccp": "fcc"},
        "logitLength": 0.1,
        "idealLogits": [1.0, 2.0, 3.0],
        "cutoff": 1.7,
    },
    "limits": {
        "maxAtoms": 1000,
        "maxHeaderBytes": 262_144,
        "maxFrameBytes": 1 << 20,
        "maxArrays": 16,
        "monitorQueue": 4,
        "requestQueue": 4,
        "maxVariables": 64,
        "maxDenoiseSteps": 100,
        "maxObservables": 64,
    },
}
_MORE: dict[str, Header] = {
    "status": {"server": {"name": "hostile", "version": "0"}, "model": "hostile", "threads": 1, "sessions": []},
    "goodbye": {"reason": "asked"},
    "subscribed": {"runs": []},
}


def _result(request: Header, head: Header) -> Answer:
    atoms = request["arrays"][0]["shape"][0]
    arrays = {name: array for name, array in arrays_of(request["step"], atoms).items() if name in request["fields"]}
    body: Header = {
        **head,
        "type": "result",
        "run": "hostile-run",
        "mode": request["mode"],
        "step": {"$step": 0},
        "atomCount": atoms,
        "lengthScale": LENGTH_SCALE,
        "fractions": {"disordered": 0.25, "fcc": 0.75},
        "logDensity": -3.0,
        "meanLogDensityPerAtom": -3.0 / atoms,
        "meanMargin": 1.5,
        "dropped": 0,
        "queued": 0,
        "seconds": 0.001,
        "waitedSeconds": 0.0,
        "arrays": [_descriptor(name, array) for name, array in arrays.items()],
    }
    return {"header": body, "parts": [array.tobytes().hex() for array in arrays.values()]}


def _descriptor(name: str, array: NDArray[Any]) -> Tree:
    return {"name": name, "dtype": f"{array.dtype.kind}{8 * array.dtype.itemsize}", "shape": list(array.shape)}
