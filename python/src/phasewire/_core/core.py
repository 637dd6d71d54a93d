"""The compiled core in this process: `phasewire.wasm` hosted by wasmtime (docs/core-abi.md).

Python computes nothing of the model. This module lays out memory, copies arrays in and out, calls the core's stages
and turns its status codes into errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._core.build import Build, build_file, choose_build
from phasewire._core.instance import Fields, Instance, too_large
from phasewire._core.pair_room import PairRoom
from phasewire._frame.frame import Frame, cell_not_finite, flat_cell
from phasewire._model.model import Model
from phasewire.errors import STATUS_REASONS, PhasewireError, make_error, refusal, show

_MOST_PAIRS = limits.whole("core", "mostPairs")
_MOST_SKIN = limits.number("core", "mostSkin")
_PAIR_GRADIENT_BYTES = 16
_CONVERGED = "converged"
_CONVERGED_TOLERANCE = limits.number("denoising", "convergedTolerance")
_CONVERGED_LIMIT = limits.whole("denoising", "convergedSteps")
_MODEL = read_table("model")


class Core(Instance):
    """An instance of the core with a model.

    Parameters
    ----------
    model : Model
    wasm : Path, optional
        The compiled core. Default: the one of ``build`` in the package's data folder.
    build : {"auto", "baseline", "relaxed"}
        The build of the core; ``"auto"`` is the fastest that runs here.
    skin : float
        Skin of the neighbour lists in units of a0, 0 for none (`phasewire.Local`).

    Attributes
    ----------
    build : str
        The build in use; the file's name if ``wasm`` was given.

    Raises
    ------
    InputError
        ``BAD_OPTION`` if the build is not available, or the skin is not from 0 to 2.
    ModelError
        ``MODEL_NOT_FOUND`` if the compiled core is missing, ``MODEL_VERSION`` if it has another interface version,
        ``MODEL_NON_FINITE`` if the core refuses the weights.
    """

    def __init__(self, model: Model, wasm: Path | None = None, *, build: Build = "auto", skin: float = 0.0) -> None:
        _check_skin(skin)
        self.model = model
        self.build: str = choose_build(build) if wasm is None else wasm.name
        self._class_count = len(model.phases)
        self._atom_count = 0
        self._skin = float(skin)
        self._prior_set = False
        # Sizes that the regions of the frame were laid out for; frames with the same needs share the layout.
        self._layout: tuple[int, int, int] | None = None
        self._pair_room = PairRoom()
        super().__init__(build_file(self.build) if wasm is None else wasm)
        self._fields = Fields(self, self.end)
        self._frame_base = self._load_model()

    def set_prior(self, weights: NDArray[np.float64] | None) -> None:
        """Set the prior over classes for all later calls.

        Parameters
        ----------
        weights : float64 array, shape (C,), optional
            At least 0, not all but the first 0. None: all equal.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for other weights.
        """
        wanted = np.ones(self._class_count) if weights is None else np.asarray(weights, np.float64)
        region = self._fields.array("CLASS_WEIGHTS", np.float64, (self._class_count,))
        # Refused weights stay in the region while the earlier prior is in use, so the next weights are set in any case.
        if self._prior_set and np.array_equal(region, wanted):
            return
        self._prior_set = False
        region[:] = wanted
        self._run("setPrior")
        self._prior_set = True

    def load(self, frame: Frame, length_scale: float | None, *, gradient: bool, per_class: bool = True) -> None:
        """Hand a frame to the core and find its neighbours.

        Parameters
        ----------
        frame : Frame
        length_scale : float, optional
            a0; estimated by the core if None.
        gradient : bool
            Whether `score`, `backward` or `denoise` will follow.
        per_class : bool
            Whether `logits` or `probabilities` will be read. Without them a frame without ``gradient`` costs less.

        Raises
        ------
        InputError
            If the core refuses the frame.
        """
        self._atom_count = len(frame)
        self._features = self._features_for(gradient, per_class)
        self._lay_out_what_fits()
        self._fields.array("POSITIONS", np.float64, (self._atom_count, 3))[:] = frame.positions
        self._fields.set_count("SPECIES_USED", frame.species is not None)
        if frame.species is not None:
            self._fields.array("SPECIES", np.int32, (self._atom_count,))[:] = frame.species
        cell = np.zeros((3, 3)) if frame.cell is None else frame.cell
        self._fields.values("CELL", 9)[:] = cell.ravel()
        self._fields.set_count("PERIODIC", sum(1 << axis for axis, flag in enumerate(frame.periodic) if flag))
        self._fields.values("LENGTH_SCALE_GIVEN")[0] = 0.0 if length_scale is None else length_scale
        self._run("loadFrame")
        self._pair_room.used(self._fields.count("PAIRS_NEEDED"), self._atom_count)

    def forget(self) -> None:
        """Lay out the next frame from scratch, with new neighbour lists."""
        self._layout = None

    @property
    def reused_lists(self) -> bool:
        """Whether the neighbours of the loaded frame come from the lists of an earlier frame."""
        return self._fields.count("LIST_REUSED") == 1

    def forward(self) -> None:
        """Compute logits and all per-atom results of the loaded frame."""
        self._run("forward")

    def score(self) -> None:
        """Compute the gradient and the virial of logP, after `forward`."""
        self._run("score")

    def backward(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute gradient and virial of an L whose dL/dl is in `seed`, after `forward`, and return views of them."""
        self._run("backward")
        return self._fields.array("GRADIENT", np.float64, (self._atom_count, 3)), self._virial()

    def denoise(self, steps: int | str) -> None:
        """Denoise the loaded frame; the results are then those of the denoised one (docs/core-abi.md)."""
        converged = steps == _CONVERGED
        self._fields.set_count("DENOISE_LIMIT", _CONVERGED_LIMIT if converged else int(steps))
        self._fields.values("DENOISE_TOLERANCE")[0] = _CONVERGED_TOLERANCE if converged else 0.0
        self.call("startDenoise", self._fields.address)
        self._run("denoise")

    def frame_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that variables depend on, after `forward`: views that hold until the next `load`."""
        count, classes = self._atom_count, self._class_count
        arrays: dict[str, NDArray[Any]] = {
            "LOGITS": self._fields.array("LOGITS", np.float32, (count, classes)),
            "POSITIONS": self._fields.array("POSITIONS", np.float64, (count, 3)),
            "LOG_WEIGHTS": self._fields.array("LOG_PRIOR", np.float64, (classes,)),
            "IDEAL_LOGITS": self._fields.array("IDEAL_LOGITS", np.float64, (classes,)),
        }
        if self._fields.count("SPECIES_USED"):
            arrays["SPECIES"] = self._fields.array("SPECIES", np.int32, (count,))
        # `backward` reads its seed before it writes the gradients of pairs, which mostly take more memory than a seed.
        if 8 * count * classes <= _PAIR_GRADIENT_BYTES * self._fields.count("PAIR_CAPACITY"):
            arrays["SEED"] = self._fields.array("PAIR_GRADIENT", np.float64, (count, classes))
        return arrays

    @property
    def seed(self) -> NDArray[np.float32]:
        """Room for the seed of `backward`, shape ``(N, C)``."""
        return self._fields.array("SEED", np.float32, (self._atom_count, self._class_count))

    def logits(self) -> NDArray[np.float32]:
        """Return the logits, log-weights of the prior included, shape ``(N, C)``."""
        return self._fields.array("LOGITS", np.float32, (self._atom_count, self._class_count)).copy()

    def probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities, shape ``(N, C)``."""
        return self._fields.array("PROBABILITIES", np.float32, (self._atom_count, self._class_count)).copy()

    def labels(self) -> NDArray[np.uint16]:
        """Return the labels, shape ``(N,)``."""
        return self._fields.array("LABELS", np.uint16, (self._atom_count,)).copy()

    def takes_part(self) -> NDArray[np.bool_]:
        """Return which atoms took part in denoising, shape ``(N,)``."""
        return self._fields.array("TAKES_PART", np.uint8, (self._atom_count,)).astype(bool)

    def surroundings(self) -> NDArray[np.float32]:
        """Return hidden numbers and messages of the last forward pass, shape ``(N, H + M)``."""
        shape, count = self.model.shape, self._atom_count
        given = self._fields.array("ORDER", np.int32, (count,))
        inputs = np.empty((count, shape.hiddenWidth + shape.messageWidth), np.float32)
        inputs[given, : shape.hiddenWidth] = self._fields.array("HIDDEN", np.float32, (count, shape.hiddenWidth))
        inputs[given, shape.hiddenWidth :] = self._fields.array("MESSAGES", np.float32, (count, shape.messageWidth))
        return inputs

    def per_atom(self, name: str) -> NDArray[np.float32]:
        """Return ``CONFIDENCE``, ``MARGIN``, ``DISTANCE`` or ``ATOM_LOG_DENSITY``, shape ``(N,)``."""
        return self._fields.array(name, np.float32, (self._atom_count,)).copy()

    def positions(self) -> NDArray[np.float64]:
        """Return the positions, denoised after `denoise`, shape ``(N, 3)``."""
        return self._fields.array("POSITIONS", np.float64, (self._atom_count, 3)).copy()

    def gradient(self) -> NDArray[np.float64]:
        """Return dL/dr of the last `score` or `backward`, shape ``(N, 3)``."""
        return self._fields.array("GRADIENT", np.float64, (self._atom_count, 3)).copy()

    def virial(self) -> NDArray[np.float64]:
        """Return the virial of the last `score` or `backward`, shape ``(3, 3)``."""
        return self._virial().copy()

    @property
    def length_scale(self) -> float:
        """a0 in use."""
        return float(self._fields.values("LENGTH_SCALE")[0])

    @property
    def log_density(self) -> float:
        """LogP of the last forward pass."""
        return float(self._fields.values("LOG_DENSITY")[0])

    @property
    def initial_log_density(self) -> float:
        """LogP of the frame before denoising."""
        return float(self._fields.values("DENOISE_INITIAL")[0])

    @property
    def denoise_steps(self) -> int:
        """Number of gradient evaluations of the last denoising."""
        return self._fields.count("DENOISE_STEPS")

    def _virial(self) -> NDArray[np.float64]:
        return self._fields.values("VIRIAL", 9).reshape(3, 3)

    def _load_model(self) -> int:
        model, context = self.model, self._fields.address
        base = context + self.constants["CONTEXT_BYTES"]
        self.grow(base)
        for key, size in _MODEL["sizes"].items():
            self._fields.set_count(size["core"], getattr(model.shape, key))
        for key, constant in _MODEL["constants"].items():
            self._fields.values(constant["core"])[0] = model.settings[key]
        self._fields.values("SKIN")[0] = self._skin
        end = int(self.call("layoutModel", context, base))
        if end == 0:
            raise make_error(
                "MODEL_SHAPE",
                "the core refuses the shape of the model",
                field="model",
                value=str(model.shape),
                remedy="build the core and install the package from the same release",
            )
        self.grow(end)
        for name, tensor in model.tensors.items():
            self._fields.array(name.upper().replace(".", "_"), np.float32, tensor.shape)[:] = tensor
        self._fields.array("IDEAL_LOGITS", np.float64, (self._class_count,))[:] = model.ideal_logits
        self._fields.array("CLASS_SPECIES", np.int32, (self._class_count,))[:] = model.species_counts
        self._run("prepareModel")
        return end

    def _features_for(self, gradient: bool, per_class: bool) -> int:
        keep = gradient and self._atom_count <= self.constants["KEEP_DENSITY_ATOMS"]
        features = 0 if per_class else self.constants["FEATURE_NO_TABLES"]
        if gradient:
            features |= self.constants["FEATURE_GRADIENT"]
        if keep:
            features |= self.constants["FEATURE_KEEP_DENSITY"]
        # Without a skin, denoising makes its own lists.
        if keep or self._skin > 0:
            features |= self.constants["FEATURE_LISTS"]
        return features

    def _lay_out_frame(self, pairs_per_atom: float) -> None:
        """Assign the frame's regions, with room for this many pairs per atom; 0 leaves the number to the core.

        If the layout would not change, it stays as it is, and the core may reuse its lists of the frame before.
        """
        count = self._atom_count
        wanted = (count, min(int(np.ceil(count * pairs_per_atom)), _MOST_PAIRS), self._features)
        if wanted == self._layout:
            return
        self._layout = None
        end = int(self.call("layoutFrame", self._fields.address, self._frame_base, count, wanted[1], 1, self._features))
        if end == 0:
            raise too_large(count)
        self.grow(end, count)
        self.end = end
        self._layout = wanted

    def _lay_out_what_fits(self) -> None:
        """Lay out a frame of which nothing is known yet.

        Where the room that another frame needed does not fit, the usual one may.
        """
        try:
            self._lay_out_frame(self._pair_room.per_atom)
        except PhasewireError:
            if self._pair_room.per_atom == 0:
                raise
            self._pair_room.forget()
            self._lay_out_frame(self._pair_room.per_atom)

    def _run(self, stage: str) -> None:
        """Call a stage, and again with more memory if it needs more."""
        while True:
            status = self.call(stage, self._fields.address)
            if status == self.constants["STATUS_OK"]:
                return
            if status != self.constants["STATUS_PAIR_OVERFLOW"]:
                self._pair_room.forget()
                raise self._status_error(stage, status)
            try:
                self._lay_out_frame(self._pair_room.grow(self._fields.count("PAIRS_NEEDED"), self._atom_count))
            except PhasewireError:
                self._pair_room.forget()
                raise

    def _status_error(self, stage: str, status: int) -> PhasewireError:
        name = self.status_name(status)
        reason = STATUS_REASONS.get(name)
        atom, other = self._fields.count("ERROR_ATOM"), self._fields.count("ERROR_OTHER")
        if reason == "positionNotFinite":
            position = self._fields.array("POSITIONS", np.float64, (self._atom_count, 3))[atom]
            axis = int(np.argmin(np.isfinite(position)))
            number = float(position[axis])
            return refusal(reason, axis="xyz"[axis], atom=atom, number=number, value=number)
        if reason == "coincidentAtoms":
            distance = float(self._fields.values("ERROR_DISTANCE")[0])
            return refusal(
                reason,
                atom=atom,
                other="an image of itself" if other == atom else f"atom {other}",
                distance=distance,
                least=limits.number("frame", "coincident"),
                scale=self.length_scale,
                value=[atom, other, distance],
            )
        if reason == "tooDense":
            most = self.constants["ROW_CAPACITY"]
            return refusal(reason, scale=self.length_scale, atom=atom, most=most, value=self.length_scale)
        if reason == "noLengthScale":
            return refusal(reason, fewest=limits.whole("frame", "fewestOfCluster"))
        if reason == "extremeLengthScale":
            number = float(self._fields.values("LENGTH_SCALE_GIVEN")[0])
            least, most_length = (limits.number("frame", f"{bound}LengthScale") for bound in ("shortest", "longest"))
            return refusal(reason, number=number, least=least, most=most_length, value=number)
        if reason in ("flatCell", "cellNotFinite"):
            cell = self._fields.values("CELL", 9).reshape(3, 3)
            bits = self._fields.count("PERIODIC")
            periodic = [bool(bits >> axis & 1) for axis in range(3)]
            return flat_cell(cell.tolist(), periodic) if reason == "flatCell" else cell_not_finite(cell)
        if reason in ("aborted", "modelNotFinite", "prior"):
            return refusal(reason)
        return make_error("INTERNAL", f"the core's {stage} returned {name}", field=stage)


def _check_skin(skin: float) -> None:
    if isinstance(skin, (int, float, np.number)) and not isinstance(skin, bool) and 0 <= skin <= _MOST_SKIN:
        return
    raise refusal("skin", found=show(skin), most=_MOST_SKIN, value=skin)
