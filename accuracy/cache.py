"""Results on disk, so that an interrupted run continues where it stopped.

The key of an entry holds everything that it depends on: the model, the core, the frame, the method and its settings.
Nothing expires. Delete the folder to start afresh.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

Arrays = dict[str, np.ndarray]
# Increase this number when the contents of entries change.
VERSION = 1


def digest(atoms: Atoms) -> str:
    """SHA-256 of everything that an analysis depends on: positions, cell, periodicity and species."""
    content = hashlib.sha256()
    for array, dtype in (
        (atoms.positions, "<f8"),
        (np.asarray(atoms.cell), "<f8"),
        (atoms.pbc, "u1"),
        (atoms.numbers, "<i4"),
    ):
        content.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
    return content.hexdigest()


class Cache:
    """A folder of `.npz` files. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: Mapping[str, object], compute: Callable[[], Arrays]) -> Arrays:
        """The entry of a key. It is computed and kept if it does not exist or cannot be read."""
        if self.folder is None:
            return compute()
        name = hashlib.sha256(json.dumps({**key, "version": VERSION}, sort_keys=True).encode()).hexdigest()[:32]
        path = self.folder / f"{name}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as stored:
                    return dict(stored)
            except (OSError, ValueError, EOFError, zipfile.BadZipFile):
                path.unlink()
        arrays = compute()
        # The entry gets another name at first, so that an interrupted run does not leave half of it.
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)
        unfinished.replace(path)
        return arrays
