"""The rooms of the package: imports go one way, including imports for types and within functions."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import phasewire

ROOT = Path(phasewire.__file__).parent

# A room is a folder, or a module of the top folder. It may import rooms of the lines above its own.
LEVELS = (
    {"_contract", "_lazy", "_version"},
    {"errors"},
    {"_model"},
    {"_frame"},
    {"_server", "diagnostics", "files", "variables"},
    {"_core", "bias"},
    {"analysers"},
    {"driving", "watching"},
    {"couplings"},
    {"ase", "lammps"},
    # Earlier names of modules, which the package itself does not use.
    {"client", "colvars", "driver", "events", "local", "monitor", "plumed", "umbrella"},
    # The package itself, which looks up all names.
    {"__init__"},
)


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


def imported(path):
    """Yield the modules of the package that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "phasewire")
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module.split(".")[0] == "phasewire":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if whole in MODULES else node.module


EDGES = {name: set(imported(path)) - {name} for name, path in MODULES.items()}


def room_of(module):
    return module.split(".")[1] if "." in module else "__init__"


def level_of(module):
    (level,) = [place for place, rooms in enumerate(LEVELS) if room_of(module) in rooms]
    return level


def test_every_room_has_a_level_and_every_level_its_rooms():
    assert sum(map(len, EDGES.values())) > 100
    assert {room_of(name) for name in MODULES} == set().union(*LEVELS)


def test_modules_import_in_no_circle():
    TopologicalSorter(EDGES).prepare()


def test_rooms_import_those_below_them():
    assert set().union(*EDGES.values()) <= set(MODULES)
    wrong = [
        f"{module} imports {target}"
        for module, targets in EDGES.items()
        for target in targets
        if room_of(target) != room_of(module) and not level_of(target) < level_of(module)
    ]
    assert wrong == []
