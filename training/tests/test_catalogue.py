"""The tier `all`: its classes, their names, and how entries are chosen."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import training.catalogue as catalogue
from training.catalogue import NAME, Class, aliases, composition, description, mineral, names, select, substance, tier
from training.prototypes import BUILT_IN, built_in
from training.wyckoff import Crystal, read

ENTRIES = {crystal.label: crystal for crystal in read()}


def test_the_tier_has_core_first_and_the_others_by_name() -> None:
    prototypes = tier("all")
    found = [prototype.name for prototype in prototypes]
    assert found[: len(BUILT_IN)] == list(BUILT_IN) == [prototype.name for prototype in tier("core")]
    others = prototypes[len(BUILT_IN) :]
    assert found[len(BUILT_IN) :] == sorted(found[len(BUILT_IN) :])
    assert all(prototype.weight == 1.0 for prototype in others)
    species = Counter(len(set(prototype.species)) for prototype in prototypes)
    assert species[1] >= 40
    assert species[2] >= 300


def test_names_and_aliases_are_unique_and_can_be_typed() -> None:
    prototypes = tier("all")
    texts = [text.lower() for prototype in prototypes for text in (prototype.name, *prototype.aliases)]
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    assert all(NAME.fullmatch(prototype.name) for prototype in prototypes)
    assert not any(set(text) & set(" ,=\t") for text in texts)
    assert "disordered" not in texts


def test_every_class_is_a_crystal_of_one_atom_per_unit_volume_with_its_designations() -> None:
    for prototype in tier("all")[len(BUILT_IN) :]:
        assert abs(np.linalg.det(prototype.cell)) == pytest.approx(len(prototype.species), rel=1e-5)
        entry = ENTRIES[prototype.aflow]
        assert (prototype.pearson, prototype.strukturbericht, prototype.space_group) == (
            entry.pearson,
            entry.strukturbericht,
            entry.space_group,
        )
        assert prototype.aflow in prototype.aliases


def test_core_classes_are_found_by_other_designations() -> None:
    known = {prototype.name: prototype for prototype in tier("core")}
    for name, designation, pearson in [
        ("fcc", "A1", "cF4"),
        ("hcp", "A3", "hP2"),
        ("sc", "A_h", "cP1"),
        ("rutile", "C4", "tP6"),
        ("C15", "C15", "cF24"),
        ("B2", "B2", "cP2"),
    ]:
        assert (known[name].strukturbericht, known[name].pearson) == (designation, pearson)
    assert "ice-VII" in known["bcc"].aliases
    assert "CsCl" in known["B2"].aliases


@pytest.mark.parametrize(
    ("label", "text", "formula", "common"),
    [
        ("AB2_cF12_225_a_c-001", "Fluorite (CaF2)", "CaF2", "fluorite"),
        ("A_hR2_166_c-001", "alpha-As", "alpha-As", None),
        ("A2B_tP12_92_b_a-001", "alpha-Cristobalite (SiO2, low)", "SiO2", "alpha-cristobalite"),
        ("A3B_tI32_82_3g_g-001", "Ni3P", "Ni3P", None),
        ("A2B_hP9_152_c_a-001", "alpha-Quartz (low Quartz)", "SiO2", "alpha-quartz"),
        ("AB3_tI32_88_c_df-001", "Copper (I) Azide (CuN3)", "CuN3", None),
    ],
)
def test_names_come_from_titles(label: str, text: str, formula: str, common: str | None) -> None:
    entry = ENTRIES[label]
    assert (description(entry), substance(entry), mineral(entry)) == (text, formula, common)


def test_compositions() -> None:
    assert composition("Al2O3") == (3, 2)
    assert composition("C8H8") == (1, 1)
    assert composition("Fe") == (1,)
    assert composition("beta-Fe") is None


def entry_class(label: str) -> Class:
    return Class(catalogue.as_prototype(ENTRIES[label]), [ENTRIES[label]])


def test_a_name_of_two_classes_goes_to_neither() -> None:
    two = [entry_class("A2B_hP9_152_c_a-001"), entry_class("A2B_tP12_92_b_a-001"), entry_class("AB_cF8_225_a_b-001")]
    assert names(two, ["b1"]) == ["alpha-quartz", "C30", "NaCl"]
    other = aliases(dict(zip(["alpha-quartz", "C30", "NaCl"], two, strict=True)))
    assert other["C30"] == ["alpha-cristobalite", "A2B_tP12_92_b_a-001", "A2B_tP12_92_b_a"]
    assert "SiO2" not in other["alpha-quartz"]
    assert "NaCl" not in other["NaCl"]


def test_an_entry_is_merged_left_out_or_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = [
        "A2B_tP6_136_f_a-001",  # rutile itself
        "AB2_oP6_58_a_g-001",  # CaCl2, rutile with a slight tilt
        "AB_cF16_227_a_b-001",  # NaTl: bcc points, but another order of species than B2
    ]
    monkeypatch.setattr(catalogue, "candidates", lambda: [ENTRIES[label] for label in tried])
    kept, left_out = select(built_in(["rutile", "B2", "fcc"]))
    assert [one.prototype.name for one in kept] == ["rutile", "B2", "fcc", tried[2]]
    assert [entry.label for entry in kept[0].entries] == [tried[0]]
    assert {label: (reason["nearest"], reason["same"]) for label, reason in left_out.items()} == {
        tried[0]: ("rutile", True),
        tried[1]: ("rutile", False),
    }


def test_doubtful_entries_are_tried_last() -> None:
    order: list[Crystal] = catalogue.candidates()
    labels = [crystal.label for crystal in order]
    assert labels.index("A7B_cF32_225_ad_b-001") < labels.index("AB7_cF32_225_a_bd-001")
    assert not any("SQS" in crystal.title for crystal in order)
