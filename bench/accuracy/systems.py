"""The benchmark's snapshots: which files there are, and which class each atom truly has."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import iread

# Names of the data set that are aliases of, or finer than, the classes of the model.
CLASS_OF_PHASE = {"ice-Ih": "hexdiamond", "ice-Ic": "diamond", "ice-VII": "bcc", "liquid": "disordered"}
UNKNOWN = ""


@dataclass(frozen=True)
class Snapshot:
    """One frame: atoms that count, and the true class of each (UNKNOWN where none is known)."""

    group: str
    system: str
    phase: str
    temperature: float
    atoms: Atoms
    truth: np.ndarray


def _truth(atoms: Atoms, phase: str, phases: tuple[str, ...]) -> np.ndarray:
    """Class names by atom: from the column `label` where its legend names phases, else the file's phase."""
    names = np.full(len(atoms), CLASS_OF_PHASE.get(phase, phase), dtype=object)
    if "label" in atoms.arrays:
        for entry in str(atoms.info["label_legend"]).split("; "):
            code, meaning = entry.split(" ", 1)
            truth = _class_in_legend(meaning, phase)
            if truth is not None:
                names[atoms.arrays["label"] == int(code)] = truth
    names[~np.isin(names, phases)] = UNKNOWN
    return names.astype(str)


def _class_in_legend(meaning: str, phase: str) -> str | None:
    """The class that a legend entry stands for, UNKNOWN for interfaces, None where it names no phase."""
    if meaning.startswith("interface"):
        return UNKNOWN
    if meaning.startswith("liquid"):
        return "disordered"
    if meaning.startswith("crystal half"):
        crystal = phase.split("|")[0]
        return CLASS_OF_PHASE.get(crystal, crystal)
    if meaning.endswith(" layer"):
        return meaning.removesuffix(" layer")
    return None


def snapshots(folder: Path, groups: tuple[str, ...], phases: tuple[str, ...]) -> Iterator[Snapshot]:
    """Every frame of the groups whose phase the model knows, hydrogens of water left out."""
    for row in rows(folder, groups):
        for atoms in iread(folder / row["file"]):
            if "TIP4P" in row["system"]:
                atoms = atoms[atoms.numbers == 8]
            truth = _truth(atoms, row["phase"], phases)
            if (truth != UNKNOWN).any():
                yield Snapshot(row["group"], row["system"], row["phase"], float(row["T_over_Tm"] or 0), atoms, truth)


def rows(folder: Path, groups: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of the manifest that belong to the groups."""
    with (folder / "manifest.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["group"] in groups]
