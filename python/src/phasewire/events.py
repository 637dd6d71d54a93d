"""An earlier name of `phasewire.watching.events`."""

from phasewire.watching.events import QUANTITIES, Action, Crossing, Event, quantity_of, snapshot, stop

__all__ = ["QUANTITIES", "Action", "Crossing", "Event", "quantity_of", "snapshot", "stop"]
