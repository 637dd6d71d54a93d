"""Label crystals with random displacements by the shipped model and by a model with one more class.

    .venv/bin/python examples/fine-tune/compare.py MODEL [--structure FILE] [--noise 0.08]

The script prints the shares of the most frequent labels, before and after denoising. Noise is the standard deviation of
a coordinate in units of a0, the cube root of the volume per atom. Crystals close to melting have 0.06 to 0.1.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read
from phasewire import Local

LEAST_WIDTH = 5.0


def supercell(atoms: Atoms) -> Atoms:
    """Repeat a cell until no two images of an atom see the same neighbours."""
    a0 = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(atoms.cell[:]), axis=0)
    return atoms * np.ceil(LEAST_WIDTH * a0 / heights).astype(int)


def shaken(atoms: Atoms, noise: float, rng: np.random.Generator) -> Atoms:
    """Return a supercell with normal displacements of `noise` length scales per coordinate."""
    result = supercell(atoms)
    a0 = (result.get_volume() / len(result)) ** (1 / 3)
    result.positions += rng.normal(size=result.positions.shape) * noise * a0
    return result


def labels(analyser: Local, atoms: Atoms, denoise: int) -> str:
    """Return the shares of the three most frequent labels."""
    frame = (atoms.positions, np.asarray(atoms.cell), tuple(map(bool, atoms.pbc)), atoms.get_chemical_symbols())
    names = analyser.analyse(*frame, denoise=denoise, fields=("labels",)).phase_names()
    common = Counter(names.tolist()).most_common(3)
    return ", ".join(f"{name} {100 * count / len(names):.1f} %" for name, count in common)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="path of a .safetensors file")
    parser.add_argument("--structure", type=Path, default=Path(__file__).parent / "beta-Mn.cif")
    parser.add_argument("--noise", type=float, default=0.08, help="displacement per coordinate in length scales")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    crystals = {
        arguments.structure.stem: read(arguments.structure),
        "fcc": bulk("Cu", "fcc", a=3.61),
        "hcp": bulk("Mg", "hcp", a=3.21, c=5.21),
        "bcc": bulk("W", "bcc", a=3.17),
        "diamond": bulk("Si", "diamond", a=5.43),
        "B1": bulk("NaCl", "rocksalt", a=5.64),
    }
    rng = np.random.default_rng(arguments.seed)
    with Local() as shipped, Local(arguments.model) as own:
        for name, ideal in crystals.items():
            atoms = shaken(ideal, arguments.noise, rng)
            print(f"{name} ({len(atoms)} atoms)")
            for analyser in (shipped, own):
                for title, steps in (("as it is", 0), ("denoised", 8)):
                    print(f"    {analyser.model_name:16} {title}: {labels(analyser, atoms, steps)}")


if __name__ == "__main__":
    main()
