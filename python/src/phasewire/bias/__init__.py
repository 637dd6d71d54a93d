"""Biases: energies of the values of variables, and how they move on.

They know numbers and no atoms; `phasewire.Driver` makes forces on atoms of their derivatives. docs/biasing.md has the
formulas and typical parameters. `reweight` makes a free energy of the frames of a run under them.
"""

from phasewire.bias._base import BiasPotential
from phasewire.bias.harmonic import Harmonic, Moving
from phasewire.bias.linear import Linear
from phasewire.bias.metadynamics import Grid, Metadynamics
from phasewire.bias.opes import Opes, OpesExplore
from phasewire.bias.reweighting import Reweighted, reweight
from phasewire.bias.walls import LowerWall, UpperWall

__all__ = [
    "BiasPotential",
    "Grid",
    "Harmonic",
    "Linear",
    "LowerWall",
    "Metadynamics",
    "Moving",
    "Opes",
    "OpesExplore",
    "Reweighted",
    "UpperWall",
    "reweight",
]
