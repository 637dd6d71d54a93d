"""The examples with known answers, shortened: machinery and signs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from averages import line_through, mean_and_error, root_of_line
from show.progress import Progress

EXAMPLES = Path(__file__).parent


def run(script: str, out: Path) -> tuple[str, str]:
    """Run an example in its own process; what it wrote."""
    command = [sys.executable, EXAMPLES / script, "--quick", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def drawn(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_interface_pinning_feels_which_phase_is_stable(tmp_path: Path) -> None:
    printed, _ = run("interface_pinning.py", tmp_path)
    cold, hot = (json.loads((tmp_path / f"quick-{kelvin}.json").read_text()) for kelvin in (1100, 1550))
    # The crystal pushes below the melting point, the melt above.
    assert cold["difference"] < -2 * cold["difference_error"] < 0
    assert hot["difference"] > 2 * hot["difference_error"] > 0
    for result in (cold, hot):
        assert result["crystal"] > 0.95
        assert result["melt"] < 0.05
        assert abs(result["mean"] - 0.5) < 0.12
    assert "Melting temperature" in printed
    assert drawn(tmp_path / "interface_pinning.png")
    # Done already: nothing is simulated again.
    again, _ = run("interface_pinning.py", tmp_path)
    assert again == printed


def test_bain_path_leads_there_and_back(tmp_path: Path) -> None:
    printed, _ = run("bain_path.py", tmp_path)
    for places, energy, error in np.loadtxt(tmp_path / "profile.txt").T.reshape(2, 3, -1):
        # Uphill towards fcc, from where bcc is.
        assert abs(places[np.argmin(energy)] + 0.69) < 0.06
        assert 90 < energy[places < 0.45].max() < 250
        assert 0 < error[15] < 20
    mean, ratio = np.loadtxt(tmp_path / "quick" / "shape.txt").T
    # There, back, and from beyond the barrier to fcc.
    assert len(ratio) == 16 + 16 + 2
    assert ratio[0] < 1.05 < 1.2 < ratio[15]
    assert ratio[31] < 1.05
    assert np.argmax(mean[:16]) == 15
    assert np.argmax(mean[16:32]) == 0
    assert abs(ratio[-1] - np.sqrt(2)) < 0.05
    assert "barrier" in printed
    assert drawn(tmp_path / "bain_path.png")


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


def test_progress_is_told_on_a_terminal_and_rarely_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
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
