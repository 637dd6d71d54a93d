"""A piston drives a compression front through single-crystalline hcp titanium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from . import structures as s
from .checks import LATTICES, neighbours, neighbours_kept, template_matching
from .engine import Engine, engine
from .potentials import POTENTIALS
from .records import Record, Run, State

# Lattice constants of the potential in Angstrom at 300 K and zero pressure, for cells along [2-1-10], [01-10], [0001].
A, C = 2.947, 4.671
TEMPERATURE = 300.0
# Labels. The layers at the ends are at least as thick as the range of the potential.
AHEAD, FRONT, BEHIND, ENDS, CHANGED = 1, 2, 3, 4, 5
FRONT_HALF_WIDTH, END_LAYER = 6.0, 9.0
PISTON = 8.0
# Number of its 12 nearest neighbours in the ideal crystal that an atom must keep to count as part of that crystal.
LEAST_KEPT = 11
# Frames are taken when the front has passed these shares of the crystal.
PLACES = (0.4, 0.5, 0.6)
# Positions are averaged over this time in ps, centred on the frame.
WINDOW = 0.2
INTERVAL = 0.01
LEGEND = (
    f"1 ahead of the front; 2 front zone (within {FRONT_HALF_WIDTH:.0f} A of it); 3 behind the front; "
    f"4 interface to leave out: piston or surface within {END_LAYER:.0f} A; "
    f"5 interface to leave out: behind the front and no longer clearly hcp (fewer than {LEAST_KEPT} of 12 neighbours "
    "of the ideal crystal kept, or not matched as hcp, by mean positions)"
)
MATCHED = "ptm_average: " + " ".join(f"{index} {name}" for index, name in enumerate(LATTICES.values()))


@dataclass(frozen=True)
class Shock:
    """A piston velocity in km/s and the crystal direction that it pushes along."""

    direction: str
    velocity: float

    def make(self, seed: int) -> Iterator[Record]:
        ideal = _bar(self.direction)
        with engine(ideal, POTENTIALS["Ti"], seed) as machine:
            movie = self._drive(machine)
        frames, checks, pressures = [], [], 0.0
        for place in PLACES:
            atoms, text = _frame(ideal, movie, place)
            frames.append(atoms)
            checks.append(f"[front at {place:.1f}] {text}")
        state = State("Ti-shock", "hcp", TEMPERATURE, POTENTIALS["Ti"].name, 1941, "experiment", pressures)
        comment = {"direction": self.direction, "piston_km_s": str(self.velocity), "label_legend": LEGEND,
                   "ptm_legend": MATCHED}  # fmt: skip
        speed = f"piston {self.velocity} km/s along {self.direction}, front {_front_speed(movie):.2f} km/s; "
        yield Record(f"Ti_shock_{self.direction}_{self.velocity}", "S_shock", state, frames,
                     speed + "; ".join(checks), True, comment)  # fmt: skip

    def _drive(self, machine: Engine) -> Movie:
        """Thermalise, push, and record positions until the front has moved far enough."""
        machine.heat(2 * TEMPERATURE)
        machine.stage(TEMPERATURE, 0.4)
        start = machine.unwrapped()[:, 2]
        low = start.min()
        piston = start < low + PISTON
        velocity = 10 * self.velocity  # Angstrom/ps
        machine.run(
            f"region ends block INF INF INF INF INF {low + PISTON:.10f}",
            "group piston region ends",
            f"velocity piston set 0 0 {velocity}",
            "fix drive all nve",
            "fix hold piston setforce 0 0 0",
        )
        positions, fronts, edges = [], [], machine.edges()
        first = True
        while True:
            machine.run(f"run {machine.steps(INTERVAL)} {'' if first else 'pre no'} post no")
            first = False
            now = machine.unwrapped()
            positions.append(now)
            fronts.append(_front(now[:, 2], machine.velocities()[:, 2], piston, velocity))
            done = len(fronts) - 1 - round(WINDOW / 2 / INTERVAL)
            length = now[:, 2].max() - low
            if done > 0 and fronts[done] - low > PLACES[-1] * length:
                return Movie(np.array(positions), np.array(fronts), piston, edges, low)
            if len(fronts) * INTERVAL > 6.0:
                raise RuntimeError("the front did not pass within 6 ps; check the velocity of the piston")


@dataclass(frozen=True)
class Movie:
    """Positions (T, N, 3) and heights of the front (T,) every `INTERVAL` ps, piston atoms, box edges, and bottom."""

    positions: np.ndarray
    fronts: np.ndarray
    piston: np.ndarray
    edges: np.ndarray
    low: float


def _bar(direction: str) -> Atoms:
    """A bar of hcp with its long axis along z, where it is open."""
    unit = s.hcp_along(direction, "Ti", A, C)
    atoms = unit.repeat((8, 4, 34) if direction == "0001" else (8, 5, 30))
    # The first layer gets room, so that no atom lies on the boundary.
    atoms.positions[:, 2] += 0.5
    atoms.cell[2, 2] += 1.0
    atoms.pbc = (True, True, False)
    return atoms


def _front(height: np.ndarray, speed: np.ndarray, piston: np.ndarray, driven: float, width: float = 4.0) -> float:
    """The height where the mean velocity of slabs crosses half the piston's, seen from the undisturbed side."""
    edges = np.arange(height[~piston].min(), height.max() + width, width)
    slab = np.digitize(height, edges) - 1
    count = np.bincount(slab[~piston], minlength=len(edges))
    mean = np.bincount(slab[~piston], speed[~piston], len(edges)) / np.maximum(count, 1)
    fast = np.flatnonzero((mean > driven / 2) & (count > 0))
    if len(fast) == 0:
        return float(height[piston].max())
    last = fast.max()
    following = mean[last + 1] if last + 1 < len(mean) else 0.0
    share = (mean[last] - driven / 2) / max(mean[last] - following, 1e-9)
    return float(edges[last] + width * (0.5 + min(share, 1.0)))


def _front_speed(movie: Movie) -> float:
    """Slope of the front's path over its second half, in km/s."""
    half = len(movie.fronts) // 2
    return float(np.polyfit(np.arange(half, len(movie.fronts)) * INTERVAL, movie.fronts[half:], 1)[0] / 10)


def _frame(ideal: Atoms, movie: Movie, place: float) -> tuple[Atoms, str]:
    """The labelled frame in which the front stands at a share of the length, and a description of its parts."""
    heights = movie.positions[:, :, 2]
    reached = movie.fronts - movie.low > place * (heights.max(axis=1) - movie.low)
    margin = round(WINDOW / 2 / INTERVAL)
    index = int(np.clip(np.argmax(reached), margin, len(reached) - 1 - margin))
    window = slice(index - margin, index + margin + 1)
    now, mean, front = movie.positions[index], movie.positions[window].mean(axis=0), movie.fronts[index]
    edges = movie.edges.copy()
    low, high = now[:, 2].min() - 0.5, now[:, 2].max() + 0.5
    edges[2] = high - low
    shift = np.array([0, 0, low])
    periodic = (True, True, False)
    before = neighbours(ideal.positions, ideal.cell.lengths(), 12, periodic)
    kept = neighbours_kept(before, neighbours(mean, movie.edges, 12, periodic))
    average = Atoms(ideal.numbers, mean - shift, cell=edges, pbc=periodic)
    average.wrap()
    matched = template_matching(average, 0.20)
    height = now[:, 2]
    label = np.where(height > front, AHEAD, BEHIND)
    unclear = (kept < LEAST_KEPT) | (matched != list(LATTICES).index("HCP"))
    label[(label == BEHIND) & unclear] = CHANGED
    label[np.abs(height - front) <= FRONT_HALF_WIDTH] = FRONT
    ends = (height < height[movie.piston].max() + END_LAYER) | (height > height.max() - END_LAYER)
    label[ends | movie.piston] = ENDS
    atoms = Atoms(ideal.numbers, now - shift, cell=edges, pbc=periodic)
    atoms.wrap()
    atoms.set_array("label", label)
    atoms.set_array("ptm_average", matched)
    atoms.set_array("neighbours_kept", kept)
    atoms.info["front_z"] = f"{front - low:.2f}"
    # Compression of the part behind the front, away from the ends: its thickness now against that before.
    behind = np.flatnonzero(np.isin(label, (BEHIND, CHANGED)))
    squeezed = np.polyfit(ideal.positions[behind, 2], now[behind, 2], 1)[0] if len(behind) > 100 else np.nan
    atoms.info["compression"] = f"{100 * (1 - squeezed):.1f} %"
    text = f"compressed by {100 * (1 - squeezed):.1f} %"
    names = list(LATTICES.values())
    for code, word in ((AHEAD, "ahead"), (BEHIND, "behind"), (CHANGED, "behind, unclear")):
        chosen = label == code
        if chosen.any():
            found = np.bincount(matched[chosen], minlength=len(names)) / chosen.sum()
            top = " ".join(f"{names[k]}:{found[k]:.3f}" for k in np.argsort(-found)[:3])
            text += f", {word} {chosen.sum()} atoms PTM(0.2ps-avg,0.20) {top}"
    return atoms, text


# 1.2 km/s along [0001] compresses by about a quarter.
SHOCKS = [
    Shock("0001", 1.2),
    Shock("10-10", 1.3),
    Shock("0001", 0.6),
    Shock("10-10", 0.8),
]
RUNS = [Run(f"shock-Ti-{shock.direction}-{shock.velocity}", shock.make) for shock in SHOCKS]
