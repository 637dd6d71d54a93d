"""Crystal phases of a running simulation, live.

Two analysers with one interface: `Local` computes in this process, `connect` asks a server. `Monitor` watches a
simulation with either; `phasewire.lammps` and `phasewire.ase` couple it to those engines.
"""

from phasewire._frame.frame import Frame, make_frame
from phasewire._frame.result import Evaluation, FailedFrame, Result
from phasewire._frame.snapshot import Snapshot
from phasewire._model.model import Model, ModelInfo, PhaseClass, classes, load_model, shipped_models
from phasewire._version import __version__
from phasewire.analysers.base import Analyser
from phasewire.analysers.client import Client, connect
from phasewire.analysers.local import Local
from phasewire.bias.plumed import Plumed
from phasewire.driving.driver import Applied, Driver
from phasewire.errors import (
    DeadlineError,
    InputError,
    InternalError,
    ModelError,
    PhasewireError,
    ProtocolError,
    ServerUnreachableError,
)
from phasewire.variables import (
    AtomSelection,
    Ball,
    Slab,
    Switch,
    Variable,
    atoms,
    ball,
    custom,
    distance,
    fraction,
    log_density,
    logit_difference,
    mean_logit,
    per_atom,
    read_variables,
    slab,
    smooth_max,
    smooth_min,
    switch,
    variable_from_dict,
    variable_names,
    weighted_sum,
)
from phasewire.watching.events import Event, snapshot, stop
from phasewire.watching.monitor import Incident, Monitor
from phasewire.watching.series import Series

__all__ = [
    "Analyser",
    "Applied",
    "AtomSelection",
    "Ball",
    "Client",
    "DeadlineError",
    "Driver",
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
    "Plumed",
    "ProtocolError",
    "Result",
    "Series",
    "ServerUnreachableError",
    "Slab",
    "Snapshot",
    "Switch",
    "Variable",
    "__version__",
    "atoms",
    "ball",
    "classes",
    "connect",
    "custom",
    "distance",
    "fraction",
    "load_model",
    "log_density",
    "logit_difference",
    "make_frame",
    "mean_logit",
    "per_atom",
    "read_variables",
    "shipped_models",
    "slab",
    "smooth_max",
    "smooth_min",
    "snapshot",
    "stop",
    "switch",
    "variable_from_dict",
    "variable_names",
    "weighted_sum",
]
