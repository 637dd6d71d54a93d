"""An earlier name of `phasewire.files.colvars`, which holds the same."""

from phasewire.files.colvars import *  # noqa: F403
