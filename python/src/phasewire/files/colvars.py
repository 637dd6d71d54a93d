"""Reads and writes PLUMED's column files (COLVAR, HILLS, KERNELS).

A file is lines of numbers below a line ``#! FIELDS time a b`` that names the columns, and lines ``#! SET key value``
for constants. Both begin with ``#``, so ``numpy.loadtxt`` reads the numbers too.

A row reaches the operating system before `ColumnWriter.write` returns. A run that is killed leaves at worst an
incomplete last line. Readers skip a last line without a line end, since its last number may be cut off.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from phasewire.errors import PhasewireError, make_error
from phasewire.files.locks import HAS_LOCKS, in_use, lock

if TYPE_CHECKING:
    from typing_extensions import Self

_HEADER = b"#!"


@dataclass(frozen=True)
class Columns:
    """The contents of a column file.

    Attributes
    ----------
    fields : tuple of str
        Names of the columns.
    rows : ndarray, shape (R, F), float64
    constants : dict of str to str
        Values of the lines ``#! SET``.
    """

    fields: tuple[str, ...]
    rows: NDArray[np.float64]
    constants: dict[str, str]

    def __getitem__(self, field: str) -> NDArray[np.float64]:
        """Return a column, shape (R,).

        Raises
        ------
        InputError
            ``FILE_FORMAT`` if the file has no such column.
        """
        if field not in self.fields:
            raise make_error(
                "FILE_FORMAT",
                "the file has no such column",
                field="fields",
                value=field,
                remedy=f"it has {' '.join(self.fields)}",
            )
        return self.rows[:, self.fields.index(field)]

    def __len__(self) -> int:
        return len(self.rows)


def read_columns(path: str | PathLike[str]) -> Columns:
    """Read a COLVAR, HILLS or KERNELS file.

    A repeated header, as restarts of PLUMED write it, must name the same columns. An incomplete last line is skipped.

    Raises
    ------
    InputError
        ``FILE_ACCESS`` if the file cannot be read; ``FILE_FORMAT`` with the number of the wrong line.
    """
    fields: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    rows: list[list[float]] = []
    for number, _, line in _whole_lines(_read(path)):
        words = line.split()
        if line.startswith(_HEADER):
            fields = _read_header(words[1:], fields, constants, path, number)
        elif words and not line.lstrip().startswith(b"#"):
            rows.append(_read_row(words, fields, path, number))
    if not fields:
        raise _wrong(path, 1, "there is no line `#! FIELDS`")
    return Columns(fields, np.array(rows, dtype=np.float64).reshape(len(rows), len(fields)), constants)


def cut_after(path: str | PathLike[str], time: float) -> None:
    """Cut a column file off before the first row that is later than a time, and before an incomplete last line.

    Parameters
    ----------
    path : path
        A file whose first column is the time.
    time : float
        Rows of this time are kept.
    """
    data = _read(path)
    end = 0
    for _, start, line in _whole_lines(data):
        words = line.split()
        if words and not line.startswith(b"#") and _is_later(words[0], time):
            break
        end = start + len(line)
    if end < len(data):
        os.truncate(path, end)


def back_up(path: str | PathLike[str]) -> Path | None:
    """Rename a file as PLUMED does, to ``bck.0.NAME``, ``bck.1.NAME`` and so on; return the new path."""
    existing = Path(path)
    if not existing.exists():
        return None
    number = 0
    while (kept := existing.with_name(f"bck.{number}.{existing.name}")).exists():
        number += 1
    return existing.rename(kept)


class ColumnWriter:
    """Write a column file row by row.

    Parameters
    ----------
    path : path
        An existing file is renamed to ``bck.0.NAME``, unless the run is a restart.
    fields : sequence of str
        Names of the columns; the first is ``time``.
    constants : mapping of str to object, optional
        Values of the lines ``#! SET``.
    restart_time : float, optional
        Continue an existing file, and drop its rows after this time.

    Raises
    ------
    InputError
        ``FILE_IN_USE`` if another process writes the file; ``FILE_ACCESS``; ``BAD_OPTION`` if the file to continue has
        other columns or constants; ``FILE_FORMAT`` if it is not a column file.

    Notes
    -----
    A second writer in the same process takes the file over, and the first one refuses further rows.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        fields: Sequence[str],
        *,
        constants: Mapping[str, object] | None = None,
        restart_time: float | None = None,
    ) -> None:
        self.path = Path(path)
        self.fields = tuple(fields)
        self.constants = {key: _word(value) for key, value in (constants or {}).items()}
        unfit = [name for name in self.fields if not re.fullmatch(r"\S+", name)]
        if unfit or len(set(self.fields)) < len(self.fields) or self.fields[:1] != ("time",):
            raise make_error(
                "BAD_OPTION",
                "columns need different names without blanks, and the first is `time`",
                field="fields",
                value=list(self.fields),
                remedy="rename them",
            )
        self._last_row: int | None = None
        """Where the last row of this writer begins."""
        self._taken_over = False
        self._close: Callable[[], object] = lambda: None
        try:
            if not self._resume(restart_time):
                self._open("xb")
                self._stream.write(self._header())
        except FileExistsError:
            raise in_use("file", self.path) from None
        except OSError as error:
            self.close()
            raise _access(self.path, error) from error
        except PhasewireError:
            self.close()
            raise

    def write(self, row: Mapping[str, float]) -> None:
        """Append a row in one write.

        Parameters
        ----------
        row : mapping of str to float
            A number for each column.

        Raises
        ------
        InputError
            ``FILE_ACCESS``, for example when the disk is full; ``BAD_OPTION`` if a column is missing or surplus.
        """
        if self._taken_over:
            raise in_use("file", self.path)
        if set(row) != set(self.fields):
            differing = sorted(set(row) ^ set(self.fields))
            raise make_error("BAD_OPTION", "the row does not have the file's columns", field="row", value=differing)
        line = f" {' '.join(repr(float(row[name])) for name in self.fields)}\n".encode()
        before = self._stream.seek(0, os.SEEK_END)
        try:
            while line:
                line = line[self._stream.write(line) :]
        except OSError as error:
            # A full disk takes only part of a line, after which later rows would be unreadable.
            self._stream.truncate(before)
            raise _access(self.path, error) from error
        self._last_row = before

    def replace_last(self, row: Mapping[str, float]) -> None:
        """Write a row in place of the last one that this writer has written; errors as for `write`."""
        if self._last_row is not None and not self._taken_over:
            self._stream.truncate(self._last_row)
        self.write(row)

    def close(self) -> None:
        """Close the file. May be called more than once."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self) -> bytes:
        lines = [f"#! FIELDS {' '.join(self.fields)}"]
        lines += [f"#! SET {key} {value}" for key, value in self.constants.items()]
        return "".join(f"{line}\n" for line in lines).encode()

    def _open(self, mode: Literal["xb", "r+b", "rb"]) -> None:
        """Open the file and lock it; a writer of this process that has it open gives it up."""
        # Unbuffered: each row is one write to the operating system.
        self._stream: BinaryIO = self.path.open(mode, buffering=0)
        self._close = weakref.finalize(self, self._stream.close)
        status = os.fstat(self._stream.fileno())
        key = (status.st_dev, status.st_ino)
        before = _writers.get(key)
        if before is not None and before is not self:
            before.close()
            before._taken_over = True
        if not lock(self._stream.fileno()):
            raise in_use("file", self.path)
        _writers[key] = self

    def _resume(self, time: float | None) -> bool:
        """Open an existing file, cut off at a time; without a time, move it out of the way. Return whether it is open.

        Its lock is held meanwhile, so no other process takes its place.
        """
        if not self.path.exists():
            return False
        self._open("rb" if time is None else "r+b")
        if time is None:
            if not HAS_LOCKS:
                # Without locks, the platform may also refuse to rename an open file.
                self.close()
            back_up(self.path)
            self.close()
            return False
        cut_after(self.path, time)
        if self.path.stat().st_size == 0:
            # The run was killed before the header was complete.
            self.path.unlink()
            self.close()
            return False
        found = read_columns(self.path)
        mine, theirs = (self.fields, self.constants), (found.fields, found.constants)
        if mine != theirs:
            raise make_error(
                "BAD_OPTION",
                f"the file to continue has other columns or constants: {theirs[0]}, {theirs[1]}",
                field=str(self.path.name),
                value=mine,
                remedy="restart with the variables and biases of the file, or move the file away",
            )
        return True


_writers: weakref.WeakValueDictionary[tuple[int, int], ColumnWriter] = weakref.WeakValueDictionary()


def _whole_lines(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, offset and bytes of the complete lines."""
    offset = 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        if line.endswith(b"\n"):
            yield number, offset, line
        offset += len(line)


def _read_header(
    words: list[bytes], fields: tuple[str, ...], constants: dict[str, str], path: str | PathLike[str], number: int
) -> tuple[str, ...]:
    """Read a line that begins with ``#!``; return the fields that are valid from there on."""
    if words[:1] == [b"FIELDS"]:
        named = tuple(word.decode(errors="replace") for word in words[1:])
        if fields and named != fields:
            raise _wrong(path, number, "the columns change in this line")
        return named
    if words[:1] == [b"SET"] and len(words) == 3:
        constants[words[1].decode(errors="replace")] = words[2].decode(errors="replace")
        return fields
    raise _wrong(path, number, "a line `#!` has neither FIELDS nor SET")


def _read_row(words: list[bytes], fields: tuple[str, ...], path: str | PathLike[str], number: int) -> list[float]:
    if len(words) != len(fields):
        raise _wrong(path, number, f"{len(words)} numbers in {len(fields)} columns")
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise _wrong(path, number, "this is not a number") from error


def _is_later(word: bytes, time: float) -> bool:
    try:
        return float(word) > time
    except ValueError:
        # Not a row: the reader reports it with its line.
        return False


def _word(value: object) -> str:
    # PLUMED writes truth values in lower case.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(path: str | PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _access(path, error) from error


def _access(path: str | PathLike[str], error: OSError) -> PhasewireError:
    return make_error(
        "FILE_ACCESS",
        f"the file cannot be read or written: {error.strerror}",
        field="path",
        value=str(path),
        remedy="check the path, the permissions and the free space",
    )


def _wrong(path: str | PathLike[str], number: int, message: str) -> PhasewireError:
    return make_error(
        "FILE_FORMAT",
        f"line {number}: {message}",
        field="path",
        value=str(path),
        remedy="correct the line, or give a file that PLUMED or phasewire wrote",
    )
