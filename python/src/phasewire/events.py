"""An earlier name of `phasewire.watching.events`, which holds the same."""

from phasewire.watching.events import *  # noqa: F403
