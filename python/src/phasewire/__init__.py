"""Crystal phases of a running simulation, live.

Two analysers with one interface: `Local` computes in this process, `connect` asks a server. `Monitor` watches a
simulation with either; `phasewire.lammps` and `phasewire.ase` couple it to those engines.
"""

from typing import TYPE_CHECKING

from phasewire._lazy import lazy

if TYPE_CHECKING:
    from phasewire import analysers as analysers
    from phasewire import ase as ase
    from phasewire import bias as bias
    from phasewire import client as client
    from phasewire import colvars as colvars
    from phasewire import couplings as couplings
    from phasewire import diagnostics as diagnostics
    from phasewire import driver as driver
    from phasewire import driving as driving
    from phasewire import errors as errors
    from phasewire import events as events
    from phasewire import files as files
    from phasewire import lammps as lammps
    from phasewire import local as local
    from phasewire import monitor as monitor
    from phasewire import plumed as plumed
    from phasewire import umbrella as umbrella
    from phasewire import variables as variables
    from phasewire import watching as watching
    from phasewire._frame.frame import Frame as Frame
    from phasewire._frame.frame import make_frame as make_frame
    from phasewire._frame.result import Evaluation as Evaluation
    from phasewire._frame.result import FailedFrame as FailedFrame
    from phasewire._frame.result import Result as Result
    from phasewire._frame.snapshot import Snapshot as Snapshot
    from phasewire._model.model import Model as Model
    from phasewire._model.model import ModelInfo as ModelInfo
    from phasewire._model.model import PhaseClass as PhaseClass
    from phasewire._model.model import classes as classes
    from phasewire._model.model import load_model as load_model
    from phasewire._model.model import shipped_models as shipped_models
    from phasewire._version import __version__ as __version__
    from phasewire.analysers.base import Analyser as Analyser
    from phasewire.analysers.client import Client as Client
    from phasewire.analysers.client import connect as connect
    from phasewire.analysers.local import Local as Local
    from phasewire.bias.plumed import Plumed as Plumed
    from phasewire.driving.driver import Applied as Applied
    from phasewire.driving.driver import Driver as Driver
    from phasewire.errors import AbortedError as AbortedError
    from phasewire.errors import DeadlineError as DeadlineError
    from phasewire.errors import InputError as InputError
    from phasewire.errors import InternalError as InternalError
    from phasewire.errors import ModelError as ModelError
    from phasewire.errors import PhasewireError as PhasewireError
    from phasewire.errors import ProtocolError as ProtocolError
    from phasewire.errors import ServerUnreachableError as ServerUnreachableError
    from phasewire.variables import AtomSelection as AtomSelection
    from phasewire.variables import Ball as Ball
    from phasewire.variables import Slab as Slab
    from phasewire.variables import Switch as Switch
    from phasewire.variables import Variable as Variable
    from phasewire.variables import atoms as atoms
    from phasewire.variables import ball as ball
    from phasewire.variables import custom as custom
    from phasewire.variables import distance as distance
    from phasewire.variables import fraction as fraction
    from phasewire.variables import log_density as log_density
    from phasewire.variables import logit_difference as logit_difference
    from phasewire.variables import mean_logit as mean_logit
    from phasewire.variables import per_atom as per_atom
    from phasewire.variables import read_variables as read_variables
    from phasewire.variables import slab as slab
    from phasewire.variables import smooth_max as smooth_max
    from phasewire.variables import smooth_min as smooth_min
    from phasewire.variables import switch as switch
    from phasewire.variables import variable_from_dict as variable_from_dict
    from phasewire.variables import variable_names as variable_names
    from phasewire.variables import weighted_sum as weighted_sum
    from phasewire.watching.events import snapshot as snapshot
    from phasewire.watching.events import stop as stop
    from phasewire.watching.monitor import Event as Event
    from phasewire.watching.monitor import Incident as Incident
    from phasewire.watching.monitor import Monitor as Monitor
    from phasewire.watching.series import Series as Series
else:
    # The same names at run time.
    _HOMES = {
        "AbortedError": "phasewire.errors",
        "Analyser": "phasewire.analysers.base",
        "Applied": "phasewire.driving.driver",
        "AtomSelection": "phasewire.variables",
        "Ball": "phasewire.variables",
        "Client": "phasewire.analysers.client",
        "DeadlineError": "phasewire.errors",
        "Driver": "phasewire.driving.driver",
        "Evaluation": "phasewire._frame.result",
        "Event": "phasewire.watching.monitor",
        "FailedFrame": "phasewire._frame.result",
        "Frame": "phasewire._frame.frame",
        "Incident": "phasewire.watching.monitor",
        "InputError": "phasewire.errors",
        "InternalError": "phasewire.errors",
        "Local": "phasewire.analysers.local",
        "Model": "phasewire._model.model",
        "ModelError": "phasewire.errors",
        "ModelInfo": "phasewire._model.model",
        "Monitor": "phasewire.watching.monitor",
        "PhaseClass": "phasewire._model.model",
        "PhasewireError": "phasewire.errors",
        "Plumed": "phasewire.bias.plumed",
        "ProtocolError": "phasewire.errors",
        "Result": "phasewire._frame.result",
        "Series": "phasewire.watching.series",
        "ServerUnreachableError": "phasewire.errors",
        "Slab": "phasewire.variables",
        "Snapshot": "phasewire._frame.snapshot",
        "Switch": "phasewire.variables",
        "Variable": "phasewire.variables",
        "__version__": "phasewire._version",
        "atoms": "phasewire.variables",
        "ball": "phasewire.variables",
        "classes": "phasewire._model.model",
        "connect": "phasewire.analysers.client",
        "custom": "phasewire.variables",
        "distance": "phasewire.variables",
        "fraction": "phasewire.variables",
        "load_model": "phasewire._model.model",
        "log_density": "phasewire.variables",
        "logit_difference": "phasewire.variables",
        "make_frame": "phasewire._frame.frame",
        "mean_logit": "phasewire.variables",
        "per_atom": "phasewire.variables",
        "read_variables": "phasewire.variables",
        "shipped_models": "phasewire._model.model",
        "slab": "phasewire.variables",
        "smooth_max": "phasewire.variables",
        "smooth_min": "phasewire.variables",
        "snapshot": "phasewire.watching.events",
        "stop": "phasewire.watching.events",
        "switch": "phasewire.variables",
        "variable_from_dict": "phasewire.variables",
        "variable_names": "phasewire.variables",
        "weighted_sum": "phasewire.variables",
    }
    _MODULES = (
        "analysers",
        "ase",
        "bias",
        "client",
        "colvars",
        "couplings",
        "diagnostics",
        "driver",
        "driving",
        "errors",
        "events",
        "files",
        "lammps",
        "local",
        "monitor",
        "plumed",
        "umbrella",
        "variables",
        "watching",
    )
    __all__ = list(_HOMES)
    __getattr__, __dir__ = lazy(__name__, _HOMES, _MODULES)
