"""Biases as a calculator of ASE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.mixing import SumCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from phasewire._frame.renaming import SpeciesMap
from phasewire.ase.frames import AtomsReader, remove_observer
from phasewire.driving.attached import AttachedBias
from phasewire.driving.driver import Applied, Driver
from phasewire.errors import PhasewireError

if TYPE_CHECKING:
    from ase import Atoms
    from ase.optimize.optimize import BaseDynamics
    from typing_extensions import Unpack

    from phasewire.bias import BiasPotential
    from phasewire.driving.driver import DriverOptions


class BiasCalculator(Calculator, AttachedBias):
    """Energy, forces and stress of biases, alone or in a ``SumCalculator`` with physical ones.

    A calculator does not see steps: it is called several times in one, and at trial positions too. A step therefore
    ends when `advance` is called, as the observer of `phasewire.ase.bias` does. The next one begins with the first
    structure after that which differs. Biases with a history advance then; biases without one need no observer.

    Parameters
    ----------
    biases : sequence of BiasPotential, or Driver
    dynamics : ase Dynamics, optional
        The run, which knows step and time. `phasewire.ase.bias` fills it in.
    ignore_species : bool
        Treat all atoms as one species.
    species_map : mapping of str to str, optional
        Other names for species, as for `phasewire.ase.Monitor`.
    select : str or sequence of str, optional
        Analyse only the atoms of these species, as for `phasewire.ase.Monitor`. Forces on the others are 0.
    **options
        As for `phasewire.Driver`.

    Attributes
    ----------
    driver : Driver
    step : int
        The step of the last structure.

    Notes
    -----
    With ``every=k`` the forces are impulses (r-RESPA). They suit only integrators that take one force per step, such as
    ``VelocityVerlet``. The energy at steps between is that of the last impulse. Do not optimise with them.
    """

    atoms: Atoms | None
    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(
        self,
        biases: Driver | Sequence[BiasPotential] | BiasPotential,
        *,
        dynamics: BaseDynamics | None = None,
        ignore_species: bool = False,
        species_map: SpeciesMap | None = None,
        select: str | Sequence[str] | None = None,
        **options: Unpack[DriverOptions],
    ) -> None:
        super().__init__()
        self._reader = AtomsReader(ignore_species=ignore_species, species_map=species_map, select=select)
        self._take(biases, **options)
        self.dynamics = dynamics
        self.step = 0 if dynamics is None else int(dynamics.nsteps)
        self._engine_step = self.step
        # A run that is continued begins with the structure of a complete step.
        self._is_complete = self.step > 0
        self._last: Atoms | None = None
        self._detach: Callable[[], None] | None = None

    def advance(self) -> None:
        """Complete the step of the last structure. The next structure that differs belongs to the next step."""
        self._is_complete = True
        if self.dynamics is not None and self.dynamics.nsteps != self._engine_step:
            # Steps in which nothing moved are not visible here, and a run may count from 0 again.
            self.step = self._engine_step = int(self.dynamics.nsteps)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the biases; ASE calls this when the atoms have changed.

        Raises
        ------
        PhasewireError
            The reason why there are no forces.
        """
        super().calculate(atoms, properties, system_changes)
        if self._stopped is not None:
            raise self._stopped
        structure = self.atoms
        assert structure is not None  # ASE's new copy, or that of the structure before
        if self._is_complete and self._last is not None and _differ(structure, self._last):
            self.step += 1
            self._is_complete = False
        self._last = structure
        timestep = getattr(self.dynamics, "dt", None)
        time = None if timestep is None else self.step * float(timestep)
        try:
            applied, selection = self._apply(structure, time)
        except BaseException as error:
            if self._detach is not None:
                self._stopped = error
            raise
        forces = applied.forces
        if selection is not None:
            forces = np.zeros((len(structure), 3))
            forces[selection] = applied.forces
        self.results = {"energy": applied.energy, "free_energy": applied.energy, "forces": forces}
        if structure.cell.rank == 3:
            # dE / d(strain) / volume, symmetric; the virial is minus the derivative.
            stress = -0.5 * (applied.virial + applied.virial.T) / structure.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    def resume_at(self, step: int) -> None:
        """Expect the structure of a complete step next, with which a continued run begins."""
        self.reset()
        self.step = self._engine_step = step
        self._last = None
        self._is_complete = True

    def resume(self) -> None:
        """Allow runs after a step without forces; the next run begins with the forces of that step.

        The exception interrupted the step: the atoms have moved, but their momenta lack the second half of the
        kick. If that matters, continue from a checkpoint.
        """
        self._stopped = None

    def close(self) -> None:
        """Remove calculator and observer from the run, and close the driver if it was made for this calculator."""
        if self._detach is not None:
            self._detach()
            self._detach = None
        self._close_driver()

    def _apply(self, structure: Atoms, time: float | None) -> tuple[Applied, NDArray[np.intp] | None]:
        """Return the result of the biases for the selected atoms, and their indices if they are not all atoms."""
        try:
            frame = self._reader.read(structure, self.step, time).checked()
        except PhasewireError as error:
            return self.driver.fail(error, self.step, time, len(structure)), None
        return self.driver.apply(frame), frame.selection


def attach_bias(
    dynamics: BaseDynamics,
    atoms: Atoms,
    biases: Driver | Sequence[BiasPotential] | BiasPotential,
    *,
    ignore_species: bool,
    species_map: SpeciesMap | None,
    select: str | Sequence[str] | None,
    **options: Unpack[DriverOptions],
) -> BiasCalculator:
    """Attach biases, as `phasewire.ase.bias` documents."""
    calculator = BiasCalculator(
        biases,
        dynamics=dynamics,
        ignore_species=ignore_species,
        species_map=species_map,
        select=select,
        **options,
    )
    before = atoms.calc
    combined = calculator if before is None else SumCalculator([before, calculator])
    atoms.calc = combined
    dynamics.attach(calculator.advance, interval=1)

    def detach() -> None:
        remove_observer(dynamics, calculator.advance)
        if atoms.calc is combined:
            atoms.calc = before

    calculator._detach = detach
    return calculator


def _differ(one: Atoms, other: Atoms) -> bool:
    return any(
        not np.array_equal(first, second)
        for first, second in (
            (one.positions, other.positions),
            (one.numbers, other.numbers),
            (one.cell.array, other.cell.array),
            (one.pbc, other.pbc),
        )
    )
