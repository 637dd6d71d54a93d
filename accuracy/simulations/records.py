"""Frames and their rows in the manifest, in the format of the benchmark's snapshots."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
from ase import Atoms
from ase.io import write

COLUMNS = (
    *("file", "group", "system", "phase", "natoms", "frames"),
    *("T", "T_over_Tm", "pressure_bar", "potential", "checks", "ok"),
)
REJECTED = "A_unstable"


@dataclass(frozen=True)
class State:
    """The state of frames. Temperatures are in K, the pressure is in bar. `melting` is 0 if it has no meaning."""

    system: str
    phase: str
    temperature: float
    potential: str
    melting: float = 0.0
    melting_source: str = ""
    pressure: float = 0.0

    @property
    def homologous(self) -> float:
        """Temperature over melting temperature, or 0 if that is unknown."""
        return round(self.temperature / self.melting, 4) if self.melting else 0.0


@dataclass(frozen=True)
class Record:
    """Frames of one state point. `ok` states whether the frames still are in that state."""

    name: str
    group: str
    state: State
    frames: list[Atoms]
    checks: str
    ok: bool = True
    comment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A simulation. `make` gets a seed that depends only on the name."""

    name: str
    make: Callable[[int], Iterator[Record]]

    @property
    def seed(self) -> int:
        return crc32(self.name.encode()) % 800_000 + 1


def save(folder: Path, record: Record) -> dict[str, object]:
    """Write the frames and return their row. Frames that failed their checks go to a separate group."""
    group = record.group if record.ok else REJECTED
    phase = record.state.phase if record.ok else f"not {record.state.phase}"
    file = Path(group) / f"{record.name}.extxyz.gz"
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    # An earlier run may have had another verdict.
    for other in {record.group, REJECTED} - {group}:
        (folder / other / file.name).unlink(missing_ok=True)
    state = record.state
    frames = []
    for index, original in enumerate(record.frames, 1):
        atoms = original.copy()
        atoms.positions = np.round(atoms.positions, 4)
        own = dict(atoms.info)
        atoms.info = {
            "system": state.system,
            "phase": phase,
            "T": state.temperature,
            "T_over_Tm": state.homologous,
            "potential": state.potential,
            "pressure_bar": round(state.pressure, 1),
            "Tm": state.melting,
            "Tm_source": state.melting_source,
            "snapshot": index,
            **record.comment,
            **own,
        }
        frames.append(atoms)
    write(folder / file, frames, format="extxyz")
    values = (
        str(file), group, state.system, phase, len(frames[0]), len(frames), state.temperature, state.homologous,
        round(state.pressure, 1), state.potential, record.checks, int(record.ok),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def finish(folder: Path, run: Run, rows: list[dict[str, object]], seconds: float) -> None:
    """Record that a run is finished, and rewrite the manifest."""
    notes = folder / "runs"
    notes.mkdir(parents=True, exist_ok=True)
    (notes / f"{run.name}.json").write_text(json.dumps({"cpu_seconds": round(seconds, 1), "rows": rows}, indent=1))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for note in sorted(notes.glob("*.json")):
            writer.writerows(json.loads(note.read_text())["rows"])


def tables(folder: Path) -> str:
    """A Markdown table of every finished state point. The cost of a run stands in its first row."""
    lines = ["| group | system | phase | T / K | P / bar | atoms | frames | accepted | CPU s |", "|" + " --- |" * 9]
    notes = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]
    for note in sorted(notes, key=lambda note: (note["rows"][0]["group"], note["rows"][0]["file"])):
        cost = f"{note['cpu_seconds']:.0f}"
        for row in note["rows"]:
            pressure = f"{float(row['pressure_bar']):.0f}"
            cells = [row[key] for key in ("group", "system", "phase", "T")]
            cells += [pressure, row["natoms"], row["frames"], "yes" if row["ok"] else "no", cost]
            lines.append("| " + " | ".join(str(cell).replace("|", " / ") for cell in cells) + " |")
            cost = ""
    total = sum(note["cpu_seconds"] for note in notes) / 60
    return "\n".join([*lines, "", f"{len(notes)} runs, {total:.0f} minutes of one core."])


def is_done(folder: Path, run: Run) -> bool:
    """Whether an earlier call has finished this run."""
    return (folder / "runs" / f"{run.name}.json").exists()
