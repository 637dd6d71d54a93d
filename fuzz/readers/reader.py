"""The Python side of files, models and variables: a process that reads one input after the other.

It takes lines of JSON (questions.ts) and answers each with one.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import traceback
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import ase
import ase.build
import ase.units
import phasewire
import phasewire.ase
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from phasewire._model.data import ENVIRONMENT_VARIABLE
from phasewire._model.model import read_model, shipped_models
from phasewire.bias import Metadynamics
from phasewire.colvars import ColumnWriter, read_columns
from phasewire.errors import PhasewireError
from phasewire.variables import read_variables, variables_from_list

ROOT = Path(__file__).resolve().parents[2]
FRAME = json.loads((ROOT / "models" / "golden" / "fcc-hot.json").read_text(encoding="utf-8"))


@cache
def analyser() -> phasewire.Local:
    """Return a core whose build gives the same bits everywhere."""
    return phasewire.Local(build="baseline")


def model(path: str, text: str) -> list[Any]:
    """Read a model file."""
    read = read_model(Path(path))
    return [read.name, list(read.phases), sum(array.size for array in read.tensors.values()), read.sha256]


def manifest(path: str, text: str) -> list[Any]:
    """Read the manifest of a folder of models."""
    before = os.environ.get(ENVIRONMENT_VARIABLE)
    os.environ[ENVIRONMENT_VARIABLE] = path
    try:
        return sorted(info.name for info in shipped_models())
    finally:
        os.environ.pop(ENVIRONMENT_VARIABLE)
        if before is not None:
            os.environ[ENVIRONMENT_VARIABLE] = before


def variables(path: str, text: str) -> list[Any]:
    """Evaluate variables of a golden structure, and the forces of their sum."""
    declared = variables_from_list(json.loads(text))
    names = [("Cu", "Zn")[number] for number in FRAME["species"]]
    found = analyser().forces(
        FRAME["positions"],
        FRAME["cell"],
        FRAME["periodic"],
        names,
        variables=declared,
        coefficients=[1 + index / 2 for index in range(len(declared))],
        length_scale=FRAME["lengthScale"],
    )
    return [found.values.tolist(), found.forces.ravel()[:6].tolist()]


def variables_file(path: str, text: str) -> list[Any]:
    """Read a file of variables."""
    return [len(read_variables(path))]


def columns(path: str, text: str) -> list[Any]:
    """Read a COLVAR file, and continue it, which cuts it."""
    found = read_columns(path)
    with ColumnWriter(path, ["time", "a"], restart_time=1.0) as writer:
        writer.write({"time": 2.0, "a": 0.0})
    return [list(found.fields), len(found)]


def metadynamics(folder: Path) -> Metadynamics:
    """Return a bias with a history."""
    solid = phasewire.fraction("fcc", name="solid")
    return Metadynamics(solid, sigma=0.1, height=0.1, pace=1, kT=0.05, hills=folder / "HILLS")


def driver_in(folder: Path) -> phasewire.Driver:
    """Return a driver of that bias."""
    return phasewire.Driver([metadynamics(folder)], analyser=analyser(), length_scale=FRAME["lengthScale"])


def restart(path: str, text: str) -> list[Any]:
    """Restore a driver."""
    with tempfile.TemporaryDirectory() as folder:
        driver = driver_in(Path(folder))
        driver.restore(path)
        return [driver.step]


def checkpoint(path: str, text: str) -> list[Any]:
    """Continue a run of ASE from a folder of checkpoints, without a further step."""
    run, bias = dynamics(Path(path))
    phasewire.ase.run_checkpointed(run, bias, 0, path, every=1)
    return [run.nsteps]


def dynamics(folder: Path) -> tuple[VelocityVerlet, Any]:
    """Return a run of ASE, and the bias on it."""
    atoms = ase.build.bulk("Cu", cubic=True) * 2
    atoms.rattle(0.05, seed=1)
    atoms.calc = EMT()
    run = VelocityVerlet(atoms, ase.units.fs)
    return run, phasewire.ase.bias(run, metadynamics(folder), analyser=analyser())


def make_samples(path: str, text: str) -> list[Any]:
    """Write a restart file and checkpoints, for the attackers to damage."""
    folder = Path(path)
    driver = driver_in(folder)
    for step in range(3):
        frame = phasewire.make_frame(FRAME["positions"], FRAME["cell"], FRAME["periodic"], step=step)
        driver.apply(frame)
        driver.advance()
    driver.checkpoint(folder / "restart.npz")
    run, bias = dynamics(folder)
    phasewire.ase.run_checkpointed(run, bias, 1, folder, every=1)
    (made,) = folder.glob("step-*")
    return [str(folder / "restart.npz"), str(made / "ase.npz"), str(made / "bias.npz")]


def unpack(path: str, text: str) -> list[Any]:
    """Return the entries of an npz file."""
    with zipfile.ZipFile(path) as archive:
        return [[name, base64.b64encode(archive.read(name)).decode()] for name in archive.namelist()]


def pack(path: str, text: str) -> list[Any]:
    """Write an npz file of entries, whose checksums are right whatever they hold."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in json.loads(text):
            archive.writestr(name, base64.b64decode(content))
    return []


READERS = {
    "model": model,
    "manifest": manifest,
    "variables": variables,
    "variablesFile": variables_file,
    "columns": columns,
    "restart": restart,
    "checkpoint": checkpoint,
    "samples": make_samples,
    "unpack": unpack,
    "pack": pack,
}


def verdict_on(question: dict[str, Any]) -> dict[str, Any]:
    """Return what was read, the refusal, or the fault."""
    try:
        return {"result": READERS[question["kind"]](question.get("path", ""), question.get("text", ""))}
    except PhasewireError as error:
        refusal = {"code": error.code, "field": error.field, "message": error.message, "remedy": error.remedy}
        return {"refusal": refusal}
    except Exception:
        return {"fault": traceback.format_exc()}


def main() -> None:
    """Answer until standard input ends."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        verdict = verdict_on(json.loads(line))
        sys.stdout.write(json.dumps(verdict, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
