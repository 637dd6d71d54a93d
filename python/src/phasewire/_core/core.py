"""The compiled core in this process: `phasewire.wasm` hosted by wasmtime (docs/core-abi.md).

Nothing of the model is computed in Python. This module lays out memory, copies arrays in and out, calls
the core's stages and turns its status codes into named errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import DTypeLike, NDArray
from wasmtime import _ffi as ffi

from phasewire._contract import limits
from phasewire._contract.tables import read_table
from phasewire._core.build import Build, build_file, choose_build, compile_core
from phasewire._frame.frame import Frame
from phasewire._model.model import Model
from phasewire.errors import PhasewireError, make_error

ABI_VERSION = limits.whole("core", "abiVersion")
_PAGE = 65536
_PAIR_HEADROOM = limits.number("core", "pairHeadroom")
_MOST_PAIRS = limits.whole("core", "mostPairs")
_MOST_SKIN = limits.number("core", "mostSkin")
_CONVERGED = "converged"
_CONVERGED_TOLERANCE = limits.number("denoising", "convergedTolerance")
_CONVERGED_LIMIT = limits.whole("denoising", "convergedSteps")
_MODEL = read_table("model")


class _SharedMemory(wasmtime.SharedMemory):
    """A shared memory that can be imported: wasmtime-py passes one pointer too many (docs/core-abi.md)."""

    def _as_extern(self) -> Any:
        return ffi.wasmtime_extern_t(
            ffi.WASMTIME_EXTERN_SHAREDMEMORY, ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        )


class Core:
    """One instance of the core with one model, on the calling thread.

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
        ``BAD_OPTION`` if the build is not to be had, or the skin is no length from 0 to 2.
    ModelError
        ``MODEL_NOT_FOUND`` if the compiled core is missing, ``MODEL_VERSION`` if it is of another interface version,
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
        # What the frame's regions were last laid out for: they stay while frames ask for the same.
        self._layout: tuple[int, int, int] | None = None
        self._pairs_per_atom = 0.0
        self._memory_bytes: NDArray[np.uint8] | None = None
        self._instantiate(build_file(self.build) if wasm is None else wasm)
        self._context = self._call("heapBase")
        self._frame_base = self._load_model()

    def set_prior(self, weights: NDArray[np.float64] | None) -> None:
        """Set the prior over classes for all that follows.

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
        region = self._array("CLASS_WEIGHTS", np.float64, (self._class_count,))
        # Refused weights stay in the region although the prior before is in use; those are set again.
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
            Whether `logits` or `probabilities` will be read; without ``gradient`` it costs less not to.

        Raises
        ------
        InputError
            For whatever the core finds wrong with the frame.
        """
        self._atom_count = len(frame)
        self._features = self._features_for(gradient, per_class)
        self._lay_out_frame(self._pairs_per_atom)
        self._array("POSITIONS", np.float64, (self._atom_count, 3))[:] = frame.positions
        self._set_count("SPECIES_USED", frame.species is not None)
        if frame.species is not None:
            self._array("SPECIES", np.int32, (self._atom_count,))[:] = frame.species
        cell = np.zeros((3, 3)) if frame.cell is None else frame.cell
        self._values("CELL", 9)[:] = cell.ravel()
        self._set_count("PERIODIC", sum(1 << axis for axis, flag in enumerate(frame.periodic) if flag))
        self._values("LENGTH_SCALE_GIVEN")[0] = 0.0 if length_scale is None else length_scale
        self._run("loadFrame")

    def forget(self) -> None:
        """Lay out the next frame anew, with neighbour lists of its own."""
        self._layout = None

    @property
    def reused_lists(self) -> bool:
        """Whether the neighbours of the loaded frame were found by the lists of one before."""
        return self._count("LIST_REUSED") == 1

    def forward(self) -> None:
        """Compute logits and all per-atom results of the loaded frame."""
        self._run("forward")

    def score(self) -> None:
        """Compute the gradient and the virial of logP, after `forward`."""
        self._run("score")

    def backward(self, seed: NDArray[np.floating[Any]]) -> None:
        """Compute gradient and virial of an L from its seed dL/dl, shape ``(N, C)``, after `forward`."""
        self._array("SEED", np.float32, (self._atom_count, self._class_count))[:] = seed
        self._run("backward")

    def denoise(self, steps: int | str) -> None:
        """Denoise the loaded frame; the results are then those of the denoised one (docs/core-abi.md)."""
        converged = steps == _CONVERGED
        self._set_count("DENOISE_LIMIT", _CONVERGED_LIMIT if converged else int(steps))
        self._values("DENOISE_TOLERANCE")[0] = _CONVERGED_TOLERANCE if converged else 0.0
        self._call("startDenoise", self._context)
        self._run("denoise")

    def logits(self) -> NDArray[np.float32]:
        """Return the logits, log-weights of the prior included, shape ``(N, C)``."""
        return self._array("LOGITS", np.float32, (self._atom_count, self._class_count)).copy()

    def probabilities(self) -> NDArray[np.float32]:
        """Return the probabilities, shape ``(N, C)``."""
        return self._array("PROBABILITIES", np.float32, (self._atom_count, self._class_count)).copy()

    def labels(self) -> NDArray[np.uint16]:
        """Return the labels, shape ``(N,)``."""
        return self._array("LABELS", np.uint16, (self._atom_count,)).copy()

    def per_atom(self, name: str) -> NDArray[np.float32]:
        """Return ``CONFIDENCE``, ``MARGIN``, ``DISTANCE`` or ``ATOM_LOG_DENSITY``, shape ``(N,)``."""
        return self._array(name, np.float32, (self._atom_count,)).copy()

    def positions(self) -> NDArray[np.float64]:
        """Return the positions, denoised after `denoise`, shape ``(N, 3)``."""
        return self._array("POSITIONS", np.float64, (self._atom_count, 3)).copy()

    def gradient(self) -> NDArray[np.float64]:
        """Return dL/dr of the last `score` or `backward`, shape ``(N, 3)``."""
        return self._array("GRADIENT", np.float64, (self._atom_count, 3)).copy()

    def virial(self) -> NDArray[np.float64]:
        """Return the virial of the last `score` or `backward`, shape ``(3, 3)``."""
        return self._values("VIRIAL", 9).reshape(3, 3).copy()

    @property
    def length_scale(self) -> float:
        """a0 in use."""
        return float(self._values("LENGTH_SCALE")[0])

    @property
    def log_density(self) -> float:
        """LogP of the last forward pass."""
        return float(self._values("LOG_DENSITY")[0])

    @property
    def initial_log_density(self) -> float:
        """LogP of the frame that denoising started from."""
        return float(self._values("DENOISE_INITIAL")[0])

    @property
    def denoise_steps(self) -> int:
        """Gradient evaluations that the last denoising used."""
        return self._count("DENOISE_STEPS")

    def _instantiate(self, wasm: Path) -> None:
        engine, module = compile_core(wasm)
        self._store = wasmtime.Store(engine)
        memory_type = module.imports[0].type
        assert isinstance(memory_type, wasmtime.MemoryType)
        self._memory = _SharedMemory(engine, memory_type)
        instance = wasmtime.Instance(self._store, module, [self._memory])
        self._exports: Mapping[str, Any] = dict(instance.exports(self._store).items())
        self._constants: dict[str, int] = {
            name: export.value(self._store)
            for name, export in self._exports.items()
            if isinstance(export, wasmtime.Global)
        }
        version = self._constants.get("ABI_VERSION")
        if version != ABI_VERSION:
            raise make_error(
                "MODEL_VERSION",
                f"the compiled core has interface version {version}, this package needs {ABI_VERSION}",
                field="wasm",
                value=str(wasm),
                remedy="build the core and install the package from the same release",
            )
        # Cranelift, the compiler of wasmtime, does better with this one (docs/core-abi.md).
        self._call("splatNumbers", 1)
        self._status_names = {
            value: name.removeprefix("STATUS_") for name, value in self._constants.items() if name.startswith("STATUS_")
        }

    def _load_model(self) -> int:
        model, context = self.model, self._context
        base = context + self._constants["CONTEXT_BYTES"]
        self._grow(base)
        for key, size in _MODEL["sizes"].items():
            self._set_count(size["core"], getattr(model.shape, key))
        for key, constant in _MODEL["constants"].items():
            self._values(constant["core"])[0] = model.settings[key]
        self._values("SKIN")[0] = self._skin
        end = int(self._call("layoutModel", context, base))
        if end == 0:
            raise make_error(
                "MODEL_SHAPE",
                "the core refuses the shape of the model",
                field="model",
                value=str(model.shape),
                remedy="build the core and install the package from the same release",
            )
        self._grow(end)
        for name, tensor in model.tensors.items():
            self._array(name.upper().replace(".", "_"), np.float32, tensor.shape)[:] = tensor
        self._array("IDEAL_LOGITS", np.float64, (self._class_count,))[:] = model.ideal_logits
        self._run("prepareModel")
        return end

    def _features_for(self, gradient: bool, per_class: bool) -> int:
        keep = gradient and self._atom_count <= self._constants["KEEP_DENSITY_ATOMS"]
        features = 0 if per_class else self._constants["FEATURE_NO_TABLES"]
        if gradient:
            features |= self._constants["FEATURE_GRADIENT"]
        if keep:
            features |= self._constants["FEATURE_KEEP_DENSITY"]
        # Denoising makes lists of its own where there is no skin.
        if keep or self._skin > 0:
            features |= self._constants["FEATURE_LISTS"]
        return features

    def _lay_out_frame(self, pairs_per_atom: float) -> None:
        """Assign the frame's regions, with room for so many pairs an atom; 0 leaves that to the core.

        Nothing is done where it would change nothing, and the core may then reuse what it knows of the frame before.
        """
        count = self._atom_count
        wanted = (count, min(int(np.ceil(count * pairs_per_atom)), _MOST_PAIRS), self._features)
        if wanted == self._layout:
            return
        self._layout = None
        end = int(self._call("layoutFrame", self._context, self._frame_base, count, wanted[1], 1, self._features))
        if end == 0:
            raise self._too_large()
        self._grow(end)
        self._layout = wanted
        self._pairs_per_atom = pairs_per_atom

    def _run(self, stage: str) -> None:
        """Call a stage, with more memory if it asks for it."""
        while True:
            status = self._call(stage, self._context)
            if status == self._constants["STATUS_OK"]:
                return
            if status != self._constants["STATUS_PAIR_OVERFLOW"]:
                raise self._status_error(stage, status)
            needed = self._count("PAIRS_NEEDED")
            # A count that wrapped around is beyond any memory.
            self._lay_out_frame(_PAIR_HEADROOM * needed / self._atom_count if needed > 0 else _MOST_PAIRS)

    def _call(self, name: str, *arguments: int) -> Any:
        try:
            return self._exports[name](self._store, *arguments)
        except KeyError:
            raise make_error(
                "INTERNAL",
                f"the core has no function {name}",
                field="wasm",
                remedy="build the core and install the package from the same release",
            ) from None
        except wasmtime.Trap as error:
            raise make_error(
                "INTERNAL",
                f"the core stopped in {name}: {error}",
                field=name,
                remedy="please report this with the frame that shows it",
            ) from error

    def _grow(self, end: int) -> None:
        missing = end - self._memory.data_len()
        if missing <= 0:
            return
        try:
            self._memory.grow(-(-missing // _PAGE))
        except wasmtime.WasmtimeError as error:
            raise self._too_large() from error
        finally:
            self._memory_bytes = None

    def _bytes(self) -> NDArray[np.uint8]:
        """Return the whole memory; it never moves, but grows, and a view of it takes longer to make than to use."""
        if self._memory_bytes is None:
            self._memory_bytes = np.ctypeslib.as_array(self._memory.data_ptr(), shape=(self._memory.data_len(),))
        return self._memory_bytes

    def _view(self, address: int, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
        kind = np.dtype(dtype)
        flat = self._bytes()[address : address + math.prod(shape) * kind.itemsize].view(kind)
        return flat if len(shape) == 1 else flat.reshape(shape)

    def _array(self, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
        address = int(self._view(self._context + self._constants[f"ADDRESS_{name}"], np.uint32, (1,))[0])
        return self._view(address, dtype, shape)

    def _values(self, name: str, count: int = 1) -> NDArray[np.float64]:
        return self._view(self._context + self._constants[f"VALUE_{name}"], np.float64, (count,))

    def _count(self, name: str) -> int:
        return int(self._view(self._context + self._constants[f"COUNT_{name}"], np.int32, (1,))[0])

    def _set_count(self, name: str, value: int) -> None:
        self._view(self._context + self._constants[f"COUNT_{name}"], np.int32, (1,))[0] = value

    def _too_large(self) -> PhasewireError:
        return make_error(
            "TOO_LARGE",
            "the frame does not fit into the 4 GiB that the core can address",
            field="positions",
            value=self._atom_count,
            remedy="analyse a part of the system at a time, or without denoising; `phasewire classify` labels frames "
            "of any size, in slabs",
        )

    def _status_error(self, stage: str, status: int) -> PhasewireError:
        name = self._status_names.get(status, str(status))
        atom, other = self._count("ERROR_ATOM"), self._count("ERROR_OTHER")
        if name == "COINCIDENT_ATOMS":
            distance = float(self._values("ERROR_DISTANCE")[0])
            second = "an image of itself" if other == atom else f"atom {other}"
            return make_error(
                "COINCIDENT_ATOMS",
                f"atom {atom} and {second} are only {distance:.4g} apart, less than 0.05 length scales",
                field="positions",
                value=[atom, other],
                remedy="remove one of the two, or check that cell and positions belong together; if the length "
                "scale is wrong (too long), give it: length_scale=(volume per atom)^(1/3)",
            )
        if name == "NON_FINITE_POSITIONS":
            message, field = f"atom {atom} has NaN or infinite coordinates", f"positions[{atom}]"
            return make_error(name, message, field=field, remedy="check the run that wrote the frame")
        if name == "TOO_DENSE":
            return make_error(
                "BAD_LENGTH_SCALE",
                f"atom {atom} has more than {self._constants['ROW_CAPACITY']} neighbours within the cutoff",
                field="length_scale",
                value=self.length_scale,
                remedy="the length scale is far too large: give (volume per atom)^(1/3), or leave it out",
            )
        if name == "NO_LENGTH_SCALE":
            return make_error(
                "BAD_LENGTH_SCALE",
                f"no length scale can be estimated for {self._atom_count} atoms: without a cell it takes at least 13, "
                "and neither cell nor coordinates may be extreme",
                field="length_scale",
                remedy="give (volume per atom)^(1/3) of the phase looked at",
            )
        if name in ("NON_FINITE_CELL", "SINGULAR_CELL"):
            cell = self._values("CELL", 9).reshape(3, 3).tolist()
            return make_error(
                name, "the core refuses the cell", field="cell", value=cell, remedy="check where the cell comes from"
            )
        if name == "BAD_LENGTH_SCALE":
            given = float(self._values("LENGTH_SCALE_GIVEN")[0])
            return make_error(
                name,
                "the length scale must lie between 1e-100 and 1e100",
                field="length_scale",
                value=given,
                remedy="give (volume per atom)^(1/3) of the phase looked at, or leave it out",
            )
        if name == "BAD_PRIOR":
            return make_error(
                "BAD_OPTION",
                "each class weight must be a finite number of at least 0, and one but the first above 0",
                field="classes",
                remedy="give each class a weight: 1 as usual, 0 to leave it out",
            )
        if name == "MODEL_NON_FINITE":
            return make_error(
                name,
                "the core finds NaN or infinite numbers in the model",
                field="model",
                value=str(self.model.path),
                remedy="export an earlier checkpoint",
            )
        return make_error(
            "INTERNAL", f"the core's {stage} returned {name}", field=stage, remedy="please report this with the frame"
        )


def _check_skin(skin: float) -> None:
    if isinstance(skin, (int, float, np.number)) and not isinstance(skin, bool) and 0 <= skin <= _MOST_SKIN:
        return
    raise make_error(
        "BAD_OPTION",
        f"skin must be a number from 0 to {_MOST_SKIN:g} length scales",
        field="skin",
        value=skin,
        remedy="give about 0.1 for frames that hardly differ, 0 for frames that have nothing to do with each other",
    )
