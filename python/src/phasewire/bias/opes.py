"""On-the-fly probability enhanced sampling: a bias from a kernel density estimate, which converges fast.

At every multiple of the pace a Gaussian kernel with weight w is added at s(t). From the kernels,

P(s) = sum_k h_k G_k(s) / n, G_k a Gaussian with width sigma_k, cut off and merged with others (`_kernels`),
Z = sum_k P(s_k) / K, the mean of P over the K kernels,
V(s) = kT q log(P(s) / Z + epsilon), epsilon = exp(-barrier / (q kT)), so the range of V is about the barrier.

`Opes` (M. Invernizzi, M. Parrinello, J. Phys. Chem. Lett. 11, 2731, 2020) estimates the unbiased distribution: w =
exp(V(s(t)) / kT), n = sum of w, q = 1 - 1/gamma. F(s) = -kT log P(s).

`OpesExplore` (M. Invernizzi, P. M. Piaggi, M. Parrinello, J. Chem. Theory Comput. 18, 3988, 2022) estimates the biased,
well-tempered distribution. It explores sooner and tolerates poor variables, but its free energy converges later: w = 1,
n = number of kernels, q = gamma - 1. F(s) comes from a second sum of kernels with the weights and bandwidth of `Opes`,
on which the bias does not depend.

Bandwidth: with d variables and the effective number of samples N (Kish: (1 + sum w)^2 / (1 + sum w^2); OpesExplore: the
number of kernels), sigma = sigma_0 (N (d + 2) / 4)^(-1 / (d + 4)) (Silverman), and h = w prod(sigma_0 / sigma).
sigma_0 is given for the unbiased distribution (OpesExplore uses sqrt(gamma) times as much), or it is measured: first
over ``adaptive`` updates without forces, then continuously.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

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
from phasewire.bias._kernels import KernelSum
from phasewire.errors import make_error
from phasewire.files.colvars import ColumnWriter

# The counters that `update` changes, in the order of the state.
_COUNTERS = ("samples", "weights", "squares", "measured")


class Opes(Deposited):
    """OPES_METAD: sample a well-tempered distribution over a barrier.

    Parameters
    ----------
    variables : Variable or sequence of Variable
    barrier : float
        The highest free energy to cross. Some kT too high is better than too low.
    kT : float
    pace : int
        Steps between kernels: 500, or a correlation time of the variables.
    sigma : float, sequence of float or None
        Standard deviation of each variable in the narrowest basin, unbiased. None: measured during the run.
    adaptive : int, optional
        Without ``sigma``, the number of updates (steps, if the bias acts at each) over which it is measured. Default:
        10 times the pace.
    bias_factor : float, optional
        gamma. Default: barrier / kT. ``inf``: a flat distribution (not with a measured sigma).
    epsilon, cutoff : float, optional
        Defaults: epsilon as above, and cutoff sqrt(2 barrier / (q kT)).
    compression : float
        0: kernels are never merged.
    fixed_sigma : bool
        Whether the bandwidth stays constant.
    least_sigma : float or sequence of float, optional
        Lower limit of the bandwidth.
    normalise : bool
        False: Z = 1.
    kernels : path, optional
        File to which each kernel is appended before it is merged, in PLUMED's format; a new run renames an existing
        file to ``bck.0.NAME``. It is a record only: a restart needs `state`.
    name : str

    Raises
    ------
    InputError
        ``BAD_OPTION`` for invalid parameters.
    """

    _explores = False
    _action = "OPES_METAD"

    def __init__(
        self,
        variables: Any,
        *,
        barrier: float,
        kT: float,  # noqa: N803
        pace: int = 500,
        sigma: ArrayLike | None = None,
        adaptive: int | None = None,
        bias_factor: float | None = None,
        epsilon: float | None = None,
        cutoff: float | None = None,
        compression: float = 1.0,
        fixed_sigma: bool = False,
        least_sigma: ArrayLike | None = None,
        normalise: bool = True,
        kernels: str | PathLike[str] | None = None,
        name: str = "opes",
    ) -> None:
        super().__init__(variables, name=name)
        count = len(self.variables)
        self.barrier = positive_number(barrier, f"{name}.barrier")
        self.kT = positive_number(kT, f"{name}.kT")
        self.pace = positive_integer(pace, f"{name}.pace")
        self.bias_factor = self._check_bias_factor(bias_factor)
        self._prefactor = self.bias_factor - 1.0 if self._explores else 1.0 - 1.0 / self.bias_factor
        self.sigma, self.adaptive = self._check_sigma(sigma, adaptive, count)
        self.epsilon = self._default(epsilon, "epsilon", math.exp(-self.barrier / (self._prefactor * self.kT)))
        # With the large q of exploration, its epsilon would cut kernels off far too early.
        reach = self.barrier / self.kT if self._explores else self.barrier / (self._prefactor * self.kT)
        self.cutoff = self._default(cutoff, "cutoff", math.sqrt(2.0 * reach))
        self.compression = float(compression)
        if not 0 <= self.compression < self.cutoff:
            raise bad_option(f"{name}.compression", compression, f"a number from 0 to the cutoff, {self.cutoff:.3g}")
        self.fixed_sigma, self.normalise = bool(fixed_sigma), bool(normalise)
        self.least_sigma = (
            None if least_sigma is None else per_variable(least_sigma, count, f"{name}.least_sigma", positive=True)
        )
        self.kernels = None if kernels is None else Path(kernels)
        self._writer: ColumnWriter | None = None

        self._sum = KernelSum(count, self.cutoff, self.compression)
        self._unbiased = KernelSum(count, self.cutoff, self.compression) if self._explores else self._sum
        # One initial sample at the bottom of the bias prevents a division by zero.
        self._samples = 1.0
        self._weights = self.epsilon**self._prefactor if normalise else 1.0
        self._squares = self._weights**2
        self._mean: Values = np.zeros(count)
        self._deviation: Values = np.zeros(count)
        self._measured = 0.0
        self._step: int | None = None

    @property
    def kernel_count(self) -> int:
        """Number of kernels after merging."""
        return len(self._sum)

    @property
    def effective_samples(self) -> float:
        """Kish's effective number of samples."""
        return (1.0 + self._weights) ** 2 / (1.0 + self._squares)

    @property
    def normalisation(self) -> float:
        """Z."""
        if not self.normalise or self.kernel_count == 0:
            return 1.0
        return self._sum.pairs / (self._norm * self.kernel_count)

    def update(self, values: ArrayLike, step: int, time: float | None = None) -> None:
        """Add a kernel if a multiple of the pace has passed. The first step of a run gets none."""
        before, self._step = self._step, int(step)
        if before is None or step == before:
            return
        checked = self._check_values(values)
        if self.sigma is None:
            self._measure(checked)
            if self._measured < self.adaptive and self._samples == 1.0:
                return
        if passed(self.pace, before, step):
            self._deposit(checked, float(step if time is None else time))

    def columns(self) -> dict[str, float]:
        """Return the bias, c(t) = kT log(mean of exp(V/kT)), Z, and the numbers of effective samples and kernels."""
        return {
            **super().columns(),
            f"{self.name}.rct": self.kT * math.log(self._weights / self._samples),
            f"{self.name}.zed": self.normalisation,
            f"{self.name}.neff": self.effective_samples,
            f"{self.name}.nker": float(self.kernel_count),
        }

    def free_energy(self, points: ArrayLike) -> Values:
        """Return the estimate of the free energy, 0 at the lowest of the points; infinite where all kernels vanish.

        It is updated during the run. `reweight`, which uses all frames, is more precise.

        Parameters
        ----------
        points : array_like, shape (P,) or (P, V)

        Returns
        -------
        ndarray, shape (P,)
        """
        density = self._unbiased.evaluate(as_points(points, len(self.variables), self.name))[0]
        if not (density > 0).any():
            return np.full(len(density), np.inf if self.kernel_count else 0.0)
        with np.errstate(divide="ignore"):
            free: Values = -self.kT * np.log(density)
        free -= free.min()
        return free

    def settings(self) -> dict[str, Any]:
        """Return all parameters except the file, with computed defaults."""
        return self._describe(
            barrier=self.barrier,
            kT=self.kT,
            pace=self.pace,
            sigma=self.sigma,
            adaptive=self.adaptive,
            # JSON has no infinity.
            bias_factor=self.bias_factor if math.isfinite(self.bias_factor) else "inf",
            epsilon=self.epsilon,
            cutoff=self.cutoff,
            compression=self.compression,
            fixed_sigma=self.fixed_sigma,
            least_sigma=self.least_sigma,
            normalise=self.normalise,
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the kernels, sums and measured spreads, and the step up to which they are complete."""
        return {
            **self._sum.state("kernel_"),
            **(self._unbiased.state("unbiased_") if self._explores else {}),
            "mean": self._mean.copy(),
            "deviation": self._deviation.copy(),
            "counters": np.array([getattr(self, f"_{name}") for name in _COUNTERS]),
            **step_state(self._step),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a `state`; later kernels are removed from the KERNELS file.

        Raises
        ------
        InputError
            ``FILE_FORMAT`` if the state is not of OPES with this number of variables.
        """
        require_keys(state, self.state(), self.name)
        if np.shape(state["mean"]) != (len(self.variables),) or np.shape(state["counters"]) != (len(_COUNTERS),):
            raise make_error(
                "FILE_FORMAT",
                f"the kernels of the state are not in {len(self.variables)} variables",
                field=f"{self.name}.state",
                value=np.shape(state["mean"]),
                remedy="restore the bias that wrote it",
            )
        self._sum.restore(state, "kernel_")
        if self._explores:
            self._unbiased.restore(state, "unbiased_")
        self._mean, self._deviation = np.array(state["mean"]), np.array(state["deviation"])
        for key, value in zip(_COUNTERS, np.asarray(state["counters"], dtype=np.float64), strict=True):
            setattr(self, f"_{key}", float(value))
        self._step = step_of(state)
        # Reopening the file removes later kernels.
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @property
    def _norm(self) -> float:
        return self._samples if self._explores else self._weights

    def _evaluate_many(self, points: Values) -> tuple[Values, Values]:
        sums, gradients = self._sum.evaluate(points)
        scale, norm = self.kT * self._prefactor, self.normalisation * self._norm
        inner = sums / norm + self.epsilon
        return scale * np.log(inner), scale * gradients / (norm * inner[:, None])

    def _measure(self, values: Values) -> None:
        """Update mean and variance (B. P. Welford, Technometrics 4, 419, 1962), the mean over a window of steps."""
        self._measured += 1.0
        window = min(self._measured, float(self.adaptive))
        away = values - self._mean
        self._mean = self._mean + away / window
        self._deviation = self._deviation + away * (values - self._mean)

    def _deposit(self, centre: Values, time: float) -> None:
        bias = self._evaluate(centre)[0]
        weight = math.exp(bias / self.kT)
        first = self._samples == 1.0
        samples, weights, squares = self._samples + 1.0, self._weights + weight, self._squares + weight * weight
        if first and self.sigma is None:
            # The run was unbiased until now, so its spread is that of gamma = 1.
            self._deviation = self._deviation * self.bias_factor
        # The bandwidth includes this sample.
        unbiased = self._bandwidth(self._unbiased_sigma(), (1.0 + weights) ** 2 / (1.0 + squares), weight)
        sigma, height = unbiased
        if self._explores:
            sigma, height = self._bandwidth(self._unbiased_sigma() * math.sqrt(self.bias_factor), samples, 1.0)
        self._write(centre, sigma, height, bias, time)
        self._samples, self._weights, self._squares = samples, weights, squares
        self._sum.add(centre, sigma, height)
        if self._explores:
            self._unbiased.add(centre, *unbiased)

    def _bandwidth(self, sigma: Values, size: float, weight: float) -> tuple[Values, float]:
        """Return sigma and height of a kernel, from sigma_0 and the number of samples."""
        if self.fixed_sigma:
            return sigma, weight
        count = len(self.variables)
        shrink = np.full(count, (size * (count + 2.0) / 4.0) ** (-1.0 / (count + 4.0)))
        if self.least_sigma is not None:
            shrink = np.maximum(shrink, self.least_sigma / sigma)
        return sigma * shrink, weight / float(np.prod(shrink))

    def _unbiased_sigma(self) -> Values:
        """Return sigma_0 of the unbiased distribution, whose variance is 1/gamma of the well-tempered one's."""
        if self.sigma is not None:
            return self.sigma
        sigma: Values = np.sqrt(self._deviation / self._measured / self.bias_factor)
        if not (sigma > 0).all():
            raise make_error(
                "BAD_OPTION",
                "a variable did not change while its spread was measured",
                field=f"{self.name}.sigma",
                value=sigma.tolist(),
                remedy="give sigma, or find out why the variable is constant",
            )
        return sigma

    def _write(self, centre: Values, sigma: Values, height: float, bias: float, time: float) -> None:
        if self.kernels is None:
            return
        names = [variable.name for variable in self.variables]
        fields = ["time", *names, *(f"sigma_{name}" for name in names), "height", "logweight"]
        if self._writer is None:
            constants = {
                "action": f"{self._action}_kernels",
                "biasfactor": self.bias_factor,
                "epsilon": self.epsilon,
                "kernel_cutoff": self.cutoff,
                "compression_threshold": self.compression,
            }
            # A run that already has kernels is continued.
            restart_time = None if self._samples == 1.0 else math.nextafter(time, -math.inf)
            self._writer = ColumnWriter(self.kernels, fields, constants=constants, restart_time=restart_time)
        self._writer.write(dict(zip(fields, [time, *centre, *sigma, height, bias / self.kT], strict=True)))

    def _check_bias_factor(self, bias_factor: float | None) -> float:
        field = f"{self.name}.bias_factor"
        if bias_factor is None:
            bias_factor = self.barrier / self.kT
            if not bias_factor > 1:
                raise bad_option(f"{self.name}.barrier", self.barrier, f"an energy above kT, {self.kT:g}")
        if bias_factor == math.inf and not self._explores:
            return math.inf
        return positive_number(bias_factor, field, least=1)

    def _check_sigma(self, sigma: ArrayLike | None, adaptive: int | None, count: int) -> tuple[Values | None, int]:
        if sigma is not None:
            if adaptive is not None:
                raise bad_option(f"{self.name}.adaptive", adaptive, "either sigma or adaptive")
            return per_variable(sigma, count, f"{self.name}.sigma", positive=True), 0
        if math.isinf(self.bias_factor):
            raise bad_option(f"{self.name}.sigma", sigma, "sigma, which cannot be measured for a flat distribution")
        steps = 10 * self.pace if adaptive is None else positive_integer(adaptive, f"{self.name}.adaptive")
        if steps < self.pace:
            raise bad_option(f"{self.name}.adaptive", adaptive, f"a number of steps, at least the pace of {self.pace}")
        return None, steps

    def _default(self, given: float | None, field: str, default: float) -> float:
        if given is not None:
            return positive_number(given, f"{self.name}.{field}")
        if not default > 0:
            raise bad_option(
                f"{self.name}.barrier", self.barrier, "a lower barrier: its exponential is 0 in double precision"
            )
        return default


class OpesExplore(Opes):
    """OPES_METAD_EXPLORE: explores sooner; parameters as for `Opes`.

    Its bias follows the free energy less closely than that of `Opes`, so `free_energy` comes from reweighted kernels.
    """

    _explores = True
    _action = "OPES_METAD_EXPLORE"
