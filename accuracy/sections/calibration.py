"""Are confidences probabilities, and are logits squared distances?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..metrics import displacements, minimal_images, reliability
from ..plots import BLACK, MARKERS, SKY, colours, drawing
from ..report import Page, at_most, figure, folded, percent, table
from ..suite import Suite
from ..synthetic import Crystal, ideal, noised, prototypes
from ..systems import UNKNOWN, Snapshot
from ..tally import DENOISED, RAW
from .noise import QUICK_CLASSES

REQUIRED = 0.03
BINS = 15
# Lower end of the logarithmic panel.
LEAST_ERROR = 1e-5
KINDS = {
    "A": "bulk crystals",
    "B": "fluids",
    "C": "coexistence",
    "D": "point defects",
    "E": "made by construction",
    "F": "faults",
    "S": "shock",
}
SIGMAS = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16)
# Radius of the surroundings that a displacement is averaged over, in a0.
SURROUNDINGS = 1.8
MOST_CLASSES = 40


def run(suite: Suite) -> Page:
    """Reliability of the confidence over all frames with truth, and logits against displacement."""
    page = Page("calibration", "Calibration")
    _confidence(page, suite)
    _logits(page, suite)
    return page


def _with_truth(suite: Suite) -> list[Snapshot]:
    """Frames whose labels can be judged. Grains are left out, since atoms at boundaries have no truth."""
    return [
        s
        for s in suite.snapshots
        if s.kind in KINDS and (s.truth != UNKNOWN).any() and "grain" not in str(s.info.get("label_legend", ""))
    ]


def _confidence(page: Page, suite: Suite) -> None:
    pairs: dict[str, dict[str, list[np.ndarray]]] = {RAW: defaultdict(list), DENOISED: defaultdict(list)}
    for snapshot in suite.progress(_with_truth(suite), "calibration"):
        known = snapshot.truth != UNKNOWN
        for method, measured in (
            (RAW, suite.bench.raw(snapshot.atoms)),
            (DENOISED, suite.bench.denoised(snapshot.atoms)),
        ):
            right = (measured.names == snapshot.truth)[known]
            pairs[method][snapshot.kind].append(np.stack([measured.confidence[known], right]))
    page.add(
        "## Confidence",
        "For all atoms with a known class, the share of right labels among atoms with similar confidence. The "
        "expected calibration error is the gap between share and confidence, averaged over the atoms, in bins of "
        "equal width and in bins of equal count.",
    )
    if not pairs[RAW]:
        page.add("No frames with a known class.")
        page.verdicts.append(at_most("expected calibration error under 0.03", None, REQUIRED, "no frames"))
        return
    together = {method: np.hstack([a for own in kinds.values() for a in own]) for method, kinds in pairs.items()}
    path = suite.out / "reliability.png"
    _draw_reliability(together, path)
    page.picture(path, "Share of right labels against confidence")
    lines = []
    for method, kinds in pairs.items():
        groups = {KINDS[kind]: np.hstack(own) for kind, own in sorted(kinds.items())} | {"all": together[method]}
        for name, (confidence, right) in groups.items():
            errors = [reliability(confidence, right, BINS, e).expected_calibration_error for e in ("width", "count")]
            page.figures.setdefault("expected calibration error", {})[f"{method}, {name}"] = errors
            ends = [percent(right.mean()), figure(100 * confidence.mean()), *(figure(e, 4) for e in errors)]
            lines.append([method, name, len(right), *ends])
            if name == "all":
                page.verdicts.append(
                    at_most(
                        f"expected calibration error under {REQUIRED}, {method}",
                        max(errors),
                        REQUIRED,
                        f"{figure(errors[0], 4)} in bins of equal width, {figure(errors[1], 4)} of equal count, "
                        f"{len(right)} atoms",
                    )
                )
    head = ["pass", "frames", "atoms", "right, %", "mean confidence, %", "error, equal width", "equal count"]
    page.add(table(head, lines))


def _draw_reliability(together: dict[str, np.ndarray], path: Path) -> None:
    with drawing(path, 1, 2, (3.2, 3.2)) as axes:
        for axis, equal in zip(axes[0], ("width", "count"), strict=True):
            for (method, (confidence, right)), colour, marker in zip(together.items(), (SKY, BLACK), "os", strict=True):
                curve = reliability(confidence, right, BINS, equal)
                x, y = curve.confidence, curve.accuracy
                if equal == "count":
                    x, y = (np.maximum(1.0 - values, LEAST_ERROR) for values in (x, y))
                label = f"{method}: {curve.expected_calibration_error:.4f}"
                axis.plot(x, y, color=colour, marker=marker, ms=4, lw=1, label=label)
            axis.set_title(f"bins of equal {equal}")
            axis.legend(title="calibration error", fontsize=7, title_fontsize=7)
        axes[0, 0].plot([0, 1], [0, 1], color="0.7", lw=1)
        axes[0, 0].set(xlabel="confidence", ylabel="share right")
        # Nearly all atoms are nearly certain. Only the logarithms of the rest show differences.
        axes[0, 1].plot([LEAST_ERROR, 1], [LEAST_ERROR, 1], color="0.7", lw=1)
        axes[0, 1].set(xscale="log", yscale="log", xlabel="1 - confidence", ylabel="share wrong")


# Logits ---------------------------------------------------------------------------------------


def local_squared_displacement(crystal: Crystal) -> np.ndarray:
    """Mean squared displacement in the surroundings of each atom, relative to their common shift (N,).

    The surroundings are weighted by (1 - (r / 1.8 a0)^2)^2.
    """
    cell = np.asarray(crystal.atoms.cell)
    moved = displacements(crystal.atoms.positions, crystal.sites, cell)
    distances = np.linalg.norm(minimal_images(crystal.sites[None] - crystal.sites[:, None], cell), axis=-1)
    weight = np.maximum(0.0, 1.0 - (distances / SURROUNDINGS) ** 2) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    return weight @ (moved**2).sum(axis=1) - ((weight @ moved) ** 2).sum(axis=1)


def _logits(page: Page, suite: Suite) -> None:
    names = [name for name in suite.bench.crystals if not suite.quick or name in QUICK_CLASSES][:MOST_CLASSES]
    known, _ = prototypes(names)
    s = suite.bench.logit_length
    curves: dict[str, np.ndarray] = {}
    scatter: list[np.ndarray] = []
    for prototype in suite.progress(known, "logits"):
        crystal = ideal(prototype)
        number = suite.bench.phases.index(prototype.name)
        points = []
        for sigma in SIGMAS[:: 4 if suite.quick else 1]:
            displaced = noised(crystal, sigma, seed=1)
            target = -local_squared_displacement(displaced) / (2 * s**2)
            logit = suite.bench.logits(displaced.atoms)[:, number].astype(float)
            points.append([target.mean(), logit.mean()])
            scatter.append(np.stack([target, logit]))
        curves[prototype.name] = np.array(points)
    if not curves:
        page.add("## Logits", "No structure is built in for any class of the model.")
        return
    target, logit = np.hstack(scatter)
    slope, offset = np.polyfit(target, logit, 1)
    correlation = float(np.corrcoef(target, logit)[0, 1])
    path = suite.out / "logits.png"
    _draw_logits(curves, scatter, path)
    page.add(
        "## Logits",
        f"Ideal crystals with white noise of {SIGMAS[0]} to {SIGMAS[-1]} a0 per component: the logit of the true "
        "class against -d^2 / (2 s^2). Here d^2 is the mean squared displacement in an atom's surroundings (within "
        f"{SURROUNDINGS} a0) relative to their common shift, and s = {s:g} a0. Right: atoms; left: means of each "
        "crystal. The line is the required calibration. "
        f"Over all atoms the slope is {figure(slope)}, the offset {figure(offset)}, the "
        f"correlation {figure(correlation, 3)}.",
    )
    page.picture(path, "Logit of the true class against minus squared displacement over two s squared")
    page.figures["logits"] = {"slope": float(slope), "offset": float(offset), "correlation": correlation}
    slopes = [[name, *(figure(v) for v in np.polyfit(*points.T, 1))] for name, points in curves.items()]
    page.add(folded("Slope and offset of each class", table(["class", "slope", "offset"], slopes)))


def _draw_logits(curves: dict[str, np.ndarray], scatter: Sequence[np.ndarray], path: Path) -> None:
    with drawing(path, 1, 2, (3.6, 3.4)) as axes:
        for (name, points), colour, k in zip(curves.items(), colours(), range(len(curves)), strict=False):
            axes[0, 0].plot(*points.T, color=colour, marker=MARKERS[k % len(MARKERS)], ms=2.5, lw=0.8, label=name)
        if len(curves) <= 16:
            axes[0, 0].legend(fontsize=6, ncols=2)
        target, logit = np.hstack(scatter)
        axes[0, 1].hexbin(target, logit, gridsize=45, bins="log", cmap="cividis", mincnt=1, linewidths=0)
        low = min(target.min(), logit.min())
        for axis in axes[0]:
            axis.plot([low, 0], [low, 0], color=BLACK, lw=1)
            axis.set(xlabel="-d^2 / (2 s^2)", ylabel="logit of the true class")
