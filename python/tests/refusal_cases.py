"""The cases of contract/refusals.json, as Python takes them."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = json.loads((REPOSITORY / "contract" / "refusals.json").read_text(encoding="utf-8"))["cases"]
SPELLED = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def cases_of(host):
    return [case for case in CASES if host in case["hosts"]]


def name_of(case):
    return f"{case['code']}: {case['name']}"


def number(value):
    return SPELLED[value] if isinstance(value, str) else value


def numbers(rows):
    return [[number(value) for value in row] for row in rows]


def expanded(value: Any) -> Any:
    """Return lists with ``repeat`` written out."""
    if isinstance(value, dict):
        return {key: expanded(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    items: list[Any] = []
    for item in value:
        repeats = isinstance(item, dict) and set(item) == {"repeat", "of"}
        items += [expanded(item["of"])] * item["repeat"] if repeats else [expanded(item)]
    return items


def arguments_of(frame):
    """Return the arguments of ``analyse`` that describe a frame."""
    return {
        "positions": numbers(frame["positions"]),
        "cell": None if "cell" not in frame else numbers(frame["cell"]),
        "periodic": frame.get("periodic"),
        "species": frame.get("species"),
    }


def options_of(options):
    """Return the options of ``analyse``."""
    renamed = {"speciesMap": "species_map"}
    given = {renamed.get(key, key): value for key, value in options.items() if key != "lengthScale"}
    return given | ({"length_scale": number(options["lengthScale"])} if "lengthScale" in options else {})


def parts_of(frame):
    """Return what a message says of a frame, without a check: keys of the header, and arrays."""
    positions = np.array(numbers(frame["positions"]), dtype=np.float64).reshape(-1, 3)
    arrays = {"positions": positions}
    if "cell" in frame:
        arrays["cell"] = np.array(numbers(frame["cell"]), dtype=np.float64)
    keys: dict[str, Any] = {"periodic": frame.get("periodic", ["cell" in frame] * 3)}
    if "species" in frame:
        names = sorted(set(frame["species"]))
        keys["speciesNames"] = names
        arrays["species"] = np.array([names.index(name) for name in frame["species"]], dtype=np.int32)
    if "ids" in frame:
        arrays["ids"] = np.array(frame["ids"], dtype=np.int32)
    return keys, arrays


def changed_model(change) -> bytes:
    """Return the bytes of the model core with changes."""
    file = (REPOSITORY / "models" / "core.safetensors").read_bytes()
    if "text" in change:
        return change["text"].encode()
    if "bytes" in change:
        return file[: change["bytes"]]
    length = int.from_bytes(file[:8], "little")
    header, body = json.loads(file[8 : 8 + length]), file[8 + length :]
    settings = json.loads(header.pop("__metadata__")["phasewire"]) | (change.get("description") or {})
    settings["classes"] = settings["classes"][: change.get("classes")]
    if "firstClass" in change:
        settings["classes"][0]["name"] = change["firstClass"]
    if "classSpecies" in change:
        settings["classes"][-1]["species"] = change["classSpecies"]
    entries, data = {}, b""
    for name, entry in header.items():
        changed = change.get("tensors", {}).get(name, 0)
        if changed is None:
            continue
        begin, end = entry["data_offsets"]
        tensor = np.frombuffer(body[begin:end], dtype="<f4").copy()
        if changed:
            tensor[0] = number(changed)
        entries[name] = entry | {"data_offsets": [len(data), len(data) + tensor.nbytes]}
        data += tensor.tobytes()
    data += bytes(change.get("extraBytes", 0))
    text = json.dumps(settings)
    sha256 = change.get("sha256", hashlib.sha256(text.encode() + data).hexdigest())
    described = {} if change.get("description", {}) is None else {"phasewire": text, "sha256": sha256}
    written = json.dumps({"__metadata__": described, **entries}).encode()
    return change.get("headerBytes", len(written)).to_bytes(8, "little") + written + data
