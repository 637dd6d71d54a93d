"""An earlier name of `phasewire._server.client`, which holds the same."""

from phasewire._server.client import *  # noqa: F403
