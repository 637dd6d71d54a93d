"""Entries of the encyclopedia are the crystals that their labels describe."""

from __future__ import annotations

import re
from math import cos, gcd, pi, sqrt

import numpy as np
import pytest
import spglib

from training.neighbours import neighbour_table
from training.prototypes import built_in
from training.wyckoff import (
    CLOSEST,
    OBVERSE,
    RHOMBOHEDRAL,
    SYMMETRY_TOLERANCE,
    Label,
    conventional_cell,
    coordinates,
    read,
    site_values,
)

# Positions in the hexagonal cell, from the International Tables.
MULTIPLICITIES = {
    146: "a3 b9",
    148: "a3 b3 c6 d9 e9 f18",
    155: "a3 b3 c6 d9 e9 f18",
    160: "a3 b9 c18",
    161: "a6 b18",
    166: "a3 b3 c6 d9 e9 f18 g18 h18 i36",
    167: "a6 b6 c12 d18 e18 f36",
}


def shells(cell: np.ndarray, positions: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Sorted distances to the six nearest neighbours of either kind, for each atom, in sorted order."""
    table = neighbour_table(positions, cell, True, 2.2, None)
    vectors = positions[table.indices] - positions[:, None] + table.shifts
    distances = np.where(table.mask, np.linalg.norm(vectors, axis=-1), 9.0)
    other = species[table.indices] != species[:, None]
    rows = [
        np.concatenate([np.sort(np.where(other[atom] == kind, row, 9.0))[:6] for kind in (False, True)])
        for atom, row in enumerate(distances)
    ]
    return np.array(sorted(rows, key=lambda row: tuple(np.round(row, 2))))


def test_space_groups_compositions_and_distances_are_those_of_the_labels() -> None:
    crystals = read()
    assert len({crystal.label for crystal in crystals}) == len(crystals) > 700
    for crystal in crystals:
        counts = np.bincount(crystal.species)
        formula = [int(count or 1) for count in re.findall(r"[A-Z](\d*)", crystal.label.split("_")[0])]
        assert (counts // gcd(*counts.tolist())).tolist() == formula, crystal.label
        assert abs(np.linalg.det(crystal.cell)) == pytest.approx(len(crystal.species), rel=1e-5), crystal.label
        lattice = crystal.cell, crystal.fractions, crystal.species
        found = spglib.get_symmetry_dataset(lattice, symprec=SYMMETRY_TOLERANCE)
        assert found.number == crystal.space_group == Label.parse(crystal.label).space_group, crystal.label
        assert len(crystal.species) == Label.parse(crystal.label).primitive_atoms, crystal.label
        table = neighbour_table(crystal.fractions @ crystal.cell, crystal.cell, True, CLOSEST, None)
        assert not table.mask.any(), crystal.label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("A15", "A3B_cP8_223_c_a-001"),
        ("B4", "AB_hP4_186_b_b-001"),
        ("C14", "AB2_hP12_194_f_ah-001"),
        ("C15", "A2B_cF24_227_c_b-001"),
        ("D0_3", "AB3_cF16_225_a_bc-001"),
        ("beta-Sn", "A_tI4_141_a-001"),
        ("rutile", "A2B_tP6_136_f_a-001"),
    ],
)
def test_entries_agree_with_built_in_prototypes(name: str, label: str) -> None:
    prototype = built_in([name])[0]
    crystal = next(crystal for crystal in read() if crystal.label == label)
    ours = shells(prototype.cell, prototype.positions, prototype.species)
    theirs = shells(crystal.cell, crystal.fractions @ crystal.cell, crystal.species)
    np.testing.assert_allclose(theirs, ours, atol=0.03)


def test_rhombohedral_oxides_have_their_octahedra() -> None:
    """Corundum: aluminium has three oxygens at 1.855 and three at 1.972 angstroms (Newnham and de Haan, 1962)."""
    crystal = next(crystal for crystal in read() if crystal.label == "A2B3_hR10_167_c_e-001")
    a0 = (4.7589**2 * sqrt(3) / 2 * 12.991 / 30) ** (1 / 3)
    rows = a0 * shells(crystal.cell, crystal.fractions @ crystal.cell, crystal.species)[:, 6:]
    metal = rows[np.isclose(rows[:, 5], 1.972, atol=0.02)]
    assert len(metal) == 4
    np.testing.assert_allclose(metal, [[1.855] * 3 + [1.972] * 3] * 4, atol=0.02)


def test_corrected_brookite_has_its_octahedra() -> None:
    """Titanium has six oxygens at 1.86 to 2.05 angstroms (Meagher and Lager, 1979)."""
    crystal = next(crystal for crystal in read() if crystal.label == "A2B_oP24_61_2c_c-001")
    a0 = (9.174 * 5.449 * 5.138 / 24) ** (1 / 3)
    rows = a0 * shells(crystal.cell, crystal.fractions @ crystal.cell, crystal.species)[:, 6:]
    octahedra = rows[rows[:, 5] < 2.5]
    assert len(octahedra) == 8
    assert octahedra.min() == pytest.approx(1.86, abs=0.02)
    assert octahedra.max() == pytest.approx(2.05, abs=0.02)


def test_labels_give_sites_by_letter_and_then_species() -> None:
    label = Label.parse("A2B_hP18_180_fj_ac-001")
    assert label == Label("hP18", 180, (("a", 1), ("c", 1), ("f", 0), ("j", 0)))
    assert Label.parse("AB_oP8_62_c_c-005").sites == (("c", 0), ("c", 1))
    assert Label.parse("A2B3_cF80_227_ab_2eA-001").sites[-1] == ("A", 1)
    assert [Label.parse(f"A_{pearson}_1_a-001").primitive_atoms for pearson in ("cF8", "hR2", "oS8", "cI2", "cP1")] == [
        2,
        2,
        4,
        1,
        1,
    ]
    with pytest.raises(ValueError, match="not a label"):
        Label.parse("fcc")


def test_coordinates_of_positions() -> None:
    values = {"x": 0.1, "y": 0.2, "z": 0.3}
    np.testing.assert_allclose(coordinates("x, 2x, 1/4", values), [0.1, 0.2, 0.25])
    np.testing.assert_allclose(coordinates("-x+1/2,y-z,0", values), [0.4, -0.1, 0.0])
    np.testing.assert_allclose(coordinates("1/2-x,-y,x+y", values), [0.4, -0.2, 0.3], atol=1e-15)


def test_parameters_that_do_not_fit_are_refused() -> None:
    assert site_values("x,x,x", 2, {"x1": 0.5, "z2": 0.1}) == {"x": 0.1}
    with pytest.raises(ValueError, match="site 1 at x, y, z has parameters x"):
        site_values("x, y, z", 1, {"x1": 0.1, "x2": 0.2})


def test_conventional_cells() -> None:
    monoclinic = conventional_cell("m", {"a": 2.0, "b/a": 1.5, "c/a": 2.0, "beta": 100.0})
    np.testing.assert_allclose(np.linalg.norm(monoclinic, axis=1), [2.0, 3.0, 4.0])
    assert monoclinic[0] @ monoclinic[2] == pytest.approx(8.0 * cos(pi * 100 / 180))
    assert monoclinic[1] @ monoclinic[2] == pytest.approx(0.0, abs=1e-12)
    hexagonal = conventional_cell("h", {"a": 1.0, "c/a": 1.6})
    assert hexagonal[0] @ hexagonal[1] == pytest.approx(-0.5)
    assert np.linalg.det(hexagonal) == pytest.approx(1.6 * sqrt(3) / 2)


@pytest.mark.parametrize("group", RHOMBOHEDRAL)
def test_rhombohedral_positions_have_their_multiplicities(group: int) -> None:
    hall = next(
        number
        for number in range(1, 531)
        if (kind := spglib.get_spacegroup_type(number)).number == group and kind.choice == "H"
    )
    operations = spglib.get_symmetry_from_database(hall)
    expected = {word[0]: int(word[1:]) for word in MULTIPLICITIES[group].split()}
    assert RHOMBOHEDRAL[group].keys() == expected.keys()
    for letter, expression in RHOMBOHEDRAL[group].items():
        first = coordinates(expression, {"x": 0.137, "y": 0.291, "z": 0.423}) @ OBVERSE
        images = operations["rotations"] @ first + operations["translations"]
        separations = images[:, None] - images
        same = np.abs(separations - np.rint(separations)).max(axis=-1) < 1e-9
        assert len(np.unique(same.argmax(axis=1))) == expected[letter], letter
