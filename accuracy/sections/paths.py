"""Transformation paths: the order parameters of the two ends must cross once and smoothly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics import Course, course
from ..plots import BLUE, GREEN, GREY, VERMILION, drawing, shared_legend
from ..report import Page, Verdict, figure, percent, table
from ..suite import Suite
from ..systems import Snapshot, class_of

# Shares of the whole change. Larger backward steps count as not monotonic, larger single steps as jumps. A straight
# line in 41 images has steps of 0.025.
MOST_BACKWARD, LARGEST_STEP = 0.02, 0.15


@dataclass(frozen=True)
class Path:
    """Images of one file in order. `along` runs from 0 to 1; `start` and `end` are the classes of the ends."""

    name: str
    noise: float
    start: str
    end: str
    along: np.ndarray
    frames: list[Snapshot]

    @property
    def strained(self) -> bool:
        """Whether each image has a random strain, so that neighbouring images do not form a smooth sequence."""
        return "strain" in self.name


@dataclass(frozen=True)
class Curves:
    """Means over the atoms of each image, (images,): logits, probabilities and shares of labels of the two ends."""

    logits: np.ndarray
    probabilities: np.ndarray
    shares: np.ndarray
    confidence: np.ndarray
    between: list[str]


def run(suite: Suite) -> Page:
    """Curves, crossing, monotonicity and jumps of every path."""
    page = Page("paths", "Bain and Burgers paths")
    paths = find(suite)
    if not paths:
        page.add("No paths whose ends the model has classes for.")
        page.verdicts.append(Verdict("paths: monotonic, without jumps", "no frames", None, further=True))
        return page
    measured = [(path, measure(path, suite)) for path in suite.progress(paths, "paths")]
    page.add(
        "Images of the path between two crystals, displaced by white noise of 0, 2 and 5 % of the nearest distance per "
        "component. The figures are means over the atoms of one raw pass with all classes allowed. They follow the "
        "difference of the mean logits (end minus start): *backward* is its largest step against the direction of the "
        "whole change, *step* its largest step in that direction, both as shares of that change. An even course in 41 "
        "images has steps of 0.025."
    )
    _draw(page, measured, suite)
    smooth = [(path, curves) for path, curves in measured if not path.strained]
    page.add(_table(smooth), "### How far the labels of the ends reach", _ends_table(measured))
    page.verdicts.extend(_verdicts(smooth))
    page.figures["paths"] = [
        {
            "path": path.name,
            "noise": path.noise,
            "along": path.along.tolist(),
            "logits": curves.logits.tolist(),
            "probabilities": curves.probabilities.tolist(),
        }
        for path, curves in measured
    ]
    return page


def find(suite: Suite) -> list[Path]:
    """Files whose frames have `path_t` and whose ends the model knows."""
    files: dict[str, list[Snapshot]] = defaultdict(list)
    for snapshot in suite.of_kind("E"):
        if "path_t" in snapshot.info and "->" in snapshot.phase:
            files[snapshot.source.partition("#")[0]].append(snapshot)
    paths = []
    for frames in files.values():
        frames.sort(key=lambda s: float(s.info["path_t"]))
        first = frames[0]
        start, end = (
            class_of(name, suite.bench.phases, suite.bench.analyser.aliases) for name in first.phase.split("->")
        )
        if start and end:
            along = np.array([float(s.info["path_t"]) for s in frames])
            paths.append(Path(first.system, float(first.info.get("noise_over_nn", 0)), start, end, along, frames))
    return sorted(paths, key=lambda path: (path.name, path.noise))


def measure(path: Path, suite: Suite) -> Curves:
    """Analyse every image once."""
    ends = [suite.bench.phases.index(name) for name in (path.start, path.end)]
    results = [suite.bench.raw(snapshot.atoms) for snapshot in path.frames]
    names = [result.names for result in results]
    other: dict[str, int] = defaultdict(int)
    for name, number in zip(*np.unique(np.concatenate(names), return_counts=True), strict=True):
        if name not in (path.start, path.end):
            other[str(name)] += int(number)
    total = sum(map(len, names))
    return Curves(
        np.array([result.mean_logits[ends] for result in results]).T,
        np.array([result.mean_probabilities[ends] for result in results]).T,
        np.array([[(labels == end).mean() for labels in names] for end in (path.start, path.end)]),
        np.array([result.confidence.mean() for result in results]),
        [f"{name} {percent(count / total)} %" for name, count in sorted(other.items(), key=lambda item: -item[1])][:3],
    )


def logit_course(path: Path, curves: Curves) -> Course:
    """Course of the difference of the mean logits, end minus start."""
    return course(path.along, curves.logits[1] - curves.logits[0])


def _draw(page: Page, measured: Sequence[tuple[Path, Curves]], suite: Suite) -> None:
    for name in dict.fromkeys(path.name for path, _ in measured):
        own = [(path, curves) for path, curves in measured if path.name == name]
        file = suite.out / f"{name}.png"
        with drawing(file, 2, len(own), (2.7, 2.0), sharex=True, sharey="row") as axes:
            for column, (path, curves) in enumerate(own):
                for index, (end, colour) in enumerate(((path.start, BLUE), (path.end, VERMILION))):
                    axes[0, column].plot(path.along, curves.logits[index], color=colour, label=end)
                    axes[1, column].plot(path.along, curves.probabilities[index], color=colour, label=end)
                rest = 1.0 - curves.probabilities.sum(axis=0)
                axes[1, column].plot(path.along, rest, color=GREY, ls="--", label="all others")
                axes[1, column].plot(
                    path.along, curves.confidence, color=GREEN, ls=":", label="confidence of the label"
                )
                axes[0, column].set_title(f"noise {100 * path.noise:.0f} %", fontsize=8.5)
                axes[1, column].set_xlabel("along the path")
            axes[0, 0].set_ylabel("mean logit")
            axes[1, 0].set_ylabel("mean probability")
            shared_legend(axes)
        page.picture(file, f"{name}: mean logits and probabilities of the two ends")
        if own[0][0].strained:
            page.add("Each image of this path also has a random strain of 3 %, so its course is not even.")


def _table(measured: Sequence[tuple[Path, Curves]]) -> str:
    head = [
        "path",
        "noise",
        "crosses at",
        "crossings",
        "backward",
        "step",
        "confidence at ends",
        "least",
        "other labels",
    ]
    lines = []
    for path, curves in measured:
        c = logit_course(path, curves)
        ends = (curves.confidence[0] + curves.confidence[-1]) / 2
        lines.append(
            [
                f"{path.name}, {path.start} to {path.end}",
                f"{100 * path.noise:.0f} %",
                figure(c.crossing),
                c.crossings,
                figure(c.backward, 3),
                figure(c.jump, 3),
                figure(ends, 3),
                f"{figure(float(curves.confidence.min()), 3)} at {path.along[curves.confidence.argmin()]:.2f}",
                ", ".join(curves.between),
            ]
        )
    return table(head, lines)


def _ends_table(measured: Sequence[tuple[Path, Curves]]) -> str:
    """A table of how far from each end 99 % of the atoms keep the label of that end."""
    lines = []
    for path, curves in measured:
        kept = curves.shares >= 0.99
        from_start = path.along[: int(np.argmin(kept[0])) if not kept[0].all() else None]
        from_end = path.along[::-1][: int(np.argmin(kept[1][::-1])) if not kept[1].all() else None]
        lines.append(
            [
                path.name,
                f"{100 * path.noise:.0f} %",
                f"{path.start} to {from_start[-1]:.2f}" if len(from_start) else "-",
                f"{path.end} from {from_end[-1]:.2f}" if len(from_end) else "-",
                ", ".join(curves.between),
            ]
        )
    return table(["path", "noise", "99 % of atoms", "99 % of atoms", "other labels"], lines)


def _verdicts(measured: Sequence[tuple[Path, Curves]]) -> list[Verdict]:
    if not measured:
        return [Verdict("paths: monotonic, without jumps", "no frames", None, further=True)]
    courses = [(logit_course(path, curves), f"{path.name} at {100 * path.noise:.0f} %") for path, curves in measured]
    backward, where = _largest((c.backward, name) for c, name in courses)
    jump, place = _largest((c.jump, name) for c, name in courses)
    once = all(c.crossings == 1 for c, _ in courses)
    doubt = [
        (float(curves.confidence[0] + curves.confidence[-1]) / 2 - float(curves.confidence.min()), path.name)
        for path, curves in measured
    ]
    drop, shallow = min(doubt)
    return [
        Verdict(
            f"paths: difference of the mean logits monotonic (backward at most {MOST_BACKWARD} of its change), "
            "crossing once",
            f"largest backward step {figure(backward, 3)} ({where}); "
            + ("each crosses once" if once else "not all cross once"),
            bool(backward <= MOST_BACKWARD and once),
            further=True,
        ),
        Verdict(
            f"paths: no jumps (a step between images at most {LARGEST_STEP} of the change)",
            f"largest step {figure(jump, 3)} ({place})",
            bool(jump <= LARGEST_STEP),
            further=True,
        ),
        Verdict(
            "paths: confidence falls by at least 0.2 in the middle",
            f"least fall {figure(drop)} ({shallow})",
            bool(drop >= 0.2),
            further=True,
        ),
    ]


def _largest(pairs: Iterable[tuple[float, str]]) -> tuple[float, str]:
    """The pair with the largest number. NaN counts as larger than any number."""
    return max(pairs, key=lambda pair: (np.isnan(pair[0]), pair[0]))
