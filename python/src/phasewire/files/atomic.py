"""Files and folders that are whole or not there: written beside, then renamed.

A process that is killed at any moment, or a machine that loses power, leaves the old file or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from phasewire.errors import PhasewireError, make_error


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside a path, then put it in its place.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; what was there before is then still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill, which has its name and its place once the block ends, with all its files on disk.

    Raises
    ------
    InputError
        ``FILE_ACCESS``, also if there is a folder of that name that is not empty.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        yield beside
        for file in beside.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(beside)
        beside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Make the names in a folder last, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def access_error(path: Path, error: OSError) -> PhasewireError:
    """Build the error for a file that cannot be read or written."""
    return make_error(
        "FILE_ACCESS",
        f"it cannot be read or written: {error.strerror}",
        field="path",
        value=str(path),
        remedy="check the path, the permissions and the free space",
    )
