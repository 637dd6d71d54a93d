"""Toy networks and mixtures for class 0: melts, and quenches of them at several rates.

`fluids.py` has simple melts. These families have what they lack: bonds in preferred directions, unlike neighbours, and
the order of icosahedra and Laves phases. Each run draws its own parameters, in reduced units: the length and the depth
of the strongest bond are 1. No parameter is one of a real substance.

| family | |
|---|---|
| `bond-order` | Tersoff's form: bonds weaken with coordination and angle; chains, mixtures of two- to fourfold atoms |
| `bond-order-binary` | the same with two species of different size, whose like bonds are weaker |
| `angular` | Stillinger and Weber's form with any preferred angle |
| `unlike` | bonds between unlike atoms alone, an angle for either: silica-like and binary tetrahedral networks |
| `mixture` | metals of two to four sizes, not additive, from Kob and Andersen's kind to nearly hard spheres |
| `oscillating` | a repulsive core and Friedel-like oscillations, one or two species |
| `charged` | two kinds of cation and one or two of anion |

A second pool has the first two families at the densities of tetrahedral crystals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
from ovito.modifiers import IdentifyDiamondModifier

from .fluids import Recipe, engine_for, matched_atoms, particles, snapshot

ATOMS = 160
# A sample is left out if template matching (RMSD cutoff 0.1) or the analysis of second neighbours finds more than this
# share of crystal, or if the strongest Bragg peak has more than this share of the intensity of a perfect crystal.
MOST_CRYSTALLINE = 0.12
MOST_BRAGG = 0.12
# Bragg peaks are searched up to this wave number, in units of 1 / a0: first peaks of crystals lie below 9.
MOST_WAVE_NUMBER = 9.0


@dataclass(frozen=True)
class Quench:
    """A recipe, whose temperature is that of the melt, and the temperature that it cools to."""

    recipe: Recipe
    coldest: float


def _between(rng: np.random.Generator, least: float, most: float) -> float:
    """Uniform in the logarithm."""
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def _tersoff_lines(
    rng: np.random.Generator, names: str, lengths: dict[str, float], strengths: dict[str, float]
) -> list[str]:
    """Lines of a parameter file of Tersoff's form; lengths and strengths by pair of names."""
    decay = rng.uniform(2.6, 4.2)
    ratio = rng.uniform(1.4, 1.9)
    width = 0.12
    reach = rng.uniform(1.38, 1.62)
    lines = []
    angles = {
        name: (_between(rng, 0.02, 0.4), rng.uniform(0.5, 4.0), rng.uniform(0.3, 0.9), rng.uniform(-1.0, 0.1))
        for name in names
    }
    for first, second, third in product(names, repeat=3):
        pair, other = lengths[first + second], lengths[first + third]
        strength = strengths[first + second]
        gamma, steepness, spread, cosine = angles[first]
        attraction, repulsion = decay / pair, ratio * decay / pair
        depth = [ratio / (ratio - 1.0) * np.exp(decay) * strength, np.exp(ratio * decay) / (ratio - 1.0) * strength]
        lines.append(
            f"{first} {second} {third} 1 {gamma} 0.0 {steepness} {spread} {cosine} 1.0 1.0 {attraction} {depth[0]} "
            f"{reach * other} {width} {repulsion} {depth[1]}"
        )
    return lines


def _bond_order(rng: np.random.Generator, densities: tuple[float, float] = (0.26, 0.58)) -> Quench:
    lines = _tersoff_lines(rng, "X", {"XX": 1.0}, {"XX": 1.0})

    def commands(folder: Path) -> list[str]:
        (folder / "toy.tersoff").write_text("\n".join(lines) + "\n")
        return ["pair_style tersoff", f"pair_coeff * * {folder / 'toy.tersoff'} X"]

    return Quench(Recipe("bond-order", rng.uniform(*densities), rng.uniform(0.1, 0.2), commands, timestep=0.02), 0.03)


def _bond_order_binary(rng: np.random.Generator, densities: tuple[float, float] = (0.3, 0.6)) -> Quench:
    size = rng.uniform(0.75, 1.0)
    lengths = {"XX": 1.0, "XY": (1 + size) / 2, "YX": (1 + size) / 2, "YY": size}
    unlike = rng.uniform(0.3, 1.0)
    strengths = {"XX": unlike, "YY": unlike * rng.uniform(0.6, 1.4), "XY": 1.0, "YX": 1.0}
    lines = _tersoff_lines(rng, "XY", lengths, strengths)
    share = rng.choice([0.5, 0.5, 1 / 3, 0.25, rng.uniform(0.1, 0.9)])
    first = round(ATOMS * share)

    def commands(folder: Path) -> list[str]:
        (folder / "toy.tersoff").write_text("\n".join(lines) + "\n")
        return ["pair_style tersoff", f"pair_coeff * * {folder / 'toy.tersoff'} X Y"]

    density = rng.uniform(*densities) / lengths["XY"] ** 3
    recipe = Recipe("bond-order-binary", density, rng.uniform(0.1, 0.2), commands, (first, ATOMS - first), 0.018)
    return Quench(recipe, 0.03)


def _angular(rng: np.random.Generator) -> Quench:
    cosine = rng.uniform(-1.0, 0.3)
    stiffness = rng.uniform(8.0, 45.0)
    reach = rng.uniform(1.6, 1.9)

    def commands(folder: Path) -> list[str]:
        (folder / "toy.sw").write_text(
            f"X X X 1.0 1.0 {reach} {stiffness} 1.2 {cosine} 7.049556277 0.6022245584 4.0 0.0 0.0\n"
        )
        return ["pair_style sw", f"pair_coeff * * {folder / 'toy.sw'} X"]

    recipe = Recipe("angular", rng.uniform(0.28, 0.68), rng.uniform(0.08, 0.2), commands, timestep=0.01)
    return Quench(recipe, 0.02)


def _unlike(rng: np.random.Generator) -> Quench:
    """Two-body and three-body terms of Stillinger and Weber between unlike atoms; like atoms repel each other."""
    ratio = rng.choice([1.0, 1.0, 1.5, 2.0, 2.0])
    first = round(ATOMS / (1 + ratio))
    tetrahedral = -1 / 3 + rng.normal() * 0.04
    angles = (tetrahedral, tetrahedral if ratio == 1.0 else rng.uniform(-1.0, -0.35))
    stiffness = rng.uniform(8.0, 35.0), rng.uniform(3.0, 30.0)
    repulsion = {"1 1": rng.uniform(1.35, 1.75), "2 2": rng.uniform(1.25, 1.7)}

    def commands(folder: Path) -> list[str]:
        lines = []
        for one, two, three in product("XY", repeat=3):
            centre = "XY".index(one)
            bonded = one != two
            strength = 1.0 if bonded and two == three else 0.0
            force = stiffness[centre] if bonded and two == three else 0.0
            lines.append(
                f"{one} {two} {three} {strength} 1.0 1.8 {force} 1.2 {angles[centre]} "
                "7.049556277 0.6022245584 4.0 0.0 0.0"
            )
        (folder / "toy.sw").write_text("\n".join(lines) + "\n")
        return [
            "pair_style hybrid/overlay sw lj/cut 2.0",
            f"pair_coeff * * sw {folder / 'toy.sw'} X Y",
            *(
                f"pair_coeff {pair} lj/cut 0.3 {diameter} {2 ** (1 / 6) * diameter}"
                for pair, diameter in repulsion.items()
            ),
            "pair_coeff 1 2 lj/cut 0.0 1.0 1.0",
        ]

    density = rng.uniform(0.36, 0.5) if ratio == 1.0 else rng.uniform(0.18, 0.36)
    recipe = Recipe("unlike", density, rng.uniform(0.12, 0.25), commands, (first, ATOMS - first), 0.008)
    return Quench(recipe, 0.02)


def _mixture(rng: np.random.Generator) -> Quench:
    kinds = int(rng.choice([2, 2, 2, 3, 4]))
    sizes = rng.uniform(0.72, 1.0, kinds)
    sizes[0] = 1.0
    shares = rng.dirichlet(np.full(kinds, 2.0))
    counts = np.maximum(8, np.floor(shares * ATOMS)).astype(int)
    counts[int(np.argmax(counts))] += ATOMS - counts.sum()
    exponents = (12.0, 6.0) if rng.random() < 0.5 else (rng.uniform(8.0, 14.0), rng.uniform(4.0, 6.0))
    lines, volume = [], 0.0
    shrink = rng.uniform(-0.13, 0.05)
    for one, two in combinations_with_replacement(range(kinds), 2):
        unlike = one != two
        diameter = 0.5 * (sizes[one] + sizes[two]) * (1.0 + shrink * unlike)
        depth = rng.uniform(0.9, 1.7) if unlike else rng.uniform(0.4, 1.0)
        lines.append(f"pair_coeff {one + 1} {two + 1} {depth} {diameter} {exponents[0]} {exponents[1]}")
        volume += (2 if unlike else 1) * counts[one] * counts[two] * diameter**3 / ATOMS**2
    commands = ["pair_style mie/cut 2.5", *lines]
    density = rng.uniform(0.98, 1.25) / volume
    recipe = Recipe("mixture", density, rng.uniform(0.9, 1.6), lambda _: commands, tuple(counts.tolist()), 0.003)
    return Quench(recipe, rng.uniform(0.1, 0.4))


def _oscillating(rng: np.random.Generator) -> Quench:
    kinds = int(rng.choice([1, 1, 2]))
    counts = (ATOMS,) if kinds == 1 else (round(ATOMS * rng.uniform(0.2, 0.8)),)
    counts = counts if kinds == 1 else (*counts, ATOMS - counts[0])
    power, wave = rng.uniform(8.0, 15.0), rng.uniform(5.0, 10.0)
    size = rng.uniform(0.8, 1.0)
    sections = []
    for index, (one, two) in enumerate(combinations_with_replacement(range(kinds), 2)):
        r = np.linspace(0.4, 2.8, 600)
        x = r / (1.0, (1 + size) / 2, size)[one + two]
        phase, weight = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.5)
        smooth = (1 - (r / 2.8) ** 6) ** 2
        energy = (x**-power + weight * np.cos(wave * x + phase) / x**3) * smooth
        sections.append((index, one, two, r, energy, -np.gradient(energy, r)))

    def commands(folder: Path) -> list[str]:
        text = []
        for index, _, _, r, energy, force in sections:
            text += [f"P{index}", f"N {len(r)} R {r[0]} {r[-1]}", ""]
            text += [f"{i + 1} {a} {b} {c}" for i, (a, b, c) in enumerate(zip(r, energy, force, strict=True))] + [""]
        (folder / "toy.table").write_text("\n".join(text))
        return ["pair_style table linear 2000"] + [
            f"pair_coeff {one + 1} {two + 1} {folder / 'toy.table'} P{index}" for index, one, two, *_ in sections
        ]

    recipe = Recipe("oscillating", rng.uniform(0.6, 1.1), rng.uniform(0.6, 1.5), commands, counts, 0.003)
    return Quench(recipe, rng.uniform(0.05, 0.3))


def _charged(rng: np.random.Generator) -> Quench:
    """Charged cores that repel exponentially, of two kinds of cation and one or two of anion."""
    charges = [float(rng.integers(1, 4)), float(rng.integers(1, 4)), -float(rng.integers(1, 3))]
    sizes = [rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0), 1.0]
    if rng.random() < 0.4:
        charges.append(-float(rng.integers(1, 3)))
        sizes.append(rng.uniform(0.7, 1.2))
    share = rng.uniform(0.15, 0.85)
    positive = np.array([share, 1 - share])
    negative = np.array([1.0]) if len(charges) == 3 else np.array([0.5, 0.5])
    ratio = float(positive @ charges[:2]) / -float(negative @ charges[2:])
    numbers = np.concatenate([positive, negative * ratio])
    counts = np.maximum(4, np.round(numbers / numbers.sum() * ATOMS)).astype(int)
    unit = np.sqrt(rng.uniform(20.0, 50.0)) / np.max(np.abs(charges)) * 1.2
    decay, damping = rng.uniform(0.08, 0.13), rng.uniform(0.15, 0.3)

    def commands(_: Path) -> list[str]:
        lines = [f"pair_style born/coul/dsf {damping} 3.2"]
        for one, two in combinations_with_replacement(range(len(charges)), 2):
            diameter = (sizes[one] + sizes[two]) / 1.75
            lines.append(f"pair_coeff {one + 1} {two + 1} 1.0 {decay} {diameter} 0.0 0.0")
        # The last kind takes up the rounding of the counts, so that the box is neutral.
        total = sum(c * q for c, q in zip(counts[:-1], charges, strict=False))
        final = [*charges[:-1], -total / counts[-1]]
        return lines + [f"set type {kind + 1} charge {unit * charge}" for kind, charge in enumerate(final)]

    recipe = Recipe(
        "charged", rng.uniform(0.5, 1.2), rng.uniform(0.8, 2.0), commands, tuple(counts.tolist()), timestep=0.002
    )
    return Quench(recipe, rng.uniform(0.1, 0.4))


FAMILIES: dict[str, tuple[Callable[[np.random.Generator], Quench], int]] = {
    "bond-order": (_bond_order, 6),
    "bond-order-binary": (_bond_order_binary, 4),
    "angular": (_angular, 4),
    "unlike": (_unlike, 4),
    "mixture": (_mixture, 5),
    "oscillating": (_oscillating, 3),
    "charged": (_charged, 3),
}
# Bonds of the same kinds at the densities of tetrahedral crystals, 0.65 bond lengths cubed per atom, and around them.
DENSE_FAMILIES: dict[str, tuple[Callable[[np.random.Generator], Quench], int]] = {
    "bond-order": (partial(_bond_order, densities=(0.48, 0.75)), 3),
    "bond-order-binary": (partial(_bond_order_binary, densities=(0.5, 0.75)), 2),
}


def simulate(quench: Quench, rng: np.random.Generator) -> list[np.ndarray]:
    """The melt, halfway through cooling, cold, and at the nearest minimum, as `fluids.snapshot` gives them."""
    recipe, coldest = quench.recipe, quench.coldest
    steps = int(_between(rng, 400, 2500))
    middle = 0.5 * (recipe.temperature + coldest)
    frames = []
    with engine_for(recipe, rng) as engine:
        engine.commands_list(
            [
                f"velocity all create {recipe.temperature} {rng.integers(1, 10**6)}",
                f"fix bath all langevin {recipe.temperature} {recipe.temperature} 0.2 {rng.integers(1, 10**6)}",
                "fix move all nve/limit 0.1",
                "run 800",
            ]
        )
        frames.append(snapshot(engine, recipe))
        for start, stop in ((recipe.temperature, middle), (middle, coldest)):
            engine.command(f"fix bath all langevin {start} {stop} 0.3 {rng.integers(1, 10**6)}")
            engine.command(f"run {steps // 2}")
            frames.append(snapshot(engine, recipe))
        engine.command("minimize 0 0.01 150 300")
        frames.append(snapshot(engine, recipe))
    return frames


def crystalline_atoms(frame: np.ndarray) -> np.ndarray:
    """Atoms that template matching, or the analysis of second neighbours in tetrahedra, calls crystalline, (N,)."""
    tetrahedral = particles(frame)
    tetrahedral.apply(IdentifyDiamondModifier())
    return matched_atoms(particles(frame)) | np.array(tetrahedral.particles["Structure Type"] != 0)


def is_disordered(frame: np.ndarray) -> bool:
    """Whether a snapshot is sound and holds no crystals by any of the measures."""
    if not np.isfinite(frame).all() or bragg_share(frame) > MOST_BRAGG:
        return False
    return bool(crystalline_atoms(frame).mean() <= MOST_CRYSTALLINE)


def bragg_share(frame: np.ndarray) -> float:
    """Strongest peak of the structure factor in a periodic cube at unit density, as a share of a perfect crystal's."""
    edge = len(frame) ** (1 / 3)
    most = int(MOST_WAVE_NUMBER * edge / (2 * np.pi))
    numbers = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    norms = np.linalg.norm(numbers, axis=1) * 2 * np.pi / edge
    half = numbers[(norms <= MOST_WAVE_NUMBER) & (norms > 0) & (numbers @ [1, most * 3, most * 9] > 0)]
    waves = np.exp(2j * np.pi / edge * (half @ frame[:, :3].T)).mean(axis=1)
    return float((np.abs(waves) ** 2).max())


def generate(run: int, seed: int, dense: bool = False) -> tuple[str, list[np.ndarray]]:
    """Family and snapshots of one run, without those that hold crystals. None are left of a run that failed."""
    families = DENSE_FAMILIES if dense else FAMILIES
    names = list(families)
    weights = np.array([families[name][1] for name in names], float)
    # One generator per run, so that runs can be made in any order.
    rng = np.random.default_rng([seed, run])
    name = str(rng.choice(names, p=weights / weights.sum()))
    try:
        frames = simulate(families[name][0](rng), rng)
    except Exception as error:  # LAMMPS raises no narrower kind
        print(f"run {run}, {name}: {error}")
        return name, []
    return name, [frame for frame in frames if is_disordered(frame)]
