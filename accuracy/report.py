"""Pages, tables and verdicts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GENERATED = "<!-- Written by `npm run accuracy`; edit the suite, not this page. -->"


def figure(value: float | None, digits: int = 2) -> str:
    """A number for a table, or a dash if there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 2) -> str:
    """A share in per cent without the sign, or a dash if there is none."""
    return "-" if share is None else figure(100.0 * share, digits)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |")
    return "\n".join(lines)


def wrapped(text: str, width: int = 120) -> str:
    """Text with its long lines wrapped between words; tables, headings, pictures and code keep their lines."""
    kept = ("|", "#", "!", "<", " ")
    lines = (
        line if line.startswith(kept) else textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )
    return "\n".join(lines)


def folded(summary: str, text: str) -> str:
    """A folded block that the reader can open."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


@dataclass(frozen=True)
class Verdict:
    """A requirement and its result. `met` is None if there was nothing to measure.

    `further` marks a check that a release need not meet.
    """

    requirement: str
    found: str
    met: bool | None
    further: bool = False

    @property
    def word(self) -> str:
        """The verdict as a word for the table."""
        return {True: "met", False: "**not met**", None: "not measured"}[self.met]


def at_least(requirement: str, value: float | None, limit: float, found: str, further: bool = False) -> Verdict:
    """A verdict that is met if the value reaches the limit. NaN never meets it. None means not measured."""
    return Verdict(requirement, found, None if value is None else bool(value >= limit), further)


def at_most(requirement: str, value: float | None, limit: float, found: str, further: bool = False) -> Verdict:
    """A verdict that is met if the value does not exceed the limit. NaN never meets it. None means not measured."""
    return Verdict(requirement, found, None if value is None else bool(value <= limit), further)


@dataclass
class Page:
    """One section of the suite: its text, its verdicts, and its figures for programs."""

    name: str
    title: str
    blocks: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)

    def add(self, *blocks: str) -> None:
        """Append paragraphs, tables or pictures."""
        self.blocks.extend(blocks)

    def picture(self, path: Path, text: str) -> None:
        """Append a picture that lies in the folder of the page."""
        self.add(f"![{text}]({path.name})")

    def markdown(self, heading: str) -> str:
        """The whole page. `heading` names the model."""
        parts = [GENERATED, f"# {self.title}", heading]
        if self.verdicts:
            parts.append(verdict_table(self.verdicts))
        return "\n\n".join([*parts, *map(wrapped, self.blocks)]) + "\n"


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """A table of requirements, results and verdicts."""
    return table(["required", "found", "verdict"], [(v.requirement, v.found, v.word) for v in verdicts])


def summary_page(pages: Sequence[Page], heading: str, method: str) -> str:
    """The first page, with every verdict and the page that it comes from."""
    head = ["required", "found", "verdict", "page"]
    required, further = (
        [
            (v.requirement, v.found, v.word, f"[{page.title}]({page.name}.md)")
            for page in pages
            for v in page.verdicts
            if v.further is kind
        ]
        for kind in (False, True)
    )
    contents = "\n".join(f"- [{page.title}]({page.name}.md)" for page in pages)
    return "\n\n".join(
        [
            GENERATED,
            "# Accuracy",
            heading,
            table(head, required),
            "## Further checks",
            table(head, further),
            "## Pages",
            contents,
            method,
            "",
        ]
    )


def plain_summary(pages: Sequence[Page]) -> str:
    """The verdicts as text for a terminal."""
    words = {True: "met         ", False: "NOT MET     ", None: "not measured"}
    ordered = sorted((v for page in pages for v in page.verdicts), key=lambda v: v.further)
    return "\n".join(f"{words[v.met]}  {'further: ' if v.further else ''}{v.requirement}: {v.found}" for v in ordered)


def as_json(pages: Sequence[Page], about: dict[str, object]) -> dict[str, object]:
    """All verdicts and figures for programs."""
    return {
        **about,
        "verdicts": [
            {"page": page.name, "required": v.requirement, "found": v.found, "met": v.met, "further": v.further}
            for page in pages
            for v in page.verdicts
        ],
        "pages": {page.name: page.figures for page in pages},
    }
