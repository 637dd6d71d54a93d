"""Reads and writes npz files without pickle that hold arrays and a JSON object, and are complete or absent."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire.errors import make_error
from phasewire.files.atomic import access_error, replace_file

# The entry that holds the JSON object, with `format` and `version` among its keys.
_ABOUT = "about"


def write_npz(path: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; ``BAD_OPTION`` for an array of objects.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise make_error(
                "BAD_OPTION",
                "only arrays of numbers and text can be stored",
                field=name,
                value=array,
                remedy="give arrays of numbers",
            )
    entries: dict[str, Any] = {_ABOUT: np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays}
    replace_file(path, lambda stream: np.savez(stream, **entries))


def read_npz(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the JSON object and the arrays of a file.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; ``FILE_FORMAT`` if it is damaged, or has another format or version.
    """
    try:
        # Opened here, since numpy does not close a damaged file.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        if (about["format"], about["version"]) != (kind, version):
            raise ValueError(f"{about['format']}, version {about['version']}")
    except OSError as error:
        raise access_error(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise make_error(
            "FILE_FORMAT",
            f"this is not a readable {kind}: {error}",
            field="path",
            value=str(path),
            remedy=f"give a file that this release wrote (version {version})",
        ) from error
    return about, arrays
