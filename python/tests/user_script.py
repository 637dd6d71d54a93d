"""A user's script, which must run and pass strict type checks."""

from __future__ import annotations

from typing_extensions import assert_type

import phasewire
from phasewire import bias, umbrella
from phasewire.client import Client, connect
from phasewire.events import Event


def stop_when_molten(event: Event) -> None:
    """An action."""
    event.monitor.request_stop(f"{event.value} after {len(event.monitor.series)} results")


def main() -> None:
    """Use names at their present places, and earlier names."""
    analyser = phasewire.Local()
    assert_type(analyser, phasewire.Local)
    assert_type(analyser.phases, tuple[str, ...])
    spring = phasewire.bias.Harmonic(phasewire.fraction("fcc"), 0.5, 10.0)
    assert_type(spring, bias.Harmonic)
    assert_type(phasewire.umbrella.windows(phasewire.fraction("fcc"), [0.2, 0.4], 10.0), list[bias.Harmonic])
    assert phasewire.umbrella is umbrella
    monitor = phasewire.Monitor(analyser)
    monitor.on_crossing("fcc", below=0.5, action=stop_when_molten)
    client: Client = connect("tcp://127.0.0.1:1", timeout=0.1, lazy=True)
    assert_type(client, phasewire.Client)
    for closable in (monitor, client, analyser):
        closable.close()


if __name__ == "__main__":
    main()
