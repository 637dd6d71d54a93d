"""Watches and biases ASE runs: molecular dynamics, optimisers, or anything else that calls observers.

Examples
--------
>>> monitor = phasewire.ase.attach(dyn, every=100)  # doctest: +SKIP
>>> dyn.run(10_000)  # doctest: +SKIP
>>> monitor.series.fraction("fcc")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from phasewire._frame.options import check_every
from phasewire._frame.renaming import SpeciesMap
from phasewire._frame.snapshot import Snapshot
from phasewire._lazy import lazy
from phasewire.analysers.base import Analyser
from phasewire.ase.frames import AtomsReader, atoms_of, remove_observer
from phasewire.couplings import Coupling, register
from phasewire.driving.driver import Driver
from phasewire.watching.monitor import Monitor as _Monitor

if TYPE_CHECKING:
    from ase import Atoms
    from ase.optimize.optimize import BaseDynamics
    from typing_extensions import Unpack

    from phasewire._frame.result import Result
    from phasewire.analysers.base import FrameOptions
    from phasewire.ase.biasing import BiasCalculator
    from phasewire.ase.checkpoints import run_checkpointed
    from phasewire.bias import BiasPotential
    from phasewire.driving.driver import DriverOptions
    from phasewire.watching.monitor import MonitorOptions

__all__ = ["BiasCalculator", "Monitor", "analyse", "attach", "bias", "run_checkpointed"]

Observables = Callable[["Atoms"], Mapping[str, float]]


if not TYPE_CHECKING:
    # ASE is imported when something that needs it is used.
    __getattr__, __dir__ = lazy(
        __name__, {"BiasCalculator": "phasewire.ase.biasing", "run_checkpointed": "phasewire.ase.checkpoints"}
    )


class Monitor(_Monitor):
    """An observer for ``dyn.attach(monitor, interval=100)``.

    Parameters
    ----------
    atoms : ase.Atoms
        The atoms that the run moves.
    analyser : Analyser or str, optional
        As for `phasewire.Monitor`.
    dynamics : ase Dynamics, optional
        The run. With it, snapshots have its step and time, and the action `phasewire.stop` ends it.
        `attach` and `run` fill it in.
    ignore_species : bool
        Treat all atoms as one species.
    species_map : mapping of str to str, optional
        Other names for species, before anything else looks at them: ``{"Ni": "A", "Co": "A"}`` makes nickel and cobalt
        one species. ``select``, water and variables see the new names; written files have the symbols of the atoms.
    select : str or sequence of str, optional
        Analyse only the atoms of these species, as if the others were absent; ``"all"``: all atoms. Default: the
        oxygens if the symbols are those of water (docs/cli.md, "Water"), else all atoms.
        Results and `last_frame` then hold only these atoms, in their order; ``last_frame.ids`` are their indices in
        ``atoms``, and written snapshots have them as ``id``.
    observables : function of the atoms, optional
        Returns numbers to keep with each result, in addition to the temperature.
    **options
        As for `phasewire.Monitor`: ``denoise``, ``classes``, ``background``, ...

    Raises
    ------
    InputError
        ``EMPTY_SELECTION`` if no atom is selected, ``BAD_OPTION`` for a species map that does not fit. If the selected
        atoms vanish later, the run goes on and `incidents` has the reason.
    """

    def __init__(
        self,
        atoms: Atoms,
        analyser: Analyser | str | None = None,
        *,
        dynamics: BaseDynamics | None = None,
        ignore_species: bool = False,
        species_map: SpeciesMap | None = None,
        select: str | Sequence[str] | None = None,
        observables: Observables | None = None,
        **options: Unpack[MonitorOptions],
    ) -> None:
        from ase import __version__

        self._reader = AtomsReader(ignore_species=ignore_species, species_map=species_map, select=select)
        if species_map is not None or select is not None:
            # Choices that do not fit the atoms are refused before the run.
            self._reader.read(atoms, 0, None)
        options.setdefault("engine", f"ASE {__version__}")
        super().__init__(analyser, **options)
        self.atoms = atoms
        self.dynamics = dynamics
        self._observables = observables
        self._calls = 0
        self._is_called = False
        # The end of the run that a stop was requested for.
        self._stopping: int | None = None

    def __call__(self) -> None:
        """Take a snapshot; the run calls this."""
        if self._closed:
            return
        self._is_called = True
        try:
            if self.dynamics is not None and self._stopping not in (None, self.dynamics.max_steps):
                # The run of the requested stop has ended by itself.
                self._stop_reason = None
            self._stopping = None
            self.observe_once(self._snapshot(), self._observed_values)
        except Exception as error:
            self.note("observe", error)
        finally:
            self._is_called = False
        self._calls += 1
        if self.hand_over_stop():
            self._stop_dynamics()

    def request_stop(self, reason: str = "asked for") -> None:
        """End the present run at the next observed step; without effect between runs."""
        if self.dynamics is not None and not self._is_called:
            # ASE's loops set max_steps when they begin, and run while nsteps < max_steps.
            if self.dynamics.nsteps >= self.dynamics.max_steps:
                return
            self._stopping = self.dynamics.max_steps
        super().request_stop(reason)

    def close(self, timeout: float = 10.0) -> None:
        """Wait for outstanding results, then stop watching and remove the observer from the run."""
        super().close(timeout)
        if self.dynamics is not None:
            remove_observer(self.dynamics, self)

    def _snapshot(self) -> Snapshot:
        dynamics = self.dynamics
        elapsed = getattr(dynamics, "get_time", None)
        step = self._calls if dynamics is None else dynamics.nsteps
        return self._reader.read(self.atoms, step, None if elapsed is None else elapsed())

    def _observed_values(self) -> dict[str, float]:
        values = {"temperature": float(self.atoms.get_temperature())} if self.atoms.has("momenta") else {}
        return values if self._observables is None else {**values, **self._observables(self.atoms)}

    def _stop_dynamics(self) -> None:
        if self.dynamics is None:
            self.note(
                "action",
                RuntimeError("the run cannot be stopped, as the monitor does not know it: give dynamics=dyn"),
            )
            return
        # This ends the present run only, since the next one sets max_steps again.
        self.dynamics.max_steps = self.dynamics.nsteps


def attach(
    dynamics: BaseDynamics,
    every: int = 100,
    analyser: Analyser | str | None = None,
    *,
    atoms: Atoms | None = None,
    ignore_species: bool = False,
    species_map: SpeciesMap | None = None,
    select: str | Sequence[str] | None = None,
    observables: Observables | None = None,
    **options: Unpack[MonitorOptions],
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
        Default: those of the run, also behind a filter.
    ignore_species, species_map, select, observables
        As for `Monitor`.
    **options
        As for `phasewire.Monitor`: ``denoise``, ``classes``, ``background``, ...

    Raises
    ------
    InputError
        ``BAD_OPTION``, also for a run of many images, such as a nudged elastic band.
    """
    interval = check_every(every)
    monitor = Monitor(
        atoms_of(dynamics) if atoms is None else atoms,
        analyser,
        dynamics=dynamics,
        ignore_species=ignore_species,
        species_map=species_map,
        select=select,
        observables=observables,
        **options,
    )
    dynamics.attach(monitor, interval=interval)
    return monitor


def analyse(
    atoms: Atoms,
    analyser: Analyser,
    *,
    ignore_species: bool = False,
    species_map: SpeciesMap | None = None,
    select: str | Sequence[str] | None = None,
    step: int = 0,
    time: float | None = None,
    **options: Unpack[FrameOptions],
) -> Result:
    """Analyse an ``Atoms`` object.

    Parameters
    ----------
    atoms : ase.Atoms
    analyser : Analyser
    ignore_species : bool
        Treat all atoms as one species.
    species_map : mapping of str to str, optional
        Other names for species, before anything else looks at them: ``{"Ni": "A", "Co": "A"}`` makes nickel and cobalt
        one species. ``select``, water and variables see the new names; written files have the symbols of the atoms.
    select : str or sequence of str, optional
        Analyse only the atoms of these species, as if the others were absent; ``"all"``: all atoms. Default: the
        oxygens if the symbols are those of water (docs/cli.md, "Water"), else all atoms. The result then holds only
        these atoms, in their order; its ``selection`` has their indices in ``atoms``.
    step, time : optional
        Step and time of the simulation, which the result repeats.
    **options
        As for `Analyser.analyse`: ``length_scale``, ``denoise``, ``fields``, ``classes``.

    Raises
    ------
    InputError
        ``EMPTY_SELECTION`` if no atom is selected; those of `Analyser.analyse`.
    """
    reader = AtomsReader(ignore_species=ignore_species, species_map=species_map, select=select)
    return analyser.analyse_frame(reader.read(atoms, step, time).checked(), **options)


def bias(
    dynamics: BaseDynamics,
    biases: Driver | Sequence[BiasPotential] | BiasPotential,
    *,
    atoms: Atoms | None = None,
    ignore_species: bool = False,
    species_map: SpeciesMap | None = None,
    select: str | Sequence[str] | None = None,
    **options: Unpack[DriverOptions],
) -> BiasCalculator:
    """Bias a run by the order parameters of its atoms.

    The calculator of the atoms becomes a ``SumCalculator`` of itself and a `BiasCalculator`. An observer notifies the
    latter when a step is complete. `BiasCalculator.close` undoes both. A step without forces ends the run:
    ``dynamics.run`` raises the error that gives the reason. Runs go on after `BiasCalculator.resume`.

    Parameters
    ----------
    dynamics : ase Dynamics
        Molecular dynamics or an optimiser.
    biases : sequence of BiasPotential, or Driver
    atoms : ase.Atoms, optional
        Default: those of the run.
    ignore_species, species_map, select
        As for `Monitor`. Forces on atoms that are not selected are 0.
    **options
        As for `phasewire.Driver`: ``watch``, ``analyser``, ``every``, ``length_scale``, ``colvar``, ``on_failure``, ...

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
        species_map=species_map,
        select=select,
        **options,
    )


register(Coupling("ase", attach=attach, bias=bias))
