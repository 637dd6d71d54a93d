"""An earlier name of `phasewire.driving.driver`."""

from phasewire.driving.driver import Applied, Driver, LengthScale, OnFailure

__all__ = ["Applied", "Driver", "LengthScale", "OnFailure"]
