"""Crystal and liquid in one cell: both halves, the position of the front, and a growing crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..measurements import Measured
from ..metrics import crossings, nearest_periodic, smoothed_share
from ..plots import drawing, method_line, shared_legend
from ..report import Page, at_least, at_most, figure, folded, table
from ..suite import Suite
from ..systems import DISORDERED, UNKNOWN, Snapshot
from ..tally import DENOISED, RAW, as_figures, count, describe, every_row, worst

# Thickness of one layer in Angstrom, which is the required precision.
LAYER = 3.0
REFERENCE = "PTM 0.15"


@dataclass(frozen=True)
class Profile:
    """Coordinates along the axis that the phases follow (N,), its length, and the smoothing width."""

    along: np.ndarray
    length: float
    width: float


def run(suite: Suite) -> Page:
    """Labels in both halves, positions of the fronts, and growth over time."""
    page = Page("coexistence", "Coexistence of crystal and liquid")
    frames = [s for s in suite.of_kind("C") if {DISORDERED} < set(s.truth) - {UNKNOWN}]
    if frames:
        _halves(page, frames, suite)
        _fronts(page, frames, suite)
    else:
        page.add("No snapshots of coexistence.")
        page.verdicts.append(at_least("coexistence: each half at least 99 % right", None, 0.99, "no frames"))
    growth = suite.of_kind("H")
    if growth:
        _growth(page, growth, suite)
    return page


def _halves(page: Page, frames: Sequence[Snapshot], suite: Suite) -> None:
    rows = count(suite, frames, "coexistence")
    page.figures["halves"] = as_figures(rows, suite)
    for method in (RAW, DENOISED):
        lowest = worst(rows, method)
        page.verdicts.append(
            at_least(
                f"coexistence, {method}: each half at least 99 % right",
                lowest.share(method),
                0.99,
                f"lowest: {lowest.truth} half of {describe(lowest, method)}",
            )
        )
    page.add(
        "## The halves",
        "Atoms within 5 Angstrom of an initial interface have no true class and are left out.",
        every_row(rows, suite),
    )


def _fronts(page: Page, frames: Sequence[Snapshot], suite: Suite) -> None:
    lines, deviations = [], {RAW: [], DENOISED: []}
    path = suite.out / "coexistence-profiles.png"
    with drawing(path, len(frames), 1, (7.0, 1.7)) as axes:
        for axis, snapshot in zip(axes[:, 0], frames, strict=True):
            profile = layered(snapshot)
            scale = suite.bench.raw(snapshot.atoms).length_scale
            fronts = true_fronts(snapshot, profile)
            grid = np.linspace(0, profile.length, 400)
            for front in fronts:
                axis.axvline(front, color="0.6", linewidth=6, alpha=0.4)
            flags = _disordered(snapshot, suite)
            for method, disordered in flags.items():
                share = smoothed_share(profile.along, disordered, profile.length, profile.width, grid)
                method_line(axis, method, grid, 100 * share, markers=False)
            axis.set_title(f"{snapshot.system}, {snapshot.phase}, {snapshot.source}", fontsize=8)
            axis.set_ylabel("disordered, %")
            for front in fronts:
                found = {
                    method: nearest_periodic(
                        crossings(profile.along, disordered, profile.length, profile.width), front, profile.length
                    )
                    for method, disordered in flags.items()
                }
                for method in deviations:
                    deviations[method].append(abs(found[method]))
                texts = [f"{figure(found[m])} A ({figure(found[m] / scale)} a0)" for m in (RAW, DENOISED)]
                lines.append([snapshot.system, f"{front:.1f}", *texts, figure(found.get(REFERENCE))])
        axes[-1, 0].set_xlabel("along the cell, Angstrom")
        shared_legend(axes)
    page.add(
        "## The fronts",
        "A front is where the share of disordered atoms, smoothed by a Gaussian one a0 wide, passes 1/2. The table has "
        "its distance from the centre of the interface in the file (the plane at which the halves were joined; a front "
        "may have moved since). Template matching gives a second opinion on the current position of the front.",
    )
    page.picture(path, "Share of disordered atoms along the cell")
    page.add(table(["system", "front at", "raw, off by", "denoised, off by", f"{REFERENCE}, off by"], lines))
    page.figures["fronts"] = deviations
    for method, values in deviations.items():
        # A front that was not found is NaN, which is larger than any limit.
        largest = float(np.max(values))
        page.verdicts.append(
            at_most(
                f"coexistence, {method}: front within one layer (3 Angstrom)",
                largest,
                LAYER,
                f"largest deviation {figure(largest)} A over {len(values)} fronts",
            )
        )


def _disordered(snapshot: Snapshot, suite: Suite) -> dict[str, np.ndarray]:
    """Mask of the atoms that each method calls disordered."""

    def of(measured: Measured) -> np.ndarray:
        return measured.names == DISORDERED

    flags = {RAW: of(suite.bench.raw(snapshot.atoms)), DENOISED: of(suite.bench.denoised(snapshot.atoms))}
    peer = suite.peer(REFERENCE)
    if peer is not None:
        flags[REFERENCE] = peer.is_lattice(peer.found(snapshot, suite.bench.cache), DISORDERED)
    return flags


def layered(snapshot: Snapshot) -> Profile:
    """Heights of the atoms along the cell vector along which the truth varies most."""
    cell = np.asarray(snapshot.atoms.cell)
    fractions = (snapshot.atoms.positions @ np.linalg.inv(cell)) % 1.0
    liquid = snapshot.truth == DISORDERED
    known = snapshot.truth != UNKNOWN

    def variation(axis: int) -> float:
        bins = (fractions[known, axis] * 12).astype(int) % 12
        counts = np.bincount(bins, minlength=12)
        return float(np.var(np.bincount(bins, liquid[known], 12)[counts > 0] / counts[counts > 0]))

    axis = max(range(3), key=variation)
    height = 1.0 / np.linalg.norm(np.linalg.inv(cell)[:, axis])
    width = (snapshot.atoms.get_volume() / len(snapshot.atoms)) ** (1 / 3)
    return Profile(fractions[:, axis] * height, float(height), width)


def true_fronts(snapshot: Snapshot, profile: Profile) -> np.ndarray:
    """Centres of the interfaces, from the file or from where the halves of the label column meet."""
    given = snapshot.info.get("interface_z")
    if given is not None:
        values = np.array(str(given).split(","), dtype=float) if isinstance(given, str) else np.atleast_1d(given)
        return values % profile.length
    known = snapshot.truth != UNKNOWN
    return crossings(profile.along[known], snapshot.truth[known] == DISORDERED, profile.length, profile.width)


def _growth(page: Page, frames: list[Snapshot], suite: Suite) -> None:
    """Share of crystalline atoms over time while a crystal grows in its melt."""
    chosen = frames[:: max(1, len(frames) // 14)]
    path = suite.out / "growth.png"
    series: dict[str, list[float]] = {}
    for snapshot in suite.progress(chosen, "growth"):
        for method, disordered in _disordered(snapshot, suite).items():
            series.setdefault(method, []).append(100 * (1 - float(disordered.mean())))
    times = [float(s.info.get("time_ps", index)) for index, s in enumerate(chosen)]
    with drawing(path) as axes:
        for method, shares in series.items():
            method_line(axes[0, 0], method, times, shares)
        axes[0, 0].set(xlabel="time, ps", ylabel="crystalline, %")
        axes[0, 0].legend()
    page.figures["growth"] = {"time": times, "crystalline": series}
    page.add(
        f"## Growth: {chosen[0].system}",
        "The share of atoms called crystalline while a crystal grows in its undercooled melt. Single atoms have no "
        "true class here.",
    )
    page.picture(path, "Share of crystalline atoms over time")
    rows = [[f"{time:.1f}", *(f"{series[m][k]:.1f}" for m in series)] for k, time in enumerate(times)]
    page.add(folded("Figures", table(["time, ps", *(f"{m}, %" for m in series)], rows)))
