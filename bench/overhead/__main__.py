"""The cost of watching a LAMMPS run: the same run with and without a monitor, in turn.

32,000 atoms of copper (EAM) run for a while without a monitor, and then watched in several ways: through a server on
another core, through a server on the simulation's own core, by the core in this process. The order alternates from
round to round. Each round gives a ratio of wall times and one of CPU times for each way. Users wait for the wall time;
the CPU time is steadier on a busy machine. The simulation has one core to itself, as far as other programs allow (on
Linux; elsewhere nothing is pinned, and the server on the same core is left out).

If the server has another core, the wall time of the run and the CPU time of its process count, since the rest is on the
other core. If both share a core, the wall time counts until the last frame is analysed, and so does the CPU time of run
and server together, since all of it is taken from that core.

``npm run bench:overhead`` calls this program and starts the server.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import phasewire
import phasewire.lammps

from bench.measure import lammps_potential, machine, spread
from bench.server import Server

WARM_UP_STEPS = 100

SYSTEM = """
units metal
lattice fcc 3.64
region box block 0 20 0 20 0 20
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
    parser.add_argument("--server", required=True, help="address of a phasewire server")
    parser.add_argument("--server-pid", type=int, help="id of its process, to pin it to cores and read its CPU time")
    parser.add_argument("--model", help="the server's model, if it is not the default")
    parser.add_argument("--steps", type=int, default=400, help="steps of each run (default 400)")
    parser.add_argument("--every", type=int, default=100, help="steps between observed frames (default 100)")
    parser.add_argument("--rounds", type=int, default=4, help="number of runs of each way (default 4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    arguments = parser.parse_args()
    if arguments.every > arguments.steps or arguments.rounds < 1:
        parser.error("--steps must be at least --every, and --rounds at least 1")

    server = Server(arguments.server, arguments.server_pid)
    cores = sorted(os.sched_getaffinity(0)) if server.can_be_pinned else []
    ways = ["plain", "server", "in process"]
    if cores:
        ways.insert(2, "server, same core")
        os.sched_setaffinity(0, {cores[0]})

    lmp = phasewire.lammps.create()
    lmp.commands_string(SYSTEM.format(potential=lammps_potential("Cu_u3.eam")))
    lmp.command(f"run {WARM_UP_STEPS} post no")

    local = phasewire.Local(arguments.model)
    analysers = {"server": server.endpoint, "server, same core": server.endpoint, "in process": local}
    rounds: list[dict[str, dict[str, float]]] = []
    frames = {way: {"analysed": 0, "dropped": 0} for way in ways[1:]}
    for number in range(arguments.rounds):
        seconds: dict[str, dict[str, float]] = {}
        # The order alternates, so that a drift of the machine's speed favours none.
        for way in ways if number % 2 == 0 else reversed(ways):
            shared = way == "server, same core"
            monitor = None
            if way != "plain":
                if cores and way != "in process":
                    server.pin({cores[0]} if shared or len(cores) == 1 else set(cores[1:]))
                monitor = phasewire.lammps.attach(lmp, arguments.every, analysers[way], fields=("labels",))
            # The set-up of a run, which calls the fix once more, is not measured, and neither is its frame.
            lmp.command("run 0 post no")
            if monitor is not None:
                monitor.flush(60)
            elsewhere = server.cpu_seconds() if shared else 0.0
            wall, cpu = time.perf_counter(), time.process_time()
            lmp.command(f"run {arguments.steps} pre no post no")
            if shared and monitor is not None:
                monitor.flush(60)
            seconds[way] = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            if monitor is not None:
                monitor.flush(60)
                seconds[way]["cpu"] += (server.cpu_seconds() if shared else 0.0) - elsewhere
                frames[way]["analysed"] += len(monitor.series)
                frames[way]["dropped"] += monitor.dropped
                failures = monitor.failures
                monitor.detach()
                if failures or not frames[way]["analysed"]:
                    print(f"{way}: {failures[0].error if failures else 'no result arrived'}", file=sys.stderr)
                    return 1
        rounds.append(seconds)
        if not arguments.json:
            times = ", ".join(f"{way} {seconds[way]['wall']:.2f} s" for way in ways)
            print(f"round {number + 1} of {arguments.rounds}: {times}", flush=True)

    report = {
        "benchmark": "overhead",
        "atoms": lmp.get_natoms(),
        "steps": arguments.steps,
        "every": arguments.every,
        "model": local.model_name,
        "pinned": {"simulation": cores[:1], "server": cores[1:] or cores} if cores else None,
        "rounds": rounds,
        "ratios": {
            way: {
                clock: spread([seconds[way][clock] / seconds["plain"][clock] for seconds in rounds])
                for clock in ("wall", "cpu")
            }
            for way in ways[1:]
        },
        "frames": frames,
        "machine": machine(),
    }
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0


def show(report: dict) -> None:
    """Print the report as text."""
    place, pinned = report["machine"], report["pinned"]
    where = f"simulation on core {pinned['simulation']}, server on {pinned['server']}" if pinned else "nothing pinned"
    print(
        f"\n{report['atoms']} atoms, {report['steps']} steps per run, one frame every {report['every']} steps, "
        f"{len(report['rounds'])} rounds, model {report['model']}; {where}"
        f"\n{place['cpu']}, {place['cores']} cores, load average {place['loadAverage']} (5 min)"
    )
    for way, ratios in report["ratios"].items():
        frames = report["frames"][way]
        wall, cpu = (
            f"{clock} {100 * (ratio['median'] - 1):+.1f} % "
            f"({100 * (ratio['least'] - 1):+.1f} to {100 * (ratio['largest'] - 1):+.1f})"
            for clock, ratio in ratios.items()
        )
        print(f"{way:<18} {wall}, {cpu}; {frames['analysed']} frames analysed, {frames['dropped']} dropped")
    print("Medians over the rounds of watched time over plain time, minus one; least and largest in brackets.")


if __name__ == "__main__":
    sys.exit(main())
