"""An earlier name of `phasewire.bias.umbrella`."""

from phasewire.bias.umbrella import BLOCKS, Profile, Samples, profile, sample, windows

__all__ = ["BLOCKS", "Profile", "Samples", "profile", "sample", "windows"]
