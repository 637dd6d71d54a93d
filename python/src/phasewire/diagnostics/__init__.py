"""What can be read off the phases of one frame, without forces: clusters, profiles, grids, positions of interfaces.

Every function takes a `Result` and the frame that it belongs to, and gives back a small object of arrays. Clusters,
grids and interfaces need scipy, volumetric files ASE: ``pip install "phasewire[diagnostics]"``.

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
