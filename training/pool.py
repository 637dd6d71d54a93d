"""The pools of toy fluids and networks: generated once (fluids.py, networks.py), then read from their files."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm


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


def load_networks(folder: Path, runs: int, seed: int, dense: bool = False) -> tuple[list[np.ndarray], list[int]]:
    """Snapshots of so many runs, and the run of each. Runs are kept in files of `folder`; missing ones are made."""
    folder.mkdir(parents=True, exist_ok=True)
    frames: list[np.ndarray] = []
    of_run: list[int] = []
    for run in tqdm(range(runs), desc="toy networks, dense" if dense else "toy networks"):
        path = folder / f"{seed}-{run:04d}.npz"
        if not path.exists():
            from .networks import generate

            name, made = generate(run, seed, dense)
            np.savez_compressed(path, family=np.array(name), **{str(index): frame for index, frame in enumerate(made)})
        with np.load(path) as kept:
            found = [kept[name] for name in kept.files if name != "family"]
        frames += found
        of_run += [run] * len(found)
    return frames, of_run


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
