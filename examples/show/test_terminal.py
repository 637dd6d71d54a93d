"""Tests of the terminal view."""

from __future__ import annotations

import io
import re

import pytest
from phasewire import Result

from show.terminal import BAR_WIDTH, TerminalView, bar, sparkline


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def result(step: int, fcc: float, hcp: float = 0.0) -> Result:
    fractions = {"disordered": 1 - fcc - hcp, "fcc": fcc, "hcp": hcp}
    return Result(
        phases=tuple(fractions),
        fractions=fractions,
        log_density=0.0,
        mean_log_density=0.0,
        mean_margin=0.0,
        length_scale=1.0,
        atom_count=1000,
        step=step,
        seconds=0.0125,
        dropped=3,
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "    "), (1, "████"), (0.5, "██  "), (1 / 32, "▏   "), (0.3, "█▎  "), (7, "████"), (-1, "    ")],
)
def test_bar_resolves_eighths_of_a_character(share: float, text: str) -> None:
    assert bar(share, 4) == text


def test_sparkline_shows_levels_and_averages_parts() -> None:
    assert sparkline([0, 0.5, 1], 10) == "▁▅█"
    assert sparkline([0, 0, 1, 1, 0, 1], 3) == "▁█▅"
    assert len(sparkline([0.3] * 1001, 40)) == 40


def test_lines_appear_now_and_then_without_a_terminal() -> None:
    stream = io.StringIO()
    view = TerminalView("title", 1000, stream=stream, lines=10)
    for step in range(0, 1001, 50):
        view.update("heating", result(step, 1 - step / 1000), 300)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11
    assert "\x1b" not in stream.getvalue()
    assert re.match(r"step    500 of 1000  heating +300 K  disordered  50.0 %  fcc  50.0 %  [▁-█]+$", lines[5])


def test_a_phase_keeps_its_line_once_it_has_one() -> None:
    stream = io.StringIO()
    view = TerminalView("title", 100, stream=stream, lines=100)
    view.update("a", result(0, 1.0), 1)
    view.update("a", result(1, 0.9, 0.1), 1)
    view.update("a", result(2, 1.0), 1)
    first, second, third = stream.getvalue().splitlines()
    assert "hcp" not in first
    assert "hcp  10.0 %" in second
    assert "hcp   0.0 %" in third


def test_a_terminal_is_redrawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    view = TerminalView("title", 100, stream=stream)
    view.update("a", result(0, 1.0), 1)
    drawn = stream.getvalue()
    assert "\x1b[7A" not in drawn
    assert drawn.count("\n") == 7
    view.update("a", result(50, 0.25), 1)
    again = stream.getvalue()[len(drawn) :]
    assert again.startswith("\x1b[7A\rtitle")
    assert f"fcc         {'█' * (BAR_WIDTH // 4)}{' ' * (BAR_WIDTH * 3 // 4)}  25.0 %" in again
    assert "12 ms per frame, 3 frames dropped" in again


def test_lines_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    TerminalView("a long title " * 10, 100, stream=stream).update("a", result(0, 0.5), 1)
    lines = re.sub(r"\x1b\[\w+", "", stream.getvalue()).replace("\r", "").splitlines()
    assert max(len(line) for line in lines) < 40
