"""The inputs of every section: the model, the snapshots, the peers, and the folder for pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from .measurements import Bench
from .peers import Peer, by_name
from .systems import Snapshot

Item = TypeVar("Item")


@dataclass(frozen=True)
class Suite:
    """Inputs of the sections. `quick` means few frames and few synthetic structures."""

    bench: Bench
    snapshots: Sequence[Snapshot]
    peers: tuple[Peer, ...]
    out: Path
    quick: bool = False

    def of_kind(self, *kinds: str) -> list[Snapshot]:
        """Snapshots whose group begins with one of the letters."""
        return [snapshot for snapshot in self.snapshots if snapshot.kind in kinds]

    def peer(self, name: str) -> Peer | None:
        """The peer with this name, or None without peers."""
        return by_name(self.peers, name)

    def progress(self, items: Sequence[Item] | Iterable[Item], text: str) -> Iterator[Item]:
        """The items, with a progress bar on a terminal."""
        return iter(tqdm(items, desc=text, leave=False, disable=None, dynamic_ncols=True))
