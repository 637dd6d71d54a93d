"""Diagnostics of the phases of one frame: clusters, profiles, grids, positions of interfaces.

Every function takes a `Result` and its frame, and returns a small object with arrays. Clusters, grids and interfaces
need scipy, and volumetric files need ASE: ``pip install "phasewire[diagnostics]"``.

Examples
--------
>>> result = analyser.analyse(atoms.positions, atoms.cell, atoms.pbc)  # doctest: +SKIP
>>> clusters(result, atoms, "fcc").largest  # doctest: +SKIP
>>> monitor.on_result(lambda result: sizes.append(clusters(result, monitor.last_frame).sizes[0]))  # doctest: +SKIP
"""

from phasewire.diagnostics.clusters import Clusters, clusters, largest_cluster
from phasewire.diagnostics.grids import Grid, grid
from phasewire.diagnostics.interfaces import Interfaces, interface_positions
from phasewire.diagnostics.profiles import Profile, profile

__all__ = [
    "Clusters",
    "Grid",
    "Interfaces",
    "Profile",
    "clusters",
    "grid",
    "interface_positions",
    "largest_cluster",
    "profile",
]
