"""The interface of an adapter: one adapter per engine implements it (engine_NAME.py).

An adapter builds small simulations, changes them from outside, runs them, and reads their state from the engine itself,
never through the coupling under test. All numbers are in the engine's own units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import numpy as np
import pytest

import phasewire
from phasewire.bias import Metadynamics
from phasewire.couplings import Coupling, couplings
from phasewire.variables import mean_logit

# Lattice constant of copper, in angstrom.
EDGE = 3.615


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms to simulate, in angstrom and picoseconds.

    The rows of `cell` are its vectors, and it is lower triangular, which every engine takes.
    """

    positions: np.ndarray
    cell: np.ndarray | None
    periodic: tuple[bool, bool, bool]
    names: tuple[str, ...]
    velocities: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)


def crystal(cells: int = 3, *, noise: float = 0.0, kelvin: float = 0.0, seed: int = 2) -> Structure:
    """Build a block of fcc copper in a cubic box, displaced at random, with velocities of a temperature."""
    sites = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    corners = np.stack(np.meshgrid(*3 * [np.arange(cells)], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    positions = EDGE * (corners + sites).reshape(-1, 3)
    rng = np.random.default_rng(seed)
    positions = positions + noise * rng.normal(size=positions.shape)
    # sqrt(kT/m) of copper at 1 K is 0.1144 angstrom per picosecond.
    velocities = 0.1144 * np.sqrt(kelvin) * rng.normal(size=positions.shape)
    velocities -= velocities.mean(axis=0)
    cell = cells * EDGE * np.eye(3)
    return Structure(positions, cell, (True, True, True), ("Cu",) * len(positions), velocities)


def strained(structure: Structure, strain: np.ndarray) -> Structure:
    """Strain a structure with its cell: rows of both are multiplied by 1 + strain."""
    assert structure.cell is not None
    change = np.eye(3) + strain
    return replace(structure, positions=structure.positions @ change, cell=structure.cell @ change)


TRICLINIC = np.array([[0.0, 0.0, 0.0], [0.10, 0.02, 0.0], [-0.06, 0.04, -0.01]])


def slab(structure: Structure) -> Structure:
    """Open the structure along z, with a vacuum above and below."""
    assert structure.cell is not None
    cell = structure.cell.copy()
    cell[2, 2] += 4 * EDGE
    lifted = structure.positions + np.array([0, 0, 2 * EDGE])
    return replace(structure, positions=lifted, cell=cell, periodic=(True, True, False))


def cluster(structure: Structure) -> Structure:
    """Take the box away."""
    return replace(structure, cell=None, periodic=(False, False, False))


BOXES: Mapping[str, Callable[[Structure], Structure]] = {
    "cubic": lambda structure: structure,
    "triclinic": lambda structure: strained(structure, TRICLINIC),
    "slab": slab,
    "cluster": cluster,
}


def species(structure: Structure, kinds: Mapping[str, int]) -> Structure:
    """Name the atoms in turn: `{"O": 1, "H": 2}` makes O H H O H H."""
    period = [name for name, count in kinds.items() for _ in range(count)]
    return replace(structure, names=tuple(period[index % len(period)] for index in range(len(structure))))


def metadynamics(engine: Engine, folder: Path) -> Metadynamics:
    """Make a bias with a history that drops a hill every 4 steps, into a file of a folder."""
    kt = 0.05 * engine.energy
    return Metadynamics(
        mean_logit("fcc", name="q"), sigma=0.1, height=2 * kt, pace=4, kT=kt, bias_factor=10.0, hills=folder / "HILLS"
    )


class Simulation(ABC):
    """One simulation of an engine.

    Arrays of atoms are in the order of ascending ids, whatever order the engine stores them in.
    """

    engine: Engine

    # -- the engine's state -------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def step(self) -> int:
        """The engine's own number of the present step."""

    @property
    @abstractmethod
    def time_step(self) -> float: ...

    @property
    @abstractmethod
    def ids(self) -> np.ndarray:
        """The ids by which variables and selections refer to atoms; their indices if the engine has no ids."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the species."""

    @property
    @abstractmethod
    def positions(self) -> np.ndarray: ...

    @property
    @abstractmethod
    def velocities(self) -> np.ndarray: ...

    @property
    @abstractmethod
    def forces(self) -> np.ndarray:
        """The forces that the atoms feel, those of biases included."""

    @property
    @abstractmethod
    def cell(self) -> np.ndarray | None:
        """The cell, rows its vectors; None if there is none."""

    @property
    @abstractmethod
    def origin(self) -> np.ndarray:
        """The lower corner of the cell."""

    @property
    @abstractmethod
    def periodic(self) -> tuple[bool, bool, bool]: ...

    @property
    @abstractmethod
    def energy(self) -> float:
        """The potential energy that the engine reports, that of biases included."""

    @property
    @abstractmethod
    def total_energy(self) -> float: ...

    @property
    @abstractmethod
    def pressure(self) -> np.ndarray:
        """The pressure tensor of atoms at rest, an energy per volume."""

    @property
    @abstractmethod
    def left_behind(self) -> object:
        """All that a coupling could leave in the engine, in a form that can be compared."""

    # -- changes from outside -----------------------------------------------------------------------------------------

    @abstractmethod
    def displace(self, atom: int, by: np.ndarray) -> None:
        """Move the atom of an id."""

    @abstractmethod
    def strain(self, strain: np.ndarray) -> None:
        """Multiply rows of positions and cell by 1 + strain, which is lower triangular."""

    def flip(self) -> None:
        """Describe the same crystal by another cell: the first vector is taken off the second one."""
        self.engine.must("flip")

    def shift_origin(self, by: np.ndarray) -> None:
        """Move box and atoms."""
        self.engine.must("shift_origin")

    def remove(self, atoms: list[int]) -> None:
        """Take the atoms of some ids away."""
        self.engine.must("remove")

    def add(self, position: np.ndarray) -> None:
        """Put another atom in."""
        self.engine.must("add")

    @abstractmethod
    def rename(self, atoms: list[int], name: str) -> None:
        """Make the atoms of some ids another species."""

    def lose(self) -> None:
        """Have later runs lose atoms, some at every other step."""
        self.engine.must("lose")

    @abstractmethod
    def restart_counter(self) -> None:
        """Have the engine count its steps from 0 again."""

    # -- runs ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def run(self, steps: int) -> None:
        """Make steps; raises what stopped them."""

    @abstractmethod
    def evaluate(self) -> None:
        """Have the engine compute forces and energy of the present atoms; no step is made."""

    @abstractmethod
    def each_step(self, function: Callable[[int], object]) -> None:
        """Call a function in the middle of each later step, with its number."""

    @abstractmethod
    def deform(self) -> None:
        """Have later runs change the cell at every step."""

    # -- the coupling -------------------------------------------------------------------------------------------------

    @abstractmethod
    def attach(self, every: int, analyser: Any, *, ignore_species: bool = False, **options: Any) -> phasewire.Monitor:
        """Attach a monitor, with the names of the species unless they are to be ignored."""

    @abstractmethod
    def bias(self, biases: Any, **options: Any) -> Any:
        """Attach biases, with the names of the species."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Engine(ABC):
    """An engine with its coupling."""

    name: ClassVar[str]
    # The name of the engine that a server hears.
    title: ClassVar[str]
    length: ClassVar[float] = 1.0
    """The angstrom in the engine's unit."""
    energy: ClassVar[float] = 1.0
    """The electron volt in the engine's unit."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """Abilities that the engine lacks, and why. The suite leaves out what needs them, and gives the reason."""

    @property
    def coupling(self) -> Coupling:
        """The coupling that the package has registered under the name."""
        return couplings()[self.name]

    def must(self, ability: str) -> None:
        """Leave the test out, with the reason, if the engine lacks an ability."""
        if ability in self.cannot:
            pytest.skip(f"{self.name}: {self.cannot[ability]}")

    @abstractmethod
    def simulate(self, structure: Structure) -> Simulation:
        """Begin molecular dynamics of copper, in steps of 1 fs and by a potential of the engine's choice."""

    @abstractmethod
    def hold(self, structure: Structure) -> Simulation:
        """Begin molecular dynamics without any forces but those of biases."""

    @abstractmethod
    def minimise(self, structure: Structure) -> Simulation:
        """Begin a minimisation without any forces but those of biases; `Simulation.run` makes steps of it."""

    @abstractmethod
    def checkpointed(
        self, structure: Structure, folder: Path, steps: int, every: int, prepare: Callable[[Any], None]
    ) -> Simulation:
        """Run `simulate` under `metadynamics` with checkpoints in a folder, and write COLVAR and HILLS there, too.

        Parameters
        ----------
        steps, every : int
            Steps of the whole run, and between checkpoints.
        prepare : function of the bias
            To be called when it is attached.
        """
