"""An earlier name of `phasewire.watching.events`."""

from phasewire.watching.crossings import QUANTITIES, Crossing, quantity_of
from phasewire.watching.events import snapshot, stop
from phasewire.watching.monitor import Action, Event

__all__ = ["QUANTITIES", "Action", "Crossing", "Event", "quantity_of", "snapshot", "stop"]
