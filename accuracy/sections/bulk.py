"""Bulk crystals at every temperature, with peers on the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..literature import DC3_AT_MELTING, DC4_AT_MELTING
from ..plots import drawing, hide_unused, method_line, shared_legend
from ..report import Page, Verdict, at_least, folded, percent, table
from ..suite import Suite
from ..systems import UNKNOWN
from ..tally import (
    DENOISED,
    RAW,
    Row,
    as_figures,
    by_crystal,
    count,
    describe,
    every_row,
    is_crystal,
    methods,
    over_atoms,
    over_crystals,
    worst,
)

MELTING = 0.97
# The group of frames whose structure changed during their simulation.
REJECTED = "A_unstable"
MANY_PANELS = 20


def run(suite: Suite) -> Page:
    """Tables, temperature sweeps and verdicts."""
    page = Page("bulk", "Bulk crystals")
    rows = [row for row in count(suite, suite.of_kind("A"), "bulk crystals") if is_crystal(row)]
    if not rows:
        page.add("No snapshots of bulk crystals that the model has a class for.")
        return page
    stable = [row for row in rows if row.temperature <= 1.0]
    page.verdicts.extend(_verdicts(stable, suite))
    page.figures["rows"] = as_figures(rows, suite)
    page.add(
        "Plain MD; the temperature is a share of the melting temperature. For the model, an atom is right if its "
        "label is the true class, with all classes of the model allowed and the length scale estimated. A peer does "
        "not distinguish species, so it is right if it finds the lattice of the class without species (B2: bcc, B1: "
        "simple cubic, L1_2: fcc). A dash means that the peer has no template for the class."
    )
    unnamed = {(s.system, s.phase) for s in suite.of_kind("A") if (s.truth == UNKNOWN).all() and s.group != REJECTED}
    if unnamed:
        page.add(f"Left out, as the model has no class for them: {', '.join(map(' '.join, sorted(unnamed)))}.")
    page.add("## Means", _means(stable, suite))
    sweeps = suite.out / "bulk-temperatures.png"
    _draw_sweeps(rows, suite, sweeps)
    page.add("## Temperature")
    page.picture(sweeps, "Share of atoms right against temperature, one panel per crystal, all methods")
    page.add("## The hottest frames of each crystal", _at_melting(stable, suite))
    page.add(folded("Every system and temperature", every_row(rows, suite)))
    return page


def _verdicts(rows: list[Row], suite: Suite) -> list[Verdict]:
    mean = min(over_atoms(rows, DENOISED), over_crystals(rows, DENOISED))
    lowest = worst(rows, DENOISED)
    found = (
        f"{percent(over_atoms(rows, DENOISED))} % of {sum(row.atoms for row in rows)} atoms, "
        f"{percent(over_crystals(rows, DENOISED))} % as the mean of {len(by_crystal(rows))} crystals"
    )
    verdicts = [
        at_least("bulk crystals up to melting, denoised: 99.8 % of atoms right on average", mean, 0.998, found),
        at_least(
            "bulk crystals up to melting, denoised: no crystal below 99 % at any temperature",
            lowest.share(DENOISED),
            0.99,
            f"lowest {describe(lowest, DENOISED)}",
        ),
    ]
    bcc = worst([row for row in rows if row.truth == "bcc"], RAW)
    if bcc is not None:
        text = f"lowest {describe(bcc, RAW)}"
        verdicts.append(at_least("bcc up to melting, raw: at least 95 %", bcc.share(RAW), 0.95, text))
    verdicts.extend(_against_peers(rows, suite))
    return verdicts


def _against_peers(rows: list[Row], suite: Suite) -> list[Verdict]:
    """Raw labels of the hottest frames, crystal by crystal, against template matching and DC4."""
    hottest = _hottest(rows)
    verdicts = []
    for peer in suite.peers:
        compared = [row for row in hottest if peer.name in row.right]
        if peer.name.startswith("PTM") and compared:
            name = f"raw, hottest frames: no crystal worse than {peer.name}"
            verdicts.append(_no_worse(name, [(row, row.share(peer.name)) for row in compared]))
    quoted = [
        (row, DC4_AT_MELTING[row.system, row.phase]) for row in hottest if (row.system, row.phase) in DC4_AT_MELTING
    ]
    if quoted:
        verdicts.append(_no_worse("raw at melting: no crystal worse than DC4 (quoted)", quoted))
    return verdicts


def _no_worse(requirement: str, pairs: list[tuple[Row, float]]) -> Verdict:
    # DC4's figures are known to a tenth of a per cent.
    worse = [(row, other) for row, other in pairs if row.share(RAW) < other - 5e-4]
    text = ", ".join(f"{row.name} {percent(row.share(RAW), 1)} against {percent(other, 1)} %" for row, other in worse)
    return Verdict(requirement, f"worse in {len(worse)} of {len(pairs)}" + (f": {text}" if text else ""), not worse)


def _means(rows: list[Row], suite: Suite) -> str:
    """A table of each method over the rows that it has templates for, with the model on the same rows."""
    head = ["method", "crystals", "atoms", "mean of crystals", "of atoms", "worst", "model raw", "model denoised"]
    lines = []
    for method in methods(rows, suite):
        own = [row for row in rows if method in row.right]
        lines.append(
            [
                method,
                len(by_crystal(own)),
                sum(row.atoms for row in own),
                percent(over_crystals(own, method)),
                percent(over_atoms(own, method)),
                describe(worst(own, method), method),
                percent(over_crystals(own, RAW)),
                percent(over_crystals(own, DENOISED)),
            ]
        )
    return (
        table(head, lines)
        + "\n\nThe last two columns are the model's means over the crystals for which the method has templates. "
        "Template matching without a cutoff never calls an atom disordered, not even in liquids "
        "([fluids](fluids.md))."
    )


def _hottest(rows: Sequence[Row]) -> list[Row]:
    """The row with the highest temperature of every crystal, if that is at least 0.9 of melting."""
    best = [max(own, key=lambda row: row.temperature) for own in by_crystal(rows).values()]
    return [row for row in best if row.temperature >= 0.9]


def _at_melting(rows: list[Row], suite: Suite) -> str:
    hottest = _hottest(rows)
    names = methods(hottest, suite)
    lines = []
    for row in hottest:
        melting = row.temperature >= MELTING
        quoted = [
            percent(table_.get((row.system, row.phase)) if melting else None, 1)
            for table_ in (DC4_AT_MELTING, DC3_AT_MELTING)
        ]
        shares = [percent(row.share(name)) for name in names]
        lines.append([row.name, row.truth, f"{row.temperature:.2f}", *shares, *quoted])
    return (
        table(["system", "true class", "T/Tm", *names, "DC4 (quoted)", "DC3 (quoted)"], lines)
        + "\n\nDC4 is its published network, raw, on the same frames. DC3 is as published, on its authors' own "
        "snapshots. Both are quoted, not measured here."
    )


def _draw_sweeps(rows: list[Row], suite: Suite, path: Path) -> None:
    sweeps = {
        key: sorted(own, key=lambda row: row.temperature)
        for key, own in by_crystal(rows).items()
        if len({row.temperature for row in own}) >= 3
    }
    if not sweeps:
        sweeps = by_crystal(rows)
    many = len(sweeps) > MANY_PANELS
    columns = min(6 if many else 4, len(sweeps))
    size = (1.8, 1.4) if many else (2.4, 1.9)
    with drawing(path, -(-len(sweeps) // columns), columns, size, sharey=True) as axes:
        for axis, own in zip(axes.flat, sweeps.values(), strict=False):
            for method in reversed(methods(own, suite)):
                points = [(row.temperature, 100 * row.share(method)) for row in own if method in row.right]
                method_line(axis, method, *np.transpose(points))
            axis.set_title(f"{own[0].name}, {own[0].truth}", fontsize=7 if many else 8.5)
            axis.set_ylim(-3, 103)
        hide_unused(axes, len(sweeps))
        for axis in axes[:, 0]:
            axis.set_ylabel("atoms right, %")
        for axis in axes[-1]:
            axis.set_xlabel("T / Tm")
        shared_legend(axes)
