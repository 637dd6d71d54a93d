"""Actions for events of a running simulation."""

from __future__ import annotations

from os import PathLike

from phasewire.files.extxyz import write_extxyz
from phasewire.watching.monitor import Action, Event


def stop(event: Event) -> None:
    """End the current run after its present step: an action for events."""
    event.monitor.request_stop(str(event))


def snapshot(path: str | PathLike[str], *, append: bool = True) -> Action:
    """Make an action that writes the labelled frame as extended XYZ.

    Parameters
    ----------
    path : path
        The file.
    append : bool
        Append each snapshot to the file. False: keep only the last one.
    """

    def write(event: Event) -> None:
        write_extxyz(path, event.frame, event.result, append=append)

    return write
