"""The core in this process: no server, no second process, no serialisation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._core.build import Build
from phasewire._core.core import Core
from phasewire._core.ending import check_budget
from phasewire._core.variables import CoreVariables
from phasewire._frame.frame import Frame
from phasewire._frame.hint import Hint
from phasewire._frame.options import Options
from phasewire._frame.result import Evaluation, Result
from phasewire._model.facts import ModelFacts
from phasewire._model.model import Model, load_model
from phasewire._model.weights import Classes, as_weights, class_weights
from phasewire.analysers.base import Analyser
from phasewire.analysers.evaluation import Passes, evaluate
from phasewire.analysers.hints import find_hints
from phasewire.analysers.task import Task
from phasewire.errors import PhasewireError, make_error


class Local(Analyser):
    """Analyse in this process, in WebAssembly through wasmtime, on the calling thread only.

    A server can share the work of a frame among several threads (`phasewire.connect`).

    A call takes about ten microseconds per atom, and three times as long per denoising step. It releases Python's
    interpreter lock. `abort`, a budget and Ctrl-C end it within a fraction of a second; the next call gets the results
    of a new analyser.

    Parameters
    ----------
    model : str, Path or Model, optional
        Name of a shipped model, or path of a ``.safetensors`` file. Default: the shipped default model.
    classes : sequence of str or mapping of str to float, optional
        The allowed classes, unless a call gives others, as for `Analyser.analyse`. Default: all.
    wasm : str or Path, optional
        A compiled core to use instead of those of the package.
    build : {"auto", "baseline", "relaxed"}
        The build of the core. ``"baseline"`` gives the same bits on every machine: choose it for bias forces that must
        be reproducible elsewhere. ``"relaxed"`` is faster. ``"auto"``: the fastest that runs here.
    skin : float
        Skin of the neighbour lists in units of a0. With a skin, the frames of a run share lists of candidates until
        an atom has moved by half of it; the results are the same. It pays if frames follow each other closely, as
        for forces at every step (0.1); a frame that begins new lists costs more. Default: none.
    budget : float, optional
        Seconds that a call may take; then it raises ``OVER_BUDGET``. Default: no limit.

    Raises
    ------
    ModelError
        If the model or the core is missing or damaged.
    InputError
        ``BAD_OPTION`` for a class that the model lacks, an invalid weight or an invalid budget.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        *,
        classes: Classes | None = None,
        wasm: str | Path | None = None,
        build: Build = "auto",
        skin: float = 0.0,
        budget: float | None = None,
    ) -> None:
        super().__init__()
        self._budget = check_budget(budget)
        self._model = model if isinstance(model, Model) else load_model(model)
        self._weights = self._weights_of(as_weights(classes))
        self._open_core: Core | None = Core(self._model, None if wasm is None else Path(wasm), build=build, skin=skin)
        self._variables: CoreVariables | None = CoreVariables(self._open_core)
        # The sets of species that were looked at for hints.
        self._hinted: set[tuple[str, ...]] = set()

    @property
    def build(self) -> str:
        """The build of the core in use: ``"baseline"`` or ``"relaxed"``."""
        return self._core.build

    @property
    def threads(self) -> int:
        """Number of threads that share a frame: always 1."""
        return 1

    @property
    def model(self) -> Model:
        """The model in use."""
        return self._model

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return self._model.name

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model's file."""
        return self._model.sha256

    @property
    def phases(self) -> tuple[str, ...]:
        """Class names in the order of the labels; the first is ``disordered``."""
        return self._model.phases

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of classes."""
        return self._model.aliases

    @property
    def water_names(self) -> Mapping[str, str]:
        """Names of classes if the atoms are the oxygens of water."""
        return self._model.water_names

    def abort(self, thread: int | None = None) -> None:
        """End the call that another thread has running; it raises ``ABORTED``. Without a call it has no effect.

        Parameters
        ----------
        thread : int, optional
            Identifier of a thread (``threading.get_ident``), to end a call only if it is of that thread.
        """
        core = self._open_core
        if core is not None:
            core.abort(thread)

    def forget(self) -> None:
        """Begin new neighbour lists with the next frame; old lists change the last digits of results."""
        with self._turn:
            self._core.forget()

    def close(self) -> None:
        """Free the core's memory, after any running call of another thread."""
        with self._turn:
            self._open_core = self._variables = None

    def __repr__(self) -> str:
        core = "" if self._open_core is None else f", build {self.build}"
        allowed = "" if self._weights is None else f"{np.count_nonzero(self._weights)} of "
        return f"<Local: model {self.model_name}, {allowed}{len(self.phases)} phases{core}>"

    @property
    def _core(self) -> Core:
        if self._open_core is None:
            raise make_error(
                "BAD_OPTION",
                "the analyser was closed",
                field="analyser",
                remedy="make a new one with phasewire.Local(), and close it after its last use",
            )
        return self._open_core

    def _weights_of(self, classes: Mapping[str, float] | None) -> NDArray[np.float64] | None:
        return None if classes is None else class_weights(classes, self.phases, self.aliases)

    def _prior(self, options: Options) -> NDArray[np.float64] | None:
        own = self._weights_of(options.classes)
        return self._weights if own is None else own

    def _analyse(self, frame: Frame, options: Options) -> Result:
        started = time.perf_counter()
        core = self._core
        core.begin(self._budget)
        core.set_prior(self._prior(options))
        gradient = bool(options.denoise) or "score" in options.fields
        per_class = "probabilities" in options.fields or "logits" in options.fields
        core.load(frame, options.length_scale, gradient=gradient, per_class=per_class)
        arrays: dict[str, Any] = {}
        steps, mean_displacement = 0, 0.0
        if not options.denoise or "score" in options.fields:
            core.forward()
            log_density = core.log_density
        if "score" in options.fields:
            core.score()
            arrays["score"] = core.gradient()
        if options.denoise:
            core.denoise(options.denoise)
            log_density, steps = core.initial_log_density, core.denoise_steps
            arrays["denoised"] = core.positions()
            mean_displacement = float(np.linalg.norm(arrays["denoised"] - frame.positions, axis=1).mean())
        labels, margin = core.labels(), core.per_atom("MARGIN")
        arrays |= {"labels": labels, "margin": margin}
        arrays |= {name: core.per_atom(name.upper()) for name in ("confidence", "distance") if name in options.fields}
        for name, read in (("probabilities", core.probabilities), ("logits", core.logits)):
            if name in options.fields:
                arrays[name] = read()
        counts = np.bincount(labels, minlength=len(self.phases))
        length_scale, seconds = core.length_scale, time.perf_counter() - started
        hints: tuple[Hint, ...] = ()
        if self._wants_hints(frame, options):
            moved = replace(frame, positions=arrays["denoised"]) if options.denoise else frame
            try:
                hints = find_hints(
                    core, self._model.classes, moved, labels, margin, options.length_scale, bool(options.denoise)
                )
            except PhasewireError as error:
                # A second look that fails leaves the result as it is; an abort ends the whole call.
                if error.code == "ABORTED":
                    raise
        return Result(
            phases=self.phases,
            aliases=self.aliases,
            fractions={name: int(count) / len(frame) for name, count in zip(self.phases, counts, strict=True)},
            log_density=log_density,
            mean_log_density=log_density / len(frame),
            mean_margin=float(margin.mean(dtype=np.float64)),
            length_scale=length_scale,
            atom_count=len(frame),
            step=frame.step,
            time=frame.time,
            denoising_steps=steps,
            mean_displacement=mean_displacement,
            seconds=seconds,
            hints=hints,
            **{name: array for name, array in arrays.items() if name in options.fields},
        )

    def _wants_hints(self, frame: Frame, options: Options) -> bool:
        """Return whether to look for hints: by default, once for each set of species."""
        if frame.species is None or options.hints is False:
            return False
        kinds = np.unique(frame.species)
        key = tuple(sorted(str(kind) if frame.names is None else frame.names[kind] for kind in kinds))
        is_new = key not in self._hinted
        self._hinted.add(key)
        return is_new if options.hints is None else options.hints

    def _evaluate(self, frame: Frame, task: Task, options: Options) -> Evaluation:
        started = time.perf_counter()
        core, settings = self._core, self._model.settings
        core.begin(self._budget)
        model = ModelFacts(
            phases=self.phases,
            aliases=self.aliases,
            class_weights=self._prior(options),
            ideal_logits=self._model.ideal_logits,
            logit_length=float(settings["logitLength"]),
        )
        assert self._variables is not None
        return evaluate(_CorePasses(core, self._variables, frame, model, options.length_scale), task, started)


class _CorePasses(Passes):
    """The passes of the core in this process, which also evaluates the variables."""

    def __init__(
        self, core: Core, variables: CoreVariables, frame: Frame, model: ModelFacts, length_scale: float | None
    ) -> None:
        super().__init__(frame, model, variables)
        self._core = core
        self._length_scale = length_scale

    def forward(self) -> tuple[dict[str, NDArray[Any]], float]:
        core, frame = self._core, self.frame
        core.set_prior(self.model.class_weights)
        core.load(frame, self._length_scale, gradient=True)
        core.forward()
        return core.frame_arrays(), core.length_scale

    @property
    def seed_room(self) -> NDArray[np.float32]:
        return self._core.seed

    def backward(self, seed: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._core.backward()
