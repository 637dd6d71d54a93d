"""Ideal crystals from the parameters that the AFLOW encyclopedia of crystallographic prototypes publishes.

Mehl et al., Comput. Mater. Sci. 136, S1 (2017); Hicks et al., ibid. 161, S1 (2019) and 199, 110450 (2021); and the
encyclopedia's later parts. A label such as A2B_cF24_227_c_b-001 names stoichiometry, Pearson symbol, space group and
the Wyckoff letters of each species. Together with the lattice parameters and the free coordinates, in order of letter
and then species, it defines a crystal.

`structures/encyclopedia.json` keeps the results, and `read` returns them. To regenerate that file:

    python -m pip install --no-deps kim-tools==0.4.15          # read as data: label, parameters, names of each entry
    python -m pip install ase pyxtal==1.1.5 spglib             # Wyckoff positions of the space groups
    python -m training.wyckoff

Conventions of the encyclopedia: standard settings of the International Tables; unique axis b and cell choice 1;
origin choice 2; rhombohedral groups with a and c/a of the hexagonal cell, but coordinates along the (obverse)
rhombohedral axes.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from math import cos, pi, radians, sin, sqrt
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "structures" / "encyclopedia.json"
MOST_SPECIES = 2
MOST_ATOMS = 40
# Atoms closer than this, in units of a0, are a misprint or alternative sites of one atom.
CLOSEST = 0.35
# So are atoms closer than both CLOSE, in units of a0, and OVERLAP times the sum of their covalent radii.
CLOSE = 0.75
OVERLAP = 0.7
SYMMETRY_TOLERANCE = 1e-4

# Corrections, by label, of values that contradict the rest of the entry or nature.
CORRECTIONS = {
    # Brookite: b is 5.449 angstroms (Meagher and Lager, Can. Mineral. 17, 77, 1979), not 3.449.
    "A2B_oP24_61_2c_c-001": {"b/a": 5.449 / 9.174},
    # BaHg11: the entry swaps the digits of 0.155, which would put mercury atoms 2.21 angstroms apart.
    "AB11_cP36_221_c_agij-001": {"y5": 0.155},
    # SmSb2: the pairs at 2.79 angstroms are antimony, not samarium.
    "A2B_oC24_64_ef_f-001": {"y2": 0.8686, "z2": 0.436, "y3": 0.3653, "z3": 0.3902},
    # FeB: the entry's coordinates would put B and Fe 1.67 angstroms apart. These are the accepted ones.
    "AB_oP8_62_c_c-003": {"x1": 0.036, "z1": 0.61, "x2": 0.18, "z2": 0.125},
    # In: the entry has the lattice parameters of the face-centred cell under the label of the body-centred one.
    "A_tI2_139_a-001": {"a": 4.6002 / sqrt(2), "c/a": 1.07524 * sqrt(2)},
}
# Faulty entries that the checks below do not find.
LEFT_OUT = {
    "A2B_hP6_164_2d_d-001": "partly occupied sites",
    "A2B_oP12_19_2a_a-001": "Ag and Se 2.07 angstroms apart",
    "A3B2_tP10_83_adj_k-001": "Ga and Ti 2.10 angstroms apart",
    "AB2_hP12_143_ad_bc2d-001": "Mo and S 1.98 angstroms apart",
    "AB8_cF36_225_a_f-001": "partly occupied sites",
    "AB_oI48_44_6c_abc2de-001": "a structure that contradicts itself",
}
# Designations that are missing from the entries or differ from their titles. "40", here None, is a number in a list.
STRUKTURBERICHT = {
    "A2B_mC12_15_f_e-001": "C_g",
    "A3B2_hR5_155_e_c-001": "D5_e",
    "A3B_tI32_82_3g_g-001": "D0_e",
    "A4B_cP40_205_cd_c-001": "D1_1",
    "AB3_oC16_63_c_3c-001": "D0_d",
    "AB_tI8_141_a_b-001": None,
}

# First positions of the rhombohedral space groups along rhombohedral axes (International Tables A).
RHOMBOHEDRAL = {
    146: {"a": "x,x,x", "b": "x,y,z"},
    148: {"a": "0,0,0", "b": "1/2,1/2,1/2", "c": "x,x,x", "d": "1/2,0,0", "e": "0,1/2,1/2", "f": "x,y,z"},
    155: {"a": "0,0,0", "b": "1/2,1/2,1/2", "c": "x,x,x", "d": "0,y,-y", "e": "1/2,y,-y", "f": "x,y,z"},
    160: {"a": "x,x,x", "b": "x,x,z", "c": "x,y,z"},
    161: {"a": "x,x,x", "b": "x,y,z"},
    166: {
        "a": "0,0,0",
        "b": "1/2,1/2,1/2",
        "c": "x,x,x",
        "d": "1/2,0,0",
        "e": "0,1/2,1/2",
        "f": "x,-x,0",
        "g": "x,-x,1/2",
        "h": "x,x,z",
        "i": "x,y,z",
    },
    167: {"a": "1/4,1/4,1/4", "b": "0,0,0", "c": "x,x,x", "d": "1/2,0,0", "e": "x,1/2-x,1/4", "f": "x,y,z"},
}
# Rhombohedral axes (rows) in terms of the hexagonal ones.
OBVERSE = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3


@dataclass(frozen=True)
class Crystal:
    """An entry: primitive `cell` (rows) at one atom per unit volume, `fractions` (n, 3), `species` (n,) from 0.

    `label` is that of the encyclopedia. `aliases` are those of its first edition. `title` is as published, with TeX.
    """

    label: str
    aliases: tuple[str, ...]
    title: str
    prototype: str
    strukturbericht: str | None
    pearson: str
    space_group: int
    cell: np.ndarray
    fractions: np.ndarray
    species: np.ndarray


@cache
def read() -> tuple[Crystal, ...]:
    """All entries of the data file, by label."""
    return tuple(
        Crystal(
            **{
                **entry,
                "aliases": tuple(entry["aliases"]),
                "cell": np.array(entry["cell"]),
                "fractions": np.array(entry["fractions"]),
                "species": np.array(entry["species"]),
            }
        )
        for entry in json.loads(DATA.read_text(encoding="utf-8"))["entries"]
    )


@dataclass(frozen=True)
class Label:
    """Parts of a label: Pearson symbol, space group, and Wyckoff letter and species of each site in order."""

    pearson: str
    space_group: int
    sites: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, text: str) -> Label:
        """Parse a label. Raises ValueError if the text has another form."""
        match = re.fullmatch(r"(?:[A-Z]\d*)+_([a-z][A-Z]\d+)_(\d+)((?:_[0-9a-zA]+)+)-\d+", text)
        if match is None:
            raise ValueError(f"{text}: not a label of the encyclopedia")
        sites = [
            (letter, species)
            for species, word in enumerate(match[3][1:].split("_"))
            for count, letter in re.findall(r"(\d*)([a-zA])", word)
            for _ in range(int(count or 1))
        ]
        # The general position of group 47, the 27th, is called A and comes last.
        sites.sort(key=lambda site: (site[0] == "A", *site))
        return cls(match[1], int(match[2]), tuple(sites))

    @property
    def primitive_atoms(self) -> int:
        """Atoms in the primitive cell. In rhombohedral groups the encyclopedia's Pearson symbols count just these."""
        return int(self.pearson[2:]) // {"P": 1, "R": 1, "I": 2, "F": 4}.get(self.pearson[1], 2)


def conventional_cell(family: str, parameters: dict[str, float]) -> np.ndarray:
    """Rows a, b, c of the conventional cell of a crystal family (a, m, o, t, h or c), in the unit of `a`."""
    a = parameters["a"]
    b, c = (parameters.get(name, 1.0) * a for name in ("b/a", "c/a"))
    alpha, beta, gamma = (radians(parameters.get(name, 90.0)) for name in ("alpha", "beta", "gamma"))
    if family == "h":
        gamma = 2 * pi / 3
    along = (cos(beta), (cos(alpha) - cos(beta) * cos(gamma)) / sin(gamma))
    return np.array(
        [
            [a, 0.0, 0.0],
            [b * cos(gamma), b * sin(gamma), 0.0],
            [c * along[0], c * along[1], c * sqrt(1.0 - along[0] ** 2 - along[1] ** 2)],
        ]
    )


def coordinates(expression: str, values: dict[str, float]) -> np.ndarray:
    """Three fractional coordinates from a text such as `x,2x,1/4`."""
    result = []
    for axis in expression.replace(" ", "").split(","):
        total = 0.0
        for sign, factor, variable, numerator, denominator in re.findall(
            r"([+-]?)(?:(\d*)([xyz])|(\d+)(?:/(\d+))?)", axis
        ):
            term = int(factor or 1) * values[variable] if variable else int(numerator) / int(denominator or 1)
            total += -term if sign == "-" else term
        result.append(total)
    return np.array(result)


def site_values(expression: str, index: int, parameters: dict[str, float]) -> dict[str, float]:
    """The free coordinates of site `index` (from 1) by axis.

    Raises
    ------
    ValueError
        If the parameters are not the ones that the position needs.
    """
    values = {axis: parameters[f"{axis}{index}"] for axis in "xyz" if f"{axis}{index}" in parameters}
    if expression == "x,x,x" and set(values) == {"z"}:
        # On a threefold axis some entries call the parameter z, as along the hexagonal axis. Its value is the same.
        values = {"x": values["z"]}
    if set(values) != set(re.findall("[xyz]", expression)):
        raise ValueError(f"site {index} at {expression} has parameters {', '.join(values) or 'none'}")
    return values


def conventional_crystal(label: Label, parameters: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, fractional coordinates and species (from 0) of all atoms of the conventional cell.

    Raises
    ------
    ValueError
        If the parameters don't fit the Wyckoff positions, or atoms of one position coincide.
    """
    from pyxtal.symmetry import Group

    group = Group(label.space_group)
    positions = {position.letter: position for position in group.Wyckoff_positions}
    cell = conventional_cell(label.pearson[0], parameters)
    fractions, species = [], []
    for index, (letter, kind) in enumerate(label.sites, start=1):
        rhombohedral = label.pearson[1] == "R"
        expression = RHOMBOHEDRAL[label.space_group][letter] if rhombohedral else positions[letter].ops[0].as_xyz_str()
        first = coordinates(expression, site_values(expression, index, parameters))
        if rhombohedral:
            first = first @ OBVERSE
        images = np.array([operation.operate(first) for operation in group[0].ops])
        separations = images[:, None] - images
        distances = np.linalg.norm((separations - np.rint(separations)) @ cell, axis=-1)
        orbit = images[(distances < 1e-3 * parameters["a"]).argmax(axis=1) == np.arange(len(images))]
        if len(orbit) != positions[letter].multiplicity:
            raise ValueError(f"site {index} has {len(orbit)} atoms, not {positions[letter].multiplicity}")
        fractions.append(orbit)
        species += [kind] * len(orbit)
    return cell, np.concatenate(fractions), np.array(species)


def elements(prototype: str, species: np.ndarray) -> np.ndarray | None:
    """Atomic numbers of the atoms. Species are numbered by symbol. None if the prototype names more than elements."""
    from ase.data import atomic_numbers

    symbols = sorted(set(re.findall(r"[A-Z][a-z]?", prototype)))
    if len(symbols) != len(set(species)) or not all(symbol in atomic_numbers for symbol in symbols):
        return None
    return np.array([atomic_numbers[symbol] for symbol in symbols])[species]


def check_distances(cell: np.ndarray, fractions: np.ndarray, a0: float, numbers: np.ndarray | None) -> None:
    """Raise ValueError if atoms overlap. `cell` has one atom per unit volume; `a0` is in angstroms."""
    from ase import Atoms
    from ase.data import covalent_radii
    from ase.neighborlist import neighbor_list

    atoms = Atoms(["X"] * len(fractions), cell=cell, scaled_positions=fractions, pbc=True)
    first, second, distance = neighbor_list("ijd", atoms, CLOSE)
    if (distance < CLOSEST).any():
        raise ValueError(f"atoms {distance.min():.3f} a0 apart")
    if numbers is not None and len(distance):
        share = distance * a0 / (covalent_radii[numbers[first]] + covalent_radii[numbers[second]])
        if share.min() < OVERLAP:
            raise ValueError(f"atoms at {share.min():.2f} of the sum of their covalent radii")


def build(entry: dict) -> dict:
    """Build an entry of the data file from an entry of the encyclopedia.

    Raises
    ------
    ValueError
        If the entry contradicts itself in parameters, space group, number of atoms or distances.
    """
    import spglib

    label = Label.parse(entry["label"])
    if entry["label"] in LEFT_OUT:
        raise ValueError(LEFT_OUT[entry["label"]])
    parameters = dict(zip(entry["parameter_symbols"], entry["parameter_values"], strict=True))
    parameters.update(CORRECTIONS.get(entry["label"], {}))
    conventional = conventional_crystal(label, parameters)
    a0 = (abs(np.linalg.det(conventional[0])) / len(conventional[2])) ** (1 / 3)
    cell, fractions, species = spglib.find_primitive(
        (conventional[0] / a0, *conventional[1:]), symprec=SYMMETRY_TOLERANCE
    )
    cell, fractions = np.round(cell, 7), np.round(fractions % 1.0, 7) % 1.0
    found = spglib.get_symmetry_dataset((cell, fractions, species), symprec=SYMMETRY_TOLERANCE).number
    if found != label.space_group or len(species) != label.primitive_atoms:
        raise ValueError(
            f"group {found} with {len(species)} atoms, not {label.space_group} with {label.primitive_atoms}"
        )
    check_distances(cell, fractions, a0, elements(entry["prototype"], species))
    return {
        "label": entry["label"],
        "aliases": entry["alias"] or [],
        "title": entry["title"],
        "prototype": entry["prototype"],
        "strukturbericht": STRUKTURBERICHT.get(entry["label"], entry["strukturbericht"]),
        "pearson": entry["pearson_symbol"],
        "space_group": label.space_group,
        "cell": cell.tolist(),
        "fractions": fractions.tolist(),
        "species": species.tolist(),
    }


def encyclopedia() -> Iterator[dict]:
    """Entries of the encyclopedia with few enough species and atoms, by label, from the package kim-tools."""
    folder = Path(str(distribution("kim-tools").locate_file("kim_tools/aflow_util/aflow_prototype_encyclopedia/data")))
    for file in sorted(folder.glob("*/info.json")):
        entry = json.loads(file.read_text(encoding="utf-8"))
        if entry["number_of_species"] <= MOST_SPECIES and Label.parse(entry["label"]).primitive_atoms <= MOST_ATOMS:
            yield entry


def main() -> None:
    """Write the data file."""
    argparse.ArgumentParser(description="Regenerate structures/encyclopedia.json.").parse_args()
    built, left_out = [], {}
    for entry in encyclopedia():
        try:
            built.append(build(entry))
        except ValueError as reason:
            left_out[entry["label"]] = str(reason)
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in built)
    reasons = json.dumps(left_out, indent=0)
    DATA.write_text(f'{{"leftOut":{reasons},\n"entries":[\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(built)} entries, {len(left_out)} left out")


if __name__ == "__main__":
    main()
