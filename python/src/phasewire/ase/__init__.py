"""Watching and biasing an ASE run: molecular dynamics, an optimiser, or anything else that calls observers.

Examples
--------
>>> monitor = phasewire.ase.attach(dyn, every=100)  # doctest: +SKIP
>>> dyn.run(10_000)  # doctest: +SKIP
>>> monitor.series.fraction("fcc")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phasewire._frame.options import check_every
from phasewire._frame.snapshot import Snapshot
from phasewire.analysers.base import Analyser
from phasewire.ase.frames import AtomsReader, atoms_of, chosen
from phasewire.driving.driver import Driver
from phasewire.watching.monitor import Monitor as _Monitor

if TYPE_CHECKING:
    from ase import Atoms
    from ase.optimize.optimize import BaseDynamics

    from phasewire._frame.result import Result
    from phasewire.ase.biasing import BiasCalculator
    from phasewire.ase.checkpoints import run_checkpointed
    from phasewire.bias import BiasPotential

__all__ = ["BiasCalculator", "Monitor", "analyse", "attach", "bias", "run_checkpointed"]


def __getattr__(name: str) -> Any:
    """Import what needs ASE when it is asked for."""
    if name == "BiasCalculator":
        from phasewire.ase.biasing import BiasCalculator

        return BiasCalculator
    if name == "run_checkpointed":
        from phasewire.ase.checkpoints import run_checkpointed

        return run_checkpointed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Monitor(_Monitor):
    """An observer for ``dyn.attach(monitor, interval=100)``.

    Parameters
    ----------
    atoms : ase.Atoms
        The atoms that the run moves.
    analyser : Analyser or str, optional
        As for `phasewire.Monitor`.
    dynamics : ase Dynamics, optional
        The run. With it, snapshots carry its step and time, and the action `phasewire.stop` ends it.
        `attach` and `run` fill it in.
    ignore_species : bool
        Treat all atoms as one species.
    select : str or sequence of str, optional
        Analyse only the atoms of these species, as if the others were absent; ``"all"``: all atoms. Default: the
        oxygens where the symbols are those of water (docs/cli.md, "Water"), else all atoms.
        Results and `last_frame` then hold these atoms alone, in their order; ``last_frame.ids`` are their indices in
        ``atoms``, and written snapshots have them as ``id``.
    **options
        As for `phasewire.Monitor`: ``denoise``, ``classes``, ``background``, ..

    Raises
    ------
    InputError
        ``EMPTY_SELECTION`` if no atom is selected. Should the selected atoms vanish later, the run goes on and
        `incidents` tells.
    """

    def __init__(
        self,
        atoms: Atoms,
        analyser: Analyser | str | None = None,
        *,
        dynamics: BaseDynamics | None = None,
        ignore_species: bool = False,
        select: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        from ase import __version__

        if select is not None:
            chosen(atoms, select)
        self._reader = AtomsReader(ignore_species=ignore_species, select=select)
        options.setdefault("engine", f"ASE {__version__}")
        super().__init__(analyser, **options)
        self.atoms = atoms
        self.dynamics = dynamics
        self._calls = 0

    def __call__(self) -> None:
        """Take a snapshot; the run calls this."""
        try:
            self.observe(self._snapshot())
        except Exception as error:
            self.note("observe", error)
        self._calls += 1
        if self.hand_over_stop():
            self._stop_dynamics()

    def _snapshot(self) -> Snapshot:
        atoms, dynamics = self.atoms, self.dynamics
        elapsed = getattr(dynamics, "get_time", None)
        step = self._calls if dynamics is None else dynamics.nsteps
        observables = {"temperature": float(atoms.get_temperature())} if atoms.has("momenta") else {}
        snapshot = self._reader.read(atoms, step, None if elapsed is None else elapsed())
        return replace(snapshot, observables=observables)

    def _stop_dynamics(self) -> None:
        if self.dynamics is None:
            self.note(
                "action",
                RuntimeError("the run cannot be stopped, as the monitor does not know it: give dynamics=dyn"),
            )
            return
        # ASE's loops run while nsteps < max_steps, and set max_steps when they begin: this ends the present run only.
        self.dynamics.max_steps = self.dynamics.nsteps


def attach(
    dynamics: BaseDynamics,
    every: int = 100,
    analyser: Analyser | str | None = None,
    *,
    atoms: Atoms | None = None,
    **options: Any,
) -> Monitor:
    """Make a `Monitor` and attach it to a run.

    Parameters
    ----------
    dynamics : ase Dynamics
        Molecular dynamics or an optimiser.
    every : int
        Steps between snapshots.
    analyser : Analyser or str, optional
        As for `phasewire.Monitor`.
    atoms : ase.Atoms, optional
        Default: those of the run, also where it moves them through a filter.
    **options
        As for `Monitor`.

    Raises
    ------
    InputError
        ``BAD_OPTION``, also for a run of many images, such as a nudged elastic band.
    """
    interval = check_every(every)
    monitor = Monitor(atoms_of(dynamics) if atoms is None else atoms, analyser, dynamics=dynamics, **options)
    dynamics.attach(monitor, interval=interval)
    return monitor


def analyse(
    atoms: Atoms,
    analyser: Analyser,
    *,
    ignore_species: bool = False,
    select: str | Sequence[str] | None = None,
    **options: Any,
) -> Result:
    """Analyse an ``Atoms`` object.

    Parameters
    ----------
    atoms : ase.Atoms
    analyser : Analyser
    ignore_species : bool
        Treat all atoms as one species.
    select : str or sequence of str, optional
        Analyse only the atoms of these species, as if the others were absent; ``"all"``: all atoms. Default: the
        oxygens where the symbols are those of water (docs/cli.md, "Water"), else all atoms. The result then holds these
        atoms alone, in their order; its ``selection`` are their indices in ``atoms``.
    **options
        As for `Analyser.analyse`: ``denoise``, ``classes``, ``fields``, ..

    Raises
    ------
    InputError
        ``EMPTY_SELECTION`` if no atom is selected; those of `Analyser.analyse`.
    """
    reader = AtomsReader(ignore_species=ignore_species, select=select)
    snapshot = reader.read(atoms, options.pop("step", 0), options.pop("time", None))
    return analyser.analyse_frame(snapshot.checked(), **options)


def bias(
    dynamics: BaseDynamics,
    biases: Driver | Sequence[BiasPotential] | BiasPotential,
    *,
    atoms: Atoms | None = None,
    ignore_species: bool = False,
    select: str | Sequence[str] | None = None,
    **options: Any,
) -> BiasCalculator:
    """Bias a run by the order parameters of its atoms.

    The calculator of the atoms becomes a ``SumCalculator`` of itself and a `BiasCalculator`, and an observer tells that
    one when a step is complete. A step without forces ends the run with the error that says why, raised from
    ``dynamics.run``.

    Parameters
    ----------
    dynamics : ase Dynamics
        Molecular dynamics or an optimiser.
    biases : sequence of BiasPotential, or Driver
    atoms : ase.Atoms, optional
        Default: those of the run.
    ignore_species, select
        As for `Monitor`. Atoms that are not selected feel no force.
    **options
        As for `phasewire.Driver`: ``watch``, ``analyser``, ``every``, ``length_scale``, ``colvar``, ``on_failure``, ..

    Raises
    ------
    InputError
        Those of `phasewire.Driver`.

    Examples
    --------
    >>> bias = phasewire.ase.bias(dyn, Harmonic(fraction("fcc"), 0.5, 200.0), colvar="COLVAR")  # doctest: +SKIP
    >>> dyn.run(10_000)  # doctest: +SKIP
    """
    from phasewire.ase.biasing import attach_bias

    return attach_bias(
        dynamics,
        atoms_of(dynamics) if atoms is None else atoms,
        biases,
        ignore_species=ignore_species,
        select=select,
        **options,
    )
