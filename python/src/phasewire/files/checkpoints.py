"""Checkpoints of a run: folders such as ``step-000000001000``, of which the last complete one counts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from phasewire.files.atomic import new_folder
from phasewire.files.locks import folder_lock

_NAME = re.compile(r"step-(\d{12})")
# A checkpoint that was being written, or removed, when the process was killed.
_UNFINISHED = re.compile(r"\.step-\d{12}\.\d+")


class Checkpoints:
    """The checkpoints of one run, in a folder that may hold other files and folders, too.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    files : sequence of str
        Names of the files of each checkpoint. Nothing else is ever removed.
    """

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        self._folder = folder
        self._files = tuple(files)
        # Each file is written under a temporary name first (`replace_file`).
        self._mine = re.compile(rf"(?:{'|'.join(map(re.escape, files))})|\.(?:{'|'.join(map(re.escape, files))})\.\d+")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep other runs away for a block.

        Raises
        ------
        InputError
            ``FILE_IN_USE`` if another run uses the folder; ``FILE_ACCESS``.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(self._folder):
            yield

    def latest(self) -> Path | None:
        """Return the complete checkpoint of the highest step, None without any."""
        return max((entry for entry in self._folder.iterdir() if self._is_complete(entry)), default=None)

    @contextmanager
    def new(self, step: int) -> Iterator[Path]:
        """Give an empty folder, which becomes the checkpoint of a step when the block ends; then remove the others."""
        path = self._folder / f"step-{step:012d}"
        with new_folder(path) as folder:
            yield folder
        for entry in self._folder.iterdir():
            if entry != path and (self._is_complete(entry) or _UNFINISHED.fullmatch(entry.name)):
                self._remove(entry)

    def _is_complete(self, entry: Path) -> bool:
        return _NAME.fullmatch(entry.name) is not None and all((entry / name).is_file() for name in self._files)

    def _remove(self, folder: Path) -> None:
        """Remove the files of a checkpoint, and its folder if it holds nothing else."""
        if not folder.is_dir() or folder.is_symlink():
            return
        with suppress(OSError):
            if any(self._mine.fullmatch(entry.name) is None for entry in folder.iterdir()):
                return
            if _NAME.fullmatch(folder.name):
                # A checkpoint without one of its files would still have its name.
                folder = folder.rename(folder.with_name(f".{folder.name}.{os.getpid()}"))
            for entry in folder.iterdir():
                entry.unlink()
            folder.rmdir()
