"""Crystals ahead of and behind a shock front: strong uniaxial strain, but one length scale for the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..plots import drawing, method_line, shared_legend
from ..report import Page, Verdict, at_least, folded, percent, table
from ..suite import Suite
from ..systems import UNKNOWN, Snapshot
from ..tally import DENOISED, RAW

SHOCK = "S_shock"
SLAB = 5.0
KEPT = 0.99
REFERENCE = "PTM 0.15"

# Source, name, true class with the number of atoms, and the share of correct labels by method.
Region = tuple[str, str, tuple[str, int], dict[str, float]]


def run(suite: Suite) -> Page:
    """Profiles along the shock, the regions that the files name, and crystals compressed without a shock."""
    page = Page("shock", "Shock and strong strain")
    known = [s for s in suite.of_kind("S") if (s.truth != UNKNOWN).any()]
    shocked = [s for s in known if s.group == SHOCK]
    strained = [s for s in known if s.group != SHOCK]
    requirement = f"shock: the crystal before and behind the front found at least as often as by {REFERENCE}"
    if shocked:
        regions = [region for snapshot in suite.progress(shocked, "shock") for region in _regions(snapshot, suite)]
        _profiles(page, shocked, suite)
        page.add(
            "## Regions",
            "The share of atoms with the true class, by the regions in the file's label column.",
            _region_table(regions),
        )
        page.figures["regions"] = _figures(regions)
        page.verdicts.extend(_verdicts(requirement, regions))
    else:
        page.add("No snapshots of a shock.")
        page.verdicts.append(Verdict(requirement, "no frames", None))
    if strained:
        _strain(page, strained, suite)
    return page


def _verdicts(requirement: str, regions: Sequence[Region]) -> list[Verdict]:
    """Raw and denoised against the reference, region by region."""
    if not all(REFERENCE in shares for *_, shares in regions):
        return [Verdict(requirement, f"without {REFERENCE}", None)]
    verdicts = []
    for method in (RAW, DENOISED):
        _, name, _, shares = min(regions, key=lambda region: region[3][method] - region[3][REFERENCE])
        found = f"closest in '{name}': {percent(shares[method])} against {percent(shares[REFERENCE])} %"
        verdicts.append(Verdict(f"{requirement}, {method}", found, shares[method] >= shares[REFERENCE]))
    return verdicts


def _strain(page: Page, frames: Sequence[Snapshot], suite: Suite) -> None:
    """Whole crystals compressed along one axis."""
    regions = [region for snapshot in suite.progress(frames, "strain") for region in _regions(snapshot, suite)]
    page.add(
        "## Crystals compressed along one axis",
        "Bulk crystals of MD, compressed step by step along one axis while the others are held, as behind a shock "
        "front.",
        _region_table(regions),
    )
    page.figures["strained"] = _figures(regions)
    for method in (RAW, DENOISED):
        _, name, _, shares = min(regions, key=lambda region: region[3][method])
        page.verdicts.append(
            at_least(
                f"strain up to 25 % along one axis, {method}: label kept by 99 % of the atoms",
                shares[method],
                KEPT,
                f"least {percent(shares[method])} % ({name})",
                further=True,
            )
        )


def _region_table(regions: Sequence[Region]) -> str:
    methods = list(dict.fromkeys(method for *_, shares in regions for method in shares))
    lines = [
        [name, truth, number, *(percent(shares.get(method)) for method in methods)]
        for _, name, (truth, number), shares in regions
    ]
    return table(["region", "true class", "atoms", *methods], lines)


def _figures(regions: Sequence[Region]) -> list[dict[str, object]]:
    return [
        {"frame": source, "region": name, "class": truth, "atoms": number, "right": shares}
        for source, name, (truth, number), shares in regions
    ]


def _right(snapshot: Snapshot, suite: Suite) -> dict[str, np.ndarray]:
    """Whether each method is right about each atom. Methods that lack a template for a true class are left out."""
    right = {
        RAW: suite.bench.raw(snapshot.atoms).names == snapshot.truth,
        DENOISED: suite.bench.denoised(snapshot.atoms).names == snapshot.truth,
    }
    for peer in suite.peers:
        if peer.applies(snapshot):
            found = peer.right(peer.found(snapshot, suite.bench.cache), snapshot.truth)
            if not np.isnan(found[snapshot.truth != UNKNOWN]).any():
                right[peer.name] = found
    return right


def _regions(snapshot: Snapshot, suite: Suite) -> list[Region]:
    """Frame, name of the region, its class and number of atoms, and the share that each method gets right."""
    legend = dict(entry.split(" ", 1) for entry in str(snapshot.info["label_legend"]).split("; ") if " " in entry)
    right = _right(snapshot, suite)
    regions = []
    for code in np.unique(snapshot.label):
        chosen = (snapshot.label == code) & (snapshot.truth != UNKNOWN)
        if chosen.any():
            shares = {method: float(flags[chosen].mean()) for method, flags in right.items()}
            truth = str(snapshot.truth[chosen][0])
            name = f"{_name(snapshot)}, {legend.get(str(code), code)}"
            regions.append((snapshot.source, name, (truth, int(chosen.sum())), shares))
    return regions


def _name(snapshot: Snapshot) -> str:
    """Direction, piston velocity and compression, where the file has them."""
    words = [str(snapshot.info.get(key, "")) for key in ("direction", "piston_km_s", "compression")]
    if snapshot.phase == "hcp":
        # The direction has four indices, but the reader of the file takes 0001 for a number.
        words[0] = words[0].zfill(4)
    units = ("[{}]", "piston {} km/s", "compressed by {}")
    return ", ".join([snapshot.system, *(unit.format(word) for unit, word in zip(units, words, strict=True) if word)])


def _profiles(page: Page, frames: Sequence[Snapshot], suite: Suite) -> None:
    """Share of correct labels in slabs along the shock, one panel per file (its middle frame)."""
    files: dict[str, list[Snapshot]] = {}
    for snapshot in frames:
        files.setdefault(snapshot.source.partition("#")[0], []).append(snapshot)
    chosen = [own[len(own) // 2] for own in files.values()]
    path = suite.out / "shock.png"
    lines = []
    with drawing(path, len(chosen), 1, (6.5, 1.8)) as axes:
        for axis, snapshot in zip(axes[:, 0], chosen, strict=True):
            height = snapshot.atoms.positions[:, 2] - snapshot.atoms.positions[:, 2].min()
            slab = (height / SLAB).astype(int)
            filled = np.bincount(slab) > 0
            right = {m: f for m, f in _all_crystal(snapshot, suite).items() if m in (RAW, DENOISED, REFERENCE)}
            middles = (np.arange(len(filled)) + 0.5)[filled] * SLAB
            for method, flags in right.items():
                share = 100 * np.bincount(slab, flags)[filled] / np.bincount(slab)[filled]
                method_line(axis, method, middles, share)
                lines.append([_name(snapshot), method, ", ".join(f"{value:.0f}" for value in share)])
            if "front_z" in snapshot.info:
                axis.axvline(float(snapshot.info["front_z"]), color="0.6", lw=4, alpha=0.4)
            axis.set(ylabel=f"{snapshot.phase}, %", ylim=(-3, 103))
            axis.set_title(_name(snapshot), fontsize=8)
        shared_legend(axes)
        axes[-1, 0].set_xlabel("along the shock, Angstrom (grey: front)")
    page.add(
        "## Profiles", f"The share of atoms called {chosen[0].phase}, in slabs of {SLAB:.0f} Angstrom, in all regions."
    )
    page.picture(path, "Share of the crystal's label along the shock")
    page.add(folded("Figures", table(["frame", "method", f"% in slabs of {SLAB:.0f} A"], lines)))


def _all_crystal(snapshot: Snapshot, suite: Suite) -> dict[str, np.ndarray]:
    """Mask of the atoms that each method gives the crystal's label, in any region."""
    truth = snapshot.truth[snapshot.truth != UNKNOWN][0]
    return _right(replace(snapshot, truth=np.full(len(snapshot.atoms), truth)), suite)
