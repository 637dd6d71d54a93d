"""An earlier name of `phasewire.bias.umbrella`, which holds the same."""

from phasewire.bias.umbrella import *  # noqa: F403
