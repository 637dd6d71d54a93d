"""The tables of the repository's contract/ folder, which are package data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "contract"


def read_table(name: str) -> dict[str, Any]:
    """Read a table by its name.

    Raises
    ------
    ImportError
        If the package was not built.
    """
    try:
        table: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportError(
            f"the package data lack contract/{name}.json: run `npm run setup` in the phasewire repository"
        ) from error
    return table
