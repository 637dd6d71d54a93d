"""Crystal phases of a running simulation, live.

Two analysers with one interface: `Local` computes in this process, `connect` asks a server. `Monitor` watches a
simulation with either; `phasewire.lammps` and `phasewire.ase` couple it to those engines.
"""

from phasewire._analyser import Analyser
from phasewire._frame import Frame
from phasewire._links import Snapshot
from phasewire._model import Model, ModelInfo, PhaseClass, classes, load_model, shipped_models
from phasewire._result import Evaluation, Result
from phasewire._series import FailedFrame, Series
from phasewire._version import __version__
from phasewire.client import Client, connect
from phasewire.errors import (
    DeadlineError,
    InputError,
    InternalError,
    ModelError,
    PhasewireError,
    ProtocolError,
    ServerUnreachableError,
)
from phasewire.events import Event, snapshot, stop
from phasewire.local import Local
from phasewire.monitor import Incident, Monitor
from phasewire.variables import Variable, fraction, log_density, logit_difference, mean_logit

__all__ = [
    "Analyser",
    "Client",
    "DeadlineError",
    "Evaluation",
    "Event",
    "FailedFrame",
    "Frame",
    "Incident",
    "InputError",
    "InternalError",
    "Local",
    "Model",
    "ModelError",
    "ModelInfo",
    "Monitor",
    "PhaseClass",
    "PhasewireError",
    "ProtocolError",
    "Result",
    "Series",
    "ServerUnreachableError",
    "Snapshot",
    "Variable",
    "__version__",
    "classes",
    "connect",
    "fraction",
    "load_model",
    "log_density",
    "logit_difference",
    "mean_logit",
    "shipped_models",
    "snapshot",
    "stop",
]
