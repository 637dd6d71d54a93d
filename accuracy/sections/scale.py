"""Length scale: how far off it may be before labels suffer, and how well it is estimated in vacuum."""

from __future__ import annotations

from ..report import Page, at_least, at_most, percent, table
from ..suite import Suite
from ..synthetic import droplet, slab
from ..systems import DISORDERED, UNKNOWN, Snapshot

# The given a0, relative to that of the density.
FACTORS = (0.85, 0.88, 0.90, 0.92, 0.94, 0.97, 1.00, 1.03, 1.06, 1.08, 1.10, 1.12, 1.15)
TOLERATED = tuple(factor for factor in FACTORS if 0.92 <= factor <= 1.08)
HEAT = (0.65, 0.95)
# Fluids that fill their cell, so that V/N follows from their density.
FILLING = ("liquid", "glass", "amorphous")


def run(suite: Suite) -> Page:
    """One hot frame per system with a given a0 that is too short or too long; slabs and droplets with estimated a0."""
    page = Page("scale", "Length scale")
    chosen: dict[tuple[str, str], Snapshot] = {}
    for snapshot in suite.of_kind("A", "B"):
        whole = (snapshot.truth != UNKNOWN).all() and len(set(snapshot.truth)) == 1
        fluid = (snapshot.truth == DISORDERED).all()
        wanted = snapshot.phase in FILLING if fluid else HEAT[0] <= snapshot.temperature <= HEAT[1]
        if whole and wanted and snapshot.atoms.pbc.all():
            chosen.setdefault((snapshot.system, snapshot.phase), snapshot)
    snapshots = list(chosen.values())[: 4 if suite.quick else None]
    _tolerance(page, suite, snapshots)
    _estimates(page, suite, snapshots)
    return page


def _tolerance(page: Page, suite: Suite, snapshots: list[Snapshot]) -> None:
    lines, lowest, found = [], 1.0, "no frames"
    for snapshot in suite.progress(snapshots, "length scale given"):
        atoms = snapshot.atoms
        density = (atoms.get_volume() / len(atoms)) ** (1 / 3)
        shares = {}
        for factor in FACTORS:
            names = suite.bench.names_at(atoms, factor * density)
            shares[factor] = float((names == snapshot.truth).mean())
            if factor in TOLERATED and shares[factor] < lowest:
                lowest, found = shares[factor], f"{snapshot.system} {snapshot.phase} at {factor}"
        lines.append([snapshot.system, snapshot.phase, *(percent(share, 1) for share in shares.values())])
    page.verdicts.append(
        at_least(
            f"a0 off by up to {100 * (TOLERATED[-1] - 1):.0f} %: at least 99 % of the atoms right in one raw pass",
            lowest if lines else None,
            0.99,
            f"lowest {percent(lowest)} % ({found})",
            further=True,
        )
    )
    page.add(
        "## A given length scale that is too short or too long",
        "The share of right atoms, %, in one raw pass with a0 given as this multiple of (V/N)^(1/3). One number serves "
        "a frame of several densities if it is within the tolerated range of the a0 of each phase.",
        table(["system", "phase", *(f"{factor:.2f}" for factor in FACTORS)], lines),
    )


def _estimates(page: Page, suite: Suite, snapshots: list[Snapshot]) -> None:
    lines, largest, found = [], 0.0, "no frames"
    for snapshot in suite.progress(snapshots, "length scale estimated"):
        density = (snapshot.atoms.get_volume() / len(snapshot.atoms)) ** (1 / 3)
        ratios = [suite.bench.raw(made(snapshot).atoms).length_scale / density for made in (slab, droplet)]
        for kind, ratio in zip(("slab", "droplet"), ratios, strict=True):
            if abs(ratio - 1) > largest:
                largest, found = abs(ratio - 1), f"{snapshot.system} {snapshot.phase}, {kind}"
        lines.append([snapshot.system, snapshot.phase, *(f"{ratio:.4f}" for ratio in ratios)])
    page.verdicts.append(
        at_most(
            "a0 of slabs and droplets in vacuum: estimated to 4 %",
            largest if lines else None,
            0.04,
            f"furthest off {percent(largest)} % ({found})",
            further=True,
        )
    )
    page.add(
        "## A length scale estimated in vacuum",
        "a0 estimated for a slab and a droplet cut from each frame, divided by (V/N)^(1/3) of the whole frame.",
        table(["system", "phase", "slab", "droplet"], lines),
    )
