"""Options that couplings pass on: their names and types must be those of the function that documents them."""

from __future__ import annotations

import inspect

import pytest

import phasewire
from phasewire.analysers.base import Analyser, FrameOptions
from phasewire.driving.driver import DriverOptions
from phasewire.watching.monitor import MonitorOptions


@pytest.mark.parametrize(
    ("listed", "function"),
    [
        (DriverOptions, phasewire.Driver.__init__),
        (MonitorOptions, phasewire.Monitor.__init__),
        (FrameOptions, Analyser.analyse_frame),
    ],
)
def test_options_are_listed_with_the_types_of_the_function(listed, function):
    parameters = inspect.signature(function).parameters.values()
    expected = {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert len(expected) >= 4
    # Annotations are text here, and a TypedDict holds them as references to that text.
    assert {name: kind.__forward_arg__ for name, kind in listed.__annotations__.items()} == expected
    assert not listed.__required_keys__
