"""Stronger noise than in training, and how far denoising brings atoms back to their sites."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from .. import sites as sites_module
from ..measurements import CONVERGED, Measured
from ..metrics import displacements, root_mean_square
from ..plots import MARKERS, colours, drawing, shared_legend
from ..report import Page, at_most, figure, folded, percent, table
from ..sites import as_arrays, ideal_sites
from ..suite import Suite
from ..synthetic import Crystal, ideal, noised, prototypes
from ..systems import DISORDERED, UNKNOWN, Snapshot
from ..tally import DENOISED, RAW

SIGMAS = (0.0, 0.05, 0.10, 0.13, 0.16, 0.20, 0.25, 0.30)
QUICK_SIGMAS = (0.05, 0.16)
QUICK_CLASSES = ("fcc", "hcp", "bcc", "B1")
# Training goes up to this standard deviation per component, in a0.
TRAINED = 0.17
MELTING = 0.95
QUARTER = 0.25
# Above this number, lines are drawn as their range.
MOST_LINES = 40


@dataclass(frozen=True)
class Point:
    """One ideal crystal at one sigma: shares of correct labels, rms displacement in a0 before and after denoising."""

    name: str
    sigma: float
    right: dict[str, float]
    before: float
    after: float


def run(suite: Suite) -> Page:
    """White noise on ideal crystals, and thermal displacements in bulk frames near melting."""
    page = Page("noise", "Noise and its removal")
    _synthetic(page, suite)
    _thermal(page, suite)
    return page


# White noise ---------------------------------------------------------------------------------


def _synthetic(page: Page, suite: Suite) -> None:
    names = [name for name in suite.bench.crystals if not suite.quick or name in QUICK_CLASSES]
    known, missing = prototypes(names)
    sigmas = QUICK_SIGMAS if suite.quick else SIGMAS
    points = [
        measure(noised(crystal, sigma), sigma, suite)
        for crystal in suite.progress([ideal(prototype) for prototype in known], "noise")
        for sigma in sigmas
    ]
    page.add(
        "## White noise on ideal crystals",
        f"Ideal crystals of {len(known)} classes, displaced by white Gaussian noise of standard deviation sigma per "
        f"component; training goes to about {TRAINED} a0. Displacements are root mean squares of the distance from an "
        "atom to its ideal site, without the common shift of all atoms.",
    )
    if missing:
        page.add(f"No structure is built in for: {', '.join(missing)}.")
    path = suite.out / "noise.png"
    _draw(points, sigmas, path)
    page.picture(path, "Labels right and displacement left, against sigma")
    page.add(_mean_table(points, sigmas), folded("Every class", _class_table(points, sigmas)))
    page.figures["noise"] = [vars(point) for point in points]


def measure(crystal: Crystal, sigma: float, suite: Suite) -> Point:
    """Analyse one noised crystal."""
    raw, denoised = suite.bench.raw(crystal.atoms), suite.bench.denoised(crystal.atoms)
    cell = np.asarray(crystal.atoms.cell)
    return Point(
        crystal.name,
        sigma,
        {method: float((m.names == crystal.name).mean()) for method, m in ((RAW, raw), (DENOISED, denoised))},
        root_mean_square(displacements(crystal.atoms.positions, crystal.sites, cell)),
        root_mean_square(displacements(denoised.denoised, crystal.sites, cell)),
    )


def _mean_table(points: Sequence[Point], sigmas: Sequence[float]) -> str:
    lines = []
    for sigma in sigmas:
        own = [point for point in points if point.sigma == sigma]
        right = {m: [point.right[m] for point in own] for m in (RAW, DENOISED)}
        lowest = min(own, key=lambda point: point.right[DENOISED])
        before, after = (np.mean([getattr(point, name) for point in own]) for name in ("before", "after"))
        lines.append(
            [
                f"{sigma:.2f}",
                percent(np.mean(right[RAW])),
                percent(np.mean(right[DENOISED])),
                f"{percent(lowest.right[DENOISED])} ({lowest.name})",
                figure(before, 3),
                figure(after, 3),
                figure(after / before if before > 0 else None),
            ]
        )
    head = ["sigma / a0", "right, raw", "right, denoised", "worst class, denoised"]
    return table([*head, "rms before / a0", "after", "after / before"], lines)


def _class_table(points: Sequence[Point], sigmas: Sequence[float]) -> str:
    by_key = {(point.name, point.sigma): point for point in points}
    head = ["class", *(f"sigma {sigma:.2f}: raw, denoised, left" for sigma in sigmas)]
    lines = []
    for name in dict.fromkeys(point.name for point in points):
        cells = []
        for sigma in sigmas:
            point = by_key[name, sigma]
            cells.append(
                f"{percent(point.right[RAW], 1)}, {percent(point.right[DENOISED], 1)}, {figure(point.after, 3)}"
            )
        lines.append([name, *cells])
    return table(head, lines)


def _draw(points: Sequence[Point], sigmas: Sequence[float], path: Path) -> None:
    names = list(dict.fromkeys(point.name for point in points))
    values = {
        key: np.array([[get(p) for p in points if p.name == name] for name in names])
        for key, get in (
            (RAW, lambda p: 100 * p.right[RAW]),
            (DENOISED, lambda p: 100 * p.right[DENOISED]),
            ("before", lambda p: p.before),
            ("after", lambda p: p.after),
        )
    }
    with drawing(path, 1, 3, (3.3, 3.0 if len(names) <= 14 else 4.0)) as axes:
        for axis, key, title in zip(
            axes[0],
            (RAW, DENOISED, "after"),
            ("raw: atoms right, %", "denoised: atoms right, %", "rms displacement left / a0"),
            strict=True,
        ):
            if len(names) <= MOST_LINES:
                for k, (name, colour) in enumerate(zip(names, colours(), strict=False)):
                    axis.plot(
                        sigmas,
                        values[key][k],
                        "-",
                        color=colour,
                        marker=MARKERS[k % len(MARKERS)],
                        markersize=3,
                        lw=0.9,
                        label=name,
                    )
            else:
                for share, width in ((0, 0.7), (10, 0.7), (50, 1.6), (90, 0.7), (100, 0.7)):
                    axis.plot(
                        sigmas, np.percentile(values[key], share, axis=0), color="k", lw=width, label=f"{share} %"
                    )
            axis.set(title=title, xlabel="sigma / a0")
            axis.axvline(TRAINED, color="0.7", linestyle=":")
        axes[0, 2].plot(sigmas, values["before"].mean(axis=0), "k--", lw=1.2, label="before")
        shared_legend(axes, columns=8)


# Thermal displacements ------------------------------------------------------------------------


def _thermal(page: Page, suite: Suite) -> None:
    frames = [s for s in suite.of_kind("A") if 0.85 <= s.temperature <= 1.0 and _is_crystal(s)]
    lines, ratios, unknown = [], {}, []
    for snapshot in suite.progress(sorted(frames, key=lambda s: (s.system, s.phase, s.temperature)), "thermal noise"):
        sites = known_sites(snapshot, suite)
        if sites is None:
            unknown.append(snapshot.source)
            continue
        denoised = suite.bench.denoised(snapshot.atoms)
        converged = suite.bench.denoised(snapshot.atoms, CONVERGED)
        before = _left(snapshot.atoms, snapshot.atoms.positions, sites)
        after, end = (_after(snapshot.atoms, m, sites) for m in (denoised, converged))
        scale = denoised.length_scale
        if snapshot.temperature >= MELTING:
            ratios.setdefault((snapshot.system, snapshot.phase), []).append((after / before, end / before))
        lines.append(
            [
                snapshot.system,
                snapshot.phase,
                f"{snapshot.temperature:.2f}",
                figure(before, 3),
                figure(before / scale, 3),
                figure(after, 3),
                figure(after / before, 3),
                figure(end / before, 3),
            ]
        )
    page.add(
        "## Thermal displacements near melting",
        "Bulk frames of MD. The ideal sites come from the frame alone: its translations are found by shifting it onto "
        "itself, and the mean position of an atom over all repeat units is its site (accuracy/sites.py). Long waves "
        "are part of the displacement, although a denoiser that looks only at a neighbourhood cannot see them. In "
        "crystals with free site parameters (ices II and V), the sites of the potential differ from the prototype's.",
    )
    head = ["system", "phase", "T/Tm", "rms before, A", "before / a0", f"after {suite.bench.steps} steps, A"]
    page.add(table([*head, "left", "left, converged"], lines) if lines else "No frames near melting.")
    if unknown:
        page.add(f"Sites were not found in: {', '.join(unknown)}.")
    means = {key: np.mean(values, axis=0) for key, values in ratios.items()}
    page.figures["thermal"] = {f"{system} {phase}": value.tolist() for (system, phase), value in means.items()}
    for index, text in enumerate((f"{suite.bench.steps} steps", "converged")):
        requirement = f"at melting, {text}: displacement from ideal sites at most a quarter of that before"
        if not means:
            page.verdicts.append(at_most(requirement, None, QUARTER, "no frames"))
            continue
        key = max(means, key=lambda k: means[k][index])
        mean = float(np.mean([value[index] for value in means.values()]))
        most = float(means[key][index])
        within = sum(value[index] <= QUARTER for value in means.values())
        found = (
            f"mean of {len(means)} crystals {figure(mean)}, {within} of them within, "
            f"most {figure(most)} ({' '.join(key)})"
        )
        page.verdicts.append(at_most(requirement, most, QUARTER, found))


def _is_crystal(snapshot: Snapshot) -> bool:
    """Whether every atom has a crystalline class that the model knows."""
    return not np.isin(snapshot.truth, (DISORDERED, UNKNOWN)).any()


def known_sites(snapshot: Snapshot, suite: Suite) -> np.ndarray | None:
    """Ideal site of every atom (N, 3), or None if the frame gives none."""
    code = hashlib.sha256(Path(sites_module.__file__).read_bytes()).hexdigest()
    key = {"method": "ideal sites", "code": code, "frame": snapshot.digest}
    positions = suite.bench.cache.get(key, lambda: as_arrays(ideal_sites(snapshot.atoms)))["positions"]
    return positions if len(positions) else None


def _left(atoms: Atoms, positions: np.ndarray, sites: np.ndarray) -> float:
    return root_mean_square(displacements(positions, sites, np.asarray(atoms.cell)))


def _after(atoms: Atoms, measured: Measured, sites: np.ndarray) -> float:
    return _left(atoms, measured.denoised, sites)
