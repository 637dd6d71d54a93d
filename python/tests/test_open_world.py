"""The shipped default model after denoising: hot crystals of its own are found, and others are none of them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from phasewire import Local

SEED = 7
STEPS = 8


@pytest.fixture(scope="module")
def local() -> Local:
    return Local()


def shaken(atoms: Atoms, sigma: float) -> Atoms:
    """The same atoms, displaced by sigma per component, in units of a0."""
    length = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    atoms.positions += np.random.default_rng(SEED).normal(0.0, sigma * length, atoms.positions.shape)
    return atoms


def analyse(local: Local, atoms: Atoms, denoise: int) -> tuple[dict[str, float], float]:
    result = local.analyse(
        atoms.positions,
        np.asarray(atoms.cell),
        True,
        atoms.get_chemical_symbols(),
        denoise=denoise,
        fields=("labels", "confidence"),
    )
    return result.fractions, float(result.confidence.mean())


CORUNDUM = crystal(
    ("Al", "O"), [(0, 0, 0.352), (0.306, 0, 0.25)], spacegroup=167, cellpar=[4.76, 4.76, 12.99, 90, 90, 120]
)
CRYSTALS = {
    "fcc": bulk("Cu", cubic=True) * (5, 5, 5),
    "bcc": bulk("Fe", cubic=True) * (6, 6, 6),
    "diamond": bulk("Si", cubic=True) * (4, 4, 4),
    "B1": bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (4, 4, 4),
}


@pytest.mark.parametrize("phase", CRYSTALS)
def test_a_crystal_displaced_by_a_sixth_of_the_length_scale_is_found(local, phase: str) -> None:
    fractions, confidence = analyse(local, shaken(CRYSTALS[phase].copy(), 0.16), STEPS)
    assert fractions[phase] >= 0.99, f"seed {SEED}: {fractions[phase]}"
    assert confidence > 0.8


CRISTOBALITE = crystal(("Si", "O"), [(0, 0, 0), (0.125, 0.125, 0.125)], spacegroup=227, cellpar=[7.16] * 3 + [90] * 3)


def hydride() -> Atoms:
    """A bcc metal with half as many light atoms at random among its tetrahedral sites."""
    host = bulk("Nb", "bcc", a=3.4, cubic=True) * (5, 5, 5)
    sites = crystal("H", [(0.25, 0.5, 0)], spacegroup=229, cellpar=[3.4] * 3 + [90] * 3) * (5, 5, 5)
    order, chosen = np.random.default_rng(SEED).permutation(len(sites)), []
    for site in order:
        if len(chosen) == len(host) // 2:
            break
        if not chosen or sites.get_distances(site, chosen, mic=True).min() > 1.9:
            chosen.append(site)
    return host + sites[chosen]


@pytest.mark.parametrize("sigma", [0.0, 0.04])
@pytest.mark.parametrize("name", ["corundum", "beta-cristobalite", "hydride"])
def test_what_has_no_class_is_disordered_after_denoising(local, name: str, sigma: float) -> None:
    made = {
        "corundum": lambda: CORUNDUM * (2, 2, 1),
        "beta-cristobalite": lambda: CRISTOBALITE * (2, 2, 2),
        "hydride": hydride,
    }
    fractions, confidence = analyse(local, shaken(made[name](), sigma), STEPS)
    assert fractions["disordered"] >= 0.99, f"seed {SEED}: {fractions}"
    assert confidence > 0.8


def test_the_boundaries_of_mirror_twins_stay_crystalline(local) -> None:
    # Two halves of fcc, mirrored by the plane (310): the symmetric boundary of 36.9 degrees.
    normal, inside, edge = np.array([3, 1, 0]) / 10**0.5, np.array([-1, 3, 0]) / 10**0.5, 3.6
    width, height = edge * 10**0.5, 4 * edge * 10**0.5
    grid = edge * np.stack(np.meshgrid(*[np.arange(-40, 41)] * 2, np.arange(3), indexing="ij"), -1).reshape(-1, 3)
    basis = edge / 2 * np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    points = (grid[:, None] + basis).reshape(-1, 3)
    heights, along = points @ normal, points @ inside
    half = points[(heights > 1e-6) & (heights < height - 1e-6) & (along > -1e-6) & (along < 2 * width - 1e-6)]
    upper = np.column_stack([half @ inside, half[:, 2], half @ normal])
    lower = upper * [1, 1, -1]
    shared = points[(np.abs(heights) < 1e-6) & (along > -1e-6) & (along < 2 * width - 1e-6)]
    plane = np.column_stack([shared @ inside, shared[:, 2], 0 * shared[:, 2]])
    positions = np.vstack([upper, lower, plane])
    atoms = Atoms("Cu" * len(positions), positions, cell=[2 * width, 3 * edge, 2 * height], pbc=True)
    fractions, _ = analyse(local, shaken(atoms, 0.05), STEPS)
    assert fractions["disordered"] <= 0.02, f"seed {SEED}: {fractions}"
    assert fractions["fcc"] > 0.9
