"""The results of a run as time series."""

from __future__ import annotations

import csv
import threading
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.result import FailedFrame, Result
from phasewire._model.class_names import class_number
from phasewire.files.atomic import replace_text


class Series:
    """Results in the order of their arrival, one row per result.

    Columns are numpy arrays made on access. A refused frame also has a row, with NaN in place of
    numbers, and an entry in `failures`. One thread may append rows while another reads them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[tuple[float, ...]] = []
        # Only classes that occur are stored, a few out of possibly hundreds. None: a frame that failed.
        self._fractions: list[dict[str, float] | None] = []
        self._observables: list[dict[str, float]] = []
        self._failures: list[FailedFrame] = []
        self._phases: tuple[str, ...] = ()
        self._aliases: dict[str, str] = {}

    _COLUMNS = (
        "step",
        "time",
        "atom_count",
        "length_scale",
        "mean_log_density",
        "mean_margin",
        "seconds",
        "dropped",
    )

    def append(self, result: Result, observables: dict[str, float] | None = None) -> None:
        """Add a row."""
        row = (
            float(result.step),
            np.nan if result.time is None else result.time,
            float(result.atom_count),
            result.length_scale,
            result.mean_log_density,
            result.mean_margin,
            result.seconds,
            float(result.dropped),
        )
        with self._lock:
            self._phases = result.phases
            self._aliases = dict(result.aliases)
            self._rows.append(row)
            self._fractions.append({name: share for name, share in result.fractions.items() if share})
            self._observables.append(observables or {})

    def append_failure(self, failed: FailedFrame, dropped: int, observables: dict[str, float] | None = None) -> None:
        """Add a row for a frame that gave no result."""
        time = np.nan if failed.time is None else failed.time
        with self._lock:
            self._rows.append((float(failed.step), time, *[np.nan] * 5, float(dropped)))
            self._fractions.append(None)
            self._observables.append(observables or {})
            self._failures.append(failed)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def phases(self) -> tuple[str, ...]:
        """Class names, empty before the first result."""
        return self._phases

    @property
    def failures(self) -> tuple[FailedFrame, ...]:
        """Frames that gave no result, in the order of the rows."""
        with self._lock:
            return tuple(self._failures)

    @property
    def step(self) -> NDArray[np.int64]:
        """The simulation's steps, shape ``(R,)``."""
        return self._column("step").astype(np.int64)

    @property
    def time(self) -> NDArray[np.float64]:
        """The simulation's time, NaN if it was not given."""
        return self._column("time")

    @property
    def atom_count(self) -> NDArray[np.float64]:
        """Number of atoms, NaN for a refused frame."""
        return self._column("atom_count")

    @property
    def length_scale(self) -> NDArray[np.float64]:
        """a0 in the simulation's length unit."""
        return self._column("length_scale")

    @property
    def mean_log_density(self) -> NDArray[np.float64]:
        """LogP per atom."""
        return self._column("mean_log_density")

    @property
    def mean_margin(self) -> NDArray[np.float64]:
        """Mean margin."""
        return self._column("mean_margin")

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Duration of each analysis."""
        return self._column("seconds")

    @property
    def dropped(self) -> NDArray[np.int64]:
        """Frames dropped before each row, since the monitor began."""
        return self._column("dropped").astype(np.int64)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Share of each class, shape ``(R, C)``, columns in the order of `phases`."""
        return self._shares(self._phases)

    @property
    def crystalline(self) -> NDArray[np.float64]:
        """Share of the atoms that are not ``disordered``, shape ``(R,)``."""
        return 1.0 - self.fraction(self._phases[0]) if self._phases else np.full(len(self), np.nan)

    def fraction(self, phase: str) -> NDArray[np.float64]:
        """Return the share of one class, by its name or an alias, shape ``(R,)``."""
        if not self._phases:
            return np.full(len(self), np.nan)
        number = class_number(phase, self._phases, self._aliases, "phase")
        return self._shares([self._phases[number]])[:, 0]

    def observable(self, name: str) -> NDArray[np.float64]:
        """Return a value that the engine gave with the frames, such as ``temperature``; NaN if absent."""
        with self._lock:
            return np.array([row.get(name, np.nan) for row in self._observables], dtype=np.float64)

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the values that the engine gave with the frames."""
        with self._lock:
            return tuple(dict.fromkeys(name for row in self._observables for name in row))

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the series: a line of names, then one line per row.

        ``disordered`` and each class that occurs have a column. The last column holds the error of failed frames.

        Raises
        ------
        InputError
            ``FILE_ACCESS``; an existing file then stays unchanged.
        """
        names = self.observable_names
        with self._lock:
            rows, fractions, observables = list(self._rows), list(self._fractions), list(self._observables)
            failures = iter(self._failures)
            phases = self._phases
        occurring = {name for shares in fractions for name in shares or ()}
        columns = [name for name in phases if name == phases[0] or name in occurring]

        def write(stream: TextIO) -> None:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([*self._COLUMNS, *names, *columns, "error"])
            for row, shares, values in zip(rows, fractions, observables, strict=True):
                error = next(failures).error.code if shares is None else ""
                numbers = [*row, *(values.get(name, np.nan) for name in names)]
                numbers += [np.nan if shares is None else shares.get(name, 0.0) for name in columns]
                writer.writerow([*(_text(number) for number in numbers), error])

        replace_text(Path(path), write)

    def __repr__(self) -> str:
        if not self._rows:
            return "<Series: no results yet>"
        return f"<Series: {len(self)} rows, steps {self.step[0]} to {self.step[-1]}, {self.dropped[-1]} dropped>"

    def _shares(self, phases: Sequence[str]) -> NDArray[np.float64]:
        """Return the shares of some classes, one column per class."""
        with self._lock:
            rows = list(self._fractions)
        table = np.full((len(rows), len(phases)), np.nan)
        for row, shares in zip(table, rows, strict=True):
            if shares is not None:
                row[:] = [shares.get(name, 0.0) for name in phases]
        return table

    def _column(self, name: str) -> NDArray[np.float64]:
        index = self._COLUMNS.index(name)
        with self._lock:
            return np.array([row[index] for row in self._rows], dtype=np.float64)


def _text(number: float) -> str:
    if np.isnan(number):
        return ""
    return str(int(number)) if float(number).is_integer() else repr(float(number))
