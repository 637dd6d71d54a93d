"""Locks on files, so that two runs do not write one file or use one folder at the same time.

The operating system holds a lock for an open file and ends it with the process, however that ends. File systems and
platforms without such locks go without.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phasewire.errors import PhasewireError, make_error

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None
_LOCK_NAME = ".phasewire.lock"


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; return False if another holds its lock."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # This file system has no locks.
        return True
    return True


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder for a block.

    Raises
    ------
    InputError
        ``FILE_IN_USE`` if another run holds it; ``FILE_ACCESS``.
    """
    path = folder / _LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise make_error(
            "FILE_ACCESS", f"the folder cannot be written to: {error.strerror}", field="folder", value=str(folder)
        ) from error
    try:
        if not lock(descriptor):
            raise in_use("folder", folder)
        yield
    finally:
        os.close(descriptor)


def in_use(field: str, path: Path) -> PhasewireError:
    """Build the error for a file or folder that another run uses."""
    return make_error("FILE_IN_USE", f"another run writes this {field}", field=field, value=str(path))
