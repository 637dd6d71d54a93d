"""Writes files and folders that are complete or absent: under a temporary name first, then renamed.

If the process is killed or the machine loses power, either the old file or the new one remains.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from phasewire.errors import PhasewireError, make_error


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name, then move it to its path.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; an existing file then stays unchanged.
    """
    # A link keeps pointing to the file that it names.
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, write: Callable[[TextIO], object]) -> None:
    """Write a text file as `replace_file` does; a pipe or a device is written directly.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; an existing file then stays unchanged.
    """

    def write_text(stream: BinaryIO) -> None:
        text = TextIOWrapper(stream, encoding="utf-8", newline="")
        write(text)
        text.flush()
        # The caller closes the stream.
        text.detach()

    if path.exists() and not path.is_file():
        try:
            with path.open("wb") as stream:
                write_text(stream)
        except OSError as error:
            raise access_error(path, error) from error
        return
    replace_file(path, write_text)


def append_bytes(path: Path, content: bytes) -> None:
    """Append to a file with one call of the system: what several runs append to it follows each other.

    Raises
    ------
    InputError
        ``FILE_ACCESS``
    """
    try:
        with path.open("ab", buffering=0) as stream:
            rest = memoryview(content)
            # A full disk, or a signal, can end a call early; the next one tells the reason.
            while rest.nbytes > 0:
                rest = rest[stream.write(rest) :]
    except OSError as error:
        raise access_error(path, error) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder, which gets its name when the block ends and all its files are on disk.

    Raises
    ------
    InputError
        ``FILE_ACCESS``, also if a folder with that name exists and is not empty.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(temporary)
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to disk, if the system supports it."""
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
