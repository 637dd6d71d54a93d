"""Variables of one frame: those that the core evaluates, and custom functions, which it does not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._core.variables import CoreVariables
from phasewire._frame.frame import Frame
from phasewire._model.facts import ModelFacts
from phasewire.errors import make_error
from phasewire.variables.program import Program

F64 = NDArray[np.float64]


class EvaluatedVariables:
    """Values of the variables of a frame, and derivatives of an energy of them.

    Parameters
    ----------
    core : CoreVariables
        Holds the derivatives after `pull`.
    program : Program
    frame : Frame
    arrays : Mapping of str to array
        ``LOGITS``, and the others that `CoreVariables.evaluate` names.
    length_scale : float
        a0.
    model : ModelFacts

    Attributes
    ----------
    values : float64 array, shape (V,)

    Raises
    ------
    InputError
        ``EMPTY_SELECTION``, ``MISSING_CELL``, ``SINGULAR_CELL`` or ``BAD_OPTION`` if a variable does not fit the
        frame, with a field such as ``variables[0].select.region.radius``. Exceptions of a custom function are passed
        on.
    """

    def __init__(
        self,
        core: CoreVariables,
        program: Program,
        frame: Frame,
        arrays: Mapping[str, NDArray[Any]],
        length_scale: float,
        model: ModelFacts,
    ) -> None:
        self._core = core
        self._given = arrays["LOGITS"]
        self._functions = [
            (place, record.variable.function, record.variable.kind == "custom", record.where)
            for place, record in enumerate(program.records)
            if record.variable.function is not None
        ]
        numbers = {
            place: function.whole(self._logits, where) if is_whole else function.per_atom(self._logits, where)
            for place, function, is_whole, where in self._functions
        }
        if frame.ids is not None:
            arrays = {**arrays, "IDS": frame.ids}
        self.values = core.evaluate(
            program, frame, arrays, length_scale=length_scale, logit_length=model.logit_length, given=numbers
        )
        _check_values(self.values)

    @cached_property
    def _logits(self) -> F64:
        return np.array(self._given, dtype=np.float64, order="C")

    def pull(self, slopes: F64) -> None:
        """Compute seed and explicit derivatives of an energy from its derivatives by the values, shape ``(V,)``.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for a region with a sharp edge, and for a wrong derivative of a custom function.
        """
        self._core.pull(slopes)
        for place, function, is_whole, where in self._functions:
            weight = self._core.adjoint(place)
            if weight == 0:
                continue
            by_logits = function.derivative(self._logits, where)
            factors = weight if is_whole else self._core.by_atom(place)[:, None]
            self._core.seed[:] += factors * by_logits


def _check_values(values: F64) -> None:
    for index, value in enumerate(values.tolist()):
        if not math.isfinite(value):
            raise make_error(
                "BAD_OPTION",
                "the value of the variable is not finite",
                field=f"variables[{index}]",
                value=value,
                remedy="check its function, weights and widths; if it was finite before, check the frame",
            )
