"""Names by which users import things: earlier ones go on meaning the same objects."""

from __future__ import annotations

import importlib

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
        "phasewire.watching.events": (
            "QUANTITIES",
            "Action",
            "Crossing",
            "Event",
            "quantity_of",
            "snapshot",
            "stop",
        ),
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
