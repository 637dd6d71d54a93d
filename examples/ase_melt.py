"""Melt a small copper crystal around a seed with ASE and let it grow back, with its phases shown live.

The crystal has 320 atoms and uses ASE's own EMT calculator. The layers in the middle are fixed and serve as the seed.
Every 20 steps the core in this process, or a phasewire server (``--server``), determines the phases of all atoms. The
run takes about two minutes, nearly all of them for EMT.

    python examples/ase_melt.py --out ase-output
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import phasewire.ase
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from show import Interrupt, TerminalView, draw_picture

EVERY = 20
TRAJECTORY_EVERY = 100
# Phases that a simple metal may form.
CLASSES = ["fcc", "hcp", "bcc"]
# The volume is fixed. It is large enough for the melt, so the crystal is under tension.
LATTICE_CONSTANT = 3.75
# Name, steps, temperature at the start and at the end (kelvin).
STAGES = (
    ("heating", 800, 300, 2600),
    ("melting", 400, 2600, 2600),
    ("quenching", 200, 2600, 900),
    ("growing", 1400, 900, 900),
    ("cooling", 400, 900, 300),
)
TOTAL_STEPS = sum(steps for _, steps, _, _ in STAGES)


def main() -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="address of a phasewire server; default: the core in this process")
    parser.add_argument("--out", type=Path, default=Path("ase-output"), help="folder for the results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    trajectory = arguments.out / "labelled.extxyz"
    trajectory.unlink(missing_ok=True)
    interrupt = Interrupt()
    random = np.random.default_rng(7)

    atoms = bulk("Cu", cubic=True, a=LATTICE_CONSTANT) * (4, 4, 5)
    heights = atoms.positions[:, 2] - atoms.cell[2, 2] / 2
    atoms.set_constraint(FixAtoms(mask=np.abs(heights) < 0.8 * LATTICE_CONSTANT))
    atoms.calc = EMT()
    thermalize_momenta(atoms, temperature_K=2 * STAGES[0][2], rng=random)
    run = Langevin(atoms, 5 * units.fs, temperature_K=STAGES[0][2], friction=0.01 / units.fs, fixcm=False, rng=random)

    analyser = arguments.server or phasewire.Local()
    monitor = phasewire.ase.attach(run, EVERY, analyser, classes=CLASSES)
    recorder = phasewire.ase.attach(run, TRAJECTORY_EVERY, analyser, classes=CLASSES, record=trajectory)
    view = TerminalView(f"phasewire: {len(atoms)} atoms of copper in ASE", TOTAL_STEPS)
    stage = STAGES[0][0]
    monitor.on_result(lambda result: view.update(stage, result, atoms.get_temperature()))
    for name, steps, start, end in STAGES:
        stage = name
        for done in range(0, steps, EVERY):
            run.set_temperature(temperature_K=start + (end - start) * done / steps)
            run.run(EVERY)
            if interrupt:
                print("\nInterrupted.", file=sys.stderr)
                return 130
    monitor.close()
    recorder.close()
    monitor.to_csv(arguments.out / "series.csv")
    title = "A copper crystal (EMT) melts around a seed and grows back"
    picture = arguments.out / "melt.png"
    draw_picture(picture, title, monitor.series, trajectory, LATTICE_CONSTANT, picosecond=1000 * units.fs)
    crystalline = monitor.series.crystalline
    print(
        f"\nCrystalline: {crystalline[0]:.0%} at first, {np.nanmin(crystalline):.0%} at the lowest, "
        f"{crystalline[-1]:.0%} at the end. Results: {arguments.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
