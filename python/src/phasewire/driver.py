"""An earlier name of `phasewire.driving.driver`, which holds the same."""

from phasewire.driving.driver import *  # noqa: F403
