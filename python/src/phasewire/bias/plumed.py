"""Biases that PLUMED computes from phasewire's variables.

PLUMED (G. A. Tribello et al., Comput. Phys. Commun. 185, 604, 2014) accepts variables of an engine through its action
EXTRACV. `Plumed` passes it the variables of phasewire, and uses its energy and forces as a bias:

    solid: EXTRACV NAME=fraction_fcc
    METAD ARG=solid PACE=500 HEIGHT=1.2 SIGMA=0.02 BIASFACTOR=10 FILE=HILLS

It needs the Python package ``plumed`` (``pip install phasewire[plumed]``) and PLUMED's kernel, a shared library at
``PLUMED_KERNEL``, which comes with PLUMED itself, not from PyPI. The tests use a stand-in for that package, which
checks order and arguments of the calls; it has not been run with a kernel.

In PLUMED, `energy` calls setStepLong, passes values and memory for forces, and calls prepareCalc and
performCalcNoUpdate, which computes without updating hills, files and averages. `update` calls update, once per step.
Actions that accumulate in every computation (MOVINGRESTRAINT's work) need exactly one energy per step. PLUMED also gets
one atom that does not move, since it requires one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire.bias._base import BiasPotential, Values, positive_integer, positive_number, require_keys
from phasewire.errors import make_error
from phasewire.files.colvars import cut_after

_ENGINE = "phasewire"


class Plumed(BiasPotential):
    """A bias that PLUMED computes.

    Parameters
    ----------
    input : path
        PLUMED's input file. It reads each variable with ``EXTRACV NAME=...``, under the variable's name with
        all characters except letters and digits replaced by ``_``: ``fraction.fcc`` is ``fraction_fcc``.
    variables : Variable or sequence of Variable
    kT : float
        In the simulation's energy unit. PLUMED gets it, so leave ``TEMP`` out of the input.
    timestep : float
        In the simulation's unit of time.
    energy_unit, time_unit : float
        The simulation's units in kJ/mol and ps, which are then the units of the input. 1: the input is in the units of
        the simulation. A line ``UNITS`` with ``ENERGY`` or ``TIME`` is refused.
    files : sequence of path
        PLUMED's files, such as HILLS and COLVAR, which a restart cuts at its time before PLUMED continues them.
    checkpoint_every : int
        PLUMED flushes its files, and writes its own STATE files, at multiples of this number of steps. A checkpoint at
        another step is refused, since hills could be missing.
    log : path
        PLUMED's log.
    kernel : path, optional
        The kernel. Default: that of ``PLUMED_KERNEL``.
    name : str

    Raises
    ------
    ImportError
        If the package ``plumed`` is not installed.
    InputError
        ``BAD_OPTION`` without a kernel, and for an input that does not fit the variables; ``FILE_ACCESS``.

    Notes
    -----
    Biases with a ``STRIDE`` act only at some steps, with a multiple of their force; in between, PLUMED returns the
    energy of the last such step.

    After a restart, evaluate the step of the checkpoint first, as engines do. PRINT then writes its row again.
    """

    def __init__(
        self,
        input: str | PathLike[str],
        variables: Any,
        *,
        kT: float,  # noqa: N803
        timestep: float,
        energy_unit: float = 1.0,
        time_unit: float = 1.0,
        files: Sequence[str | PathLike[str]] = (),
        checkpoint_every: int = 1,
        log: str | PathLike[str] = "plumed.log",
        kernel: str | PathLike[str] | None = None,
        name: str = "plumed",
    ) -> None:
        super().__init__(variables, name=name)
        self.input, self.log, self.files = Path(input), Path(log), tuple(Path(file) for file in files)
        self.kT, self.timestep = positive_number(kT, f"{name}.kT"), positive_number(timestep, f"{name}.timestep")
        self.energy_unit = positive_number(energy_unit, f"{name}.energy_unit")
        self.time_unit = positive_number(time_unit, f"{name}.time_unit")
        self.checkpoint_every = positive_integer(checkpoint_every, f"{name}.checkpoint_every")
        self.names = tuple(re.sub(r"[^A-Za-z0-9_]", "_", variable.name) for variable in self.variables)
        self._text = self._read_input()
        self._kernel = kernel
        self._plumed = _make(kernel, name)
        self._started = False
        self._computed: tuple[bytes, int] | None = None
        self._updated: int | None = None
        self._opening: int | None = None
        # PLUMED keeps pointers to these arrays.
        self._values = [np.zeros(1) for _ in self.names]
        self._forces = [np.zeros(1) for _ in self.names]
        self._atom = {
            "setMasses": np.ones(1),
            "setCharges": np.zeros(1),
            "setPositions": np.zeros((1, 3)),
            "setForces": np.zeros((1, 3)),
            "setBox": np.zeros((3, 3)),
            "setVirial": np.zeros((3, 3)),
        }
        self._bias = np.zeros(1)

    def energy(self, values: ArrayLike, step: int) -> tuple[float, Values]:
        """Let PLUMED compute the bias of a step without moving on.

        Raises
        ------
        InputError
            As for `BiasPotential.energy`. Exceptions of PLUMED are passed on.
        """
        checked = self._check_values(values)
        self._start(restart=False)
        step_number = np.array([step], dtype=np.int_)
        self._plumed.cmd("setStepLong", step_number)
        for command, array in self._atom.items():
            if command in ("setForces", "setVirial"):
                array[...] = 0.0
            self._plumed.cmd(command, array)
        for name, value, force, number in zip(self.names, self._values, self._forces, checked, strict=True):
            value[0], force[0] = number, 0.0
            self._plumed.cmd(f"setExtraCV {name}", value)
            self._plumed.cmd(f"setExtraCVForce {name}", force)
        self._plumed.cmd("prepareCalc")
        self._plumed.cmd("performCalcNoUpdate")
        self._plumed.cmd("getBias", self._bias)
        self._computed = (checked.tobytes(), int(step))
        if self._opening == step:
            # The step of a restart is the first that this PLUMED sees, at which it adds no hills. It must move on once
            # so that it adds them at the next step. `update` skips this step, which is already counted.
            self._plumed.cmd("update")
            self._opening = None
        # PLUMED never converts a force on an EXTRACV, so its units do not matter.
        self._last_energy = float(self._bias[0]) / self.energy_unit
        return self._last_energy, np.array([-force[0] for force in self._forces]) / self.energy_unit

    def update(self, values: ArrayLike, step: int, time: float | None = None) -> None:
        """Let PLUMED update hills, files and averages. A step is counted once."""
        if self._updated == step:
            return
        if self._computed != (self._check_values(values).tobytes(), int(step)):
            self.energy(values, step)
        self._plumed.cmd("doCheckPoint", 1 if step % self.checkpoint_every == 0 else 0)
        self._plumed.cmd("update")
        self._updated = int(step)

    def settings(self) -> dict[str, Any]:
        """Return the parameters, and the hash of the input file's text."""
        return self._describe(
            input=hashlib.sha256(self._text.encode()).hexdigest(),
            kT=self.kT,
            timestep=self.timestep,
            energy_unit=self.energy_unit,
            time_unit=self.time_unit,
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the step up to which PLUMED's own files, which are its state, are complete.

        Raises
        ------
        InputError
            ``BAD_OPTION`` at a step without a flush.
        """
        if self._updated is not None and self._updated % self.checkpoint_every:
            raise make_error(
                "BAD_OPTION",
                f"PLUMED has not flushed its files at step {self._updated}",
                field=f"{self.name}.checkpoint_every",
                value=self.checkpoint_every,
                remedy="make checkpoints at multiples of it, or give a smaller one",
            )
        return {
            "step": np.array(0 if self._updated is None else self._updated, dtype=np.int64),
            "begun": np.array(self._updated is not None),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Cut PLUMED's files after the step of the state, and let a new PLUMED continue them."""
        require_keys(state, ("step", "begun"), self.name)
        self.close()
        self._plumed = _make(self._kernel, self.name)
        self._computed, self._updated, self._opening = None, None, None
        if bool(state["begun"]):
            self._updated = self._opening = int(state["step"])
            # PLUMED writes times with few digits; half a step is enough to distinguish two steps.
            time = (self._updated + 0.5) * self.timestep * self.time_unit
            for file in self.files:
                if file.exists():
                    cut_after(file, time)
            self._start(restart=True)

    def close(self) -> None:
        """Let PLUMED write its buffers, and end it."""
        self._plumed.finalize()
        self._started = False

    def _start(self, *, restart: bool) -> None:
        if self._started:
            return
        command = self._plumed.cmd
        # The engine's name must come first: PLUMED names its atoms after it.
        command("setMDEngine", _ENGINE)
        command("setTimestep", self.timestep * self.time_unit)
        command("setKbT", self.kT * self.energy_unit)
        command("setRestart", int(restart))
        command("setNatoms", 1)
        command("setPlumedDat", str(self.input))
        command("setLogFile", str(self.log))
        command("init")
        self._started = True

    def _read_input(self) -> str:
        """Return the input; refuse errors that PLUMED would not report."""
        try:
            text = self.input.read_text(encoding="utf-8")
        except OSError as error:
            raise make_error(
                "FILE_ACCESS", f"the input cannot be read: {error.strerror}", field="input", value=str(self.input)
            ) from error
        lines = [line.split("#")[0] for line in text.splitlines()]
        if any(re.search(r"\bUNITS\b.*\b(ENERGY|TIME)=", line) for line in lines):
            raise make_error(
                "BAD_OPTION",
                "PLUMED does not convert forces on an EXTRACV to other units",
                field="input",
                value=str(self.input),
                remedy="leave ENERGY and TIME out of UNITS; give energy_unit and time_unit",
            )
        if len(set(self.names)) < len(self.names):
            raise make_error(
                "BAD_OPTION",
                "two variables have the same name in PLUMED",
                field=f"{self.name}.variables",
                value=self.names,
            )
        read = set(re.findall(r"\bEXTRACV\b[^\n]*?\bNAME=(\S+)", "\n".join(lines)))
        includes = any(re.search(r"\bINCLUDE\b", line) for line in lines)
        wrong = (read - set(self.names)) | (set() if includes else set(self.names) - read)
        if wrong:
            raise make_error(
                "BAD_OPTION",
                "the input and the variables do not have these in common",
                field=f"{self.name}.variables",
                value=sorted(wrong),
                remedy=f"read each with a line such as `a: EXTRACV NAME={self.names[0]}`",
            )
        return text


def _make(kernel: str | PathLike[str] | None, name: str) -> Any:
    try:
        import plumed
    except ImportError as error:
        raise ImportError("PLUMED needs its Python package: pip install 'phasewire[plumed]'") from error
    try:
        return plumed.Plumed() if kernel is None else plumed.Plumed(str(kernel))
    except RuntimeError as error:
        raise make_error(
            "BAD_OPTION",
            f"PLUMED's kernel could not be loaded: {error}",
            field=f"{name}.kernel",
            value=None if kernel is None else str(kernel),
            remedy="install PLUMED, and set PLUMED_KERNEL to the path of libplumedKernel.so",
        ) from error
