"""Reads and writes npz files without pickle that hold arrays and a JSON object, and are complete or absent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire.errors import PhasewireError, make_error
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
    with damage_named(path, kind):
        # Opened here, since numpy does not close a damaged file.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        if (about["format"], about["version"]) != (kind, version):
            raise ValueError(f"{about['format']}, version {about['version']}")
        return about, arrays


@contextmanager
def damage_named(path: Path, kind: str) -> Iterator[None]:
    """Turn errors about the contents of a file into ``FILE_FORMAT``.

    A damaged file can hold any value in any place. numpy, JSON and the code that uses the values raise whatever they
    trip over.

    Raises
    ------
    InputError
        ``FILE_ACCESS``, ``FILE_FORMAT``.
    """
    try:
        yield
    except PhasewireError:
        raise
    except OSError as error:
        raise access_error(path, error) from error
    except Exception as error:
        raise make_error(
            "FILE_FORMAT",
            f"this is not a readable {kind}: {error}",
            field="path",
            value=str(path),
            remedy="give a file that this release wrote and that was not changed since",
        ) from error
