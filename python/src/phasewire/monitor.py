"""An earlier name of `phasewire.watching.monitor`."""

from phasewire.watching.monitor import Incident, Monitor

__all__ = ["Incident", "Monitor"]
