"""Arrays that go to a server on this host through a file in memory (bridge/PROTOCOL.md, section 4.1).

The file is written and read at offsets, not mapped. If the memory file system is full or the file is truncated, that
gives an error; a mapping would kill the simulation.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire.errors import PhasewireError, make_error

HEAD_BYTES = limits.whole("shared", "headBytes")
SMALLEST_SHARED = 16384
"""Fewest bytes of an array that are worth two system calls; smaller arrays go by message."""
_MARK = limits.text("shared", "mark").encode()
_NAME = re.compile(read_table("protocol")["sharedFile"]["name"])
_ALIGNMENT = limits.whole("shared", "alignment")
_MOST_FRAMES = 4
"""Most frames whose arrays are in the file at the same time; links send fewer."""
_STALE_SECONDS = limits.number("shared", "staleMs") / 1000


def shared_folder() -> Path:
    """Return the folder of the files: the memory file system, or the folder for temporary files."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else Path(tempfile.gettempdir())


def aligned(size: int) -> int:
    """Return a size in bytes, rounded up so that an array may follow."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class SharedArrays:
    """One file, and the regions of it that frames occupy until they are answered.

    `create` makes it, ``offer`` offers it to a server, and it is ready after `confirm`.

    Attributes
    ----------
    offer : dict
        Its description in ``hello``.
    """

    def __init__(self, path: Path, descriptor: int, token: str) -> None:
        self.offer = {"file": path.name, "token": token}
        self._path: Path | None = path
        self._descriptor: int | None = descriptor
        self._size = HEAD_BYTES
        self._regions: dict[int, tuple[int, int]] = {}

    @classmethod
    def create(cls, folder: Path | None = None) -> SharedArrays | None:
        """Make a file, and remove those of clients that were killed; None if the platform does not support this."""
        if not (hasattr(os, "preadv") and hasattr(os, "getuid")):
            return None
        place = shared_folder() if folder is None else folder
        sweep(place)
        path = place / f"phasewire-{os.getpid()}-{secrets.token_hex(16)}"
        token = secrets.token_hex(16)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError:
            return None
        made = cls(path, descriptor, token)
        try:
            _write(descriptor, memoryview((_MARK + token.encode()).ljust(HEAD_BYTES, b"\0")), 0)
        except OSError:
            made.close()
            return None
        return made

    def confirm(self) -> None:
        """Remove the file's name once the server has opened it. No file is left behind, however either process ends."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._path = None

    def store(
        self, sequence: int, arrays: Mapping[str, NDArray[Any]], result_bytes: int
    ) -> tuple[dict[str, int], dict[str, int]] | None:
        """Write the arrays of a frame, and reserve room for those of its result.

        Parameters
        ----------
        sequence : int
            Number of the message; the frame owns its region until `release`.
        arrays : Mapping of str to array
            Contiguous and little-endian.
        result_bytes : int

        Returns
        -------
        offsets : dict of str to int
            Where each array lies.
        space : dict
            ``offset`` and ``bytes`` of the room for the result.

        None instead of the two if too many frames are unanswered.

        Raises
        ------
        ProtocolError
            ``SHARED_MEMORY`` if the file cannot grow: the memory file system is full.
        """
        if self._descriptor is None or len(self._regions) >= _MOST_FRAMES:
            return None
        need = sum(aligned(array.nbytes) for array in arrays.values()) + aligned(result_bytes)
        start = self._place(need)
        offsets, next_offset = {}, start
        try:
            if start + need > self._size:
                os.ftruncate(self._descriptor, start + need)
                self._size = start + need
            for name, array in arrays.items():
                offsets[name] = next_offset
                _write(self._descriptor, _bytes_of(array), next_offset)
                next_offset += aligned(array.nbytes)
        except OSError as error:
            raise _failed("written", error) from error
        self._regions[sequence] = (start, start + need)
        return offsets, {"offset": next_offset, "bytes": aligned(result_bytes)}

    def load(
        self, sequence: int | None, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> NDArray[Any] | None:
        """Read an array of a result.

        Parameters
        ----------
        sequence : int or None
            Number of the frame that the result answers.
        offset : int
        dtype, shape
            Of the array.

        Returns
        -------
        array or None
            None if the frame no longer has a region because it was given up.

        Raises
        ------
        ProtocolError
            ``SHARED_MEMORY`` if the array is outside the frame's region, or the file was cut short.
        """
        region = None if sequence is None else self._regions.get(sequence)
        if region is None or self._descriptor is None:
            return None
        end = offset + math.prod(shape) * dtype.itemsize
        if not region[0] <= offset <= end <= region[1]:
            raise _failed("read", f"bytes {offset} to {end} are outside {region[0]} to {region[1]}")
        array = np.empty(shape, dtype)
        view = _bytes_of(array)
        while view:
            try:
                count = os.preadv(self._descriptor, [view], end - len(view))
            except OSError as error:
                raise _failed("read", error) from error
            if count == 0:
                raise _failed("read", "the file was cut short")
            view = view[count:]
        return array

    def release(self, sequence: int) -> None:
        """Free the regions of a frame and of all before it, which the server has settled."""
        for number in [number for number in self._regions if number <= sequence]:
            del self._regions[number]

    def forget(self, sequence: int) -> None:
        """Free the region of a frame that was not sent."""
        self._regions.pop(sequence, None)

    def close(self) -> None:
        """Close the file."""
        self.confirm()
        self._regions.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _place(self, need: int) -> int:
        """Return the first gap between the regions that is long enough."""
        start = HEAD_BYTES
        for begin, end in sorted(self._regions.values()):
            if start + need <= begin:
                break
            start = end
        return start


def sweep(folder: Path) -> None:
    """Remove files of processes that ended without removing them.

    New files stay: their process may run in another container, where it is not visible.
    """
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            match = _NAME.fullmatch(entry.name)
            if match is None or _is_alive(int(match[1])):
                continue
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
                if mine and time.time() - found.st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)  # noqa: PTH108


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.data.cast("B") if array.size else memoryview(b"")


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count


def _failed(action: str, problem: object) -> PhasewireError:
    return make_error(
        "SHARED_MEMORY",
        f"the shared file cannot be {action}: {problem}",
        field="shared",
        remedy="no action is needed: arrays go by message until the next session; "
        "more memory for /dev/shm, or shared_memory=False, avoids it",
    )
