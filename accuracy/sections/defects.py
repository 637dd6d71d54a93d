"""Point defects: can the atoms around them be distinguished from the bulk, and do they keep their label?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from ..metrics import area_under_roc, roc_curve
from ..peers import template_distance
from ..plots import MARKERS, colours, drawing, hide_unused, shared_legend
from ..report import Page, Verdict, at_least, figure, percent, table
from ..suite import Suite
from ..synthetic import Defective, interstitials, vacancies
from ..systems import DISORDERED, UNKNOWN, Snapshot
from ..tally import DENOISED, RAW
from .noise import known_sites

HALF_OF_MELTING = (0.35, 0.6)
SHARE = 0.012
REQUIRED_AREA = 0.95
REQUIRED_KEPT = 0.99
# Most bulk frames that defects are made in. There is one per crystal.
MOST_MADE = 14
PTM = "PTM RMSD"


@dataclass(frozen=True)
class Case:
    """First-shell and bulk atoms in one or more frames of a crystal with one kind of defect."""

    name: str
    kind: str
    temperature: float
    frames: list[tuple[Snapshot, np.ndarray, np.ndarray]]

    @property
    def shell_count(self) -> int:
        return sum(int(shell.sum()) for _, shell, _ in self.frames)


@dataclass(frozen=True)
class Scores:
    """Scores of first-shell and bulk atoms by (pass, quantity), and shares of kept labels."""

    shell: dict[tuple[str, str], np.ndarray]
    bulk: dict[tuple[str, str], np.ndarray]
    kept: dict[str, float]

    def area(self, key: tuple[str, str]) -> float:
        return area_under_roc(self.shell[key], self.bulk[key])


def run(suite: Suite) -> Page:
    """Vacancies from MD at half the melting temperature, then defects made in bulk frames."""
    page = Page("defects", "Vacancies and interstitials")
    page.add(
        "The area under the ROC curve shows how well a quantity separates the first shell of a defect from the bulk "
        "(1: perfectly, 0.5: not at all). The quantities are one minus the confidence, minus the margin, and the "
        "distance to the ideal phase; for template matching, the deviation from the best template. *Kept*: first-shell "
        "atoms that keep the crystal's label."
    )
    simulated = _simulated(suite)
    measured = [(case, _scores(case, suite)) for case in suite.progress(simulated, "defects")]
    _section(page, "Defects of MD", "simulated", measured, suite)
    half = [(c, s) for c, s in measured if HALF_OF_MELTING[0] <= c.temperature <= HALF_OF_MELTING[1]]
    vacant = [(c, s) for c, s in half if "vacan" in c.kind]
    page.verdicts.extend(_verdicts("vacancies at half the melting temperature", vacant))
    others = [(c, s) for c, s in half if "vacan" not in c.kind]
    if others:
        page.verdicts.extend(_verdicts("other point defects at half the melting temperature", others, True))
    made = [(case, _scores(case, suite)) for case in suite.progress(_made(suite), "made defects")]
    page.add(
        "## Defects made in bulk frames",
        f"{100 * SHARE:.1f} % of the atoms are removed, or added in the largest voids with overlaps pushed apart. "
        "Nothing else relaxes, so vacancies are easier to find than those of MD, and interstitials harder.",
    )
    _section(page, None, "made", made, suite)
    for kind in ("vacancy", "interstitial"):
        page.verdicts.extend(_verdicts(f"made here, {kind}", [(c, s) for c, s in made if c.kind == kind], True))
    return page


def _simulated(suite: Suite) -> list[Case]:
    """Frames with a column `label`: 1 marks the first shell, 0 the bulk. Atoms with other labels do not count."""
    cases: dict[tuple, Case] = {}
    for snapshot in suite.of_kind("D"):
        if not (snapshot.truth != UNKNOWN).any():
            continue
        kind = str(snapshot.info.get("defect", snapshot.system.partition("+")[2] or "defect"))
        key = (snapshot.system, kind, snapshot.temperature)
        case = cases.setdefault(key, Case(snapshot.system.partition("+")[0], kind, snapshot.temperature, []))
        case.frames.append((snapshot, snapshot.label == 1, snapshot.label == 0))
    return list(cases.values())


def _made(suite: Suite) -> list[Case]:
    """Vacancies and interstitials in one bulk frame per crystal, near half of the melting temperature."""
    chosen: dict[tuple[str, str], Snapshot] = {}
    for snapshot in suite.of_kind("A"):
        single = len(np.unique(snapshot.truth)) == 1 and snapshot.truth[0] not in (UNKNOWN, DISORDERED)
        if single and HALF_OF_MELTING[0] <= snapshot.temperature <= HALF_OF_MELTING[1]:
            chosen.setdefault((snapshot.system, snapshot.phase), snapshot)
    cases = []
    for number, ((system, phase), snapshot) in enumerate(sorted(chosen.items())[: 2 if suite.quick else MOST_MADE]):
        sites = known_sites(snapshot, suite)
        if sites is None:
            continue
        for kind, made in (
            ("vacancy", vacancies(snapshot.atoms, sites, SHARE, number)),
            ("interstitial", interstitials(snapshot.atoms, SHARE / 2, number)),
        ):
            frame = _as_snapshot(snapshot, made)
            bulk = made.counted & ~made.first_shell
            cases.append(Case(f"{system} {phase}", kind, snapshot.temperature, [(frame, made.first_shell, bulk)]))
    return cases


def _as_snapshot(snapshot: Snapshot, made: Defective) -> Snapshot:
    atoms = made.atoms
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    truth = np.where(made.counted, snapshot.truth[0], UNKNOWN)
    return Snapshot("made", snapshot.system, snapshot.phase, snapshot.temperature, bare, truth, snapshot.water)


def _scores(case: Case, suite: Suite) -> Scores:
    shell: dict[tuple[str, str], list[np.ndarray]] = {}
    bulk: dict[tuple[str, str], list[np.ndarray]] = {}
    kept: dict[str, list[np.ndarray]] = {}
    for snapshot, in_shell, in_bulk in case.frames:
        values: dict[tuple[str, str], np.ndarray] = {}
        for method, measured in (
            (RAW, suite.bench.raw(snapshot.atoms)),
            (DENOISED, suite.bench.denoised(snapshot.atoms)),
        ):
            values[method, "confidence"] = 1.0 - measured.confidence
            values[method, "margin"] = -measured.margin
            values[method, "distance"] = measured.distance
            kept.setdefault(method, []).append((measured.names == snapshot.truth)[in_shell])
        if suite.peers:
            values[PTM, "deviation"] = template_distance(snapshot, suite.bench.cache)
        for key, value in values.items():
            shell.setdefault(key, []).append(value[in_shell])
            bulk.setdefault(key, []).append(value[in_bulk])
    return Scores(
        {key: np.concatenate(value) for key, value in shell.items()},
        {key: np.concatenate(value) for key, value in bulk.items()},
        {key: float(np.concatenate(value).mean()) for key, value in kept.items()},
    )


def _section(page: Page, title: str | None, name: str, measured: Sequence[tuple[Case, Scores]], suite: Suite) -> None:
    if title:
        page.add(f"## {title}")
    if not measured:
        page.add("No frames.")
        return
    areas = suite.out / f"defects-{name}-areas.png"
    _draw_areas(measured, areas)
    page.picture(areas, "Area under the ROC curve of each quantity")
    if name == "simulated":
        path = suite.out / f"defects-{name}.png"
        _draw_curves(measured, path)
        page.picture(path, "ROC curves: share of first-shell atoms marked against share of bulk atoms marked")
    keys = list(measured[0][1].shell)
    head = [
        "crystal",
        "defect",
        "T/Tm",
        "first shell",
        *(" ".join(key) for key in keys),
        "kept, raw, %",
        "kept, denoised, %",
    ]
    rows = [
        [
            case.name,
            case.kind,
            figure(case.temperature),
            case.shell_count,
            *(figure(scores.area(key), 3) for key in keys),
            *(percent(scores.kept[method]) for method in (RAW, DENOISED)),
        ]
        for case, scores in measured
    ]
    page.add(table(head, rows))
    page.figures[name] = [
        {
            "crystal": case.name,
            "defect": case.kind,
            "temperature": case.temperature,
            "area": {" ".join(key): scores.area(key) for key in keys},
            "kept": scores.kept,
        }
        for case, scores in measured
    ]


def _draw_areas(measured: Sequence[tuple[Case, Scores]], path: Path) -> None:
    """Draw one row of dots per case."""
    keys = list(measured[0][1].shell)
    with drawing(path, 1, 1, (6.0, 0.8 + 0.2 * len(measured))) as axes:
        axis = axes[0, 0]
        for key, colour, marker in zip(keys, colours(), MARKERS, strict=False):
            values = [scores.area(key) for _, scores in measured]
            axis.plot(values, range(len(measured)), marker, color=colour, ms=4.5, label=" ".join(key), alpha=0.85)
        axis.axvline(REQUIRED_AREA, color="0.7", linestyle=":")
        axis.set_yticks(range(len(measured)), [f"{case.name}, {case.kind}" for case, _ in measured])
        axis.set(xlabel="area under the ROC curve", xlim=(-0.02, 1.02))
        axis.invert_yaxis()
        shared_legend(axes, columns=4)


def _draw_curves(measured: Sequence[tuple[Case, Scores]], path: Path) -> None:
    columns = min(4, len(measured))
    with drawing(path, -(-len(measured) // columns), columns, (2.4, 2.1), sharex=True, sharey=True) as axes:
        for axis, (case, scores) in zip(axes.flat, measured, strict=False):
            for (key, shell), colour in zip(scores.shell.items(), colours(), strict=False):
                false, true = roc_curve(shell, scores.bulk[key])
                style = "-" if key[0] == DENOISED else "--"
                axis.plot(false, true, color=colour, lw=1.1, ls=style, label=" ".join(key))
            axis.set_title(f"{case.name}, {case.kind}", fontsize=7.5)
        hide_unused(axes, len(measured))
        axes.flat[0].figure.supxlabel("share of bulk atoms marked")
        axes.flat[0].figure.supylabel("share of first-shell atoms marked")
        shared_legend(axes, columns=4)


def _verdicts(what: str, measured: Sequence[tuple[Case, Scores]], further: bool = False) -> list[Verdict]:
    """Verdicts for both passes, by the worst crystal."""
    measured = [(case, scores) for case, scores in measured if case.shell_count]
    if not measured:
        requirement = f"{what}: area under the ROC curve by confidence at least {REQUIRED_AREA}"
        return [Verdict(requirement, "no frames", None, further)]
    verdicts = []
    for method in (RAW, DENOISED):
        areas = [(scores.area((method, "confidence")), case.name) for case, scores in measured]
        least, name = min(areas)
        verdicts.append(
            at_least(
                f"{what}, {method}: area under the ROC curve by confidence at least {REQUIRED_AREA}",
                least,
                REQUIRED_AREA,
                f"least {figure(least, 3)} ({name}), mean {figure(float(np.mean([a for a, _ in areas])), 3)} of "
                f"{len(areas)}",
                further,
            )
        )
    kept, name = min((scores.kept[DENOISED], case.name) for case, scores in measured)
    text = f"least {percent(kept)} % of the first shell ({name})"
    requirement = f"{what}, denoised: labels kept by 99 % of the first shell"
    verdicts.append(at_least(requirement, kept, REQUIRED_KEPT, text, further))
    return verdicts
