"""One LAMMPS instance holding one orthogonal periodic system, in units `metal`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from phasewire.lammps import create

from .potentials import Potential, potential_folder


@dataclass(frozen=True)
class Sample:
    """Unwrapped positions (N, 3) at the end of a stage, their mean over the stage, and the mean T (K) and P (bar)."""

    last: np.ndarray
    mean: np.ndarray
    temperature: float
    pressure: float


class Engine:
    """A simulated system. Its atoms keep the order of the initial `Atoms`."""

    def __init__(self, atoms: Atoms, potential: Potential, seed: int) -> None:
        self.potential = potential
        self.symbols = atoms.get_chemical_symbols()
        self.pbc = atoms.pbc.copy()
        self._seed = seed
        self.lmp = create()
        # Open boundaries are shrink-wrapped with a least size, so that a surface may move, but the box never gets
        # thinner than at the start.
        boundary = " ".join("p" if periodic else "m" for periodic in self.pbc)
        self.run("units metal", "atom_style full", f"boundary {boundary}", "atom_modify map array")
        _write_data(Path("start.data"), atoms, potential)
        self.run("read_data start.data", *potential.commands(potential_folder()))
        self.run("neighbor 1.5 bin", "neigh_modify every 2 delay 4 check yes", f"timestep {potential.timestep}")
        self._shake = "fix shake all shake 1e-4 50 0 b 1 a 1" if potential.water else None

    def run(self, *commands: str) -> None:
        """Execute LAMMPS commands."""
        self.lmp.commands_list(list(commands))

    def relax(self, box: bool = True) -> None:
        """Minimise the energy, also with respect to the edges of the box if `box` is set."""
        if box:
            self.run("fix relax all box/relax aniso 0.0 vmax 0.002")
        self.run("minimize 1e-10 1e-4 500 2000")
        if box:
            self.run("unfix relax", "minimize 1e-10 1e-4 200 1000")

    def heat(self, temperature: float, group: str = "all") -> None:
        """Draw velocities at a temperature."""
        self.run(f"velocity {group} create {temperature} {self._next_seed()} mom yes rot no dist gaussian")

    def stage(
        self,
        temperature: float | tuple[float, float],
        picoseconds: float,
        pressure: float | None = None,
        box: str = "aniso",
        group: str = "all",
        damping: float = 0.1,
    ) -> None:
        """Run at a temperature, or along a ramp between two. The volume is constant unless a pressure in bar is given.

        `box` is what the barostat may change (`aniso`, `iso`, or an axis). `group` holds the atoms that move.
        """
        with self._integrator(temperature, pressure, box, group, damping):
            self.run(f"run {self.steps(picoseconds)}")

    def sample(
        self, temperature: float, picoseconds: float, interval: float = 0.02, group: str = "all", damping: float = 0.5
    ) -> Sample:
        """Run at constant volume and average the positions, which are read every `interval` ps."""
        positions, temperatures, pressures = [], [], []
        with self._integrator(temperature, None, "", group, damping):
            for _ in self._pieces(picoseconds, interval):
                positions.append(self.unwrapped())
                temperatures.append(self.lmp.get_thermo("temp"))
                pressures.append(self.lmp.get_thermo("press"))
        return Sample(
            positions[-1], np.mean(positions, axis=0), float(np.mean(temperatures)), float(np.mean(pressures))
        )

    def settle(
        self, temperature: float, picoseconds: float, pressure: float = 0.0, box: str = "aniso", pieces: int = 40
    ) -> None:
        """Equilibrate at a pressure, then set the box to its mean edges in the second half of that run."""
        self.stage(temperature, picoseconds / 2, pressure, box)
        edges = []
        with self._integrator(temperature, pressure, box, "all", 0.1):
            for _ in self._pieces(picoseconds / 2, picoseconds / 2 / pieces):
                edges.append(self.edges())
        self.set_edges(np.mean(edges, axis=0))

    def set_edges(self, edges: np.ndarray) -> None:
        """Set the edges of the box. The atoms move along."""
        for axis, name in enumerate("xyz"):
            if self.pbc[axis]:
                self.run(f"change_box all {name} final 0.0 {edges[axis]:.8f} remap units box")

    def steps(self, picoseconds: float) -> int:
        """Number of time steps in a time."""
        return max(1, round(picoseconds / self.potential.timestep))

    def edges(self) -> np.ndarray:
        """Edges of the box, shape (3,)."""
        low, high, *_ = self.lmp.extract_box()
        return np.subtract(high, low)

    def origin(self) -> np.ndarray:
        """Lower corner of the box, shape (3,)."""
        return np.array(self.lmp.extract_box()[0])

    def unwrapped(self) -> np.ndarray:
        """Positions, not wrapped into the box, relative to its lower corner along periodic axes, shape (N, 3)."""
        images = self._gather("image", 0).astype(float)
        return self._gather("x", 1) + images * self.edges() - self.origin() * self.pbc

    def velocities(self) -> np.ndarray:
        """Velocities in Angstrom/ps, shape (N, 3)."""
        return self._gather("v", 1)

    def atoms(self, positions: np.ndarray | None = None) -> Atoms:
        """The current system, or the system at given unwrapped positions, wrapped into a box that starts at zero."""
        chosen = self.unwrapped() if positions is None else positions
        atoms = Atoms(self.symbols, chosen, cell=self.edges(), pbc=self.pbc)
        atoms.wrap()
        return atoms

    def close(self) -> None:
        """End the LAMMPS instance."""
        self.lmp.close()

    def _gather(self, name: str, kind: int) -> np.ndarray:
        return np.array(self.lmp.gather_atoms(name, kind, 3)).reshape(-1, 3)

    def _pieces(self, picoseconds: float, interval: float) -> Iterator[int]:
        """Run for a time in pieces and yield after each piece."""
        for piece in range(max(1, round(picoseconds / interval))):
            # Only the first piece needs the set-up of a LAMMPS run.
            self.run(f"run {self.steps(interval)} {'pre no' if piece else ''} post no")
            yield piece

    def _next_seed(self) -> int:
        self._seed += 1
        return self._seed

    @contextmanager
    def _integrator(
        self, temperature: float | tuple[float, float], pressure: float | None, box: str, group: str, damping: float
    ) -> Iterator[None]:
        first, last = temperature if isinstance(temperature, tuple) else (temperature, temperature)
        barostat = "" if pressure is None else f"{box} {pressure} {pressure} 0.5"
        if self.potential.water:
            ensemble = "nvt" if pressure is None else "npt"
            fixes = [f"fix move {group} {ensemble} temp {first} {last} {max(damping, 0.1)} {barostat}"]
        else:
            ensemble = "nve" if pressure is None else "nph"
            drag = "" if pressure is None else "drag 1.0"
            fixes = [
                f"fix move {group} {ensemble} {barostat} {drag}",
                f"fix bath {group} langevin {first} {last} {damping} {self._next_seed()} zero yes",
            ]
        if self._shake is not None:
            # LAMMPS requires it before any fix that changes the box. No thermostat here adds forces that it would miss.
            fixes.insert(0, self._shake)
        self.run(*fixes)
        yield
        self.run(*(f"unfix {fix.split()[1]}" for fix in reversed(fixes)))


@contextmanager
def engine(atoms: Atoms, potential: Potential, seed: int) -> Iterator[Engine]:
    """An `Engine` in a temporary working folder, closed at the end."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            machine = Engine(atoms, potential, seed)
            try:
                yield machine
            finally:
                machine.close()
        finally:
            os.chdir(before)


def _write_data(path: Path, atoms: Atoms, potential: Potential) -> None:
    """Write a LAMMPS data file in atom style `full`. Water molecules are consecutive atoms O H H."""
    count = len(atoms)
    molecules = count // 3 if potential.water else 0
    lines = ["start", "", f"{count} atoms", f"{len(potential.elements)} atom types"]
    if molecules:
        lines += [f"{2 * molecules} bonds", "1 bond types", f"{molecules} angles", "1 angle types"]
    edges = atoms.cell.lengths()
    lines += [f"0 {edge:.8f} {axis}lo {axis}hi" for edge, axis in zip(edges, "xyz", strict=True)]
    lines += ["", "Masses", ""]
    for index, symbol in enumerate(potential.elements, 1):
        lines.append(f"{index} {potential.masses.get(symbol, atomic_masses[atomic_numbers[symbol]])}")
    lines += ["", "Atoms # full", ""]
    kinds = {symbol: index for index, symbol in enumerate(potential.elements, 1)}
    for index, (symbol, position) in enumerate(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)):
        molecule = index // 3 + 1 if molecules else 0
        charge = potential.charges.get(symbol, 0.0)
        place = " ".join(f"{value:.8f}" for value in position)
        lines.append(f"{index + 1} {molecule} {kinds[symbol]} {charge} {place}")
    if molecules:
        oxygens = [3 * molecule + 1 for molecule in range(molecules)]
        bonds = [(oxygen, oxygen + step) for oxygen in oxygens for step in (1, 2)]
        lines += ["", "Bonds", "", *(f"{i} 1 {first} {second}" for i, (first, second) in enumerate(bonds, 1))]
        lines += [
            "",
            "Angles",
            "",
            *(f"{i} 1 {oxygen + 1} {oxygen} {oxygen + 2}" for i, oxygen in enumerate(oxygens, 1)),
        ]
    path.write_text("\n".join(lines) + "\n")
