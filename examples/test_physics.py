"""Short runs of the examples with known answers: whether they work, and the signs of their results."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import bain_path
import interface_pinning
import numpy as np
import pytest
from averages import line_through, mean_and_error, root_of_line
from bain_path import COUNT, EDGES, KT, Strained, route_over_strain
from show.progress import Progress

EXAMPLES = Path(__file__).parent


def run(script: str, out: Path) -> tuple[str, str]:
    """Run an example in its own process and return its output and messages."""
    command = [sys.executable, EXAMPLES / script, "--quick", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def drawn(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_interface_pinning_finds_the_stable_phase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, _ = run("interface_pinning.py", tmp_path)
    cold, hot = (json.loads((tmp_path / f"quick-{kelvin}.json").read_text()) for kelvin in (1100, 1550))
    # The crystal pushes below the melting point, the melt pushes above it.
    assert cold["difference"] < -2 * cold["difference_error"] < 0
    assert hot["difference"] > 2 * hot["difference_error"] > 0
    for result in (cold, hot):
        assert result["crystal"] > 0.95
        assert result["melt"] < 0.05
        assert abs(result["mean"] - 0.5) < 0.12
    assert "Melting temperature" in printed
    assert drawn(tmp_path / "interface_pinning.png")
    # All temperatures are finished, so nothing is simulated again.
    assert interface_pinning.main(["--quick", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == printed


def test_bain_path_leads_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, _ = run("bain_path.py", tmp_path)
    centres, *columns = np.loadtxt(tmp_path / "profile.txt").T
    # The columns are there, back, together, over strain. G rises from bcc to the barrier and is lower again in fcc.
    assert len(columns) == 8
    for energy, error in zip(columns[::2], columns[1::2], strict=True):
        barrier = np.nanmax(np.where(abs(centres) < 0.45, energy, np.nan))
        assert abs(centres[np.nanargmin(energy)] + 0.69) < 0.06
        assert 90 < barrier < 250
        assert 0 < np.nanmax(error[centres < 0.6]) < 20
    mean, ratio = np.loadtxt(tmp_path / "quick" / "shape.txt").T
    # The windows lead towards bcc, back, on to ideal bcc and on to ideal fcc.
    assert len(ratio) == 12 + 12 + 3 + 1
    assert ratio[11] < 1.12 < 1.2 < ratio[0]
    assert ratio[12] < 1.12 < 1.2 < ratio[23]
    assert np.argmax(mean[:12]) == 0
    assert np.argmax(mean[12:24]) == 11
    assert abs(ratio[26] - 1) < 0.05
    assert abs(ratio[27] - np.sqrt(2)) < 0.05
    assert "standard errors along the way" in printed
    assert drawn(tmp_path / "bain_path.png")
    # All windows are finished, so nothing is simulated again.
    assert bain_path.main(["--quick", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == printed


def test_free_energy_of_strain_becomes_that_of_the_order_parameter() -> None:
    # G = a (x - log 1.2)^2 / 2 in x = log c/a, and s = 3 (x - log 1.2) with a Gaussian of 0.05 about it.
    stiffness, slope, width = 1.5, 3.0, 0.05
    ratios = np.linspace(1.0, 1.44, 60)
    x = np.log(ratios / 1.2)
    ones = np.ones_like(x)
    found = route_over_strain(Strained(ratios, stiffness * x, 0.01 * ones, slope * x, width * ones))
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    variance = slope**2 * KT / (COUNT * stiffness) + width**2
    inside = abs(centres) < 0.3
    exact = 1000 * KT / COUNT * centres**2 / (2 * variance)
    np.testing.assert_allclose((found.energy - exact)[inside] - (found.energy - exact)[inside].min(), 0, atol=0.05)
    assert found.errors[np.argmin(abs(centres))] < found.errors[inside][-1] < 10.0


def test_ice_is_driven(tmp_path: Path) -> None:
    printed, _ = run("seeded_ice.py", tmp_path)
    cold, hot = (json.loads((tmp_path / f"quick-{kelvin}-0.json").read_text()) for kelvin in (230, 290))
    assert cold["shares"][-1] > cold["shares"][0] + 0.1
    assert cold["centres"][-1] == pytest.approx(0.5, abs=0.01)
    assert cold["work"] < hot["work"]
    assert len(cold["clusters"]) == 4
    assert printed.count(" K: work") == 2
    assert drawn(tmp_path / "seeded_ice.png")


def test_error_of_correlated_samples() -> None:
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(200, 4000))
    series = np.zeros_like(noise)
    for index in range(1, 4000):
        series[:, index] = 0.9 * series[:, index - 1] + noise[:, index]
    estimates = np.array([mean_and_error(row) for row in series])
    assert np.sqrt(np.mean(estimates[:, 1] ** 2)) == pytest.approx(estimates[:, 0].std(), rel=0.2)
    with pytest.raises(ValueError, match="too few"):
        mean_and_error([1.0, 2.0])


def test_root_of_a_line_and_its_error() -> None:
    generator = np.random.default_rng(2)
    x = np.array([1200.0, 1260.0, 1320.0, 1380.0, 1440.0])
    errors = np.array([1.0, 1.0, 2.0, 1.0, 0.5])
    roots, stated = [], []
    for _ in range(2000):
        root, error = root_of_line(*line_through(x, 0.09 * (x - 1327) + errors * generator.normal(size=5), errors))
        roots.append(root)
        stated.append(error)
    assert np.mean(roots) == pytest.approx(1327, abs=1)
    assert np.mean(stated) == pytest.approx(np.std(roots), rel=0.1)


def test_progress_is_shown_on_a_terminal_and_rarely_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    elsewhere = io.StringIO()
    progress = Progress(100, elsewhere)
    for _ in range(100):
        progress.advance(1, "a stage")
    progress.close()
    assert elsewhere.getvalue() == ""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    progress = Progress(100, terminal)
    progress.skip(25)
    progress.advance(25, "a stage")
    assert " 50%  a stage" in terminal.getvalue()
