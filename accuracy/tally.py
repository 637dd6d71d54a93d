"""Counts of correct labels: one row per system, true class and temperature, with every method on the same atoms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .report import figure, percent, table
from .suite import Suite
from .systems import DISORDERED, UNKNOWN, Snapshot

RAW, DENOISED = "raw", "denoised"


@dataclass
class Row:
    """All atoms of one true class in the snapshots of one system at one temperature.

    `right` counts the atoms that a method gets right, and has no entry if the method has no template. `wrong` counts
    the names that the other atoms got, raw and denoised. `moved` is the sum of all displacements by denoising, in a0.
    """

    group: str
    system: str
    phase: str
    truth: str
    temperature: float
    atoms: int = 0
    frames: int = 0
    right: Counter = field(default_factory=Counter)
    wrong: dict[str, Counter] = field(default_factory=lambda: {RAW: Counter(), DENOISED: Counter()})
    moved: float = 0.0

    @property
    def heat(self) -> str:
        """Text such as ` at 0.90 Tm`, empty for structures without a temperature."""
        return f" at {self.temperature:.2f} Tm" if self.temperature else ""

    @property
    def name(self) -> str:
        """The system, with the phase in brackets if its name differs from that of the class."""
        return self.system if self.phase == self.truth else f"{self.system} ({self.phase.replace('|', ' / ')})"

    def share(self, method: str) -> float | None:
        """Share of correctly labelled atoms, or None if the method has no template."""
        return self.right[method] / self.atoms if method in self.right else None

    def mistakes(self, method: str, most: int = 3) -> str:
        """The most frequent wrong names, as shares of the atoms in the row."""
        return ", ".join(f"{name} {percent(n / self.atoms)} %" for name, n in self.wrong[method].most_common(most))


def count(suite: Suite, snapshots: Sequence[Snapshot], text: str) -> list[Row]:
    """Analyse snapshots and count labels. Rows are sorted by group, system and temperature."""
    rows: dict[tuple, Row] = {}
    for snapshot in suite.progress(snapshots, text):
        for truth in np.unique(snapshot.truth):
            if truth != UNKNOWN:
                key = (snapshot.group, snapshot.system, snapshot.phase, str(truth), snapshot.temperature)
                row = rows.setdefault(key, Row(*key))
                _enter(row, suite, snapshot, snapshot.truth == truth)
    return sorted(rows.values(), key=lambda row: (row.group, row.system, row.phase, row.truth, row.temperature))


def _enter(row: Row, suite: Suite, snapshot: Snapshot, chosen: np.ndarray) -> None:
    row.atoms += int(chosen.sum())
    row.frames += 1
    raw, denoised = suite.bench.raw(snapshot.atoms), suite.bench.denoised(snapshot.atoms)
    for method, names in ((RAW, raw.names[chosen]), (DENOISED, denoised.names[chosen])):
        row.right[method] += int((names == row.truth).sum())
        row.wrong[method].update(names[names != row.truth].tolist())
    moved = np.linalg.norm(denoised.denoised - snapshot.atoms.positions, axis=1)
    row.moved += float(moved[chosen].sum()) / denoised.length_scale
    for peer in suite.peers:
        if peer.applies(snapshot):
            right = peer.right(peer.found(snapshot, suite.bench.cache), snapshot.truth)[chosen]
            if not np.isnan(right).any():
                row.right[peer.name] += int(right.sum())


def methods(rows: Iterable[Row], suite: Suite) -> list[str]:
    """Methods that have a figure in any of the rows."""
    rows = list(rows)
    names = [RAW, DENOISED, *(peer.name for peer in suite.peers)]
    return [name for name in names if any(name in row.right for row in rows)]


def over_atoms(rows: Sequence[Row], method: str) -> float | None:
    """Share of correctly labelled atoms in all rows that the method has a template for."""
    known = [row for row in rows if method in row.right]
    return sum(row.right[method] for row in known) / sum(row.atoms for row in known) if known else None


def by_crystal(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of each system and phase, at all temperatures."""
    crystals: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        crystals[row.system, row.phase].append(row)
    return dict(crystals)


def over_crystals(rows: Sequence[Row], method: str) -> float | None:
    """Mean over the crystals (system and phase) of the mean over their rows."""
    means = []
    for own in by_crystal(rows).values():
        shares = [share for row in own if (share := row.share(method)) is not None]
        if shares:
            means.append(np.mean(shares))
    return float(np.mean(means)) if means else None


def worst(rows: Sequence[Row], method: str) -> Row | None:
    """The row with the smallest share, or None without rows."""
    known = [row for row in rows if method in row.right]
    return min(known, key=lambda row: row.right[method] / row.atoms) if known else None


def describe(row: Row | None, method: str) -> str:
    """Text such as `99.12 % (Fe at 1.00 Tm)` for a table."""
    if row is None:
        return "-"
    return f"{percent(row.share(method))} % ({row.name}{row.heat})"


def every_row(rows: Sequence[Row], suite: Suite) -> str:
    """The rows as a Markdown table."""
    names = methods(rows, suite)
    head = ["system", "true class", "T/Tm", "frames", "atoms", *names, "moved / a0", "wrong, raw", "wrong, denoised"]
    lines = []
    for row in rows:
        shares = [percent(row.share(name)) for name in names]
        ends = [figure(row.moved / row.atoms, 3), row.mistakes(RAW), row.mistakes(DENOISED)]
        lines.append([row.name, row.truth, figure(row.temperature or None), row.frames, row.atoms, *shares, *ends])
    return table(head, lines)


def as_figures(rows: Sequence[Row], suite: Suite) -> list[dict[str, object]]:
    """The rows for programs."""
    names = methods(rows, suite)
    return [
        {
            "system": row.system,
            "phase": row.phase,
            "class": row.truth,
            "temperature": row.temperature,
            "atoms": row.atoms,
            "right": {name: row.share(name) for name in names},
            "moved": row.moved / row.atoms,
        }
        for row in rows
    ]


def is_crystal(row: Row) -> bool:
    """Whether the true class is crystalline."""
    return row.truth != DISORDERED
