"""The client under attack: it carries out calls, one per line of JSON, and reports how each ended."""

from __future__ import annotations

import json
import sys
import time
import traceback
import warnings
from typing import Any

import numpy as np
import phasewire
from numpy.typing import NDArray
from phasewire._frame.snapshot import Snapshot
from phasewire.errors import PhasewireError

Answer = dict[str, Any]
CELL = np.eye(3) * 100.0


def positions_of(atoms: int) -> NDArray[np.float64]:
    """Return the positions of every frame."""
    return np.arange(3.0 * atoms).reshape(atoms, 3)


class Victim:
    """A client that lives through several calls."""

    def __init__(self) -> None:
        self._client: Any = None
        self._endpoint = ""
        self._timeout = 0.0

    def connect(self, endpoint: str, timeout: float) -> Answer:
        """Make a new client, which connects with its first call."""
        if self._client is not None:
            self._client.close()
        self._endpoint, self._timeout = endpoint, timeout
        self._client = phasewire.connect(endpoint, timeout=timeout, lazy=True)
        return {}

    def analyse(self, step: int, atoms: int, fields: list[str]) -> Answer:
        """Analyse a frame."""
        return described(self._client.analyse(positions_of(atoms), CELL, fields=fields, step=step), fields)

    def forces(self, step: int, atoms: int) -> Answer:
        """Ask for the forces of a variable."""
        found = self._client.forces(
            positions_of(atoms), CELL, variables=phasewire.log_density(), length_scale=2.5, step=step
        )
        return {"step": found.step, "forces": found.forces.tolist()}

    def ping(self) -> Answer:
        """Ping."""
        return {"took": self._client.ping()}

    def status(self) -> Answer:
        """Ask for the status."""
        return {"keys": len(self._client.status())}

    def monitor(self, step: int, atoms: int) -> Answer:
        """Watch three steps, and close."""
        results: list[Answer] = []
        monitor = phasewire.Monitor(self._endpoint, queue=4)
        monitor.on_result(lambda result: results.append(described(result, ["labels"])))
        for number in range(step, step + 3):
            monitor.observe(Snapshot(positions_of(atoms), CELL, (True, True, True), step=number))
            time.sleep(0.02)
        monitor.flush(timeout=self._timeout)
        monitor.close(timeout=self._timeout)
        return {"results": results, "rows": monitor.series.step.tolist()}


def described(result: Any, fields: list[str]) -> Answer:
    """Return what the attacker compares with its answer."""
    arrays = {name: getattr(result, name) for name in fields}
    return {
        "step": result.step,
        "atoms": result.atom_count,
        "arrays": {name: None if array is None else array.tolist() for name, array in arrays.items()},
    }


def main() -> None:
    """Carry out calls until standard input ends."""
    warnings.simplefilter("ignore")
    victim = Victim()
    for line in sys.stdin:
        call = json.loads(line)
        name = call.pop("do")
        began = time.monotonic()
        try:
            answer: Answer = {"ok": getattr(victim, name)(**call)}
        except PhasewireError as error:
            answer = {"code": error.code, "field": error.field, "remedy": error.remedy, "message": error.message}
        except Exception:
            answer = {"fault": traceback.format_exc()}
        answer["seconds"] = time.monotonic() - began
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
