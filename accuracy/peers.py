"""Structure identification by OVITO on the same frames.

Peers ignore species. A peer is right about an atom if it finds the lattice that the true class has without species.
Classes without a template get no figure. `ovito` is imported when a peer is first used, so that everything else works
without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from ase import Atoms

from .cache import Cache
from .systems import DISORDERED, UNKNOWN, Snapshot

# The lattice of a class when species are ignored.
LATTICE_OF_CLASS = {
    "B1": "sc",
    "B2": "bcc",
    "B3": "diamond",
    "B4": "hexdiamond",
    "L1_2": "fcc",
    "L1_0": "fcc",
    "D0_3": "bcc",
    "D0_19": "hcp",
}
COLUMN = "Structure Type"
TEMPLATES = {
    "fcc": "FCC",
    "hcp": "HCP",
    "bcc": "BCC",
    "sc": "SC",
    "diamond": "CUBIC_DIAMOND",
    "hexdiamond": "HEX_DIAMOND",
}


@dataclass(frozen=True)
class Peer:
    """One method with its settings.

    `build` makes the modifier. `types` gives the modifier's numbers for each lattice. Both import OVITO. `rejects`
    states whether the method can call an atom disordered at all.
    """

    name: str
    build: Callable[[], Any] = field(repr=False)
    types: Callable[[], Mapping[str, tuple[int, ...]]] = field(repr=False)
    water_only: bool = False
    rejects: bool = True

    def applies(self, snapshot: Snapshot) -> bool:
        """Whether the method is made for such a system."""
        return snapshot.water or not self.water_only

    def found(self, snapshot: Snapshot, cache: Cache) -> np.ndarray:
        """The number that the method gives every atom, (N,)."""
        key = {"method": self.name, "ovito": version("ovito"), "frame": snapshot.digest}
        return cache.get(key, lambda: _apply(self.build(), snapshot.atoms, COLUMN))[COLUMN]

    def right(self, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """1 where the lattice of the true class was found, 0 where it was not, NaN where there is no template, (N,)."""
        result = np.full(len(truth), np.nan)
        for name in np.unique(truth):
            numbers = self.types().get(LATTICE_OF_CLASS.get(name, name)) if name != UNKNOWN else None
            if numbers is not None:
                chosen = truth == name
                result[chosen] = np.isin(found[chosen], numbers)
        return result

    def is_lattice(self, found: np.ndarray, lattice: str) -> np.ndarray:
        """Mask of the atoms for which the method finds a lattice, (N,)."""
        return np.isin(found, self.types()[lattice])


def template_distance(snapshot: Snapshot, cache: Cache) -> np.ndarray:
    """Root-mean-square deviation from the best template, by template matching without a cutoff, (N,).

    It is infinite where no template fits the neighbours at all.
    """
    key = {"method": "PTM RMSD", "ovito": version("ovito"), "frame": snapshot.digest}

    def compute() -> dict[str, np.ndarray]:
        modifier = _template_matching(0.0)()
        modifier.output_rmsd = True
        columns = _apply(modifier, snapshot.atoms, "RMSD", COLUMN)
        fits = np.isin(columns[COLUMN], _template_types()[DISORDERED], invert=True)
        return {"deviation": np.where(fits, columns["RMSD"], np.inf)}

    return cache.get(key, compute)["deviation"]


def _apply(modifier: Any, atoms: Atoms, *columns: str) -> dict[str, np.ndarray]:
    from ovito.io.ase import ase_to_ovito

    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    data = ase_to_ovito(bare)
    data.apply(modifier)
    return {column: np.array(data.particles[column]) for column in columns}


def _template_matching(cutoff: float) -> Callable[[], Any]:
    def build() -> Any:
        from ovito.modifiers import PolyhedralTemplateMatchingModifier as Matching

        modifier = Matching(rmsd_cutoff=cutoff)
        wanted = {int(getattr(Matching.Type, name)) for name in TEMPLATES.values()}
        for structure in modifier.structures:
            structure.enabled = structure.id in wanted
        return modifier

    return build


@cache
def _template_types() -> Mapping[str, tuple[int, ...]]:
    from ovito.modifiers import PolyhedralTemplateMatchingModifier as Matching

    found = {lattice: (int(getattr(Matching.Type, name)),) for lattice, name in TEMPLATES.items()}
    return found | {DISORDERED: (int(Matching.Type.OTHER),)}


def _common_neighbours() -> Any:
    from ovito.modifiers import CommonNeighborAnalysisModifier as Analysis

    return Analysis(mode=Analysis.Mode.AdaptiveCutoff)


@cache
def _common_neighbour_types() -> Mapping[str, tuple[int, ...]]:
    from ovito.modifiers import CommonNeighborAnalysisModifier as Analysis

    return _close_packed_and_bcc(Analysis.Type)


def _ackland_jones() -> Any:
    from ovito.modifiers import AcklandJonesModifier

    return AcklandJonesModifier()


@cache
def _ackland_jones_types() -> Mapping[str, tuple[int, ...]]:
    from ovito.modifiers import AcklandJonesModifier

    return _close_packed_and_bcc(AcklandJonesModifier.Type)


def _close_packed_and_bcc(types: Any) -> Mapping[str, tuple[int, ...]]:
    names = {"fcc": "FCC", "hcp": "HCP", "bcc": "BCC", DISORDERED: "OTHER"}
    return {lattice: (int(getattr(types, name)),) for lattice, name in names.items()}


def _diamonds() -> Any:
    from ovito.modifiers import IdentifyDiamondModifier

    return IdentifyDiamondModifier()


@cache
def _diamond_types() -> Mapping[str, tuple[int, ...]]:
    """First and second neighbours of a recognised atom count too, since their own bonds are those of the lattice."""
    from ovito.modifiers import IdentifyDiamondModifier

    types = IdentifyDiamondModifier.Type
    kinds = ("", "_FIRST_NEIGHBOR", "_SECOND_NEIGHBOR")
    return {
        "diamond": tuple(int(getattr(types, f"CUBIC_DIAMOND{kind}")) for kind in kinds),
        "hexdiamond": tuple(int(getattr(types, f"HEX_DIAMOND{kind}")) for kind in kinds),
        DISORDERED: (int(types.OTHER),),
    }


def _chill_plus() -> Any:
    from ovito.modifiers import ChillPlusModifier

    # The method's own cutoff between oxygens, in Angstrom.
    return ChillPlusModifier(cutoff=3.5)


@cache
def _chill_plus_types() -> Mapping[str, tuple[int, ...]]:
    from ovito.modifiers import ChillPlusModifier

    types = ChillPlusModifier.Type
    return {
        "hexdiamond": (int(types.HEXAGONAL_ICE),),
        "diamond": (int(types.CUBIC_ICE),),
        "clathrate-sI": (int(types.HYDRATE),),
        DISORDERED: (int(types.OTHER),),
    }


PEERS = (
    Peer("PTM 0.10", _template_matching(0.10), _template_types),
    Peer("PTM 0.15", _template_matching(0.15), _template_types),
    Peer("PTM no cutoff", _template_matching(0.0), _template_types, rejects=False),
    Peer("adaptive CNA", _common_neighbours, _common_neighbour_types),
    Peer("Ackland-Jones", _ackland_jones, _ackland_jones_types),
    Peer("identify diamond", _diamonds, _diamond_types),
    Peer("Chill+", _chill_plus, _chill_plus_types, water_only=True),
)


def available(wanted: bool = True) -> tuple[Peer, ...]:
    """The peers, or no peers if `wanted` is false.

    Raises
    ------
    ModuleNotFoundError
        If `wanted` is true and OVITO is not installed.
    """
    if not wanted:
        return ()
    if find_spec("ovito") is None:
        raise ModuleNotFoundError(
            "the peers need ovito: start with `npm run accuracy`, which installs it, or give --without-peers"
        )
    return PEERS


def by_name(peers: Iterable[Peer], name: str) -> Peer | None:
    """The peer with this name, or None if it does not exist."""
    return next((peer for peer in peers if peer.name == name), None)
