"""Whole runs as a user starts them: repeatable, killed and resumed, from a trained model."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from training import check, finish, train
from training.export import read_model
from training.start import MODELS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "fine-tune"
SHIPPED = json.loads((MODELS / "manifest.json").read_text())["default"]
LIMIT_S = 1200


# The least sizes that have all parts of a model: compiling these takes a fraction of the time.
SHAPE = {"channels": 8, "lmax": 2, "inner_width": 24, "hidden_width": 16, "message_width": 8, "outer_width": 48}
# Steps of whole runs. Their number is a constant of the compiled program, which runs with the same number share.
STEPS = 21


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Environment of the runs in this module: single precision, as users have it."""
    return {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "0"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of runs with stand-ins for the pools of toy fluids."""
    folder = tmp_path / "runs"
    folder.mkdir()
    points = np.random.default_rng(0).uniform(0, 4, (64, 3))
    for name in ("fluids.npz", "fluids-small.npz"):
        np.savez(folder / name, atoms=np.column_stack([points, np.ones(64)]), starts=np.array([0, 64]))
    return folder


@pytest.fixture
def structures(tmp_path: Path) -> list[Path]:
    files = []
    for name, atoms in {"alpha": bulk("W", "bcc", a=3.2), "beta": bulk("NaCl", "rocksalt", a=5.6)}.items():
        files.append(tmp_path / f"{name}.cif")
        write(files[-1], atoms)
    return files


def log(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


COMMAND = [sys.executable, "-m", "training.train"]


def complete(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """Returns what runs a command in this process, which has read and compiled most of it, in single precision."""

    def run(module, *arguments: str) -> None:
        monkeypatch.setattr("sys.argv", [module.__name__, *arguments])
        monkeypatch.chdir(ROOT)
        jax.config.update("jax_enable_x64", False)
        try:
            module.main()
        finally:
            jax.config.update("jax_enable_x64", True)

    return run


def test_the_same_settings_give_the_same_run(tmp_path: Path, runs: Path, structures, environment, here) -> None:
    settings = tmp_path / "settings.json"
    choice = {"prototypes": ["fcc"], "files": [structures[1].name], "steps": 1, "batch_atoms": 512, "log_every": 5}
    choice["shape"] = SHAPE
    command = ["--config", str(settings), "--runs", str(runs), "--steps", str(STEPS)]
    settings.write_text(json.dumps({**choice, "warmup": 5, "ema": 0.999, "samplers": 2}))
    complete([*COMMAND, *command, "--name", "first"], environment)
    here(train, *command, "--name", "second")
    first, second = (log(runs / name) for name in ("first", "second"))
    assert [row["step"] for row in first] == [5, 10, 15, 20, STEPS]
    for ours, theirs in zip(first, second, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)
    weights = [read_model(runs / name / "model" / f"{name}.safetensors")[1] for name in ("first", "second")]
    for name, tensor in weights[0].items():
        np.testing.assert_allclose(tensor, weights[1][name], rtol=1e-3, atol=1e-4, err_msg=name)
    # With `ema`, the mean of the weights is exported, not the last weights.
    with (runs / "first" / "checkpoint.pkl").open("rb") as file:
        saved = pickle.load(file)
    np.testing.assert_array_equal(weights[0]["network1.weight0"], saved["average"]["network1.weight0"])
    assert np.abs(saved["average"]["network1.weight0"] - saved["params"]["network1.weight0"]).max() > 1e-4
    assert (runs / "first" / "training.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_run_can_be_finished_as_it_is_or_resumed(
    tmp_path: Path, runs: Path, structures, environment, here
) -> None:
    settings = tmp_path / "settings.json"
    # The run is killed long before this many steps. The resumed run gets --steps.
    choice = {"prototypes": ["hcp"], "steps": 100_000, "warmup": 5, "batch_atoms": 512, "checkpoint_every": 4}
    choice["shape"] = SHAPE
    settings.write_text(json.dumps({**choice, "log_every": 2}))
    command = ["--config", str(settings), "--name", "mine"]
    command += ["--runs", str(runs), "--out", str(tmp_path / "models")]
    for file in structures:
        command += ["--prototype", str(file)]
    alone = [*command, "--only-prototypes"]
    run = runs / "mine"
    with subprocess.Popen([*COMMAND, *alone], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + LIMIT_S
        while not (run / "checkpoint.pkl").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        _, messages = process.communicate()
    assert (run / "checkpoint.pkl").exists(), messages
    # A process that dies while writing leaves an incomplete line.
    with (run / "log.jsonl").open("a") as file:
        file.write('{"step": 99')
    # The folder alone suffices, without the user's files.
    for file in structures:
        file.rename(file.with_suffix(".moved"))
    here(finish, str(run), "--name", "cut", "--out", str(tmp_path / "models"))
    _, _, info = read_model(tmp_path / "models" / "cut.safetensors")
    reached = info["training"]["stepsDone"]
    assert reached >= 4
    assert reached % 4 == 0
    for file in structures:
        file.with_suffix(".moved").rename(file)

    # A fast machine may have reached more.
    steps = STEPS + reached - reached % (STEPS - 1)
    complete([*COMMAND, *alone, "--steps", str(steps)], environment)
    assert [row["step"] for row in log(run)] == [*range(2, steps, 2), steps]
    _, _, info = read_model(tmp_path / "models" / "mine.safetensors")
    assert info["training"]["stepsDone"] == steps
    assert [entry["name"] for entry in info["classes"]] == ["disordered", "alpha", "beta"]

    with pytest.raises(SystemExit, match=r"^training: .*other classes"):
        here(train, *command)


def test_the_example_adds_a_class_to_the_shipped_model(runs: Path, here, capsys: pytest.CaptureFixture[str]) -> None:
    page = (EXAMPLE / "README.md").read_text()
    line = next(line.strip() for line in page.splitlines() if line.strip().startswith("npm run train -- "))
    arguments = shlex.split(line.removeprefix("npm run train -- "))
    arguments[arguments.index("--from") + 1] = SHIPPED
    name = arguments[arguments.index("--name") + 1]
    few = ["--steps", "3", "--batch-atoms", "512", "--runs", str(runs)]
    here(train, *arguments, *few)
    assert f"{name}.safetensors" in capsys.readouterr().out
    old, old_weights, _ = read_model(MODELS / f"{SHIPPED}.safetensors")
    config, weights, info = read_model(runs / name / "model" / f"{name}.safetensors")
    assert config.classes == (*old.classes, "beta-Mn")
    assert info["training"]["start"] == SHIPPED
    assert info["training"]["files"] == ["beta-Mn.cif"]
    # Three steps move the weights, but not far from where they started.
    moved = weights["network2.weight1"][1:-1] - old_weights["network2.weight1"][1:]
    assert 0.0 < np.abs(moved).max() < 0.1
    np.testing.assert_array_equal(weights["standard.mean"], old_weights["standard.mean"])
    here(check, str(runs / name), "--batches", "1")
    table = capsys.readouterr().out
    assert "before" in table
    assert "beta-Mn" in table
