"""An earlier name of `phasewire.analysers.client`."""

from phasewire._server.wire import analyse_message, check_limits
from phasewire.analysers.client import Accept, Client, connect

__all__ = ["Accept", "Client", "analyse_message", "check_limits", "connect"]
