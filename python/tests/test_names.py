"""Names that users import: earlier names still mean the same objects."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

EARLIER = {
    "phasewire.client": {
        "phasewire.analysers.client": ("Accept", "Client", "connect"),
        "phasewire._server.wire": ("analyse_message", "check_limits"),
    },
    "phasewire.colvars": {
        "phasewire.files.colvars": ("Columns", "ColumnWriter", "back_up", "cut_after", "read_columns"),
    },
    "phasewire.driver": {"phasewire.driving.driver": ("Applied", "Driver", "LengthScale", "OnFailure")},
    "phasewire.events": {
        "phasewire.watching.crossings": ("QUANTITIES", "Crossing", "quantity_of"),
        "phasewire.watching.events": ("snapshot", "stop"),
        "phasewire.watching.monitor": ("Action", "Event"),
    },
    "phasewire.local": {"phasewire.analysers.local": ("Local",)},
    "phasewire.monitor": {"phasewire.watching.monitor": ("Incident", "Monitor")},
    "phasewire.plumed": {"phasewire.bias.plumed": ("Plumed",)},
    "phasewire.umbrella": {
        "phasewire.bias.umbrella": ("BLOCKS", "Profile", "Samples", "profile", "sample", "windows"),
    },
}


@pytest.mark.parametrize("earlier", EARLIER)
def test_an_earlier_module_has_the_same_objects(earlier):
    module = importlib.import_module(earlier)
    names = [name for group in EARLIER[earlier].values() for name in group]
    assert sorted(module.__all__) == sorted(names)
    for home, group in EARLIER[earlier].items():
        for name in group:
            assert getattr(module, name) is getattr(importlib.import_module(home), name)


def test_a_script_of_a_user_runs():
    subprocess.run([sys.executable, Path(__file__).with_name("user_script.py")], check=True)


@pytest.mark.parametrize("package", ["phasewire", "phasewire.analysers"])
def test_names_are_the_same_for_type_checkers_and_programs(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    at_run_time = {name: f"{home}.{name}" for name, home in module._HOMES.items()}
    at_run_time |= {name: f"{package}.{name}" for name in getattr(module, "_MODULES", ())}
    assert declared == at_run_time
    assert set(at_run_time) <= set(dir(module))
    for name in at_run_time:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Locl'"):
        module.Locl  # noqa: B018


# The libraries among HEAVY that each import loads.
BROUGHT = {
    "phasewire": set(),
    "phasewire.errors": set(),
    "phasewire.analysers": set(),
    "phasewire.bias": {"numpy"},
    "phasewire.diagnostics": {"numpy"},
    "phasewire.variables": {"numpy"},
    "phasewire.colvars": {"numpy"},
    "phasewire.umbrella": {"numpy"},
    "phasewire.monitor": {"numpy"},
    "phasewire.events": {"numpy"},
    "phasewire.driver": {"numpy"},
    "phasewire.ase": {"numpy"},
    "phasewire.lammps": {"numpy"},
    "phasewire.local": {"numpy", "wasmtime"},
    "phasewire.client": {"numpy", "msgpack"},
}
HEAVY = ("ase", "lammps", "msgpack", "numpy", "plumed", "pymbar", "scipy", "wasmtime", "zmq")


@pytest.mark.parametrize("module", BROUGHT)
def test_an_import_brings_what_it_uses(module):
    script = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert set(found.split()) == BROUGHT[module]


@pytest.mark.parametrize("package", ["phasewire.ase", "phasewire.bias", "phasewire.diagnostics", "phasewire.lammps"])
def test_no_module_hides_a_name_of_its_package(package):
    """Importing a submodule sets an attribute of its package, which must not replace a name of the package."""
    module = importlib.import_module(package)
    for path in Path(module.__file__).parent.glob("*.py"):
        importlib.import_module(package if path.stem == "__init__" else f"{package}.{path.stem}")
    for name in module.__all__:
        assert not isinstance(getattr(module, name), ModuleType), name
