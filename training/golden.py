"""Golden files: double-precision inputs, intermediates, logits, score and virial of fixed frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.build import bulk

from .export import read_model
from .model import ModelConfig, Params, log_density_per_atom, logits
from .neighbours import neighbour_table


@dataclass(frozen=True)
class GoldenFrame:
    name: str
    atoms: Atoms
    species: list[int]
    length_scale: float


def _rattled(atoms: Atoms, sigma: float, seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms.positions += rng.normal(size=atoms.positions.shape) * sigma
    return atoms


def golden_frames() -> list[GoldenFrame]:
    """Elements, compounds, a triclinic cell, cells smaller than the cutoff, a left-handed cell, a cluster."""
    frames = []

    def add(name: str, atoms: Atoms, factor: float = 1.0, scale: float | None = None) -> None:
        numbers = atoms.get_atomic_numbers()
        species = [int(np.flatnonzero(np.unique(numbers) == number)[0]) for number in numbers]
        a0 = scale or factor * float((atoms.get_volume() / len(atoms)) ** (1 / 3))
        frames.append(GoldenFrame(name, atoms, species, a0))

    add("fcc-ideal", bulk("Cu", "fcc", a=3.615, cubic=True) * (2, 2, 2))
    add("fcc-hot", _rattled(bulk("Cu", "fcc", a=3.615, cubic=True) * (2, 2, 2), 0.18, 1))
    add("bcc-primitive", bulk("W", "bcc", a=3.165))
    add("hcp-small", _rattled(bulk("Mg", "hcp", a=3.21, c=5.21) * (2, 1, 1), 0.1, 2), 1.01)
    add("B1-hot", _rattled(bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (2, 1, 1), 0.2, 3))
    l12 = bulk("Ni", "fcc", a=3.57, cubic=True) * (2, 2, 1)
    l12.symbols[::4] = "Al"
    add("L1_2", _rattled(l12, 0.08, 4))
    triclinic = bulk("Si", "diamond", a=5.43) * (2, 3, 2)
    sheared = triclinic.cell @ (np.eye(3) + np.array([[0.02, 0.3, -0.2], [0, -0.03, 0.25], [0, 0, 0.02]]))
    triclinic.set_cell(sheared, scale_atoms=True)
    triclinic.positions += 5.0 * np.asarray(triclinic.cell)[0] - 2.0 * np.asarray(triclinic.cell)[2]
    add("triclinic-outside", _rattled(triclinic, 0.1, 5))
    left = bulk("Fe", "bcc", a=2.87, cubic=True) * (2, 2, 3)
    left.set_cell(np.asarray(left.cell)[[1, 0, 2]], scale_atoms=False)
    add("left-handed", _rattled(left, 0.12, 6), 1.02)
    cluster = bulk("Ar", "fcc", a=5.26, cubic=True) * (3, 3, 3)
    centre = cluster.positions.mean(axis=0)
    cluster = cluster[np.linalg.norm(cluster.positions - centre, axis=1) < 8.0]
    cluster.set_cell(np.zeros((3, 3)))
    cluster.pbc = False
    cluster.symbols[::7] = "Kr"
    add("cluster", _rattled(cluster, 0.15, 7), scale=5.26 / 4 ** (1 / 3))
    return frames


def golden_record(config: ModelConfig, params: Params, info: dict, frame: GoldenFrame) -> dict:
    """One golden object (models/FORMAT.md), computed in double precision."""
    atoms, a0 = frame.atoms, frame.length_scale
    periodic = bool(atoms.pbc.all())
    cell = np.asarray(atoms.cell) / a0 if periodic else None
    table = neighbour_table(atoms.positions / a0, cell, periodic, config.cutoff, None)
    species = np.array(frame.species)
    other = jnp.asarray(species[table.indices] != species[:, None])
    mask, indices = jnp.asarray(table.mask), jnp.asarray(table.indices)
    shifts = jnp.asarray(table.shifts)

    def evaluate(positions: jax.Array, strain: jax.Array):
        vectors = (positions[indices] - positions[:, None] + shifts) @ (jnp.eye(3) + strain)
        table_of_logits, stages = logits(config, params, vectors, mask, other, indices)
        return log_density_per_atom(table_of_logits).sum(), (table_of_logits, stages)

    positions = jnp.asarray(atoms.positions / a0)
    differentiated = jax.jit(jax.value_and_grad(evaluate, argnums=(0, 1), has_aux=True))
    (value, (table_of_logits, stages)), (gradient, strain_gradient) = differentiated(positions, jnp.zeros((3, 3)))
    return {
        "name": frame.name,
        "model": info["name"],
        "lengthScale": a0,
        "cell": np.asarray(atoms.cell).tolist(),
        "periodic": [bool(flag) for flag in atoms.pbc],
        "species": frame.species,
        "positions": atoms.positions.tolist(),
        "neighbourCounts": table.counts.tolist(),
        "radialFirst": np.asarray(stages.radial[0, 0]).tolist(),
        "densityFirst": np.asarray(stages.density[0]).tolist(),
        "invariants": np.asarray(stages.invariants).tolist(),
        "hidden": np.asarray(stages.hidden).tolist(),
        "messages": np.asarray(stages.messages).tolist(),
        "logits": np.asarray(table_of_logits).tolist(),
        "logDensity": float(value),
        "score": (np.asarray(gradient) / a0).tolist(),
        "virial": (-np.asarray(strain_gradient).T).tolist(),
    }


def write_golden(model_path: Path, folder: Path) -> list[Path]:
    """Write the golden files of one model. JAX must run in double precision."""
    if not jax.config.jax_enable_x64:
        raise RuntimeError("golden files need double precision: set JAX_ENABLE_X64=1")
    config, weights, info = read_model(model_path)
    params = {name: jnp.asarray(value, dtype=jnp.float64) for name, value in weights.items()}
    digest = json.loads((model_path.parent / "manifest.json").read_text())
    sha256 = next(m["sha256"] for m in digest["models"] if m["name"] == info["name"])
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for frame in golden_frames():
        record = golden_record(config, params, info, frame)
        record["modelSha256"] = sha256
        path = folder / f"{frame.name}.json"
        path.write_text(json.dumps(record) + "\n")
        paths.append(path)
    return paths
