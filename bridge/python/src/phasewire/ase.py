"""Watching an ASE run: molecular dynamics, an optimiser, or anything else that calls observers.

Examples
--------
>>> monitor = phasewire.ase.attach(dyn, every=100)  # doctest: +SKIP
>>> dyn.run(10_000)  # doctest: +SKIP
>>> monitor.series.fraction("fcc")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from phasewire._analyser import Analyser, check_every
from phasewire._links import Snapshot
from phasewire._selection import ALL_ATOMS, as_choice, describe_choice, empty_selection
from phasewire.errors import make_error
from phasewire.monitor import Monitor as _Monitor

if TYPE_CHECKING:
    from ase import Atoms
    from ase.optimize.optimize import Dynamics

    from phasewire._result import Result


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
        dynamics: Dynamics | None = None,
        ignore_species: bool = False,
        select: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        from ase import __version__

        if select is not None:
            _chosen(atoms, select)
        options.setdefault("engine", f"ASE {__version__}")
        super().__init__(analyser, **options)
        self.atoms = atoms
        self.dynamics = dynamics
        self._ignore_species = ignore_species
        self._select = select
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
        names, species = None, None
        if not self._ignore_species:
            numbers, species = np.unique(atoms.get_atomic_numbers(), return_inverse=True)
            names = tuple(_symbol(number) for number in numbers)
        cell = atoms.cell.array.copy()
        timestep = getattr(dynamics, "get_time", None)
        return Snapshot(
            positions=atoms.get_positions(),
            cell=cell if cell.any() else None,
            periodic=tuple(bool(flag) for flag in atoms.pbc),  # type: ignore[arg-type]
            species=species,
            names=names,
            step=self._calls if dynamics is None else dynamics.nsteps,
            time=None if timestep is None else timestep(),
            observables={"temperature": float(atoms.get_temperature())} if atoms.has("momenta") else {},
            atoms=None if self._select is None else _chosen(atoms, self._select),
            selected=None if self._select is None else describe_choice(as_choice(self._select)),
        )

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
    dynamics: Dynamics,
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
    monitor = Monitor(_atoms_of(dynamics) if atoms is None else atoms, analyser, dynamics=dynamics, **options)
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
    cell = atoms.cell.array
    snapshot = Snapshot(
        atoms.get_positions(),
        cell if cell.any() else None,
        tuple(bool(flag) for flag in atoms.pbc),  # type: ignore[arg-type]
        None if ignore_species else np.array(atoms.get_chemical_symbols()),
        step=options.pop("step", 0),
        time=options.pop("time", None),
        atoms=None if select is None else _chosen(atoms, select),
        selected=None if select is None else describe_choice(as_choice(select)),
    )
    return analyser.analyse_frame(snapshot.checked(), **options)


def _chosen(atoms: Atoms, select: str | Sequence[str]) -> NDArray[np.int64] | Literal["all"]:
    """Return the indices of the selected atoms, or ``"all"``."""
    choice = as_choice(select)
    if choice == ALL_ATOMS:
        return "all"
    symbols = np.array(atoms.get_chemical_symbols())
    indices = np.flatnonzero(np.isin(symbols, [str(name) for name in choice]))
    if not len(indices):
        raise empty_selection(choice, np.unique(symbols), "no atom has the species")
    return indices


def _atoms_of(dynamics: Dynamics) -> Atoms:
    from ase import Atoms

    found = dynamics.atoms
    # A filter, such as one that relaxes the cell too, stands before the atoms.
    while not isinstance(found, Atoms):
        found = getattr(found, "atoms", None)
        if found is None:
            raise make_error(
                "BAD_OPTION",
                f"the run moves a {type(dynamics.atoms).__name__}, which is no single structure",
                field="atoms",
                remedy="say which atoms to watch: atoms=...",
            )
    return found


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])
