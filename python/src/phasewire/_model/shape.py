"""The shape of a model: the numbers that the shapes of its tensors follow from (models/FORMAT.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

# What a file need not say.
_USUAL = {
    "channels": 16,
    "lmax": 6,
    "skippedDegree": 0,
    "innerWidth": 64,
    "hiddenWidth": 32,
    "messageWidth": 32,
    "outerWidth": 64,
}


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model, by their names in its file.

    Attributes
    ----------
    classCount, basisCount, channels, lmax : int
        Classes with class 0, radial basis functions, density channels, highest degree of the harmonics.
    skippedDegree : int
        A degree that is left out, 5 of 6; 0: none.
    innerWidth, hiddenWidth, messageWidth, outerWidth : int
        First layer of network 1, hidden numbers of an atom, how many of those enter the messages, last hidden layer.
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

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ModelShape:
        """Return the shape that a file's settings describe, sound or not."""
        given = {**_USUAL, **settings, "classCount": len(settings["classes"])}
        sizes: dict[str, Any] = {field.name: given.get(field.name) for field in fields(cls)}
        return cls(**sizes)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield each size with its name, in the order in which they are checked."""
        for field in fields(self):
            yield field.name, getattr(self, field.name)

    def find_bad_size(self) -> tuple[str, Any, str] | None:
        """Return name, value and what is possible instead, of the first size that the core does not take."""
        ranges = {
            "classCount": (2, 1023, 1),
            "basisCount": (2, 64, 1),
            "channels": (8, 16, 8),
            "lmax": (2, 6, 1),
            "skippedDegree": (0, 5 if self.lmax == 6 else 0, 5),
            "innerWidth": (8, 128, 8),
            "hiddenWidth": (8, 64, 8),
            "messageWidth": (8, self.hiddenWidth, 8),
            "outerWidth": (16, 512, 16),
        }
        for name, size in self.sizes():
            least, most, step = ranges[name]
            if isinstance(size, int) and not isinstance(size, bool) and least <= size <= most and size % step == 0:
                continue
            kind = "a whole number" if step == 1 else f"a multiple of {step}"
            bound = {"messageWidth": " (hiddenWidth)", "skippedDegree": " (5 only where lmax is 6)"}.get(name, "")
            return name, size, f"{kind} from {least} to {most}{bound} is needed"
        return None

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the tensors of format 1 and their shapes, output x input."""
        degrees = self.lmax + 1 - (self.skippedDegree != 0)
        invariants = self.channels * (degrees + 1)
        return {
            "radial.mix": (2, self.channels + 1, self.basisCount),
            "invariants.mix": (degrees, self.channels, self.channels),
            "standard.mean": (invariants,),
            "standard.scale": (invariants,),
            "network1.weight0": (self.innerWidth, invariants),
            "network1.bias0": (self.innerWidth,),
            "network1.weight1": (self.hiddenWidth, self.innerWidth),
            "network1.bias1": (self.hiddenWidth,),
            "network2.weight0": (self.outerWidth, self.hiddenWidth + self.messageWidth),
            "network2.bias0": (self.outerWidth,),
            "network2.weight1": (self.classCount, self.outerWidth),
            "network2.bias1": (self.classCount,),
        }
