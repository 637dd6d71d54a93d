"""The contract and the suite have the same rules, and the tables of the contract the same couplings."""

from __future__ import annotations

import re
from pathlib import Path

from phasewire.couplings import couplings

FOLDER = Path(__file__).parent
CONTRACT = FOLDER.parents[2] / "docs" / "engine-contract.md"


def test_each_rule_of_the_contract_has_a_test_and_no_test_an_unknown_rule():
    stated = re.findall(r"^- \*\*([A-Z]\d+)\*\* ", CONTRACT.read_text(), re.MULTILINE)
    marks = [
        mark for file in FOLDER.glob("test_*.py") for mark in re.findall(r"^@rule\((.*)\)$", file.read_text(), re.M)
    ]
    assert len(marks) > 40
    tested = {name for mark in marks for name in re.findall(r'"([A-Z]\d+)"', mark)}
    assert len(stated) == len(set(stated))
    assert tested == set(stated)


def test_the_table_of_the_contract_has_every_coupling():
    modules = re.findall(r"^\| \w+ \| `([a-z.]+)` \|", CONTRACT.read_text(), re.MULTILINE)
    assert sorted(modules) == sorted(coupling.attach.__module__ for coupling in couplings().values())
