"""Results of the model for a frame, raw and denoised, kept in the cache."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from phasewire import Local, Result
from phasewire._model.data import data_file

from .cache import Arrays, Cache, digest

CONVERGED = "converged"
Steps = int | str


@dataclass(frozen=True)
class Measured:
    """One pass over one frame of N atoms with a model of C classes.

    labels, confidence, margin, distance: (N,), the distance in the frame's length unit; mean_logits,
    mean_probabilities: (C,); denoised: (N, 3), None without denoising.
    """

    phases: tuple[str, ...]
    labels: np.ndarray
    confidence: np.ndarray
    margin: np.ndarray
    distance: np.ndarray
    mean_logits: np.ndarray
    mean_probabilities: np.ndarray
    length_scale: float
    denoised: np.ndarray | None = None

    @property
    def names(self) -> np.ndarray:
        """Class name of every atom, (N,)."""
        return np.array(self.phases)[self.labels]


class Bench:
    """A model and the cache of its results."""

    def __init__(self, analyser: Local, cache: Cache, steps: int) -> None:
        self.analyser = analyser
        self.cache = cache
        self.steps = steps
        core = hashlib.sha256(data_file("phasewire.wasm").read_bytes()).hexdigest()
        self._identity = {"model": analyser.model.sha256, "core": core}

    @property
    def phases(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return self.analyser.phases

    @property
    def crystals(self) -> tuple[str, ...]:
        """Class names without `disordered`."""
        return self.analyser.phases[1:]

    @property
    def logit_length(self) -> float:
        """The model's s, in units of a0."""
        return float(self.analyser.model.settings["logitLength"])

    def raw(self, atoms: Atoms) -> Measured:
        """Results of one pass without denoising."""
        return self._measure(atoms, 0)

    def denoised(self, atoms: Atoms, steps: Steps | None = None) -> Measured:
        """Results after denoising, by the bench's number of steps, another number, or until convergence."""
        return self._measure(atoms, self.steps if steps is None else steps)

    def logits(self, atoms: Atoms) -> np.ndarray:
        """Logits of one raw pass, (N, C)."""
        key = self._identity | {"method": "logits", "frame": digest(atoms)}
        return self.cache.get(key, lambda: {"values": self._analyse(atoms, 0, ("logits",)).logits})["values"]

    def names_at(self, atoms: Atoms, length_scale: float) -> np.ndarray:
        """Class names of one raw pass with a given length scale, (N,)."""
        key = self._identity | {"method": "labels", "a0": round(length_scale, 6), "frame": digest(atoms)}
        labels = self.cache.get(key, lambda: {"labels": self._analyse(atoms, 0, ("labels",), length_scale).labels})
        return np.array(self.phases)[labels["labels"]]

    def _measure(self, atoms: Atoms, steps: Steps) -> Measured:
        key = self._identity | {"method": "analysis", "denoise": steps, "frame": digest(atoms)}
        arrays = self.cache.get(key, lambda: self._compute(atoms, steps))
        return Measured(
            phases=self.phases,
            labels=arrays["labels"],
            confidence=arrays["confidence"],
            margin=arrays["margin"],
            distance=arrays["distance"],
            mean_logits=arrays["mean_logits"],
            mean_probabilities=arrays["mean_probabilities"],
            length_scale=float(arrays["length_scale"]),
            denoised=arrays.get("denoised"),
        )

    def _compute(self, atoms: Atoms, steps: Steps) -> Arrays:
        fields = ("labels", "confidence", "margin", "distance", "logits", "probabilities")
        result = self._analyse(atoms, steps, (*fields, "denoised") if steps else fields)
        arrays = {
            "labels": result.labels,
            "confidence": result.confidence,
            "margin": result.margin,
            "distance": result.distance,
            "mean_logits": result.logits.mean(axis=0, dtype=np.float64),
            "mean_probabilities": result.probabilities.mean(axis=0, dtype=np.float64),
            "length_scale": np.array(result.length_scale),
        }
        return arrays | ({"denoised": result.denoised} if steps else {})

    def _analyse(
        self, atoms: Atoms, steps: Steps, fields: tuple[str, ...], length_scale: float | None = None
    ) -> Result:
        periodic = tuple(map(bool, atoms.pbc))
        cell = np.asarray(atoms.cell) if any(periodic) else None
        return self.analyser.analyse(
            atoms.positions,
            cell,
            periodic,
            atoms.get_chemical_symbols(),
            denoise=steps,
            fields=fields,
            length_scale=length_scale,
        )
