"""The errors are those of the documents, with their codes, fields and remedies."""

from __future__ import annotations

import pickle
import re

import pytest

import phasewire
from phasewire.errors import _CODES, error_from_wire, make_error


def test_codes_are_those_of_the_documents(repository):
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (repository / "docs/errors.md").read_text(), re.MULTILINE))
    protocol = (repository / "bridge/PROTOCOL.md").read_text().split("## 9. Error codes")[1].split("## 10.")[0]
    rows = [line.split("|")[1] for line in protocol.splitlines() if line.startswith("| `")]
    on_the_wire = {code for row in rows for code in re.findall(r"`([A-Z_]+)`", row)}
    assert len(documented) > 20
    assert len(on_the_wire) > 15
    assert set(_CODES) == documented | on_the_wire


@pytest.mark.parametrize(
    ("code", "builtin"),
    [
        ("SINGULAR_CELL", ValueError),
        ("MODEL_HASH", ValueError),
        ("MESSAGE_LENGTH", ValueError),
        ("SERVER_UNREACHABLE", ConnectionError),
        ("TIMEOUT", TimeoutError),
        ("INTERNAL", RuntimeError),
    ],
)
def test_each_kind_is_a_builtin_error_too(code, builtin):
    error = make_error(code, "text", field="f", value=1, remedy="do this")
    assert isinstance(error, phasewire.PhasewireError)
    assert isinstance(error, builtin)
    assert str(error) == f"{code}: text (f = 1) Remedy: do this"


def test_errors_survive_pickling():
    error = make_error("SINGULAR_CELL", "flat", field="cell", value=[0, 1], remedy="thicken it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (copy.code, copy.message, copy.field, copy.value, copy.remedy) == (
        "SINGULAR_CELL",
        "flat",
        "cell",
        [0, 1],
        "thicken it",
    )


def test_errors_from_the_wire_may_be_of_a_newer_kind():
    error = error_from_wire({"code": "FUTURE", "field": None, "value": 3, "message": "m", "remedy": "r"})
    assert type(error) is phasewire.PhasewireError
    assert (error.code, error.field, error.value) == ("FUTURE", "", 3)
