"""Metadynamics: Gaussian hills along the run, well-tempered or plain.

V(s) = sum_h w_h exp(-1/2 sum_i ((s_i - c_hi) / sigma_hi)^2). At every multiple of the pace a hill is added at s(t), of
height w = w_0 exp(-V(s(t)) / (kT (gamma - 1))) (well-tempered, bias factor gamma; A. Barducci, G. Bussi,
M. Parrinello, Phys. Rev. Lett. 100, 020603, 2008) or w_0 (plain; A. Laio, M. Parrinello, PNAS 99, 12562, 2002).

F(s) = -gamma / (gamma - 1) V(s) + constant, plain: -V(s) + constant.

With a grid, the time-dependent constant of reweighting (P. Tiwary, M. Parrinello, J. Phys. Chem. B 119, 736, 2015) is

c(t) = kT log( integral exp(gamma/(gamma-1) V/kT) / integral exp(1/(gamma-1) V/kT) ), over the nodes of the grid

(plain: gamma to infinity), and exp((V(s(t)) - c(t)) / kT) are the weights of the frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire.bias._base import (
    Values,
    as_points,
    bad_option,
    passed,
    per_variable,
    positive_integer,
    positive_number,
    require_keys,
    step_of,
    step_state,
)
from phasewire.bias._deposited import Deposited
from phasewire.bias._grid import HermiteGrid
from phasewire.errors import make_error
from phasewire.files.colvars import Columns, ColumnWriter, read_columns

_STATE = ("centres", "sigmas", "heights", "times", "step", "begun")
_LEAST_NODES_A_SIGMA = 2
# Numbers of one temporary array, which limits the memory for many points and many hills.
_BLOCK = 1 << 20


class Grid(NamedTuple):
    """The grid of a bias; one number per variable, or one for all.

    Attributes
    ----------
    low, high : float or sequence of float
        Bounds that the variables must not leave.
    bins : int or sequence of int
        Intervals in between: at least two, better five, per sigma.
    """

    low: float | Sequence[float]
    high: float | Sequence[float]
    bins: int | Sequence[int]


class Metadynamics(Deposited):
    """Fill the free energy with Gaussian hills.

    Parameters
    ----------
    variables : Variable or sequence of Variable
    height : float
        w_0, an energy: about kT / 2 to kT / 10.
    sigma : float or sequence of float
        Width of the hills, in the unit of each variable: half to a third of its standard deviation in a basin.
    pace : int
        Steps between hills: 500, or a correlation time of the variables.
    bias_factor : float or None
        gamma, above 1: about the highest barrier divided by kT. None: plain metadynamics.
    kT : float, optional
        Needed for well-tempered hills, and for c(t).
    grid : Grid or (low, high, bins), optional
        Keep the bias on a grid: a step costs the same after any number of hills. The error of a hill of unit height is
        (h / sigma)^4 / 128 per dimension, with h the distance of nodes. Without a grid the hills are summed exactly.
    hills : path, optional
        File to which each hill is appended, in PLUMED's format; a new run renames an existing file to ``bck.0.NAME``.
    name : str

    Raises
    ------
    InputError
        ``BAD_OPTION`` for invalid parameters.

    Notes
    -----
    With a grid, `energy` refuses values outside it: put `UpperWall` and `LowerWall` inside its edges, or make it wide.
    """

    def __init__(
        self,
        variables: Any,
        *,
        height: float,
        sigma: ArrayLike,
        pace: int = 500,
        bias_factor: float | None = 10.0,
        kT: float | None = None,  # noqa: N803
        grid: Grid | tuple[Any, Any, Any] | None = None,
        hills: str | PathLike[str] | None = None,
        name: str = "metad",
    ) -> None:
        super().__init__(variables, name=name)
        count = len(self.variables)
        self.height = positive_number(height, f"{name}.height")
        self.sigma = per_variable(sigma, count, f"{name}.sigma", positive=True)
        self.pace = positive_integer(pace, f"{name}.pace")
        self.bias_factor = None if bias_factor is None else positive_number(bias_factor, f"{name}.bias_factor", least=1)
        if kT is None and bias_factor is not None:
            raise bad_option(
                f"{name}.kT", kT, "kT in the simulation's energy unit, or bias_factor=None for plain hills"
            )
        self.kT = None if kT is None else positive_number(kT, f"{name}.kT")
        self.hills = None if hills is None else Path(hills)
        self._centres: Values = np.empty((0, count))
        self._sigmas: Values = np.empty((0, count))
        self._heights: Values = np.empty(0)
        self._times: Values = np.empty(0)
        self.hill_count = 0
        self._grid_options, self._grid = None, None
        if grid is not None:
            self._grid_options = self._check_grid(grid)
            self._grid = HermiteGrid(*self._grid_options)
        self.rct = 0.0
        self._step: int | None = None
        self._writer: ColumnWriter | None = None

    def update(self, values: ArrayLike, step: int, time: float | None = None) -> None:
        """Add a hill if a multiple of the pace has passed. The first step of a run gets none."""
        due = passed(self.pace, self._step, step)
        if due:
            checked = self._check_values(values)
            height = self.height
            if self.bias_factor is not None and self.kT is not None:
                height *= math.exp(-self._evaluate(checked)[0] / (self.kT * (self.bias_factor - 1.0)))
            moment = float(step if time is None else time)
            self._write(checked, height, moment)
            self._add(checked, self.sigma, height, moment)
            self._update_rct()
        self._step = int(step)

    def columns(self) -> dict[str, float]:
        """Return the bias; with a grid and kT also c(t), and their difference for reweighting."""
        columns = super().columns()
        if self._grid is not None and self.kT is not None:
            columns[f"{self.name}.rct"] = self.rct
            columns[f"{self.name}.rbias"] = self._last_energy - self.rct
        return columns

    def free_energy(self, points: ArrayLike) -> Values:
        """Return the estimate of the free energy, 0 at the lowest of the points.

        Parameters
        ----------
        points : array_like, shape (P,) or (P, V)

        Returns
        -------
        ndarray, shape (P,)
        """
        bias = self._evaluate_many(as_points(points, len(self.variables), self.name))[0]
        scale = 1.0 if self.bias_factor is None else self.bias_factor / (self.bias_factor - 1.0)
        free: Values = -scale * bias
        free -= free.min()
        return free

    def settings(self) -> dict[str, Any]:
        """Return all parameters except the file."""
        return self._describe(
            height=self.height,
            sigma=self.sigma,
            pace=self.pace,
            bias_factor=self.bias_factor,
            kT=self.kT,
            grid=self._grid_options,
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the hills, and the step up to which they are complete."""
        count = self.hill_count
        return {
            "centres": self._centres[:count].copy(),
            "sigmas": self._sigmas[:count].copy(),
            "heights": self._heights[:count].copy(),
            "times": self._times[:count].copy(),
            **step_state(self._step),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore hills; later ones are removed from the HILLS file.

        Raises
        ------
        InputError
            ``FILE_FORMAT`` if the state is not of metadynamics with this number of variables.
        """
        require_keys(state, _STATE, self.name)
        centres = np.asarray(state["centres"])
        if centres.ndim != 2 or centres.shape[1] != len(self.variables):
            raise make_error(
                "FILE_FORMAT",
                f"the hills of the state are not in {len(self.variables)} variables",
                field=f"{self.name}.state",
                value=centres.shape,
                remedy="restore the bias that wrote it",
            )
        self._replace(centres, state["sigmas"], state["heights"], state["times"])
        self._step = step_of(state)
        last = float(self._times[-1]) if self.hill_count else -math.inf
        self._resume_file(last)

    def restore_hills(self, path: str | PathLike[str] | None = None) -> int:
        """Take the hills of a HILLS file of phasewire or PLUMED; an incomplete last line is skipped.

        The file has heights times gamma / (gamma - 1), so the heights may differ from those of the run in the last bit.
        The next step counts as the first of a run.

        Parameters
        ----------
        path : path, optional
            Default: the file that hills are written to, which is then continued.

        Returns
        -------
        int
            The number of hills.

        Raises
        ------
        InputError
            ``FILE_ACCESS``, ``FILE_FORMAT``; ``BAD_OPTION`` for other variables or another bias factor.
        """
        source = self.hills if path is None else Path(path)
        if source is None:
            raise bad_option(f"{self.name}.hills", None, "the path of a HILLS file")
        found = read_columns(source)
        self._check_hills(found)
        names = [variable.name for variable in self.variables]
        count = len(names)
        heights = found["height"] / self._written_scale
        self._replace(
            found.rows[:, 1 : 1 + count].copy(), found.rows[:, 1 + count : 1 + 2 * count].copy(), heights, found["time"]
        )
        self._step = None
        self._resume_file(math.inf)
        return self.hill_count

    @property
    def _fields(self) -> list[str]:
        names = [variable.name for variable in self.variables]
        return ["time", *names, *(f"sigma_{name}" for name in names), "height", "biasf"]

    @property
    def _written_scale(self) -> float:
        # PLUMED scales the heights so that their sum is -F, on which its sum_hills relies.
        return 1.0 if self.bias_factor is None else self.bias_factor / (self.bias_factor - 1.0)

    def _evaluate_many(self, points: Values) -> tuple[Values, Values]:
        if self._grid is not None:
            if not self._grid.contains(points):
                raise make_error(
                    "BAD_OPTION",
                    f"the variables left the grid, from {self._grid.low.tolist()} to {self._grid.high.tolist()}",
                    field=f"{self.name}.grid",
                    value=points.tolist(),
                    remedy="restart with a wider grid, or keep the variables inside with UpperWall and LowerWall",
                )
            return self._grid.evaluate(points)
        count = self.hill_count
        energies, derivatives = np.zeros(len(points)), np.zeros(points.shape)
        block = max(1, _BLOCK // max(1, count * len(self.variables)))
        centres, sigmas = self._centres[:count], self._sigmas[:count]
        for start in range(0, len(points), block):
            part = slice(start, start + block)
            # One variable at a time: arrays of (P, H) are several times faster than one of (P, H, V).
            scaled = [
                (points[part, along, None] - centres[:, along]) / sigmas[:, along] for along in range(points.shape[1])
            ]
            square = np.sum([one * one for one in scaled], axis=0)
            hills = self._heights[:count] * np.exp(-0.5 * square)
            energies[part] = np.sum(hills, axis=1)
            for along, one in enumerate(scaled):
                derivatives[part, along] = -np.sum(hills * (one / sigmas[:, along]), axis=1)
        return energies, derivatives

    def _add(self, centre: Values, sigma: Values, height: float, time: float) -> None:
        if self.hill_count == len(self._heights):
            more = max(64, self.hill_count)
            self._centres = np.concatenate([self._centres, np.empty((more, len(self.variables)))])
            self._sigmas = np.concatenate([self._sigmas, np.empty((more, len(self.variables)))])
            self._heights = np.concatenate([self._heights, np.empty(more)])
            self._times = np.concatenate([self._times, np.empty(more)])
        index = self.hill_count
        self._centres[index], self._sigmas[index] = centre, sigma
        self._heights[index], self._times[index] = height, time
        self.hill_count += 1
        if self._grid is not None:
            self._grid.add(centre, sigma, height)

    def _replace(self, centres: ArrayLike, sigmas: ArrayLike, heights: ArrayLike, times: ArrayLike) -> None:
        """Replace the hills by these. They are added in order, so a grid is the same to the last bit."""
        self._centres, self._sigmas = np.array(centres, dtype=np.float64), np.array(sigmas, dtype=np.float64)
        self._heights, self._times = np.array(heights, dtype=np.float64), np.array(times, dtype=np.float64)
        self.hill_count = len(self._heights)
        if self._grid_options is not None:
            self._grid = HermiteGrid(*self._grid_options)
            for centre, sigma, height in zip(self._centres, self._sigmas, self._heights, strict=True):
                self._grid.add(centre, sigma, float(height))
        self.rct = 0.0
        if self.hill_count:
            self._update_rct()

    def _update_rct(self) -> None:
        if self._grid is None or self.kT is None:
            return
        scaled = self._grid.at_nodes() / self.kT
        upper, lower = 1.0, 0.0
        if self.bias_factor is not None:
            upper, lower = self.bias_factor / (self.bias_factor - 1.0), 1.0 / (self.bias_factor - 1.0)
        self.rct = self.kT * (_log_sum_exp(upper * scaled) - _log_sum_exp(lower * scaled))

    def _write(self, centre: Values, height: float, time: float) -> None:
        if self.hills is None:
            return
        if self._writer is None:
            self._writer = self._open_file(self.hills, None)
        self._put(self._writer, centre, self.sigma, height, time)

    def _put(self, writer: ColumnWriter, centre: Values, sigma: Values, height: float, time: float) -> None:
        biasf = -1.0 if self.bias_factor is None else self.bias_factor
        numbers = [time, *centre, *sigma, height * self._written_scale, biasf]
        writer.write(dict(zip(self._fields, numbers, strict=True)))

    def _open_file(self, path: Path, restart_time: float | None) -> ColumnWriter:
        constants = {"multivariate": False, "kerneltype": "gaussian"}
        return ColumnWriter(path, self._fields, constants=constants, restart_time=restart_time)

    def _resume_file(self, restart_time: float) -> None:
        """Make the file hold the present hills: cut it, or write a new one if some are missing."""
        if self.hills is None:
            return
        if self.hills.exists():
            self._writer = self._open_file(self.hills, restart_time)
            if len(read_columns(self.hills)) == self.hill_count:
                return
            self._writer.close()
        self._writer = self._open_file(self.hills, None)
        for hill in range(self.hill_count):
            self._put(
                self._writer, self._centres[hill], self._sigmas[hill], float(self._heights[hill]), self._times[hill]
            )

    def _check_hills(self, found: Columns) -> None:
        """Refuse a HILLS file with other variables or another bias factor."""
        if found.fields != tuple(self._fields) or found.constants.get("multivariate", "false") != "false":
            raise make_error(
                "BAD_OPTION",
                f"the file has hills of other variables or of another kind: {' '.join(found.fields)}",
                field=f"{self.name}.variables",
                value=self._fields,
                remedy="give the variables of the file, with the same names and in the same order",
            )
        factors = set(found["biasf"].tolist())
        # PLUMED marks plain hills with 1 or -1.
        plain = factors <= {1.0, -1.0}
        if factors and not (plain if self.bias_factor is None else factors == {self.bias_factor}):
            raise make_error(
                "BAD_OPTION",
                f"the file's hills have the bias factor {sorted(factors)}",
                field=f"{self.name}.bias_factor",
                value=self.bias_factor,
                remedy="give the bias the factor of the file",
            )

    def _check_grid(self, grid: Grid | tuple[Any, Any, Any]) -> tuple[list[float], list[float], list[int]]:
        field, count = f"{self.name}.grid", len(self.variables)
        if len(grid) != 3:
            raise bad_option(field, grid, "(low, high, bins)")
        low, high = per_variable(grid[0], count, f"{field}.low"), per_variable(grid[1], count, f"{field}.high")
        bins = per_variable(grid[2], count, f"{field}.bins", positive=True)
        if not (low < high).all():
            raise bad_option(field, list(grid), "a low below the high")
        needed = np.ceil(_LEAST_NODES_A_SIGMA * (high - low) / self.sigma - 1e-9)
        if not (bins >= needed).all() or not (bins == bins.astype(int)).all():
            raise bad_option(
                f"{field}.bins",
                grid[2],
                f"whole numbers, at least {needed.astype(int).tolist()}: {_LEAST_NODES_A_SIGMA} intervals per sigma",
            )
        return low.tolist(), high.tolist(), [int(number) for number in bins]


def _log_sum_exp(numbers: NDArray[np.float64]) -> float:
    most = float(numbers.max())
    return most + math.log(float(np.exp(numbers - most).sum()))
