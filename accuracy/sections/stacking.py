"""Stacking faults, twins, polytypes, omega, grains, and whether an fcc crystal is ever called a polytype."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from ..report import Page, Verdict, at_most, percent, table
from ..suite import Suite
from ..systems import UNKNOWN, Snapshot
from ..tally import DENOISED, RAW, as_figures, count, every_row

# Names of close-packed stackings other than fcc and hcp.
POLYTYPES = ("dhcp", "9R", "6H", "12R", "15R", "18R")
# An atom is inside a grain if all atoms within this distance, in a0, come from the same grain. The distance exceeds the
# model's cutoff.
GRAIN_DEPTH = 2.5
MOST_ATOMS_OF_A_STACKING = 0.001


def run(suite: Suite) -> Page:
    """Layered structures by layer, grains by depth, polytypes by name."""
    page = Page("stacking", "Stacking, polytypes, grains")
    constructed = [s for s in suite.of_kind("E") if "path_t" not in s.info]
    faults = [s for s in suite.of_kind("F") if not _has_grains(s)]
    rows = count(suite, [*constructed, *faults], "stacking")
    page.figures["rows"] = as_figures(rows, suite)
    if rows:
        page.add(
            "## Layers and polytypes with a true class",
            "In faults and twins each layer has its own class. Constructed structures carry white noise of 0 to 8 % of "
            "the nearest distance; the table combines all noise levels.",
            every_row(rows, suite),
        )
    unnamed = [s for s in constructed if not (s.truth != UNKNOWN).any()]
    if unnamed:
        page.add("## Structures for which the model has no class", _called(unnamed, suite))
    for snapshot in [s for s in suite.of_kind("F") if _has_grains(s)]:
        page.add(f"## Grains: {snapshot.system}", _grains(snapshot, suite, page))
    page.verdicts.append(_polytypes(page, suite))
    return page


def _has_grains(snapshot: Snapshot) -> bool:
    return "grain" in str(snapshot.info.get("label_legend", ""))


def _shares(labels: Counter, most: int = 4) -> str:
    total = sum(labels.values())
    return ", ".join(f"{name} {percent(n / total, 1)} %" for name, n in labels.most_common(most))


def _called(snapshots: Sequence[Snapshot], suite: Suite) -> str:
    lines = []
    for snapshot in snapshots:
        legend = dict(
            entry.split(" ", 1) for entry in str(snapshot.info.get("label_legend", "")).split("; ") if " " in entry
        )
        raw, denoised = suite.bench.raw(snapshot.atoms), suite.bench.denoised(snapshot.atoms)
        for code in np.unique(snapshot.label):
            chosen = snapshot.label == code
            lines.append(
                [
                    snapshot.phase,
                    legend.get(str(code), "all atoms"),
                    f"{100 * float(snapshot.info.get('noise_over_nn', 0)):.0f} %",
                    _shares(Counter(raw.names[chosen].tolist())),
                    _shares(Counter(denoised.names[chosen].tolist())),
                ]
            )
    return table(["structure", "atoms", "noise", "called, raw", "called, denoised"], lines)


def _grains(snapshot: Snapshot, suite: Suite, page: Page) -> str:
    """Atoms deep inside a grain, and the other atoms, which have no truth."""
    inside = deep_in_grain(snapshot, GRAIN_DEPTH * suite.bench.raw(snapshot.atoms).length_scale)
    lines = []
    shares: dict[str, float] = {}
    for method, measured in (
        (RAW, suite.bench.raw(snapshot.atoms)),
        (DENOISED, suite.bench.denoised(snapshot.atoms)),
    ):
        for where, chosen in (("inside", inside), ("at boundaries", ~inside)):
            right = float((measured.names == snapshot.truth)[chosen].mean()) if chosen.any() else float("nan")
            shares[f"{method}, {where}"] = right
            called = _shares(Counter(measured.names[chosen].tolist()))
            lines.append(
                [where, int(chosen.sum()), method, percent(right), called, f"{measured.confidence[chosen].mean():.3f}"]
            )
    for peer in suite.peers:
        if peer.applies(snapshot):
            right = peer.right(peer.found(snapshot, suite.bench.cache), snapshot.truth)
            for where, chosen in (("inside", inside), ("at boundaries", ~inside)):
                if chosen.any() and not np.isnan(right[chosen]).any():
                    lines.append([where, int(chosen.sum()), peer.name, percent(float(right[chosen].mean())), "", ""])
    page.figures[f"grains {snapshot.system}"] = shares
    return (
        f"An atom is inside if all atoms within {GRAIN_DEPTH} a0 began in the same grain. Atoms at boundaries have no "
        "true class; the table has the share that gets the grains' lattice.\n\n"
        + table(["atoms", "number", "method", "% of the grains' lattice", "called", "confidence"], lines)
    )


def deep_in_grain(snapshot: Snapshot, depth: float) -> np.ndarray:
    """Whether all atoms within `depth` have the same grain number (N,), in a periodic rectangular cell."""
    edges = snapshot.atoms.cell.lengths()
    positions = snapshot.atoms.positions % edges
    tree = cKDTree(positions, boxsize=edges)
    inside = np.ones(len(positions), dtype=bool)
    for grain in np.unique(snapshot.label):
        others = positions[snapshot.label != grain]
        if len(others):
            own = np.flatnonzero(snapshot.label == grain)
            inside[own] = cKDTree(others, boxsize=edges).query(tree.data[own])[0] > depth
    return inside


def _polytypes(page: Page, suite: Suite) -> Verdict:
    """The share of fcc atoms that get the name of a longer stacking, in all bulk frames of fcc."""
    requirement = "fcc is never called by a polytype's name (at most 0.1 % of the atoms of any frame)"
    names = [name for name in suite.bench.phases if name in POLYTYPES]
    frames = [s for s in suite.of_kind("A") if (s.truth == "fcc").all() and s.temperature <= 1.0]
    if not frames:
        return at_most(requirement, None, MOST_ATOMS_OF_A_STACKING, "no frames of fcc", further=True)
    lines, most = [], (0.0, "none")
    for snapshot in frames:
        for method, measured in (
            (RAW, suite.bench.raw(snapshot.atoms)),
            (DENOISED, suite.bench.denoised(snapshot.atoms)),
        ):
            share = float(np.isin(measured.names, names).mean())
            hexagonal = float((measured.names == "hcp").mean())
            most = max(most, (share, f"{snapshot.system} at {snapshot.temperature:.2f} Tm, {method}"))
            if share or hexagonal:
                lines.append(
                    [snapshot.system, f"{snapshot.temperature:.2f}", method, percent(share), percent(hexagonal)]
                )
    page.add(
        "## fcc with other labels",
        f"Polytypes among the classes of this model: {', '.join(names) or 'none'}. These are the frames of fcc with "
        "atoms called so, or called hcp:",
        table(["system", "T/Tm", "pass", "polytype, %", "hcp, %"], lines) if lines else "There are none.",
    )
    page.figures["fcc as polytype"] = most[0]
    found = f"most {percent(most[0], 3)} % ({most[1]}) of {len(frames)} frames"
    if not names:
        found = "the model has no class of a polytype"
    return at_most(requirement, most[0], MOST_ATOMS_OF_A_STACKING, found, further=True)
