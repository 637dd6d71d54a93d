"""The shape of a model: the numbers that determine the shapes of its tensors (models/FORMAT.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from phasewire._contract.tables import read_table

_TABLE = read_table("model")
_SIZES: dict[str, dict[str, Any]] = _TABLE["sizes"]
_TENSORS: dict[str, list[list[str | int]]] = _TABLE["tensors"]
# Sizes that a file may leave out.
_USUAL = {name: size["usual"] for name, size in _SIZES.items() if "usual" in size}

CLASS_COUNTS: tuple[int, int] = (_SIZES["classCount"]["least"], _SIZES["classCount"]["most"])
"""Fewest and most classes of a model."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model, by their names in its file.

    Attributes
    ----------
    classCount, basisCount, channels, lmax : int
        Classes, class 0 included, radial basis functions, density channels, highest degree of the harmonics.
    skippedDegree : int
        A degree that is left out, 5 of 6; 0: none.
    innerWidth, hiddenWidth, messageWidth, outerWidth : int
        First layer of network 1, hidden numbers per atom, how many of those enter the messages, last hidden layer.
    """

    classCount: int  # noqa: N815 - the names of the file
    basisCount: int  # noqa: N815
    channels: int
    lmax: int
    skippedDegree: int  # noqa: N815
    innerWidth: int  # noqa: N815
    hiddenWidth: int  # noqa: N815
    messageWidth: int  # noqa: N815
    outerWidth: int  # noqa: N815
    knownWidth: int  # noqa: N815

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ModelShape:
        """Return the shape that a file's settings describe, valid or not."""
        given = {**_USUAL, **settings, "classCount": len(settings["classes"])}
        sizes: dict[str, Any] = {field.name: given.get(field.name) for field in fields(cls)}
        return cls(**sizes)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield each size with its name, in the order of the checks."""
        for field in fields(self):
            yield field.name, getattr(self, field.name)

    def find_bad_size(self) -> tuple[str, Any, str] | None:
        """Return name, value and the possible values of the first size that the core does not accept."""
        for name, size in self.sizes():
            least, most, step, bound = self._range(name)
            if isinstance(size, int) and not isinstance(size, bool) and least <= size <= most and size % step == 0:
                continue
            kind = "a whole number" if step == 1 else f"a multiple of {step}"
            return name, size, f"{kind} from {least} to {most}{bound}"
        return None

    def _range(self, name: str) -> tuple[int, int, int, str]:
        """Return the least and largest value of a size, the step between its values, and the reason of its bound."""
        entry = _SIZES[name]
        least, most, step = entry["least"], entry["most"], entry["step"]
        if isinstance(most, str):
            return least, getattr(self, most), step, f" ({most})"
        only = entry.get("only")
        if only is None:
            return least, most, step, ""
        bound = f" ({most} only if {only['size']} is {only['is']})"
        return least, most if getattr(self, only["size"]) == only["is"] else least, step, bound

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the tensors of a model and their shapes, output x input. Parts of width 0 have none."""
        degrees = self.lmax + 1 - (self.skippedDegree != 0)
        known = {**dict(self.sizes()), "degrees": degrees, "invariants": self.channels * (degrees + 1)}
        shapes = {
            name: tuple(sum(term if isinstance(term, int) else known[term] for term in terms) for terms in extents)
            for name, extents in _TENSORS.items()
        }
        return {name: shape for name, shape in shapes.items() if 0 not in shape}
