"""A live view of a run. On a terminal it is redrawn in place; elsewhere a new line appears now and then."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from typing import TextIO

from phasewire import Result

from show.palette import terminal_colour

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 40
NAME_WIDTH = 11
# A phase gets a line once it holds this share of the atoms, and then keeps it.
WORTH_A_LINE = 0.005


def bar(share: float, width: int) -> str:
    """Return a bar of `width` characters, filled to `share` with a resolution of an eighth of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(values: list[float], width: int) -> str:
    """Return values between 0 and 1 as at most `width` characters. Each shows the mean of its part of the values."""
    if len(values) > width:
        edges = [round(index * len(values) / width) for index in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    return "".join(LEVELS[round(min(max(value, 0.0), 1.0) * (len(LEVELS) - 1))] for value in values)


class TerminalView:
    """Shows each result of a run as it arrives.

    Parameters
    ----------
    title : str
        First line of the view.
    total_steps : int
        Steps of the whole run.
    stream : text stream
        Where to draw. A terminal is redrawn in place.
    lines : int
        Number of lines for the whole run if the stream is not a terminal.
    """

    def __init__(self, title: str, total_steps: int, *, stream: TextIO = sys.stdout, lines: int = 20) -> None:
        self._title = title
        self._total = total_steps
        self._stream = stream
        self._in_place = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self._in_place and "NO_COLOR" not in os.environ
        self._drawn = 0
        self._line_steps = total_steps // lines
        self._next_line = 0
        self._listed: set[str] = set()
        self._history: list[float] = []
        # A stream that cannot encode block characters (a legacy code page) must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def update(self, stage: str, result: Result, temperature: float) -> None:
        """Show one result.

        Parameters
        ----------
        stage : str
            Current stage of the run, for example ``melting``.
        result : Result
            The latest result.
        temperature : float
            Temperature in kelvin.
        """
        self._history.append(result.crystalline)
        self._listed |= {name for name, share in result.fractions.items() if share >= WORTH_A_LINE}
        if self._in_place:
            self._redraw(self._picture(stage, result, temperature))
        elif result.step >= self._next_line:
            self._next_line = result.step + self._line_steps
            shares = "  ".join(f"{name} {100 * share:5.1f} %" for name, share in self._shares(result))
            print(
                f"step {result.step:6d} of {self._total}  {stage:<11} {temperature:5.0f} K  {shares}  "
                f"{sparkline(self._history, 30)}",
                file=self._stream,
                flush=True,
            )

    def _shares(self, result: Result) -> list[tuple[str, float]]:
        return [(name, share) for name, share in result.fractions.items() if name in self._listed]

    def _picture(self, stage: str, result: Result, temperature: float) -> list[str]:
        width = shutil.get_terminal_size().columns - 1
        bar_width = max(10, min(BAR_WIDTH, width - NAME_WIDTH - 12))
        lines = [
            self._title[:width],
            f"{stage:<{NAME_WIDTH}} step {result.step} of {self._total}   {temperature:.0f} K"[:width],
            "",
        ]
        for name, share in self._shares(result):
            filled = bar(share, bar_width)
            if self._colours:
                filled = f"{terminal_colour(name)}{filled}\x1b[0m"
            lines.append(f"{name:<{NAME_WIDTH}} {filled} {100 * share:5.1f} %")
        lines += [
            "",
            f"{'crystalline':<{NAME_WIDTH}} {sparkline(self._history, bar_width)}",
            f"{'analysis':<{NAME_WIDTH}} {1000 * result.seconds:.0f} ms per frame, {result.dropped} frames dropped"[
                :width
            ],
        ]
        return lines

    def _redraw(self, lines: list[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        # Each line is cleared to its end. No line is longer than the terminal, so none wraps.
        self._stream.write(up + "".join(f"\r{line}\x1b[K\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)
