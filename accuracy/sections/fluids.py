"""Liquids, glasses, gases, droplets, surfaces: atoms wrongly called crystalline, and displacement by denoising."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..report import Page, Verdict, at_most, figure, folded, percent, table
from ..suite import Suite
from ..synthetic import at_surface, droplet, gas, slab
from ..systems import DISORDERED, UNKNOWN, Snapshot
from ..tally import DENOISED, RAW, Row, as_figures, count, every_row, is_crystal, over_atoms, worst

# Phases that fill their cell. Droplets and slabs are cut from one frame per system and phase.
FILLING = ("liquid", "glass", "amorphous")
MOST_ATOMS = 1500
GAS_DENSITIES = (0.02, 0.1, 0.3)
# An atom at a surface sees a lopsided neighbourhood within this distance, in a0.
SURFACE_RADIUS = 1.6


def run(suite: Suite) -> Page:
    """Fluids and glasses from files, and generated gases, droplets and slabs."""
    page = Page("fluids", "Liquids, glasses, gases, droplets, surfaces")
    fluids = [s for s in suite.of_kind("A", "B") if (s.truth == DISORDERED).all()]
    rows = count(suite, fluids, "fluids")
    filling = {(s.system, s.phase): s for s in fluids if s.phase in FILLING}
    made = [
        *(gas(density, seed) for density in GAS_DENSITIES for seed in range(1 if suite.quick else 2)),
        *(droplet(snapshot) for snapshot in filling.values() if len(snapshot.atoms) <= MOST_ATOMS),
        *(slab(snapshot) for snapshot in filling.values()),
    ]
    made_rows = count(suite, made, "gases, droplets, slabs")
    page.figures["fluids"] = as_figures(rows, suite)
    page.figures["made"] = as_figures(made_rows, suite)
    for method in (RAW, DENOISED):
        limit = f"at most 0.5 % of the atoms called crystalline, {method}"
        page.verdicts.append(_verdict(f"any liquid, glass, gas, droplet: {limit}", rows, method))
        page.verdicts.append(_verdict(f"gases, droplets, liquid slabs made here: {limit}", made_rows, method, True))
    page.add(
        "The share of atoms called crystalline (for the peers: by any of their templates), and the mean displacement "
        "by denoising. A liquid should not move."
    )
    page.add("## Fluids and glasses", _crystalline(rows, suite), _sum(rows, suite))
    page.add(
        "## Gases, droplets, liquid slabs",
        "Gases are random hard spheres (density: spheres of diameter 0.8 per unit volume). Droplets are the largest "
        "ball of a liquid frame repeated twice along each axis. Slabs are liquid frames with vacuum added along one "
        "axis.",
        _crystalline(made_rows, suite),
    )
    _surfaces(page, suite)
    return page


def _verdict(requirement: str, rows: list[Row], method: str, further: bool = False) -> Verdict:
    row = worst(rows, method)
    if row is None:
        return at_most(requirement, None, 0.005, "no frames", further)
    found = (
        f"most {percent(1 - row.share(method))} % ({_name(row)}); {percent(1 - over_atoms(rows, method), 3)} % of "
        f"{sum(r.atoms for r in rows)} atoms"
    )
    return at_most(requirement, 1 - row.share(method), 0.005, found, further)


def _name(row: Row) -> str:
    return f"{row.system} {row.phase}{row.heat}"


def _crystalline(rows: list[Row], suite: Suite) -> str:
    names = [RAW, DENOISED, *(peer.name for peer in suite.peers)]
    head = ["system", "what", "T/Tm", "atoms", *(f"{name}, %" for name in names), "moved / a0", "called, denoised"]
    lines = [
        [
            row.system,
            row.phase,
            figure(row.temperature or None),
            row.atoms,
            *(percent(None if (share := row.share(name)) is None else 1 - share) for name in names),
            figure(row.moved / row.atoms, 4),
            row.mistakes(DENOISED),
        ]
        for row in rows
    ]
    return table(head, lines)


def _sum(rows: list[Row], suite: Suite) -> str:
    parts = []
    for name in (RAW, DENOISED, *(peer.name for peer in suite.peers)):
        share = over_atoms(rows, name)
        if share is not None:
            parts.append(f"{name} {percent(1 - share)} %")
    return "Over all atoms: " + ", ".join(parts) + "."


def _surfaces(page: Page, suite: Suite) -> None:
    """Crystal slabs: atoms inside keep their label. Atoms at the faces are listed separately."""
    crystals = [s for s in suite.of_kind("A") if 0.35 <= s.temperature <= 0.75 and (s.truth != DISORDERED).all()]
    slabs: list[Snapshot] = []
    for snapshot in [s for s in crystals if (s.truth != UNKNOWN).all()]:
        made = slab(snapshot)
        surface = at_surface(
            made.atoms, SURFACE_RADIUS * (snapshot.atoms.get_volume() / len(snapshot.atoms)) ** (1 / 3)
        )
        slabs.append(replace(made, phase="slab, inside", truth=np.where(surface, UNKNOWN, made.truth)))
        slabs.append(replace(made, phase="slab, surface", truth=np.where(surface, made.truth, UNKNOWN)))
    rows = [row for row in count(suite, slabs, "crystal slabs") if is_crystal(row)]
    page.figures["surfaces"] = as_figures(rows, suite)
    page.add(
        "## Crystal surfaces",
        "Frames of bulk crystals from 0.35 to 0.75 of melting, with vacuum added along one axis; nothing relaxes. "
        f"Surface atoms have their neighbours within {SURFACE_RADIUS} a0 on one side only.",
    )
    lines = []
    for where in ("inside", "surface"):
        own = [row for row in rows if row.phase.endswith(where)]
        if own:
            shares = [percent(over_atoms(own, method)) for method in (RAW, DENOISED)]
            lowest = worst(own, DENOISED)
            lines.append(
                [where, sum(row.atoms for row in own), *shares, f"{percent(lowest.share(DENOISED))} ({lowest.system})"]
            )
    page.add(table(["atoms", "number", "right, raw", "right, denoised", "worst crystal, denoised"], lines))
    page.add(folded("Every slab", every_row(rows, suite)))
