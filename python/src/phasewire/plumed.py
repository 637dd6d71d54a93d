"""An earlier name of `phasewire.bias.plumed`, which holds the same."""

from phasewire.bias.plumed import *  # noqa: F403
