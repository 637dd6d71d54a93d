"""An earlier name of `phasewire.watching.monitor`, which holds the same."""

from phasewire.watching.monitor import *  # noqa: F403
