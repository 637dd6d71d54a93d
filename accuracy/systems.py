"""The snapshots of the suite: their files, and the true class of each atom.

A data folder holds extended XYZ files and `manifest.csv` with one row per file: file, group, system, phase, T_over_Tm.
The first letter of a group is its kind: A crystals, B fluids and glasses, C coexistence, D point defects, E constructed
structures and paths between them, F faults and grain boundaries, H growth, S shock.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import iread

from .cache import digest

UNKNOWN = ""
DISORDERED = "disordered"
# Phases whose names in the data sets differ from those in the models, or that a model may have no alias for.
CLASS_OF_PHASE = {"ice-Ih": "hexdiamond", "ice-Ic": "diamond", "ice-VII": "bcc", "ice-VIII": "bcc"}
FLUIDS_AND_GLASSES = ("liquid", "glass", "amorphous", "gas", "vapour", "droplet", "melt")


@dataclass(frozen=True)
class Snapshot:
    """One frame: the atoms that count, and the true class of each (UNKNOWN where none is known).

    `temperature` is relative to the melting temperature, or 0 if that has no meaning. `info` holds the comment line.
    """

    group: str
    system: str
    phase: str
    temperature: float
    atoms: Atoms
    truth: np.ndarray
    water: bool = False
    source: str = ""
    info: Mapping[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """First letter of the group."""
        return self.group[:1]

    @cached_property
    def digest(self) -> str:
        """Digest that identifies the frame in the cache."""
        return digest(self.atoms)

    @property
    def label(self) -> np.ndarray:
        """The integer column `label` of the file, (N,), or zeros if the file has none."""
        return self.atoms.arrays.get("label", np.zeros(len(self.atoms), dtype=int))


def load(
    folders: Sequence[Path],
    phases: Sequence[str],
    aliases: Mapping[str, str],
    *,
    quick: bool = False,
    progress: Callable[[Iterable[dict[str, str]]], Iterable[dict[str, str]]] = iter,
) -> list[Snapshot]:
    """Every frame of the folders, without the hydrogens of water. With `quick`, only a few frames.

    Raises
    ------
    FileNotFoundError
        If a manifest lists a file that does not exist. No frame is read before this check.
    """
    rows = [row | {"folder": str(folder)} for folder in folders for row in _rows(folder)]
    missing = [str(path) for row in rows if not (path := Path(row["folder"]) / row["file"]).exists()]
    if missing:
        raise FileNotFoundError(
            f"{missing[0]} is listed in manifest.csv but does not exist ({len(missing)} such files): generate the "
            "frames again, or remove the rows from the manifest"
        )
    if quick:
        rows = _hottest(rows)
    snapshots: list[Snapshot] = []
    for row in progress(rows):
        frames = list(iread(Path(row["folder"]) / row["file"]))
        if quick and row["group"].startswith("H"):
            frames = frames[:: max(1, len(frames) // 5)]
        snapshots.extend(_snapshot(row, index, atoms, phases, aliases) for index, atoms in enumerate(frames))
    return snapshots


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _hottest(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The row of the highest temperature per system and phase, or the noisiest one of constructed files."""
    chosen: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in rows:
        key = (row["group"], row["system"], row["phase"])
        if key not in chosen or (_heat(row), row["file"]) > (_heat(chosen[key]), chosen[key]["file"]):
            chosen[key] = row
    return list(chosen.values())


def _heat(row: Mapping[str, str]) -> float:
    return float(row["T_over_Tm"] or 0)


def _snapshot(
    row: Mapping[str, str], index: int, atoms: Atoms, phases: Sequence[str], aliases: Mapping[str, str]
) -> Snapshot:
    water = is_water(atoms, row["system"])
    if water:
        atoms = atoms[atoms.numbers == 8]
    return Snapshot(
        group=row["group"],
        system=row["system"],
        phase=row["phase"],
        temperature=_heat(row),
        atoms=atoms,
        truth=true_classes(atoms, row["phase"], phases, aliases),
        water=water,
        source=f"{row['file']}#{index}",
        info=dict(atoms.info),
    )


def is_water(atoms: Atoms, system: str) -> bool:
    """Whether these are water molecules (two hydrogens per oxygen) or beads that stand for them."""
    hydrogens, oxygens = int((atoms.numbers == 1).sum()), int((atoms.numbers == 8).sum())
    return 0 < hydrogens == 2 * oxygens == len(atoms) - oxygens or system.split("-")[0] in ("mW", "H2O")


def class_of(phase: str, phases: Sequence[str], aliases: Mapping[str, str]) -> str:
    """The model's class for a phase, or UNKNOWN if it has none."""
    if phase.startswith(FLUIDS_AND_GLASSES):
        return DISORDERED
    name = phase if phase in phases else aliases.get(phase, CLASS_OF_PHASE.get(phase, phase))
    return name if name in phases else UNKNOWN


def true_classes(atoms: Atoms, phase: str, phases: Sequence[str], aliases: Mapping[str, str]) -> np.ndarray:
    """Class name of every atom: by the column `label` if its legend names phases, otherwise the file's phase."""
    names = np.full(len(atoms), class_of(phase, phases, aliases), dtype=object)
    if "label" in atoms.arrays:
        for entry in str(atoms.info.get("label_legend", "")).split("; "):
            code, _, meaning = entry.partition(" ")
            named = _phase_in_legend(meaning, phase)
            if code.isdigit() and named is not None:
                names[atoms.arrays["label"] == int(code)] = class_of(named, phases, aliases) if named else UNKNOWN
    return names.astype(str)


def _phase_in_legend(meaning: str, phase: str) -> str | None:
    """The phase that a legend entry stands for: UNKNOWN if it is unknown, None if the entry does not name a phase."""
    if meaning.startswith(("interface", "front", "shares a Wigner-Seitz site", "interstitial")):
        return UNKNOWN
    if meaning.startswith(FLUIDS_AND_GLASSES):
        return "liquid"
    if meaning.startswith("crystal half"):
        return phase.split("|")[0]
    name, _, rest = meaning.partition(" ")
    return name if rest == "layer" else None
