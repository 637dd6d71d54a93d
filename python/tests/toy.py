"""Toys for the tests of biases: walks in landscapes whose free energy is known, kT = 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Named:
    """The only attribute of a variable that a bias needs."""

    name: str


X, Y = Named("x"), Named("y")


def double_well(points, barrier=5.0):
    """Energies and gradients at (W, 1) points: minima at -1 and 1, a barrier between them.

    barrier / 2 (1 + cos(pi x)) between the minima, continued by parabolas beyond them.
    """
    x = points[:, 0]
    beyond = np.where(np.abs(x) > 1.0, x - np.sign(x), 0.0)
    inside = np.clip(x, -1.0, 1.0)
    half = 0.5 * barrier
    energies = half * (1.0 + np.cos(np.pi * inside)) + 0.5 * half * np.pi**2 * beyond**2
    return energies, (-half * np.pi * np.sin(np.pi * inside) + half * np.pi**2 * beyond)[:, None]


def double_well_in_bins(edges):
    """Free energies of bins, from the mean of exp(-F) over each bin, as a histogram gives them."""
    fine = np.linspace(edges[:-1], edges[1:], 21)
    return -np.log(np.mean(np.exp(-double_well(fine.reshape(-1, 1))[0]).reshape(fine.shape), axis=0))


def double_well_2d(points):
    """A double well with barrier 3 in x, 2 (y - x/2)^2, and a slope of 1/2 that lifts one of the minima."""
    energies, slopes = double_well(points, 3.0)
    away = points[:, 1] - 0.5 * points[:, 0]
    gradients = np.stack([slopes[:, 0] - 2.0 * away + 0.5, 4.0 * away], axis=1)
    return energies + 2.0 * away**2 + 0.5 * points[:, 0], gradients


class Walkers:
    """A Metropolis walk of independent walkers in a landscape, a box and one bias.

    Averages are exact for any stride, so deviations from the known free energy come from the bias. Other tests compare
    its forces with its energy. The bias is updated with one walker after the other, as if each were a step of one run.
    Its pace must not divide the number of walkers, or the same walkers would make all hills.
    """

    BOX = 3.5

    def __init__(self, landscape, start, walkers, *, seed, stride=0.5):
        self.landscape = landscape
        self.rng = np.random.default_rng(seed)
        self.positions = np.repeat(np.array([start], dtype=float), walkers, axis=0)
        self.stride = stride
        self.step = 0

    def run(self, bias, rounds):
        """Move all walkers some number of times."""
        bias.update(self.positions[0], self.step, float(self.step))
        for _ in range(rounds):
            proposed = self.positions + self.stride * self.rng.normal(size=self.positions.shape)
            inside = (np.abs(proposed) <= self.BOX).all(axis=1)
            proposed = np.where(inside[:, None], proposed, self.positions)
            energies, _ = bias.energies(np.concatenate([self.positions, proposed]))
            rise = np.diff(energies.reshape(2, -1), axis=0)[0]
            rise += self.landscape(proposed)[0] - self.landscape(self.positions)[0]
            taken = np.log(self.rng.random(len(rise))) < -rise
            self.positions = np.where(taken[:, None], proposed, self.positions)
            for position in self.positions:
                self.step += 1
                if self.step % bias.pace == 0:
                    bias.update(position, self.step, float(self.step))

    def sample(self, bias, rounds, *, every=10):
        """Move on, and return the first variable and the bias of all walkers, every few rounds."""
        values, energies = [], []
        for _ in range(rounds // every):
            self.run(bias, every)
            values.append(self.positions[:, 0])
            energies.append(bias.energies(self.positions)[0])
        return np.concatenate(values), np.concatenate(energies)


def error_within(estimate, exact, limit=6.0):
    """Largest deviation of two free energies, without their means, where the exact one is within a limit."""
    inside = exact - exact.min() < limit
    difference = (estimate - exact)[inside]
    return float(np.max(np.abs(difference - difference.mean())))


def spread_within(estimate, exact, limit=6.0):
    """Root mean square of that deviation: in two variables, the largest of a thousand means little."""
    inside = exact - exact.min() < limit
    return float(np.std((estimate - exact)[inside]))
