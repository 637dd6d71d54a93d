"""Clusters, profile, interfaces and grid of one frame: a copper crystal that grows into its melt.

    python examples/diagnostics.py --out diagnostics-output

The example writes a picture and, for OVITO or VMD, the crystalline share on a grid as a Gaussian cube file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import phasewire
import phasewire.ase
from ase import Atoms
from ase.io import read
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from phasewire import diagnostics
from show.palette import PHASE_COLOURS, colour_of

FRAME = Path(__file__).parent / "frames" / "copper-growing.extxyz.gz"
AXIS = 2
LAYERS = 36
POINTS = (48, 48, 48)
# Thickness in Å of the slice through the middle whose atoms are drawn.
SLICE = 4.0


def main() -> int:
    """Run the example and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("diagnostics-output"), help="folder for the results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    atoms = read(FRAME)
    with phasewire.Local() as analyser:
        result = phasewire.ase.analyse(
            atoms, analyser, classes=["fcc", "hcp", "bcc"], fields=("labels", "probabilities")
        )
    found = diagnostics.clusters(result, atoms)
    layers = diagnostics.profile(result, atoms, AXIS, LAYERS)
    planes = diagnostics.interface_positions(result, atoms, AXIS)
    grid = diagnostics.grid(result, atoms, POINTS)
    grid.write_cube(arguments.out / "crystalline.cube", atoms)
    for thing in (result, found, layers, planes, grid):
        print(thing)
    draw(arguments.out / "diagnostics.png", atoms, result, found, layers, planes, grid)
    for name in ("diagnostics.png", "crystalline.cube"):
        print(f"  {arguments.out / name}")
    return 0


def draw(
    path: Path,
    atoms: Atoms,
    result: phasewire.Result,
    found: diagnostics.Clusters,
    layers: diagnostics.Profile,
    planes: diagnostics.Interfaces,
    grid: diagnostics.Grid,
) -> None:
    """Draw the profile, a slice of the grid and the largest cluster side by side."""
    figure = Figure(figsize=(11, 4.2), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.5, 1.15, 1])
    _draw_profile(left, layers, planes)
    length, height = atoms.cell[0, 0], atoms.cell[AXIS, AXIS]
    image = middle.imshow(
        grid.share[:, POINTS[1] // 2, :].T,
        origin="lower",
        extent=(0, length, 0, height),
        cmap="viridis",
        vmin=0,
        vmax=1,
    )
    for position in planes.positions:
        middle.axhline(position, color="white", linestyle="--", linewidth=1)
    middle.set(title="crystalline share, slice of the grid", xlabel="x / Å", ylabel="z / Å")
    figure.colorbar(image, ax=middle, shrink=0.85)
    _draw_cluster(right, atoms, result, found)
    figure.savefig(path)


def _draw_profile(axes: Axes, layers: diagnostics.Profile, planes: diagnostics.Interfaces) -> None:
    axes.stairs(layers.crystalline, layers.edges, color=PHASE_COLOURS["fcc"], linewidth=1.5, label="labels, by layer")
    axes.plot(layers.positions, 1 - layers.probability("disordered"), "k.", label="mean probability, by layer")
    for position, error in zip(planes.positions, planes.errors, strict=True):
        axes.axvline(position, color=PHASE_COLOURS["hcp"], linestyle="--", linewidth=1)
        axes.annotate(f"{position:.2f} ± {error:.2f}", (position, 0.5), xytext=(4, 0), textcoords="offset points")
    axes.set(title="profile and interfaces", xlabel="z / Å", ylabel="crystalline share", ylim=(-0.03, 1.12))
    axes.legend(loc="upper right", frameon=False, fontsize=8, ncols=2)


def _draw_cluster(axes: Axes, atoms: Atoms, result: phasewire.Result, found: diagnostics.Clusters) -> None:
    positions = atoms.get_positions(wrap=True)
    inside = np.abs(positions[:, 1] - atoms.cell[1, 1] / 2) < SLICE / 2
    largest = found.numbers == 0
    names = result.phase_names()
    for chosen, size, edge in ((inside & ~largest, 14, "none"), (inside & largest, 26, "black")):
        axes.scatter(
            positions[chosen, 0],
            positions[chosen, AXIS],
            s=size,
            c=[colour_of(name) for name in names[chosen]],
            edgecolors=edge,
            linewidths=0.4,
        )
    axes.set(title=f"largest cluster: {found.largest_size} atoms", xlim=(0, atoms.cell[0, 0]))
    axes.set_aspect("equal")
    axes.set_axis_off()


if __name__ == "__main__":
    sys.exit(main())
