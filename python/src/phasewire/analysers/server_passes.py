"""The passes of a server, one request each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._core.build import build_file
from phasewire._core.instance import Instance
from phasewire._core.variables import CoreVariables
from phasewire._frame.frame import Frame
from phasewire._frame.options import Options
from phasewire._model.facts import ModelFacts
from phasewire._model.weights import class_weights
from phasewire._server.connection import Welcome
from phasewire._server.wire import (
    Array,
    Message,
    analyse_message,
    forces_from_message,
    forces_space,
    logits_from_message,
    result_space,
)
from phasewire.analysers.evaluation import Passes

Ask = Callable[[Mapping[str, Any], Mapping[str, Array], int], Message]
"""Sends header and arrays, and returns the ``result``; the number is the bytes that its arrays take."""


def variables_without_model() -> CoreVariables:
    """Return a core that evaluates variables of logits from elsewhere; its build gives the same bits everywhere."""
    return CoreVariables(Instance(build_file("baseline")))


class ServerPasses(Passes):
    """Sends the requests to one server, within one session."""

    def __init__(self, ask: Ask, welcome: Welcome, frame: Frame, options: Options, variables: CoreVariables) -> None:
        allowed = welcome.classes if options.classes is None else options.classes
        model = ModelFacts(
            phases=welcome.phases,
            aliases=welcome.aliases,
            class_weights=None if allowed is None else class_weights(allowed, welcome.phases, welcome.aliases),
            ideal_logits=None if welcome.ideal_logits is None else np.array(welcome.ideal_logits),
            logit_length=welcome.logit_length,
        )
        super().__init__(frame, model, variables)
        self._ask = ask
        self._given_scale = options.length_scale
        self._length_scale = math.nan
        self._header, self._arrays = analyse_message(frame, options)

    def forward(self) -> tuple[Mapping[str, NDArray[Any]], float]:
        """Request the logits."""
        frame, model = self.frame, self.model
        count, classes = len(frame), len(model.phases)
        # Without a length scale the server estimates one, which mode bias does not allow.
        mode = "request" if self._given_scale is None else "bias"
        header = {**self._header, "mode": mode, "fields": ["logits"]}
        reply = self._ask(header, self._arrays, result_space(("logits",), count, classes))
        logits, self._length_scale = logits_from_message(reply, count, classes, self._given_scale)
        arrays = {"LOGITS": logits, "POSITIONS": frame.positions, "LOG_WEIGHTS": model.log_weights}
        if model.ideal_logits is not None:
            arrays["IDEAL_LOGITS"] = model.ideal_logits
        if frame.species is not None:
            arrays["SPECIES"] = frame.species
        return arrays, self._length_scale

    def backward(self, seed: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Request the forces of a seed."""
        count = len(self.frame)
        header = {**self._header, "mode": "bias", "fields": ["forces", "virial"], "lengthScale": self._length_scale}
        reply = self._ask(header, {**self._arrays, "seed": seed}, forces_space(count))
        forces, virial = forces_from_message(reply, count, self._length_scale)
        return -forces, virial
