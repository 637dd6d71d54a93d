"""Writes labelled snapshots as extended XYZ, which OVITO and ASE read."""

from __future__ import annotations

from io import StringIO
from os import PathLike
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from phasewire._frame.frame import Frame
from phasewire._frame.result import Result
from phasewire.errors import make_error
from phasewire.files.atomic import append_bytes, replace_text


def write_extxyz(path: str | PathLike[str], frame: Frame, result: Result, *, append: bool = False) -> None:
    """Write one labelled snapshot.

    Columns: species, position, ``id`` if the engine has ids, ``phase`` (name), and ``confidence``, ``margin`` and
    ``distance`` if the result has them. The comment line holds the cell, the step, the time, the selection of atoms if
    there is one, a0, logP per atom and the fractions.

    Parameters
    ----------
    path : path
        The file.
    frame, result
        A frame and its result with labels.
    append : bool
        Append to the file instead of replacing it.

    Raises
    ------
    InputError
        ``FILE_ACCESS``; a file that was to be replaced then stays unchanged.
    """
    if len(frame) != result.atom_count:
        raise make_error(
            "SHAPE_MISMATCH",
            f"the frame has {len(frame)} atoms, the result {result.atom_count}",
            field="result",
            value=result.atom_count,
            remedy="give the result of this frame",
        )
    names = result.phase_names()
    if not append:
        replace_text(Path(path), lambda stream: _write(stream, frame, result, names))
        return
    snapshot = StringIO()
    _write(snapshot, frame, result, names)
    append_bytes(Path(path), snapshot.getvalue().encode())


def _write(stream: TextIO, frame: Frame, result: Result, phase_names: NDArray[np.str_]) -> None:
    columns: list[tuple[str, str, list[str]]] = [("species", "S:1", _species(frame))]
    columns.append(("pos", "R:3", [f"{x:.10g} {y:.10g} {z:.10g}" for x, y, z in frame.positions]))
    if frame.ids is not None:
        columns.append(("id", "I:1", [str(number) for number in frame.ids]))
    columns.append(("phase", "S:1", list(phase_names)))
    for name in ("confidence", "margin", "distance"):
        values = getattr(result, name)
        if values is not None:
            columns.append((name, "R:1", [f"{value:.6g}" for value in values]))
    stream.write(f"{len(frame)}\n{_comment(frame, result, columns)}\n")
    stream.writelines(" ".join(cells) + "\n" for cells in zip(*(column[2] for column in columns), strict=True))


def _comment(frame: Frame, result: Result, columns: list[tuple[str, str, list[str]]]) -> str:
    words = []
    if frame.cell is not None:
        words.append(f'Lattice="{" ".join(f"{value:.10g}" for value in frame.cell.ravel())}"')
    if frame.origin is not None and frame.origin.any():
        words.append(f'Origin="{" ".join(f"{value:.10g}" for value in frame.origin)}"')
    words.append("Properties=" + ":".join(f"{name}:{kind}" for name, kind, _ in columns))
    words.append(f'pbc="{" ".join("T" if flag else "F" for flag in frame.periodic)}"')
    words.append(f"step={frame.step}")
    if frame.selected is not None:
        chosen = frame.selected.replace('"', "'")
        words.append(f'selection="{chosen}"')
    if frame.time is not None:
        words.append(f"time={frame.time:.10g}")
    words.append(f"length_scale={result.length_scale:.10g}")
    words.append(f"mean_log_density={result.mean_log_density:.8g}")
    words.extend(f"fraction_{name}={share:.6g}" for name, share in result.fractions.items() if share > 0)
    return " ".join(words)


def _species(frame: Frame) -> list[str]:
    """Return the names of the species; engine types without a name become ``X``, which every reader accepts."""
    return [name if name.isalpha() else "X" for name in frame.symbols()]
