"""ASE: molecular dynamics and optimisers that Python itself runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import ase
import ase.units
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGSLineSearch

import phasewire.ase
from conformance.engine import Engine, Simulation, Structure, metadynamics

FEMTOSECOND = ase.units.fs
ANGSTROM_PER_PICOSECOND = 1 / (1000 * ase.units.fs)


class Springs(Calculator):
    """A potential that costs next to nothing: springs from the atoms to where they are at first."""

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012
    strength = 3.0

    def __init__(self, sites: np.ndarray) -> None:
        super().__init__()
        self.sites = sites

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        forces = -self.strength * (self.atoms.positions - self.sites)
        energy = float(np.sum(forces**2)) / (2 * self.strength)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


class NoForces(Calculator):
    """A potential that is 0 everywhere."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        count = len(self.atoms)
        self.results = {"energy": 0.0, "free_energy": 0.0, "forces": np.zeros((count, 3)), "stress": np.zeros(6)}


class AseSimulation(Simulation):
    def __init__(self, engine: Engine, structure: Structure, calculator: Calculator, optimise: bool = False) -> None:
        self.engine = engine
        self.atoms = Atoms(structure.names, structure.positions, cell=structure.cell, pbc=structure.periodic)
        self.atoms.calc = calculator
        self.atoms.set_velocities(structure.velocities * ANGSTROM_PER_PICOSECOND)
        self.optimises = optimise
        self.dynamics: Any = (
            BFGSLineSearch(self.atoms, logfile=None) if optimise else VelocityVerlet(self.atoms, FEMTOSECOND)
        )

    step = property(lambda self: self.dynamics.nsteps)
    time_step = property(lambda self: self.dynamics.dt)
    ids = property(lambda self: np.arange(len(self.atoms)))
    names = property(lambda self: self.atoms.get_chemical_symbols())
    positions = property(lambda self: self.atoms.get_positions())
    velocities = property(lambda self: self.atoms.get_velocities())
    forces = property(lambda self: self.atoms.get_forces())
    cell = property(lambda self: self.atoms.cell.array.copy() if self.atoms.cell.array.any() else None)
    origin = property(lambda self: np.zeros(3))
    periodic = property(lambda self: tuple(bool(flag) for flag in self.atoms.pbc))
    energy = property(lambda self: self.atoms.get_potential_energy())
    total_energy = property(lambda self: self.atoms.get_total_energy())
    pressure = property(lambda self: -self.atoms.get_stress(voigt=False))

    @property
    def left_behind(self) -> object:
        return [entry[0] for entry in self.dynamics.observers], self.atoms.calc

    def displace(self, atom: int, by: np.ndarray) -> None:
        self.atoms.positions[atom] += by

    def strain(self, strain: np.ndarray) -> None:
        self.atoms.set_cell(self.atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)

    def flip(self) -> None:
        cell = self.atoms.cell.array.copy()
        cell[1] -= cell[0]
        self.atoms.set_cell(cell)

    def remove(self, atoms: list[int]) -> None:
        del self.atoms[atoms]

    def add(self, position: np.ndarray) -> None:
        self.atoms += Atoms("Cu", [position])

    def rename(self, atoms: list[int], name: str) -> None:
        self.atoms.symbols[atoms] = name

    def restart_counter(self) -> None:
        self.dynamics.nsteps = 0

    def run(self, steps: int) -> None:
        if self.optimises:
            self.dynamics.run(fmax=1e-9, steps=steps)
        else:
            self.dynamics.run(steps)

    def evaluate(self) -> None:
        self.atoms.get_forces()

    def each_step(self, function: Callable[[int], object]) -> None:
        self.dynamics.insert_observer(lambda: function(self.dynamics.nsteps))

    def deform(self) -> None:
        step = self.dynamics.step

        def stretch(*arguments: Any) -> None:
            step(*arguments)
            self.atoms.set_cell(self.atoms.cell.array @ np.diag([1.001, 1.0, 0.999]), scale_atoms=True)

        self.dynamics.step = stretch

    def attach(self, every: int, analyser: Any, **options: Any) -> phasewire.Monitor:
        return self.engine.coupling.attach(self.dynamics, every, analyser, **options)

    def bias(self, biases: Any, **options: Any) -> Any:
        return self.engine.coupling.bias(self.dynamics, biases, **options)

    def close(self) -> None:
        pass


class AseEngine(Engine):
    name = "ase"
    title = f"ASE {ase.__version__}"
    cannot: ClassVar[Mapping[str, str]] = {
        "shuffle": "the index of an atom is its id, and the order in which it is stored",
        "shift_origin": "cells begin at 0",
        "lose": "the number of atoms does not change in a run, which takes the masses when it is made",
    }

    def simulate(self, structure: Structure) -> Simulation:
        return AseSimulation(self, structure, Springs(structure.positions))

    def hold(self, structure: Structure) -> Simulation:
        return AseSimulation(self, structure, NoForces())

    def minimise(self, structure: Structure) -> Simulation:
        return AseSimulation(self, structure, NoForces(), optimise=True)

    def checkpointed(
        self, structure: Structure, folder: Path, steps: int, every: int, prepare: Callable[[Any], None]
    ) -> Simulation:
        simulation = AseSimulation(self, structure, Springs(structure.positions))
        bias = simulation.bias(metadynamics(self, folder), colvar=folder / "COLVAR")
        prepare(bias)
        phasewire.ase.run_checkpointed(simulation.dynamics, bias, steps, folder, every=every)
        bias.close()
        return simulation


engine = AseEngine()
