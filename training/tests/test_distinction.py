"""Distances between sites: small between copies of one crystal, large between different crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.distinction import LEAST_ATOMS, describe, distances, sample_sites, whitened_sites
from training.prototypes import Prototype, built_in


def turned(prototype: Prototype) -> Prototype:
    """The same crystal rotated, with its species exchanged."""
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    return replace(
        prototype,
        cell=prototype.cell @ rotation,
        positions=prototype.positions @ rotation,
        species=prototype.species.max() - prototype.species,
    )


def test_numbers_depend_neither_on_orientation_nor_on_the_order_of_species() -> None:
    for prototype in built_in(["dhcp", "L1_2", "rutile"]):
        same = turned(prototype)
        np.testing.assert_allclose(
            describe(same.positions, same.cell, same.species),
            describe(prototype.positions, prototype.cell, prototype.species),
            atol=1e-4,
        )


def test_sites_of_a_crystal() -> None:
    sites, scatter, freedom = sample_sites(built_in(["L1_2"])[0], 0)
    assert sorted(sites.shares) == pytest.approx([0.25, 0.75])
    assert scatter.shape == (sites.means.shape[1],) * 2
    assert freedom % LEAST_ATOMS != 0 and freedom > 100


def test_copies_are_near_and_other_crystals_are_far() -> None:
    prototypes = built_in(["fcc", "hcp", "dhcp", "bcc", "L1_2", "D0_19", "B3", "B4"])
    copy = turned(built_in(["dhcp"])[0])
    sites = whitened_sites([*prototypes, copy])
    between = {
        (first.name, second.name): distances(one, other)
        for first, one in zip(prototypes, sites, strict=False)
        for second, other in zip(prototypes, sites, strict=False)
        if first is not second
    }
    assert distances(sites[-1], sites[2]).max() < 8
    assert min(values.min() for values in between.values()) > 12
    assert between["fcc", "dhcp"].min() < between["fcc", "hcp"].min()
    assert between["fcc", "bcc"].min() < between["fcc", "B3"].min()
