"""The pool of toy fluids: generated once (this takes minutes, see fluids.py), then read from its file."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def load_or_generate(path: Path, runs: int, snapshots: int, seed: int) -> dict[str, np.ndarray]:
    """The pool as flat arrays (`atoms` rows x, y, z, type; `starts`; `families`), cached in `path`."""
    if not path.exists():
        # Only generating a pool needs LAMMPS and OVITO. Training on one does not.
        from .fluids import generate

        frames, families = generate(runs, snapshots, seed)
        starts = np.cumsum([0, *map(len, frames)])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, atoms=np.concatenate(frames), starts=starts, families=np.array(families))
    with np.load(path) as pool:
        return {name: pool[name] for name in pool.files}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--snapshots", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pool = load_or_generate(arguments.path, arguments.runs, arguments.snapshots, arguments.seed)
    names, counts = np.unique(pool["families"], return_counts=True)
    print(dict(zip(names.tolist(), counts.tolist(), strict=True)))
