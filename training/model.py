"""The phase model in JAX: docs/maths.md, formula by formula (arXiv:2512.11077 for the framework).

Everything is written for dense, padded neighbour tables: `vectors` is (N, J, 3) in units of a0, and `mask` marks real
neighbours. On CPUs, batched matrix products over atoms are several times faster than edge lists with segment sums.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from math import factorial, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, jax.Array]


@dataclass(frozen=True)
class ModelConfig:
    """Constants of the model; lengths in units of a0."""

    classes: tuple[str, ...]
    cutoff: float = 2.3
    basis_count: int = 10
    basis_first: float = 0.6
    basis_last: float = 2.3
    basis_width: float = 0.2
    epsilon: float = 1e-3
    logit_length: float = 0.06
    channels: int = 16
    lmax: int = 6
    # The degree of the harmonics that is left out: 0 for none, or 5 if lmax is 6. Degree 5 costs eleven harmonics and
    # adds little information.
    skipped_degree: int = 0
    # Widths: the first layer of network 1, the hidden numbers h_a, and how many of these the messages carry.
    inner_width: int = 64
    hidden_width: int = 32
    message_width: int = 32
    # Width of the last hidden layer. More than a few dozen classes need more.
    outer_width: int = 64

    @property
    def class_count(self) -> int:
        return len(self.classes)

    @property
    def degrees(self) -> tuple[int, ...]:
        """Degrees of the harmonics, including 0."""
        return tuple(degree for degree in range(self.lmax + 1) if degree == 0 or degree != self.skipped_degree)

    @property
    def invariant_count(self) -> int:
        return self.channels * (len(self.degrees) + 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Intermediates:
    """The intermediate values that the golden files record besides the logits. models/FORMAT.md gives the shapes."""

    radial: jax.Array
    density: jax.Array
    invariants: jax.Array
    hidden: jax.Array
    messages: jax.Array


jax.tree_util.register_dataclass(
    Intermediates,
    data_fields=["radial", "density", "invariants", "hidden", "messages"],
    meta_fields=[],
)


def radial_functions(config: ModelConfig, mix: jax.Array, r: jax.Array) -> jax.Array:
    """All radial functions of both kinds: (..., 2 * (channels + 1)), kind-major; zero beyond the cutoff."""
    centres = jnp.linspace(config.basis_first, config.basis_last, config.basis_count)
    basis = jnp.exp(-0.5 * ((r[..., None] - centres) / config.basis_width) ** 2)
    x6 = jnp.minimum(r / config.cutoff, 1.0) ** 6
    envelope = (1.0 - x6) ** 3
    return (envelope[..., None] * basis) @ mix.reshape(-1, config.basis_count).T


def _associated_legendre_polynomials(lmax: int) -> dict[tuple[int, int], np.ndarray]:
    """Coefficients (ascending powers of z) of Q_l^m = d^m P_l / dz^m, times the norm n_lm."""
    table = {}
    for degree in range(lmax + 1):
        legendre = np.polynomial.legendre.leg2poly([0.0] * degree + [1.0])
        for order in range(degree + 1):
            derivative = np.polynomial.polynomial.polyder(legendre, order) if order else legendre
            norm = sqrt(2.0 * factorial(degree - order) / factorial(degree + order)) if order else 1.0
            table[degree, order] = norm * np.atleast_1d(derivative)
    return table


def harmonics(degrees: tuple[int, ...], unit: jax.Array) -> jax.Array:
    """Racah-normalised real harmonics C_lm of unit vectors (..., 3), one degree after another: (..., sum of 2l + 1)."""
    lmax = max(degrees)
    x, y, z = unit[..., 0], unit[..., 1], unit[..., 2]
    cosines, sines = [jnp.ones_like(x)], [jnp.zeros_like(x)]
    for _ in range(lmax):
        cosines.append(cosines[-1] * x - sines[-1] * y)
        sines.append(sines[-1] * x + cosines[-2] * y)
    columns: list[jax.Array | None] = [None] * (lmax + 1) ** 2
    for (degree, order), coefficients in _associated_legendre_polynomials(lmax).items():
        polynomial = jnp.full_like(z, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            polynomial = polynomial * z + coefficient
        centre = degree * degree + degree
        columns[centre + order] = polynomial * cosines[order]
        if order:
            columns[centre - order] = polynomial * sines[order]
    return jnp.stack([column for degree in degrees for column in columns[degree**2 : (degree + 1) ** 2]], axis=-1)


def densities(
    config: ModelConfig, params: Params, vectors: jax.Array, mask: jax.Array, other: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Radial functions of the own kind (N, J, channels + 1), densities A (N, channels, harmonics), lengths."""
    squared = jnp.sum(vectors * vectors, axis=-1)
    r = jnp.sqrt(jnp.where(mask, squared, 1.0))
    unit = jnp.where(mask[..., None], vectors / r[..., None], jnp.array([0.0, 0.0, 1.0]))
    both = radial_functions(config, params["radial.mix"], r)
    width = config.channels + 1
    radial = jnp.where(other[..., None], both[..., width:], both[..., :width]) * mask[..., None]
    angular = harmonics(config.degrees, unit)
    density = jnp.einsum("njk,njm->nkm", radial[..., : config.channels], angular)
    return radial, density, r


def invariants(config: ModelConfig, params: Params, density: jax.Array) -> jax.Array:
    """Standardised rotation invariants b (N, channels * (degrees + 1))."""
    blocks = []
    first = 0
    for index, degree in enumerate(config.degrees):
        block = density[:, :, first : first + 2 * degree + 1]
        first += 2 * degree + 1
        mixed = jnp.einsum("qk,nkm->nqm", params["invariants.mix"][index], block)
        blocks.append(jnp.sqrt(jnp.sum(mixed * mixed, axis=-1) + config.epsilon))
    blocks.append(density[:, :, 0])
    raw = jnp.concatenate(blocks, axis=-1)
    return (raw - params["standard.mean"]) * params["standard.scale"]


# Compiled as a whole: one operation after the other, most of the time goes into the compilation of dozens of them.
@partial(jax.jit, static_argnums=0)
def logits(
    config: ModelConfig,
    params: Params,
    vectors: jax.Array,
    mask: jax.Array,
    other: jax.Array,
    neighbours: jax.Array,
) -> tuple[jax.Array, Intermediates]:
    """Logits (N, C).

    vectors: (N, J, 3) neighbour vectors in units of a0; mask, other: (N, J) booleans, `other` where the neighbour is of
    another species; neighbours: (N, J) indices, any valid index where `mask` is false.
    """
    radial, density, _ = densities(config, params, vectors, mask, other)
    features = invariants(config, params, density)
    hidden = jax.nn.silu(features @ params["network1.weight0"].T + params["network1.bias0"])
    hidden = jax.nn.silu(hidden @ params["network1.weight1"].T + params["network1.bias1"])
    messages = jnp.einsum("nj,njh->nh", radial[..., config.channels], hidden[:, : config.message_width][neighbours])
    both = jnp.concatenate([hidden, messages], axis=-1)
    outer = jax.nn.silu(both @ params["network2.weight0"].T + params["network2.bias0"])
    # Class 0 is flat: its row of the last matrix is zero by definition, not by training.
    weight = params["network2.weight1"].at[0].set(0.0)
    result = outer @ weight.T + params["network2.bias1"]
    return result, Intermediates(radial, density, features, hidden, messages)


def initial_params(config: ModelConfig, seed: int) -> Params:
    """Random weights, scaled so that every stage starts at unit variance."""
    rng = np.random.default_rng(seed)
    radial_count = config.channels + 1
    centres = np.linspace(config.basis_first, config.basis_last, config.basis_count)
    targets = np.linspace(0.75, config.cutoff - 0.1, config.channels)
    # The density channels start as separate shells plus noise. Training is faster than from pure noise.
    shells = np.exp(-0.5 * ((targets[:, None] - centres) / 0.15) ** 2)
    mix = np.zeros((2, radial_count, config.basis_count))
    for kind in range(2):
        mix[kind, :-1] = 0.5 * shells + 0.1 * rng.normal(size=shells.shape)
        mix[kind, -1] = 0.02 * np.exp(-0.5 * ((centres - 1.2) / 0.4) ** 2)
    mix[1, :-1] += 0.3 * rng.normal(size=shells.shape)
    invariants_mix = np.stack(
        [np.eye(config.channels) + rng.normal(size=(config.channels,) * 2) * 0.3 for _ in config.degrees]
    )

    def dense(outputs: int, inputs: int, gain: float = 1.4) -> np.ndarray:
        return rng.normal(size=(outputs, inputs)) * gain / sqrt(inputs)

    params = {
        "radial.mix": mix,
        "invariants.mix": invariants_mix,
        "standard.mean": np.zeros(config.invariant_count),
        "standard.scale": np.ones(config.invariant_count),
        "network1.weight0": dense(config.inner_width, config.invariant_count),
        "network1.bias0": np.zeros(config.inner_width),
        "network1.weight1": dense(config.hidden_width, config.inner_width),
        "network1.bias1": np.zeros(config.hidden_width),
        "network2.weight0": dense(config.outer_width, config.hidden_width + config.message_width),
        "network2.bias0": np.zeros(config.outer_width),
        "network2.weight1": dense(config.class_count, config.outer_width),
        "network2.bias1": np.full(config.class_count, -5.0),
    }
    params["network2.weight1"][0] = 0.0
    params["network2.bias1"][0] = -10.0
    return {name: jnp.asarray(value) for name, value in params.items()}


def log_density_per_atom(logit_table: jax.Array) -> jax.Array:
    """logsumexp over all classes, class 0 being flat (docs/maths.md, "Class 0")."""
    return jax.nn.logsumexp(logit_table, axis=-1)
