"""Analysers: the core in this process, or a server."""

from typing import TYPE_CHECKING

from phasewire._lazy import lazy

if TYPE_CHECKING:
    from phasewire.analysers.base import Analyser as Analyser
    from phasewire.analysers.client import Client as Client
    from phasewire.analysers.client import connect as connect
    from phasewire.analysers.local import Local as Local
else:
    # Labels from a server need no WebAssembly here, and a run without a server needs no ZeroMQ.
    _HOMES = {
        "Analyser": "phasewire.analysers.base",
        "Client": "phasewire.analysers.client",
        "Local": "phasewire.analysers.local",
        "connect": "phasewire.analysers.client",
    }
    __all__ = sorted(_HOMES)
    __getattr__, __dir__ = lazy(__name__, _HOMES)
