"""Crystal and melt side by side, close to the melting temperature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from . import structures as s
from .checks import LATTICES, template_matching
from .engine import Engine, engine
from .potentials import POTENTIALS
from .records import Record, Run, State
from .water import MELTING, NOTE, ice

CRYSTAL, LIQUID, INTERFACE = 0, 1, 2
# Atoms this close to an interface, in Angstrom, are left out. Its position is only known to a few Angstrom.
MARGIN = 8.0
SLAB = 4.0


@dataclass(frozen=True)
class Coexistence:
    """A bar whose upper half is molten at `hot` K, then kept at `temperature`.

    `lattice` is OVITO's name for the lattice of the crystal when species are ignored.
    """

    name: str
    phase: str
    lattice: str
    start: Atoms
    potential: str
    temperature: float
    hot: float
    melting: float
    source: str

    def make(self, seed: int) -> Iterator[Record]:
        potential = POTENTIALS[self.potential]
        with engine(self.start, potential, seed) as machine:
            scale = 2.0 if potential.water else 1.0
            machine.heat(self.temperature if potential.water else 2 * self.temperature)
            machine.settle(self.temperature, 2.0 * scale, 1.0)
            self._melt_half(machine, scale)
            machine.stage(self.temperature, 3.0 * scale, 1.0, "z")
            frames, texts, good = [], [], True
            for _ in range(2):
                machine.stage(self.temperature, 0.5 * scale)
                sample = machine.sample(self.temperature, 0.5 * scale)
                atoms, text, ok = self._label(machine, sample.last, sample.mean)
                frames.append(atoms)
                texts.append(text)
                good = good and ok
        state = State(
            self.name,
            f"{self.phase}|liquid",
            self.temperature,
            potential.name,
            self.melting,
            self.source,
            sample.pressure,
        )
        checks = f"{'; '.join(texts)}; T_mean {sample.temperature:.0f} K"
        comment = {
            "label_legend": f"0 crystal half {self.phase}; 1 liquid half; 2 interface (within {MARGIN:.0f} A of where "
            "the share of template-matched atoms of a slab crosses one half, mean positions)",
            **(NOTE if potential.water else {}),
        }
        name = f"{self.name.replace('/', '')}_{self.phase}_coexist_T{self.temperature:.0f}"
        yield Record(name, "C_coexistence", state, frames, checks, good, comment)

    def _melt_half(self, machine: Engine, scale: float) -> None:
        half = machine.origin()[2] + machine.edges()[2] / 2
        # Molecules stay whole. Each belongs to the half of its oxygen.
        heights = machine.atoms().positions[:, 2] + machine.origin()[2]
        if machine.potential.water:
            heights = np.repeat(heights[::3], 3)
        members = " ".join(map(str, np.flatnonzero(heights > half) + 1))
        machine.run(f"group upper id {members}")
        machine.heat(self.hot, "upper")
        machine.stage(self.hot, 3.0 * scale, group="upper")
        machine.stage((self.hot, self.temperature), 1.0 * scale, group="upper")
        machine.heat(self.temperature)

    def _label(self, machine: Engine, last: np.ndarray, mean: np.ndarray) -> tuple[Atoms, str, bool]:
        average, atoms = machine.atoms(mean), machine.atoms(last)
        heavy = atoms.numbers != 1
        # The cutoff of template matching hardly matters, since mean positions are close to the sites.
        matched = np.zeros(len(atoms), dtype=bool)
        matched[heavy] = template_matching(average[heavy], 0.15) == list(LATTICES).index(self.lattice)
        height = machine.edges()[2]
        planes, centre = _planes(average.positions[heavy, 2], matched[heavy], height)
        offset = (atoms.positions[:, 2] - centre + height / 2) % height - height / 2
        if machine.potential.water:
            offset = np.repeat(offset[::3], 3)
        half = (planes[1] - planes[0]) / 2
        label = np.where(np.abs(offset) < half - MARGIN, CRYSTAL, LIQUID)
        label[np.abs(np.abs(offset) - half) <= MARGIN] = INTERFACE
        atoms.set_array("label", label)
        solid, fluid = matched[heavy & (label == CRYSTAL)], matched[heavy & (label == LIQUID)]
        text = (
            f"crystal {2 * half:.0f} of {height:.0f} A thick; mean positions matched: crystal {_share(solid):.3f}, "
            f"liquid {_share(fluid):.3f}"
        )
        good = len(solid) > 100 and len(fluid) > 100 and solid.mean() > 0.9 and fluid.mean() < 0.1
        return atoms, text, bool(good)


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _planes(heights: np.ndarray, matched: np.ndarray, height: float) -> tuple[tuple[float, float], float]:
    """Lower and upper interface, where the upper one may lie beyond the period, and the crystal's centre."""
    count = max(1, int(height / SLAB))
    slab = (heights / height * count).astype(int) % count
    share = np.bincount(slab[matched], minlength=count) / np.maximum(np.bincount(slab, minlength=count), 1)
    # The crystal's centre is where the first Fourier component of the profile points.
    phase = np.angle((share * np.exp(2j * np.pi * (np.arange(count) + 0.5) / count)).sum())
    centre = phase / (2 * np.pi) * height % height
    middle = int(centre / height * count)

    def reach(step: int) -> float:
        """Distance from the slab in the centre to where the profile crosses one half, in slabs."""
        for away in range(count // 2):
            inner, outer = share[(middle + step * away) % count], share[(middle + step * (away + 1)) % count]
            if outer < 0.5:
                return away + max(inner - 0.5, 0.0) / max(inner - outer, 1e-9)
        return count / 2

    low, high = middle + 0.5 - reach(-1), middle + 0.5 + reach(1)
    planes = (low * height / count, high * height / count)
    return planes, sum(planes) / 2 % height


def _ice_bar(seed: int = 3) -> Atoms:
    """A bar of ice Ih with its long axis along z."""
    return ice("1h", (2, 2, 5), seed)


_FRAMES = "potential, as in the bulk frames"


def _runs() -> list[Run]:
    bars = [
        ("Al", "fcc", "FCC", s.fcc("Al", 4.12).repeat((6, 6, 16)), "Al", 915, 2400, 926, _FRAMES),
        ("NaCl", "B1", "SC", s.b1("Na", "Cl", 5.9).repeat((4, 4, 10)), "NaCl", 1060, 2600, 1074, _FRAMES),
    ]  # fmt: skip

    def water(seed: int) -> Iterator[Record]:
        bar = _ice_bar(seed)
        yield from Coexistence("H2O-TIP4P/Ice", "ice-Ih", "HEX_DIAMOND", bar, "TIP4P/Ice", 266, 450, *MELTING).make(
            seed
        )

    made = [Run(f"coexistence-{bar[0]}", Coexistence(*bar).make) for bar in bars]
    return [*made, Run("coexistence-TIP4PIce", water)]


RUNS = _runs()
