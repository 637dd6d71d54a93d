"""An earlier name of `phasewire.bias.plumed`."""

from phasewire.bias.plumed import Plumed

__all__ = ["Plumed"]
