"""Umbrella sampling: windows, their samples in files, and their free energy by MBAR.

Each window is a bias, usually `Harmonic` at one of several centres; G. M. Torrie, J. P. Valleau, J. Comput. Phys. 23,
187 (1977). The samples of all windows together give the unbiased free energy by MBAR (M. R. Shirts, J. D. Chodera,
J. Chem. Phys. 129, 124105, 2008), which pymbar computes: ``pip install phasewire[sampling]``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phasewire.bias import BiasPotential, Harmonic
from phasewire.errors import make_error

Samples = NDArray[np.float64]

# Blocks of the samples of a window, from which their correlation is estimated.
BLOCKS = 10


@dataclass(frozen=True)
class Profile:
    """A free energy along a variable.

    Attributes
    ----------
    centres : ndarray, shape (B,)
        Middles of the bins.
    free_energy : ndarray, shape (B,)
        In the unit of kT, 0 in the lowest bin; NaN in bins without samples.
    error : ndarray, shape (B,)
        One standard deviation of the difference from the lowest bin.
    counts : ndarray, shape (B,)
        Numbers of statistically independent samples of all windows.
    inefficiency : ndarray, shape (K,)
        g of each window: every g-th sample is independent of the one before. It is the larger of the values from
        pymbar and from the scatter of ten blocks' means.
    overlap : float
        Least overlap of two consecutive windows, from MBAR's overlap matrix. Below about 0.03 (P. V.
        Klimovich, M. R. Shirts, D. L. Mobley, J. Comput.-Aided Mol. Des. 29, 397, 2015) their relative height
        is poorly known, and errors are too small: add windows in between. 1 for a single window.
    """

    centres: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    error: NDArray[np.float64]
    counts: NDArray[np.int64]
    inefficiency: NDArray[np.float64]
    overlap: float


def windows(variable: Any, centres: ArrayLike, strength: ArrayLike) -> list[Harmonic]:
    """Make a row of harmonic windows.

    Parameters
    ----------
    variable : Variable
    centres : array_like, shape (K,)
        Neighbours overlap well if they are 1 to 2 sqrt(kT / strength) apart.
    strength : float or array_like, shape (K,)
        For all windows, or for each; energy per square of the variable's unit.
    """
    places = np.atleast_1d(np.asarray(centres, dtype=np.float64))
    strengths = np.broadcast_to(np.asarray(strength, dtype=np.float64), places.shape)
    return [
        Harmonic(variable, float(centre), float(k), name=f"window{number}")
        for number, (centre, k) in enumerate(zip(places, strengths, strict=True))
    ]


def sample(
    biases: Sequence[BiasPotential],
    simulate: Callable[[BiasPotential], ArrayLike],
    *,
    folder: str | PathLike[str] | None = None,
    progress: Callable[[int, int, Samples], None] | None = None,
) -> list[Samples]:
    """Simulate all windows, one after the other.

    Parameters
    ----------
    biases : sequence of BiasPotential
        The windows.
    simulate : callable
        Runs a simulation under a bias and returns the sampled values, shape (N,) or (N, V), without equilibration.
    folder : path, optional
        Folder for the samples of each finished window, in ``window-000.npz`` and so on. In a later call, for example
        after a crash, finished windows are read and not simulated again.
    progress : callable, optional
        Called as ``progress(number, count, samples)`` after each window, read or simulated.

    Returns
    -------
    list of ndarray, shape (N_k, V) each

    Raises
    ------
    InputError
        ``BAD_OPTION`` if a saved window has other settings, or ``simulate`` returned values that are not finite;
        ``FILE_FORMAT`` and ``FILE_ACCESS`` for files.
    """
    place = None if folder is None else Path(folder)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    collected: list[Samples] = []
    for number, bias in enumerate(biases):
        file = None if place is None else place / f"window-{number:03d}.npz"
        if file is not None and file.exists():
            samples = _load(file, bias)
        else:
            samples = _as_samples(simulate(bias), bias, "simulate")
            if file is not None:
                _save(file, bias, samples)
        collected.append(samples)
        if progress is not None:
            progress(number, len(biases), samples)
    return collected


def profile(
    biases: Sequence[BiasPotential],
    samples: Sequence[ArrayLike],
    *,
    kT: float,  # noqa: N803
    edges: ArrayLike,
    along: int = 0,
) -> Profile:
    """Compute the free energy along a variable from the samples of all windows.

    Parameters
    ----------
    biases : sequence of BiasPotential
        The windows.
    samples : sequence of array_like, shape (N_k,) or (N_k, V) each
        Sampled values of each window, in the order of time; correlated values are thinned out.
    kT : float
        In the unit of the biases' energies.
    edges : array_like, shape (B + 1,)
        Edges of the bins. Samples outside help to determine the heights of the windows, but are in no bin.
    along : int
        Number of the variable of the biases.

    Raises
    ------
    ImportError
        If pymbar is not installed.
    InputError
        ``BAD_OPTION`` for windows without samples, a variable that never changed, and edges that do not ascend;
        ``SHAPE_MISMATCH``.
    """
    pymbar = _import_pymbar()
    borders = np.asarray(edges, dtype=np.float64)
    if borders.ndim != 1 or len(borders) < 2 or not (np.diff(borders) > 0).all():
        raise make_error("BAD_OPTION", "the edges of bins must ascend", field="edges", value=borders.tolist())
    if len(samples) != len(biases) or not biases:
        raise make_error(
            "SHAPE_MISMATCH",
            f"{len(samples)} sets of samples for {len(biases)} windows",
            field="samples",
            remedy="give the samples of each window",
        )
    if not kT > 0:
        raise make_error("BAD_OPTION", "kT must be above 0", field="kT", value=kT)
    inefficiency, kept = np.empty(len(biases)), []
    for number, (bias, series) in enumerate(zip(biases, samples, strict=True)):
        values = _as_samples(series, bias, f"samples[{number}]")
        inefficiency[number] = _inefficiency(pymbar, values, number)
        kept.append(values[pymbar.timeseries.subsample_correlated_data(values[:, along], g=inefficiency[number])])
    together = np.concatenate(kept)
    reduced = np.array([bias.energies(together)[0] / kT for bias in biases])
    fes = pymbar.FES(
        reduced,
        np.array([len(values) for values in kept]),
        mbar_options={
            # Zeros are so far from the heights of many stiff windows that no solver converges from there. From the
            # differences of consecutive windows it takes seconds.
            "initialize": "BAR",
            # pymbar's default begins with a solver whose options make SciPy warn.
            "solver_protocol": "robust",
        },
    )
    coordinate = together[:, along]
    inside = (coordinate >= borders[0]) & (coordinate < borders[-1])
    counts = np.histogram(coordinate[inside], bins=borders)[0]
    if not inside.any():
        raise make_error("BAD_OPTION", "no sample lies within the edges", field="edges", value=borders.tolist())
    # pymbar adds unbounded bins outside the edges, which are not used.
    bins = np.concatenate([[-np.inf], borders, [np.inf]])
    fes.generate_fes(
        np.zeros(len(together)),
        coordinate,
        fes_type="histogram",
        histogram_parameters={"bin_edges": [bins]},
    )
    centres = 0.5 * (borders[1:] + borders[:-1])
    free, error = np.full(len(centres), np.nan), np.full(len(centres), np.nan)
    full = counts > 0
    lowest = centres[full][0]
    found = fes.get_fes(centres[full], reference_point="from-specified", fes_reference=lowest)
    lowest = centres[full][int(np.argmin(found["f_i"]))]
    found = fes.get_fes(
        centres[full], reference_point="from-specified", fes_reference=lowest, uncertainty_method="analytical"
    )
    free[full], error[full] = kT * found["f_i"], kT * found["df_i"]
    return Profile(centres, free, error, counts, inefficiency, _least_overlap(fes) if len(biases) > 1 else 1.0)


def _least_overlap(fes: Any) -> float:
    matrix = np.asarray(fes.get_mbar().compute_overlap()["matrix"])
    return float(np.diagonal(matrix, offset=1).min())


def _inefficiency(pymbar: Any, values: Samples, window: int) -> float:
    """Return the largest g of a window's variables."""
    if (np.ptp(values, axis=0) == 0).any():
        raise make_error(
            "BAD_OPTION",
            f"a variable of window {window} never changed",
            field=f"samples[{window}]",
            value=values[0].tolist(),
            remedy="check the simulation of the window",
        )
    found = max(float(pymbar.timeseries.statistical_inefficiency(column)) for column in values.T)
    if len(values) < 10 * BLOCKS:
        return found
    # Small but slow changes of s are lost in the noise of a correlation function, but not in means of long blocks
    # (H. Flyvbjerg and H. G. Petersen, J. Chem. Phys. 91, 461, 1989).
    means = np.array([block.mean(axis=0) for block in np.array_split(values, BLOCKS)])
    blocked = len(values) / BLOCKS * means.var(axis=0, ddof=1) / values.var(axis=0, ddof=1)
    return max(found, float(blocked.max()))


def _as_samples(series: ArrayLike, bias: BiasPotential, field: str) -> Samples:
    values = np.array(series, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != len(bias.variables) or len(values) < 2:
        raise make_error(
            "SHAPE_MISMATCH",
            f"the samples of {bias.name} are an array of two or more rows of {len(bias.variables)} values",
            field=field,
            value=values.shape,
        )
    if not np.isfinite(values).all():
        raise make_error("BAD_OPTION", f"a sample of {bias.name} is not a finite number", field=field)
    return values


def _save(file: Path, bias: BiasPotential, samples: Samples) -> None:
    """Write a window's samples to a temporary file and rename it, so the file is complete or absent."""
    beside = file.with_suffix(".part")
    try:
        with beside.open("wb") as stream:
            np.savez(stream, values=samples, settings=np.array(json.dumps(bias.settings())))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as error:
        raise make_error(
            "FILE_ACCESS",
            f"samples could not be saved: {error.strerror}",
            field="folder",
            value=str(file),
            remedy="check the permissions and the free space",
        ) from error


def _load(file: Path, bias: BiasPotential) -> Samples:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            settings, values = json.loads(str(saved["settings"])), saved["values"]
    except OSError as error:
        raise make_error(
            "FILE_ACCESS",
            f"samples could not be read: {error.strerror}",
            field="folder",
            value=str(file),
            remedy="check the permissions",
        ) from error
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise make_error(
            "FILE_FORMAT",
            "this is not a file of a window's samples",
            field="folder",
            value=str(file),
            remedy="delete it to simulate the window again",
        ) from error
    bias.check_settings(settings)
    return _as_samples(values, bias, str(file.name))


def _import_pymbar() -> Any:
    try:
        with _without_jax(), _quiet():
            import pymbar
            import pymbar.timeseries
    except ImportError as error:
        raise ImportError("free energies of windows need pymbar: pip install 'phasewire[sampling]'") from error
    return pymbar


@contextlib.contextmanager
def _without_jax() -> Iterator[None]:
    """Hide JAX from pymbar, which would switch it to double precision in the whole process; results are the same."""
    if "pymbar" in sys.modules:
        yield
        return
    before = sys.modules.get("jax")
    sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["jax"]
        if before is not None:
            sys.modules["jax"] = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the messages that pymbar logs at every import."""
    logger = logging.getLogger("pymbar")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
