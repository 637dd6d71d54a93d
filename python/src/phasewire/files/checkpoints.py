"""Checkpoints of a run: folders such as ``step-000000001000``, of which the last one is valid."""

from __future__ import annotations

import re
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from phasewire.files.atomic import new_folder

_NAME = re.compile(r"step-(\d{12})")


def latest(folder: Path) -> Path | None:
    """Return the checkpoint of the highest step, None without any."""
    return max((entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)), default=None)


def step_folder(folder: Path, step: int) -> AbstractContextManager[Path]:
    """Give an empty folder, which becomes the checkpoint of a step when the block ends."""
    return new_folder(folder / f"step-{step:012d}")


def remove_all_but(folder: Path, step: int) -> None:
    """Remove the checkpoints of other steps, and incomplete ones of killed processes."""
    kept = f"step-{step:012d}"
    for entry in folder.iterdir():
        if entry.name != kept and _NAME.match(entry.name.lstrip(".")):
            shutil.rmtree(entry, ignore_errors=True)
