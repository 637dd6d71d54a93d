"""The options of an analysis, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from phasewire._contract import limits
from phasewire._frame.frame import check_length_scale
from phasewire._frame.result import DEFAULT_FIELDS, FIELDS
from phasewire._model.weights import Classes, as_weights
from phasewire.errors import make_error, refusal, show

Denoise = int | Literal["converged"]
MAX_DENOISE_STEPS = limits.whole("denoising", "mostSteps")


@dataclass(frozen=True)
class Options:
    """The options of `Analyser.analyse`, checked."""

    length_scale: float | None = None
    denoise: Denoise = 0
    fields: tuple[str, ...] = DEFAULT_FIELDS
    classes: Mapping[str, float] | None = None
    hints: bool | None = None


def check_options(
    length_scale: float | None,
    denoise: Denoise,
    fields: Iterable[str],
    classes: Classes | None = None,
    hints: bool | None = None,
) -> Options:
    """Check the options of an analysis.

    Raises
    ------
    InputError
        ``BAD_LENGTH_SCALE`` or ``BAD_OPTION``.
    """
    options = Options(
        check_length_scale(length_scale), check_denoise(denoise), check_fields(fields), as_weights(classes), hints
    )
    if "denoised" in options.fields and options.denoise == 0:
        raise make_error(
            "BAD_OPTION",
            "the field 'denoised' needs denoising",
            field="fields",
            value="denoised",
            remedy='give denoise=8, or denoise="converged"',
        )
    return options


def check_every(every: int) -> int:
    """Return the number of steps between snapshots, or raise ``BAD_OPTION``."""
    if isinstance(every, (int, np.integer)) and not isinstance(every, bool) and every >= 1:
        return int(every)
    raise make_error(
        "BAD_OPTION",
        "every must be a whole number of at least 1",
        field="every",
        value=every,
        remedy="give the number of steps between snapshots",
    )


def check_denoise(denoise: Denoise) -> Denoise:
    """Return the denoising option, or raise ``BAD_OPTION``."""
    if isinstance(denoise, str) and denoise == "converged":
        return "converged"
    if isinstance(denoise, (int, np.integer)) and not isinstance(denoise, bool) and 0 <= denoise <= MAX_DENOISE_STEPS:
        return int(denoise)
    raise refusal("denoiseSteps", found=show(denoise), least=0, most=MAX_DENOISE_STEPS, value=denoise)


def check_fields(fields: Iterable[str]) -> tuple[str, ...]:
    """Return the fields without repetition, or raise ``BAD_OPTION``."""
    given = list(fields) if isinstance(fields, Iterable) and not isinstance(fields, str) else [fields]
    unknown = [name for name in given if not (isinstance(name, str) and name in FIELDS)]
    wanted = tuple(dict.fromkeys(name for name in given if isinstance(name, str)))
    if unknown:
        raise make_error(
            "BAD_OPTION",
            f"there is no field {show(unknown[0])}",
            field="fields",
            value=unknown[0],
            remedy=f"choose among {', '.join(FIELDS)}",
        )
    return wanted
