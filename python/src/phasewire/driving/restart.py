"""The restart file of a driver: settings to compare and states of the biases, in one npz file without pickle."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from phasewire.errors import PhasewireError, make_error
from phasewire.files.npz import damage_named, read_npz, write_npz

if TYPE_CHECKING:
    from phasewire.bias import BiasPotential

FORMAT = "phasewire bias restart"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Restart:
    """The contents of a driver's restart file.

    Attributes
    ----------
    settings : dict
        Settings that a driver must have to continue, as JSON values.
    biases : list of dict
        Name and settings of each bias.
    states : list of Mapping of str to array
        States of the biases.
    step, time : optional
        Those of the last frame.
    length_scale : float, "cell" or None
        a0 in use.
    """

    settings: dict[str, Any]
    biases: list[dict[str, Any]]
    states: Sequence[Mapping[str, NDArray[Any]]]
    step: int | None
    time: float | None
    length_scale: float | Literal["cell"] | None

    def refuse_unless_like(self, present: Restart, biases: Sequence[BiasPotential]) -> None:
        """Raise ``BAD_OPTION`` that names the first setting that differs from those of the present driver."""
        now = json.loads(json.dumps(present.settings))
        _compare(self.settings, now, "")
        _compare([bias["name"] for bias in self.biases], [bias.name for bias in biases], "biases")
        for bias, stored in zip(biases, self.biases, strict=True):
            bias.check_settings(stored["settings"])


def write_restart(path: Path, restart: Restart) -> None:
    """Write a restart file, which appears only when it is complete.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; ``BAD_OPTION`` if the state of a bias holds anything but arrays of numbers.
    """
    about = {
        "format": FORMAT,
        "version": VERSION,
        "settings": restart.settings,
        "biases": restart.biases,
        "step": restart.step,
        "time": restart.time,
        "length_scale": restart.length_scale,
    }
    write_npz(
        path,
        about,
        {f"{index}/{key}": array for index, state in enumerate(restart.states) for key, array in state.items()},
    )


def read_restart(path: Path) -> Restart:
    """Read a restart file.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; ``FILE_FORMAT`` if it is damaged, or has another kind or version.
    """
    about, arrays = read_npz(path, FORMAT, VERSION)
    with damage_named(path, FORMAT):
        step, time, scale = about["step"], about["time"], about["length_scale"]
        return Restart(
            settings=about["settings"],
            biases=about["biases"],
            states=[_state_of(index, arrays) for index in range(len(about["biases"]))],
            step=None if step is None else operator.index(step),
            time=None if time is None else float(time),
            length_scale=scale if scale in (None, "cell") else float(scale),
        )


def _state_of(index: int, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    prefix = f"{index}/"
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _compare(stored: Any, now: Any, where: str) -> None:
    """Raise ``BAD_OPTION`` at the first place where two JSON values differ."""
    if isinstance(stored, dict) and isinstance(now, dict):
        for key in [*stored, *(key for key in now if key not in stored)]:
            _compare(stored.get(key), now.get(key), f"{where}.{key}" if where else key)
        return
    if isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        for index, (one, other) in enumerate(zip(stored, now, strict=True)):
            _compare(one, other, f"{where}[{index}]")
        return
    if stored != now:
        raise _other_settings(stored, now, where)


def _other_settings(stored: Any, now: Any, where: str) -> PhasewireError:
    return make_error(
        "BAD_OPTION",
        f"the run to continue had {stored!r} here",
        field=where,
        value=now,
        remedy="give the settings of that run, or begin a new run",
    )
