"""Print the accuracy table: `npm run accuracy -- --data FOLDER`.

Every row is one system at one temperature, all its snapshots together: share of atoms with the right
label in one raw pass and after denoising, template matching on the same frames beside it. For a liquid,
"right" is `disordered`, so 100 minus the figure is the share called crystalline.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from phasewire import Local
from tqdm import tqdm

from .peers import right_lattice, template_matching
from .systems import UNKNOWN, Snapshot, rows, snapshots

GROUPS = ("A_bulk", "A_ice_tip4p", "B_liquid", "C_coexistence", "D_defects", "F_gb")
PTM_CUTOFFS = (0.10, 0.15)
BEGIN, END = "<!-- accuracy table: begin -->", "<!-- accuracy table: end -->"


@dataclass
class Tally:
    """Counts of right atoms of one row, by method, and what the wrong ones were called."""

    atoms: int = 0
    frames: int = 0
    right: Counter = field(default_factory=Counter)
    mistakes: Counter = field(default_factory=Counter)
    displacement: list[float] = field(default_factory=list)

    def percent(self, method: str) -> float:
        return 100.0 * self.right[method] / self.atoms


def add(tally: dict[tuple, Tally], snapshot: Snapshot, analyser: Local, steps: int) -> None:
    """Analyse one snapshot and enter each true class of it into its row."""
    atoms = snapshot.atoms
    frame = (atoms.positions, np.asarray(atoms.cell), tuple(map(bool, atoms.pbc)), atoms.get_chemical_symbols())
    raw = analyser.analyse(*frame)
    denoised = analyser.analyse(*frame, denoise=steps, fields=("labels", "denoised"))
    moved = np.linalg.norm(denoised.denoised - atoms.positions, axis=1) / denoised.length_scale
    labels = {"raw": raw.phase_names(), "denoised": denoised.phase_names()}
    matched = {cutoff: template_matching(atoms, cutoff) for cutoff in PTM_CUTOFFS}
    for phase in np.unique(snapshot.truth):
        if phase == UNKNOWN:
            continue
        chosen = snapshot.truth == phase
        row = tally[snapshot.group, snapshot.system, snapshot.phase, phase, snapshot.temperature]
        row.atoms += int(chosen.sum())
        row.frames += 1
        for method, names in labels.items():
            row.right[method] += int((names[chosen] == phase).sum())
        row.mistakes.update(name for name in labels["denoised"][chosen].tolist() if name != phase)
        row.displacement.append(float(moved[chosen].mean()))
        for cutoff, found in matched.items():
            row.right[f"PTM {cutoff:.2f}"] += int(right_lattice(found[chosen], snapshot.truth[chosen]).sum())


def table(tally: dict[tuple, Tally], steps: int) -> str:
    """The rows as Markdown."""
    methods = ["raw", "denoised", *(f"PTM {cutoff:.2f}" for cutoff in PTM_CUTOFFS)]
    head = ["system", "true class", "T/Tm", "frames", "atoms", *methods, "moved / a0", "wrong labels after denoising"]
    head[head.index("denoised")] = f"after {steps} steps"
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for (_, system, phase, truth, temperature), row in sorted(tally.items()):
        name = system if phase == truth else f"{system} ({phase.replace('|', ' / ')})"
        wrong = ", ".join(f"{label} {100 * n / row.atoms:.2f} %" for label, n in row.mistakes.most_common(3))
        figures = [f"{row.percent(method):.2f}" for method in methods]
        cells = [name, truth, f"{temperature:.2f}", str(row.frames), str(row.atoms), *figures]
        lines.append("| " + " | ".join([*cells, f"{np.mean(row.displacement):.3f}", wrong]) + " |")
    return "\n".join(lines)


def summary(tally: dict[tuple, Tally]) -> str:
    """Kinds of snapshots in one row each, over all their atoms, as Markdown."""
    kinds = {
        "crystals, all temperatures": lambda group, truth, heat: group.startswith("A_"),
        "crystals from 0.95 of melting": lambda group, truth, heat: group.startswith("A_") and heat >= 0.95,
        "liquids": lambda group, truth, heat: group == "B_liquid",
        "coexistence, crystal half": lambda group, truth, heat: group == "C_coexistence" and truth != "disordered",
        "coexistence, liquid half": lambda group, truth, heat: group == "C_coexistence" and truth == "disordered",
        "crystals with vacancies": lambda group, truth, heat: group == "D_defects",
    }
    methods = ["raw", "denoised", *(f"PTM {cutoff:.2f}" for cutoff in PTM_CUTOFFS)]
    head = ["atoms right, %", "atoms", *methods, "worst row, raw", "worst row, denoised"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for kind, belongs in kinds.items():
        rows_of_kind = [row for (group, _, _, truth, heat), row in tally.items() if belongs(group, truth, heat)]
        if not rows_of_kind:
            continue
        atoms = sum(row.atoms for row in rows_of_kind)
        means = [100.0 * sum(row.right[method] for row in rows_of_kind) / atoms for method in methods]
        worst = [min(row.percent(method) for row in rows_of_kind) for method in ("raw", "denoised")]
        lines.append("| " + " | ".join([kind, str(atoms), *(f"{value:.2f}" for value in (*means, *worst))]) + " |")
    return "\n".join(lines)


def insert(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with manifest.csv")
    parser.add_argument("--model", help="name or path of a model; default: the shipped one")
    parser.add_argument("--steps", type=int, default=8, help="denoising steps")
    parser.add_argument("--groups", nargs="+", default=list(GROUPS))
    parser.add_argument("--write", type=Path, metavar="PAGE", help="insert the table into this Markdown page")
    arguments = parser.parse_args()
    if not (arguments.data / "manifest.csv").exists():
        parser.error(f"no manifest.csv in {arguments.data}; give the folder of snapshots with --data")
    tally: dict[tuple, Tally] = defaultdict(Tally)
    groups = tuple(arguments.groups)
    with Local(arguments.model) as analyser:
        frames = snapshots(arguments.data, groups, analyser.phases)
        for snapshot in tqdm(frames, desc="snapshots", total=len(rows(arguments.data, groups))):
            add(tally, snapshot, analyser, arguments.steps)
        title = f"Model `{analyser.model_name}`, all its classes allowed, length scale found by itself."
    every_row = (
        f"<details><summary>Every system and temperature</summary>\n\n{table(tally, arguments.steps)}\n\n</details>"
    )
    text = f"\n{title}\n\n{summary(tally)}\n\n{every_row}\n"
    print(text)
    if arguments.write is not None:
        insert(arguments.write, text)


if __name__ == "__main__":
    main()
