"""Checkpoints of ASE runs, which continue to the last bit: structure, momenta, random numbers, and biases."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.md.andersen import Andersen
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nvtberendsen import NVTBerendsen
from ase.md.verlet import VelocityVerlet

from phasewire._frame.options import check_every
from phasewire.ase.biasing import BiasCalculator
from phasewire.ase.frames import atoms_of
from phasewire.errors import make_error
from phasewire.files.checkpoints import Checkpoints
from phasewire.files.npz import damage_named, read_npz, write_npz

_ENGINE, _BIAS = "ase.npz", "bias.npz"
_FORMAT, _VERSION = "phasewire ASE restart", 1
# Dynamics whose state consists of structure, momenta, step and random numbers.
_KNOWN = (VelocityVerlet, Langevin, Andersen, Bussi, NVTBerendsen)
_ARRAYS = ("positions", "momenta", "numbers", "cell", "pbc")


def run_checkpointed(
    dynamics: MolecularDynamics,
    bias: BiasCalculator,
    steps: int,
    folder: str | Path,
    *,
    every: int,
) -> None:
    """Run up to a total number of steps, with checkpoints; after a kill, the same script continues from the last one.

    A continued run equals an uninterrupted one to the last bit: at each checkpoint, both reset data of earlier
    structures in calculators, such as neighbour lists.

    Parameters
    ----------
    dynamics : ase MolecularDynamics
        Made as for a new run: ``VelocityVerlet``, ``Langevin``, ``Andersen``, ``Bussi`` or ``NVTBerendsen``.
    bias : BiasCalculator
        Attached to it by `phasewire.ase.bias`.
    steps : int
        Steps of the whole run, including those before a restart.
    folder : path
        Folder of the checkpoints. Each is a folder that gets its name when it is complete; then the previous one is
        removed. Other files and folders stay.
    every : int
        Steps between checkpoints.

    Raises
    ------
    PhasewireError
        Those of the biases; ``BAD_OPTION`` for other dynamics, and if the biases or the atoms differ from those of the
        checkpoint; ``FILE_IN_USE`` if another run uses the folder.
    """
    check_every(every)
    if type(dynamics) not in _KNOWN:
        raise make_error(
            "BAD_OPTION",
            "the state of this dynamics is unknown",
            field="dynamics",
            value=type(dynamics).__name__,
            remedy=f"use one of {', '.join(known.__name__ for known in _KNOWN)}, "
            "or store its state yourself, next to that of Driver.checkpoint",
        )
    atoms = atoms_of(dynamics)
    checkpoints = Checkpoints(Path(folder), (_ENGINE, _BIAS))
    with checkpoints.in_use():
        found = checkpoints.latest()
        if found is not None:
            bias.driver.restore(found / _BIAS)
            _restore(dynamics, atoms, found / _ENGINE)
            bias.resume_at(dynamics.nsteps)
        while dynamics.nsteps < steps:
            _forget(atoms.calc)
            bias.driver.analyser.forget()
            dynamics.run(min(every - dynamics.nsteps % every, steps - dynamics.nsteps))
            with checkpoints.new(dynamics.nsteps) as new:
                _store(dynamics, atoms, new / _ENGINE)
                bias.driver.checkpoint(new / _BIAS)


def _forget(calculator: BaseCalculator) -> None:
    """Reset a calculator, and those that it sums, before the next structure."""
    for part in getattr(getattr(calculator, "mixer", None), "calcs", ()):
        _forget(part)
    if hasattr(calculator, "reset"):
        calculator.reset()
    else:
        # A sum of calculators reads these two.
        calculator.atoms, calculator.results = None, {}


def _store(dynamics: MolecularDynamics, atoms: Atoms, path: Path) -> None:
    about = {"format": _FORMAT, "version": _VERSION, "dynamics": type(dynamics).__name__}
    about |= {"nsteps": dynamics.nsteps, "random": _random_state(dynamics)}
    arrays = (atoms.positions, atoms.get_momenta(), atoms.numbers, atoms.cell.array, atoms.pbc)
    write_npz(path, about, dict(zip(_ARRAYS, arrays, strict=True)))


def _restore(dynamics: MolecularDynamics, atoms: Atoms, path: Path) -> None:
    about, arrays = read_npz(path, _FORMAT, _VERSION)
    with damage_named(path, _FORMAT):
        positions, momenta, numbers, cell, pbc = (arrays[name] for name in _ARRAYS)
        if about["dynamics"] != type(dynamics).__name__ or not np.array_equal(numbers, atoms.numbers):
            raise make_error(
                "BAD_OPTION",
                f"the run to continue has {len(numbers)} atoms and {about['dynamics']}",
                field="dynamics",
                value=f"{len(atoms)} atoms, {type(dynamics).__name__}",
                remedy="give the atoms and the dynamics of that run, or another folder",
            )
        for array, shape in ((positions, atoms.positions.shape), (momenta, atoms.positions.shape), (cell, (3, 3))):
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError("positions, momenta or cell have another shape, or are not finite")
        step = operator.index(about["nsteps"])
        atoms.set_cell(cell)
        atoms.set_pbc(pbc)
        atoms.arrays["positions"][:] = positions
        # Not through `set_momenta`, which constraints would change.
        atoms.set_array("momenta", momenta)
        dynamics.nsteps = step
        _set_random_state(dynamics, about["random"])


def _random_state(dynamics: MolecularDynamics) -> Any:
    """Return the state of the random numbers of a dynamics as JSON values."""
    source = getattr(dynamics, "rng", None)
    if source is None:
        return None
    state = source.bit_generator.state if hasattr(source, "bit_generator") else source.get_state(legacy=False)
    return json.loads(json.dumps(state, default=lambda array: array.tolist()))


def _set_random_state(dynamics: MolecularDynamics, state: Any) -> None:
    source = getattr(dynamics, "rng", None)
    if source is None or state is None:
        return
    if "key" in state.get("state", {}):
        state["state"]["key"] = np.array(state["state"]["key"], dtype=np.uint32)
    if hasattr(source, "bit_generator"):
        source.bit_generator.state = state
    else:
        source.set_state(state)
