"""The cost of biasing a LAMMPS run: the same run with and without a bias, in turn.

Copper (EAM) at two sizes is biased by a harmonic restraint of the mean probability of fcc: at every step, or as
impulses at every fifth step, and by the core in this process, or through a server on another core. Each round runs all
ways, in alternating order, and gives the time of a step for each way over that of a step without bias. The cost is this
ratio minus one. Users wait for the wall time; the CPU time, including the server's, is steadier on a busy machine. The
simulation has one core to itself, as far as other programs allow (on Linux; elsewhere nothing is pinned).

``npm run bench -- --only bias`` calls this program and starts the server. Without ``--server``, its ways are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import phasewire
import phasewire.lammps
from phasewire.bias import Harmonic

from bench.measure import lammps_potential, machine, spread
from bench.server import Server

IMPULSES = 5
WARM_UP_STEPS = 20
# Steps without bias are much faster. Measuring them takes this many times more steps.
MORE_PLAIN_STEPS = 5

SYSTEM = """
units metal
lattice fcc 3.64
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 63.546
pair_style eam
pair_coeff 1 1 {potential}
neigh_modify every 5 delay 5 check yes
velocity all create 1600 4928 dist gaussian
timestep 0.002
fix move all nve
"""


def main() -> int:
    """Measure, print and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="address of a phasewire server")
    parser.add_argument("--server-pid", type=int, help="id of its process, to pin it to cores and read its CPU time")
    parser.add_argument("--model", help="the model of this process and of the server, if it is not the default")
    parser.add_argument("--build", default="baseline", help="build of the core in process (default baseline)")
    parser.add_argument("--cells", default="10,20", help="edges of the boxes in lattice constants (default 10,20)")
    parser.add_argument("--steps", type=int, default=20, help=f"steps of each biased run, a multiple of {IMPULSES}")
    parser.add_argument("--rounds", type=int, default=5, help="number of runs of each way (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    arguments = parser.parse_args()
    if arguments.steps < IMPULSES or arguments.steps % IMPULSES or arguments.rounds < 1:
        parser.error(f"--steps must be a multiple of {IMPULSES}, and --rounds at least 1")

    server = None if arguments.server is None else Server(arguments.server, arguments.server_pid)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    elsewhere = cores[1:] or cores
    if cores:
        os.sched_setaffinity(0, {cores[0]})
        if server is not None and server.can_be_pinned:
            server.pin(set(elsewhere))
    with phasewire.Local(arguments.model, build=arguments.build, skin=0.1) as local:
        sizes = [
            measure(int(cells), local, server, arguments.rounds, arguments.steps, quiet=arguments.json)
            for cells in arguments.cells.split(",")
        ]
        report = {
            "benchmark": "bias",
            "model": local.model_name,
            "build": local.build,
            "variable": "fraction.fcc",
            "impulses": IMPULSES,
            "steps": arguments.steps,
            "rounds": arguments.rounds,
            "pinned": {"simulation": cores[:1], "server": elsewhere} if cores else None,
            "sizes": sizes,
            "machine": machine(),
        }
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0


def measure(
    cells: int, local: phasewire.Local, server: Server | None, rounds: int, steps: int, *, quiet: bool
) -> dict[str, object]:
    """Run all ways for some rounds at one size."""
    lmp = phasewire.lammps.create()
    lmp.commands_string(SYSTEM.format(cells=cells, potential=lammps_potential("Cu_u3.eam")))
    lmp.command(f"run {WARM_UP_STEPS} post no")
    analysers = {"in process": local} | ({} if server is None else {"server": server.endpoint})
    ways = ["plain", *(f"{name}, {when}" for name in analysers for when in ("every step", "impulses"))]
    times: list[dict[str, dict[str, float]]] = []
    for number in range(rounds):
        seconds: dict[str, dict[str, float]] = {}
        # The order alternates, so that a drift of the machine's speed favours none.
        for way in ways if number % 2 == 0 else reversed(ways):
            name, _, when = way.partition(", ")
            if name == "plain":
                seconds[way] = timed(lmp, MORE_PLAIN_STEPS * steps, None)
                continue
            bias = phasewire.lammps.bias(
                lmp,
                Harmonic(phasewire.fraction("fcc"), 0.5, 100.0),
                analyser=analysers[name],
                every=IMPULSES if when == "impulses" else 1,
                deadline=60.0,
            )
            seconds[way] = timed(lmp, steps, server if name == "server" else None)
            bias.close()
        times.append(seconds)
        if not quiet:
            texts = ", ".join(f"{way} {1000 * seconds[way]['wall']:.1f} ms" for way in ways)
            print(f"round {number + 1} of {rounds}, time per step: {texts}", flush=True)
    atoms = lmp.get_natoms()
    lmp.close()
    return {
        "atoms": atoms,
        "millisecondsAStep": {
            way: {clock: spread([1000 * seconds[way][clock] for seconds in times]) for clock in ("wall", "cpu")}
            for way in ways
        },
        "cost": {
            way: {
                clock: spread([seconds[way][clock] / seconds["plain"][clock] - 1 for seconds in times])
                for clock in ("wall", "cpu")
            }
            for way in ways[1:]
        },
    }


def timed(lmp: object, steps: int, server: Server | None) -> dict[str, float]:
    """Return wall and CPU seconds per step, including the server's CPU time."""
    counted = server is not None and server.can_be_pinned
    # Run up to a multiple of the impulses, so that each run has the same number. The set-up of a run is not measured.
    lmp.command(f"run {-int(lmp.extract_global('ntimestep')) % IMPULSES} post no")
    lmp.command("run 0 post no")
    before = server.cpu_seconds() if counted else 0.0
    wall, cpu = time.perf_counter(), time.process_time()
    lmp.command(f"run {steps} pre no post no")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall / steps, "cpu": (cpu + (server.cpu_seconds() if counted else 0.0) - before) / steps}


def show(report: dict) -> None:
    """Print the report as text."""
    place, pinned = report["machine"], report["pinned"]
    where = f"simulation on core {pinned['simulation']}, server on {pinned['server']}" if pinned else "nothing pinned"
    print(
        f"\nEAM copper with a harmonic bias of {report['variable']}; {report['rounds']} rounds, "
        f"model {report['model']}, build {report['build']}; {where}"
        f"\n{place['cpu']}, {place['cores']} cores, load average {place['loadAverage']} (5 min)"
    )
    for size in report["sizes"]:
        print(
            f"\n{size['atoms']} atoms, a step without bias {size['millisecondsAStep']['plain']['cpu']['median']:.2f} ms"
        )
        for way, clocks in size["cost"].items():
            wall, cpu = (
                f"{clock} {100 * cost['median']:+.0f} % ({100 * cost['least']:+.0f} to {100 * cost['largest']:+.0f})"
                for clock, cost in clocks.items()
            )
            print(f"{way:<24} {wall}, {cpu}")
    print(
        "\nMedians over the rounds of time with bias over time without, minus one; least and largest in brackets."
        f"\nImpulses act at every {report['impulses']}th step."
    )


if __name__ == "__main__":
    sys.exit(main())
