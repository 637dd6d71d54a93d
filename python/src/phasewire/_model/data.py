"""Finds the compiled core and the shipped models.

They are package data, copied to phasewire/data before the package is built. The environment variable
``PHASEWIRE_DATA`` names another folder of the same layout (``phasewire.wasm``, ``manifest.json``,
``*.safetensors``). Set it to try a new core or new weights without installing the package again.
"""

from __future__ import annotations

import os
from pathlib import Path

from phasewire.errors import make_error

ENVIRONMENT_VARIABLE = "PHASEWIRE_DATA"
_PACKAGED = Path(__file__).resolve().parents[1] / "data"


def data_folder() -> Path:
    """Return the folder with the core and the models."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen).expanduser() if chosen else _PACKAGED


def data_file(name: str) -> Path:
    """Return the path of a data file.

    Raises
    ------
    ModelError
        ``MODEL_NOT_FOUND`` if it is not there.
    """
    path = data_folder() / name
    if not path.is_file():
        raise make_error(
            "MODEL_NOT_FOUND",
            f"the data file {name} is missing",
            field="path",
            value=str(path),
            remedy="run `npm run build` in the phasewire repository, which puts it there (its last step alone is "
            "`npm run build:package-data`), "
            f"or set {ENVIRONMENT_VARIABLE} to a folder that holds it",
        )
    return path
