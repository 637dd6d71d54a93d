"""The results of an analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract.tables import read_table
from phasewire._frame.hint import Hint
from phasewire._model.class_names import class_number
from phasewire.errors import PhasewireError, make_error

if TYPE_CHECKING:
    from phasewire._frame.frame import Frame

_PROTOCOL = read_table("protocol")
_DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "u16": np.dtype(np.uint16),
}
# Of the energy of variables, which `Evaluation` has.
_OF_ENERGIES = ("forces", "virial")

FIELDS: tuple[str, ...] = tuple(name for name in _PROTOCOL["fields"] if name not in _OF_ENERGIES)
DEFAULT_FIELDS = ("labels", "confidence", "margin", "distance")
FIELD_DTYPES: dict[str, np.dtype[Any]] = {name: _DTYPES[_PROTOCOL["fields"][name]["dtype"]] for name in FIELDS}


def field_shape(name: str, atom_count: int, class_count: int) -> tuple[int, ...]:
    """Return the shape of a field."""
    extents = {"atoms": atom_count, "classes": class_count}
    return tuple(extents.get(extent, extent) for extent in _PROTOCOL["fields"][name]["shape"])


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The phases of one frame.

    Per-atom arrays hold the N atoms analysed, in the order in which they were given, and are None unless ``fields``
    requested them. After denoising they describe the denoised frame, except that an atom which the raw
    pass calls ``disordered`` keeps that label.

    Attributes
    ----------
    phases : tuple of str
        Class names; ``labels`` are indices into it, and class 0 is ``disordered``.
    fractions : Mapping of str to float
        Share of the atoms with each label, all classes.
    log_density, mean_log_density : float
        logP of the frame as sent, and logP divided by the number of atoms.
    mean_margin : float
        Mean margin over the atoms.
    length_scale : float
        a0 that was used, in the simulation's length unit.
    atom_count : int
    step : int
        The simulation's step.
    time : float or None
        The simulation's time, if it was given.
    seconds : float
        Duration of the analysis.
    dropped : int
        Frames dropped before this one, by client or server. Always 0 outside monitoring.
    denoising_steps : int
        Denoising steps taken, 0 without denoising.
    mean_displacement : float
        Mean length of the displacements by denoising, in the simulation's length unit.
    selection : int64 array, shape (N,), or None
        Indices of the analysed atoms among the given ones, ascending; None if all were analysed.
    selected : str or None
        Description of these atoms: the selected species, or ``oxygen of water`` if water was recognised.
    water : bool
        Whether they are the oxygens of water, recognised or selected.
    hints : tuple of Hint
        Advice, if the frame is probably not what its labels show (docs/hints.md); mostly empty.
    titles : tuple of str
        Names of the classes for display: in ``water`` with the name of the ice added, such as
        ``hexdiamond (ice-Ih)``.
    labels : uint16 array, shape (N,)
    confidence : float32 array, shape (N,)
        Probability of the label.
    margin : float32 array, shape (N,)
        Best minus second-best logit.
    distance : float32 array, shape (N,)
        Distance to the ideal phase, in the simulation's length unit.
    probabilities, logits : float32 array, shape (N, C)
        The logits include the log-weights of the classes if those were given.
    denoised : float64 array, shape (N, 3)
        Positions after denoising.
    score : float64 array, shape (N, 3)
        d logP / d r of the frame as sent, 1/length.
    """

    phases: tuple[str, ...]
    fractions: Mapping[str, float]
    log_density: float
    mean_log_density: float
    mean_margin: float
    length_scale: float
    atom_count: int
    step: int = 0
    time: float | None = None
    seconds: float = 0.0
    dropped: int = 0
    denoising_steps: int = 0
    mean_displacement: float = 0.0
    labels: NDArray[np.uint16] | None = None
    confidence: NDArray[np.float32] | None = None
    margin: NDArray[np.float32] | None = None
    distance: NDArray[np.float32] | None = None
    probabilities: NDArray[np.float32] | None = None
    logits: NDArray[np.float32] | None = None
    denoised: NDArray[np.float64] | None = None
    score: NDArray[np.float64] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    selection: NDArray[np.int64] | None = None
    selected: str | None = None
    water: bool = False
    water_names: Mapping[str, str] = field(default_factory=dict)
    hints: tuple[Hint, ...] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the classes for display."""
        ices = self.water_names if self.water else {}
        return tuple(f"{name} ({ices[name]})" if ices.get(name, name) != name else name for name in self.phases)

    @property
    def crystalline(self) -> float:
        """Share of the atoms whose label is not ``disordered``."""
        return 1.0 - self.fractions[self.phases[0]]

    def with_atoms_of(self, frame: Frame, water_names: Mapping[str, str]) -> Result:
        """Return the result with the frame's selection of atoms, if there is one."""
        if frame.selection is None:
            return self
        return replace(
            self,
            selection=frame.selection,
            selected=frame.selected,
            water=frame.water,
            water_names=water_names,
        )

    def where(self, phase: str) -> NDArray[np.bool_]:
        """Return a mask of the atoms of a phase, shape ``(N,)``.

        Parameters
        ----------
        phase : str
            A class name or an alias.

        Raises
        ------
        InputError
            ``BAD_OPTION`` if the model has no such class, or if the labels were not requested.
        """
        mask: NDArray[np.bool_] = self._labels() == class_number(phase, self.phases, self.aliases, "phase")
        return mask

    def phase_names(self) -> NDArray[np.str_]:
        """Return the class name of each atom, shape ``(N,)``."""
        return np.array(self.phases)[self._labels()]

    def _labels(self) -> NDArray[np.uint16]:
        if self.labels is None:
            raise make_error(
                "BAD_OPTION",
                "this result carries no labels",
                field="fields",
                remedy='ask for them: analyse(..., fields=("labels",))',
            )
        return self.labels

    def __repr__(self) -> str:
        titles = dict(zip(self.phases, self.titles, strict=True))
        shares = sorted(((titles[name], share) for name, share in self.fractions.items()), key=lambda item: -item[1])
        text = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares if share >= 0.0005)
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        atoms = f"{self.atom_count} atoms ({self.selected})" if self.selected else f"{self.atom_count} atoms"
        return f"<Result step {self.step}: {atoms}, {text}; a0 {self.length_scale:.4g}{dropped}>"


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Order parameters of one frame and the forces of the energy made of them.

    Attributes
    ----------
    values : float64 array, shape (V,)
        One value per variable, in the given order.
    energy : float
        Energy of these values: the sum of coefficient times value, or the value of the given function.
    forces : float64 array, shape (N, 3)
        -dE/dr of all given atoms: zero for those that are not analysed.
    virial : float64 array, shape (3, 3)
        -sum over pairs of (dE/dr_ij)_alpha (r_ij)_beta (docs/maths.md), at fixed a0 unless a0 follows the cell
        (docs/variables.md, "Derivatives").
    length_scale : float
        a0 that was used.
    step : int
    seconds : float
    coefficients : float64 array, shape (V,)
        dE/dV.
    selection : int64 array, shape (M,), or None
        Indices of the analysed atoms; None if all were analysed.
    selected : str or None
        Description of these atoms, as in `Result`.
    """

    values: NDArray[np.float64]
    energy: float
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    length_scale: float
    step: int = 0
    seconds: float = 0.0
    coefficients: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    selection: NDArray[np.int64] | None = None
    selected: str | None = None

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.6g}" for value in self.values)
        count = len(self.forces) if self.selection is None else len(self.selection)
        atoms = f"{count} atoms ({self.selected})" if self.selected else f"{count} atoms"
        return f"<Evaluation step {self.step}: energy {self.energy:.6g}, values [{values}], {atoms}>"


@dataclass(frozen=True)
class FailedFrame:
    """A frame that gave no result: its step and the reason."""

    step: int
    time: float | None
    error: PhasewireError
