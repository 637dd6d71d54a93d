"""The species that a class needs around an atom, as the model files state them."""

from __future__ import annotations

import numpy as np
import pytest

from training.catalogue import tier
from training.export import read_model
from training.finish import species_around
from training.prototypes import built_in
from training.start import MODELS


def test_it_is_the_number_of_the_prototypes_species_also_with_few_atoms_of_one() -> None:
    found = {p.name: species_around(p, 2.2) for p in built_in(["fcc", "A15", "B2", "L1_2", "C15", "perovskite"])}
    assert found == {"fcc": 1, "A15": 1, "B2": 2, "L1_2": 2, "C15": 2, "perovskite": 3}


def test_it_is_that_of_the_site_with_the_fewest() -> None:
    # One site of BaHg11 has mercury alone within the cutoff.
    lonely = next(p for p in tier("all") if p.name == "D2_e")
    assert len(np.unique(lonely.species)) == 2
    assert species_around(lonely, 2.2) == 1
    assert species_around(lonely, 3.0) == 2


@pytest.mark.parametrize("name", ["core", "core-large", "all"])
def test_the_models_state_it(name: str) -> None:
    config, _, info = read_model(MODELS / f"{name}.safetensors")
    known = {p.name: species_around(p, config.cutoff) for p in tier("all")}
    assert {entry["name"]: entry["species"] for entry in info["classes"]} == {
        entry["name"]: known.get(entry["name"], 1) for entry in info["classes"]
    }
