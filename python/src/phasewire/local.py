"""An earlier name of `phasewire.analysers.local`."""

from phasewire.analysers.local import Local

__all__ = ["Local"]
