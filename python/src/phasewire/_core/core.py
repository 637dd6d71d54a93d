"""The compiled core in this process: `phasewire.wasm` hosted by wasmtime (docs/core-abi.md).

Python computes nothing of the model. This module lays out memory, copies arrays in and out and calls the core's stages.
Large frames go through the stages in slices, between which Python can end a call: signals arrive, aborts and budgets
are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._core.build import Build, build_file, choose_build
from phasewire._core.ending import Ending
from phasewire._core.instance import Fields, Instance, too_large
from phasewire._core.pair_room import PairRoom
from phasewire._core.status import status_error
from phasewire._frame.frame import Frame
from phasewire._model.model import Model
from phasewire.errors import PhasewireError, make_error, refusal, show

_MOST_PAIRS = limits.whole("core", "mostPairs")
_MOST_SKIN = limits.number("core", "mostSkin")
_SLICE = limits.whole("core", "slice")
_PAIR_GRADIENT_BYTES = 16
# Pairs per atom of a crystal: atoms with more take that much longer.
_USUAL_PAIRS = 64
_CONVERGED = "converged"
_CONVERGED_TOLERANCE = limits.number("denoising", "convergedTolerance")
_CONVERGED_LIMIT = limits.whole("denoising", "convergedSteps")
_MODEL = read_table("model")


class Core(Instance):
    """An instance of the core with a model.

    After an error, or an exception such as ``KeyboardInterrupt`` in the middle of a call, load a frame: it gets the
    results that it gets from a new core.

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
        # False after a call that did not end well.
        self._sound = True
        super().__init__(build_file(self.build) if wasm is None else wasm)
        self._fields = Fields(self, self.end)
        self.grow(self._fields.address + self.constants["CONTEXT_BYTES"])
        self._ending = Ending(self._fields.integer("ABORT"))
        self._frame_base = self._load_model()

    def begin(self, budget: float | None = None) -> None:
        """Begin a call: aborts so far do not end it.

        Parameters
        ----------
        budget : float, optional
            Seconds after which the calls on a frame raise ``OVER_BUDGET``. Default: none.
        """
        self._ending.begin(budget)

    def abort(self, thread: int | None = None) -> None:
        """Make the calls since `begin` raise ``ABORTED`` soon, if they are of this thread. Any thread may call this."""
        self._ending.abort(thread)

    def pause(self) -> None:
        """Raise ``ABORTED`` or ``OVER_BUDGET`` if the calls since `begin` must end."""
        self._ending.check(self._atom_count)

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
        self._check("setPrior", self._stage("setPrior"))
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
        if not self._sound:
            self._recover()
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
        with self._whole():
            self._check("loadFrame", self._search())
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
        with self._whole():
            self._pass("forward", "forwardDensity", "forwardLogits", "finishForward")

    def group_species(self) -> dict[int, int]:
        """Return the group of each species of the evaluated frame; those of a group occupy the same sites.

        Empty if species are ignored, or there are more than 16.
        """
        found = int(self.call("groupSpecies", self._fields.address))
        pairs = self._fields.array("SPECIES_GROUPS", np.int32, (found, 2))
        return {int(kind): int(group) for kind, group in pairs}

    def score(self) -> None:
        """Compute the gradient and the virial of logP, after `forward`."""
        with self._whole():
            if self._is_small:
                self._check("score", self._stage("score"))
            else:
                self.call("seedLogDensity", self._fields.address)
                self._differentiate()

    def backward(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute gradient and virial of an L whose dL/dl is in `seed`, after `forward`, and return views of them."""
        with self._whole():
            self._differentiate()
        return self._fields.array("GRADIENT", np.float64, (self._atom_count, 3)), self._virial()

    def denoise(self, steps: int | str) -> None:
        """Denoise the loaded frame; the results are then those of the denoised one (docs/core-abi.md)."""
        converged = steps == _CONVERGED
        self._fields.set_count("DENOISE_LIMIT", _CONVERGED_LIMIT if converged else int(steps))
        self._fields.values("DENOISE_TOLERANCE")[0] = _CONVERGED_TOLERANCE if converged else 0.0
        with self._whole():
            if self._is_small:
                self._denoise_whole()
            else:
                self._denoise_in_slices()

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

    def pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Return both atoms of every pair and their distance in units of a0, of the last forward pass."""
        count = self._atom_count
        given = self._fields.array("ORDER", np.int32, (count,))
        start, length = (self._fields.array(name, np.int32, (count,)) for name in ("PAIR_START", "PAIR_COUNT"))
        place = np.repeat(start - np.cumsum(length) + length, length) + np.arange(length.sum())
        room = (self._fields.count("PAIR_CAPACITY"),)
        vector = [self._fields.array(name, np.float32, room)[place] for name in ("PAIR_X", "PAIR_Y", "PAIR_Z")]
        other = self._fields.array("PAIR_LINK", np.int32, room)[place] >> 1
        return np.repeat(given, length), given[other], np.sqrt(sum(along * along for along in vector))

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
        self._fields.set_count("STACKED_CLASS", model.stacked_class)
        self._fields.array("CLASS_SPECIES", np.int32, (self._class_count,))[:] = model.species_counts
        self._check("prepareModel", self._stage("prepareModel"))
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

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Note that the core must recover if a call does not end well, for whichever reason."""
        self.pause()
        try:
            yield
        except BaseException:
            self._sound = False
            raise

    def _recover(self) -> None:
        """Drop all that earlier frames have left."""
        self._pair_room.forget()
        self.forget()
        self.call("forgetFrames", self._fields.address)
        self._sound = True

    @property
    def _is_small(self) -> bool:
        """Whether a pass over the frame is short enough for one call."""
        return self._atom_count <= _SLICE

    def _stage(self, name: str) -> int:
        return int(self.call(name, self._fields.address))

    def _in_slices(self, stages: tuple[str, ...], atoms: int) -> None:
        """Run stages, so many atoms at a time; between them, signals arrive and the call may end."""
        for stage in stages:
            for begin in range(0, self._atom_count, atoms):
                self.call(stage, self._fields.address, 0, begin, min(begin + atoms, self._atom_count))
                self.pause()

    def _search(self) -> int:
        """Find the neighbours of the frame whose inputs are in place; return the status."""
        return self._with_room(lambda: self._stage("loadFrame") if self._is_small else self._search_in_slices())

    def _search_in_slices(self) -> int:
        status = self._stage("binAtoms")
        if status != self.constants["STATUS_OK"]:
            return status
        self._in_slices(("findPairs",), _SLICE)
        return self._stage("finishPairs")

    def _pass(self, whole: str, *stages: str) -> None:
        """Run a pass in one call, or its stages in slices; the last one is not for a range of atoms."""
        if self._is_small:
            self._check(whole, self._stage(whole))
            return
        pairs = self._fields.count("PAIRS_NEEDED") / self._atom_count
        block = self.constants["BLOCK"]
        self._in_slices(stages[:-1], -(-int(_SLICE * min(1.0, _USUAL_PAIRS / max(pairs, 1.0))) // block) * block)
        self.call(stages[-1], self._fields.address)

    def _differentiate(self) -> None:
        self._pass("backward", "backwardLogits", "backwardDensity", "gatherGradient", "finishBackward")

    def _denoise_whole(self) -> None:
        """Denoise a small frame, several decisions per call."""
        decisions = max(1, _SLICE // self._atom_count)
        self.call("startDenoise", self._fields.address)
        while True:
            status = self._with_room(lambda: int(self.call("denoiseFor", self._fields.address, decisions)))
            if status != self.constants["STATUS_UNFINISHED"]:
                self._check("denoise", status)
                return
            self.pause()

    def _denoise_in_slices(self) -> None:
        self._pass("forward", "forwardDensity", "forwardLogits", "finishForward")
        self.call("startDenoise", self._fields.address)
        while True:
            wanted = self._stage("advanceDenoise")
            if wanted == self.constants["DENOISE_DONE"]:
                return
            if wanted == self.constants["DENOISE_SCORE"]:
                self.call("seedDenoise", self._fields.address)
                self._differentiate()
                continue
            status = self._search()
            if status == self.constants["STATUS_COINCIDENT_ATOMS"]:
                self._fields.values("LOG_DENSITY")[0] = -np.inf
                continue
            self._check("denoise", status)
            self._pass("forward", "forwardDensity", "forwardLogits", "finishForward")

    def _with_room(self, search: Callable[[], int]) -> int:
        """Run a search for pairs, again with more memory if it needs more; return its status."""
        while True:
            status = search()
            if status != self.constants["STATUS_PAIR_OVERFLOW"]:
                return status
            self._lay_out_frame(self._pair_room.grow(self._fields.count("PAIRS_NEEDED"), self._atom_count))

    def _check(self, stage: str, status: int) -> None:
        if status != self.constants["STATUS_OK"]:
            name, most = self.status_name(status), self.constants["ROW_CAPACITY"]
            raise status_error(name, stage, self._fields, self._atom_count, most)


def _check_skin(skin: float) -> None:
    if isinstance(skin, (int, float, np.number)) and not isinstance(skin, bool) and 0 <= skin <= _MOST_SKIN:
        return
    raise refusal("skin", found=show(skin), most=_MOST_SKIN, value=skin)
