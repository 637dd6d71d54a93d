"""Every test of the suite runs for every engine that the package has a coupling to."""

from __future__ import annotations

from importlib import import_module

from phasewire.couplings import couplings


def pytest_configure(config):
    config.addinivalue_line("markers", "rule(*names): rules of docs/engine-contract.md that a test holds couplings to")


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        # An engine without an adapter is an error here, so no coupling escapes the suite.
        engines = [import_module(f"conformance.engine_{name}").engine for name in sorted(couplings())]
        metafunc.parametrize("engine", engines, ids=lambda engine: engine.name)
