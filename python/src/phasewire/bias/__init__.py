"""Biases: energies of the values of variables, which may change during a run.

They see numbers, not atoms; `phasewire.Driver` turns their derivatives into forces on atoms. docs/biasing.md has the
formulas and typical parameters. `reweight` computes a free energy from the frames of a biased run.
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
