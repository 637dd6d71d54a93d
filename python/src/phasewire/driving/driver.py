"""Computes the forces of all biases on a frame, once per step (docs/biasing.md).

Examples
--------
>>> driver = phasewire.Driver([Harmonic(fraction("fcc"), 0.5, 200.0)], colvar="COLVAR")  # doctest: +SKIP
>>> applied = driver.apply(frame)  # doctest: +SKIP
>>> applied.energy, applied.forces, applied.virial  # doctest: +SKIP
"""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, TypedDict

import numpy as np
from numpy.typing import NDArray

from phasewire import analysers
from phasewire._frame.frame import Frame, check_length_scale
from phasewire._frame.options import check_every
from phasewire._frame.result import Evaluation, FailedFrame
from phasewire._model.weights import Classes, as_weights
from phasewire.analysers.base import Analyser
from phasewire.driving.outage import Outage
from phasewire.driving.restart import FORMAT, Restart, read_restart, write_restart
from phasewire.errors import PhasewireError, as_phasewire_error, make_error
from phasewire.files.colvars import ColumnWriter
from phasewire.files.npz import damage_named
from phasewire.variables import Variable, variable_names

if TYPE_CHECKING:
    from typing_extensions import Self

    from phasewire.bias import BiasPotential

OnFailure = Literal["stop", "unbiased"]
LengthScale = float | Literal["cell"]

# Skin of the neighbour lists: frames follow each other step by step (`phasewire.Local`).
_SKIN = 0.1


@dataclass(frozen=True, eq=False)
class Applied:
    """Energy, forces and virial of the biases for one frame.

    Attributes
    ----------
    energy : float
        Sum of the biases for the frame; at a step between impulses, the energy of the last impulse.
    forces : float64 array, shape (N, 3)
        Forces to add to those of the engine: `Driver.every` times -dE/dr, and 0 at steps between impulses.
    virial : float64 array, shape (3, 3)
        -sum over pairs of (dE/dr_ij)_alpha (r_ij)_beta, an energy. Like the forces it is `Driver.every` times as large,
        and 0 at steps between impulses. A barostat conserves energy if atoms and cell get impulses of the same
        energy; holding the last virial until the next impulse would heat the cell.
    values : float64 array, shape (V,)
        Values of `Driver.variables`; NaN without an evaluation.
    biased : bool
        False: there were no forces, and the run continues without bias, as ``on_failure`` requests.
    """

    energy: float
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    values: NDArray[np.float64]
    biased: bool


class DriverOptions(TypedDict, total=False):
    """Keyword arguments of `Driver`, which documents them; couplings to engines pass them on."""

    watch: Sequence[Variable] | Variable
    analyser: Analyser | str | None
    every: int
    length_scale: LengthScale | None
    classes: Classes | None
    deadline: float
    on_failure: OnFailure
    colvar: str | Path | None
    colvar_every: int | None
    folder: str | Path | None


class Driver:
    """Biases of one run, on the variables that they share.

    Parameters
    ----------
    biases : sequence of BiasPotential
        Biases with different names (`phasewire.bias`).
    watch : sequence of Variable
        Variables to evaluate and record in addition to those of the biases.
    analyser : Analyser or str, optional
        A server's address, or the analyser itself. Default: the core in this process, in the build that gives the same
        bits on every machine, ``Local(build="baseline", skin=0.1)``.
    every : int
        Steps between impulses: forces and virial act at every ``every``-th step and are ``every`` times as large.
        Average the pressure over all steps, since at the step of an impulse it is far off.
    length_scale : float or "cell", optional
        a0. ``"cell"``: (V/N)^(1/3) of each frame, with its part in the virial. Default: estimated from the first frame
        and then fixed.
    classes : sequence of str or mapping of str to float, optional
        The allowed classes, as for `Analyser.analyse`.
    deadline : float
        Seconds that a step may wait for its forces from a server.
    on_failure : {"stop", "unbiased"}
        Reaction to a step without forces. ``"stop"``: raise the error. ``"unbiased"``: the step has no bias, the column
        ``biased`` of COLVAR records it, and the first such step gives a warning. Later steps do not wait for a server
        that is gone; the bias acts again as soon as it is back.
    colvar : path, optional
        File for time, variables, columns of the biases, their total energy ``bias``, and ``biased``: one row per step.
    colvar_every : int, optional
        Steps between its rows; a step without forces always has one. Default: ``every``.
    folder : path, optional
        Folder for a relative path of ``colvar``. Default: the working folder.

    Attributes
    ----------
    biases : tuple of BiasPotential
    variables : tuple of Variable
        The distinct variables of all biases and of ``watch``.
    names : tuple of str
        Their names in COLVAR.
    failures : list of FailedFrame
        Steps without forces, with the reasons.
    last : Applied or None
        The last return value of `apply`.

    Raises
    ------
    InputError
        ``BAD_OPTION``; those of `phasewire.connect`.

    Notes
    -----
    A bias moves on when the next step begins, by the values of the last evaluation of the step before. So energy and
    forces of a step stay the same function however often an engine evaluates them: at the end of one run and the
    beginning of the next, in the line search of a minimisation, or for finite differences.
    """

    def __init__(
        self,
        biases: Sequence[BiasPotential] | BiasPotential = (),
        *,
        watch: Sequence[Variable] | Variable = (),
        analyser: Analyser | str | None = None,
        every: int = 1,
        length_scale: LengthScale | None = None,
        classes: Classes | None = None,
        deadline: float = 10.0,
        on_failure: OnFailure = "stop",
        colvar: str | Path | None = None,
        colvar_every: int | None = None,
        folder: str | Path | None = None,
    ) -> None:
        self.every = check_every(every)
        self.biases = _as_biases(biases)
        watched = (watch,) if isinstance(watch, Variable) else tuple(watch)
        self.variables, self._places = _distinct([*(bias.variables for bias in self.biases), watched])
        self.names = _unique_names(self.variables)
        self._bare = tuple(replace(variable, name=None) for variable in self.variables)
        self.classes = as_weights(classes)
        self.on_failure = _check_policy(on_failure)
        self.deadline = _check_deadline(deadline)
        self._given_scale = length_scale if length_scale == "cell" else check_length_scale(length_scale)
        self._scale = self._given_scale
        self.failures: list[FailedFrame] = []
        self.last: Applied | None = None
        self._energies = np.zeros(len(self.biases))
        self._step: int | None = None
        self._time: float | None = None
        # The step by which the biases have not moved on yet, and its values.
        self._pending: tuple[int, float | None, NDArray[np.float64]] | None = None
        self._moved_step: int | None = None
        # Step of the last row of COLVAR, and whether it had forces.
        self._last_row: tuple[int, bool] | None = None
        self._warned = False
        self._outage = Outage()
        self._colvar_path = None if colvar is None else Path(folder or ".") / colvar
        self._colvar_every = self.every if colvar_every is None else check_every(colvar_every)
        self._colvar: ColumnWriter | None = None
        self._owned: Analyser | None = None
        if not isinstance(analyser, Analyser):
            analyser = self._owned = (
                analysers.Local(build="baseline", skin=_SKIN)
                if analyser is None
                else analysers.connect(analyser, timeout=self.deadline)
            )
            # Otherwise a program that ends without closing the driver would wait for an open connection.
            weakref.finalize(self, analyser.close)
        self.analyser = analyser

    @property
    def length_scale(self) -> LengthScale | None:
        """a0 in use, or ``"cell"``; None before the first frame if it is to be estimated."""
        return self._scale

    def apply(self, frame: Frame) -> Applied:
        """Return energy, forces and virial of the biases for a frame.

        Parameters
        ----------
        frame : Frame
            A frame with the engine's step. If the step differs from that of the frame before, the biases move on first.

        Raises
        ------
        PhasewireError
            The reason why there are no forces, unless ``on_failure="unbiased"``. Exceptions of a bias or of a custom
            function are always passed on.
        """
        if self._pending is not None and frame.step != self._pending[0]:
            try:
                self.advance()
            except Exception as error:
                # The state of the bias is unknown, so the run ends in any case; this step has no forces.
                self._put_on_record(error, frame.step, frame.time, len(frame))
                raise
        self._step, self._time = frame.step, frame.time
        if frame.step % self.every:
            return self._between(frame)
        outage = self._outage.error(self.analyser) if self.on_failure == "unbiased" else None
        if outage is not None:
            return self.fail(outage, frame.step, frame.time, len(frame))
        began = time.monotonic()
        try:
            evaluation = self._evaluate(frame)
        except Exception as error:
            self._outage.begin(error, time.monotonic() - began)
            return self.fail(error, frame.step, frame.time, len(frame))
        self._outage.end()
        if frame.step % self._colvar_every == 0:
            self._write_row(frame.step, frame.time, evaluation)
        if frame.step != self._moved_step:
            self._pending = (frame.step, frame.time, evaluation.values)
        forces, virial = evaluation.forces, evaluation.virial
        if self.every > 1:
            forces, virial = self.every * forces, self.every * virial
        self.last = Applied(evaluation.energy, forces, virial, evaluation.values, True)
        return self.last

    def fail(self, error: Exception, step: int, time: float | None, atom_count: int) -> Applied:
        """Record that a step has no forces, as `apply` does, for frames that an engine cannot hand over.

        Raises
        ------
        Exception
            The error itself, unless the run continues: a `PhasewireError` with ``on_failure="unbiased"``.
        """
        # The step before is complete, even though this one failed.
        if self._pending is not None and step != self._pending[0]:
            self.advance()
        applied = self._put_on_record(error, step, time, atom_count)
        if self.on_failure == "stop" or not isinstance(error, PhasewireError):
            raise error
        if not self._warned:
            self._warned = True
            text = f"phasewire: step {step} goes without bias, and later steps may too: {error}"
            warnings.warn(text, RuntimeWarning, stacklevel=3)
        return applied

    def _put_on_record(self, error: Exception, step: int, time: float | None, atom_count: int) -> Applied:
        self._step, self._time, self._pending = step, time, None
        self.failures.append(FailedFrame(step, time, as_phasewire_error(error)))
        self._write_row(step, time, None)
        self.last = _nothing(atom_count, len(self.variables))
        return self.last

    def advance(self) -> None:
        """Let the biases move on by the last step if they have not; `apply` does so when the next step begins."""
        if self._pending is None:
            return
        step, time, values = self._pending
        self._pending = None
        self._moved_step = step
        for bias, places in zip(self.biases, self._places, strict=False):
            bias.update(values[places], step, time)

    def checkpoint(self, path: str | Path) -> None:
        """Write the state that a run needs to continue to one file, which appears only when it is complete.

        The biases move on by the last step first, so the run continues with the next step.

        Raises
        ------
        InputError
            ``FILE_ACCESS``; an existing file then stays unchanged.
        """
        self.advance()
        write_restart(Path(path), self._restart())

    def restore(self, path: str | Path) -> None:
        """Restore the state of a driver with the same settings from a file of `checkpoint`.

        Later rows of COLVAR are cut off, and new ones follow.

        Raises
        ------
        InputError
            ``FILE_ACCESS``, ``FILE_FORMAT``; ``BAD_OPTION`` if biases, variables, model or other settings differ: the
            field names the first difference, and the driver stays unchanged.
        """
        stored = read_restart(Path(path))
        with damage_named(Path(path), FORMAT):
            stored.refuse_unless_like(self._restart(), self.biases)
            for bias, state in zip(self.biases, stored.states, strict=True):
                bias.restore(state)
        self._scale = stored.length_scale
        self._step = self._moved_step = stored.step
        self._last_row = None if stored.step is None else (stored.step, True)
        self._time = stored.time
        self._pending = None
        if self._colvar_path is not None and stored.step is not None:
            self._close_colvar()
            time = float(stored.step) if stored.time is None else stored.time
            self._colvar = ColumnWriter(self._colvar_path, self._fields(), restart_time=time)

    @property
    def step(self) -> int | None:
        """The step of the last frame."""
        return self._step

    def close(self) -> None:
        """Let the biases move on by the last step, and close the files and the analyser, if the driver made it."""
        self.advance()
        self._close_colvar()
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(bias.name for bias in self.biases) or "no biases"
        failed = f", {len(self.failures)} steps without forces" if self.failures else ""
        return f"<Driver: {names} on {', '.join(self.names) or 'no variables'}; step {self._step}{failed}>"

    # -- inside ---------------------------------------------------------------------------------------------------

    def _evaluate(self, frame: Frame) -> Evaluation:
        step = frame.step
        evaluation = self.analyser.evaluate_frame(
            frame,
            variables=self._bare,
            energy=lambda values: self._energy(values, step),
            length_scale=self._scale,
            classes=self.classes,
            deadline=self.deadline,
        )
        if evaluation.step != step:
            _refuse(f"the forces of step {evaluation.step} arrived for step {step}", "step", evaluation.step)
        # The sum is finite unless one of them is not, or they are unphysically large.
        if evaluation.forces.shape != frame.positions.shape or not np.isfinite(evaluation.forces.sum()):
            _refuse("forces are missing or not finite", "forces", evaluation.forces.shape)
        if not (np.isfinite(evaluation.virial).all() and np.isfinite(evaluation.energy)):
            _refuse("energy or virial is not finite", "virial", [evaluation.energy, *evaluation.virial.ravel()])
        if self._scale is None:
            self._scale = evaluation.length_scale
        return evaluation

    def _energy(self, values: NDArray[np.float64], step: int) -> tuple[float, NDArray[np.float64]]:
        """Return the energy of all biases, and its derivatives by `variables`."""
        if not np.isfinite(values).all():
            _refuse("a variable is not finite", "variables", dict(zip(self.names, values.tolist(), strict=True)))
        slopes = np.zeros(len(values))
        for index, bias in enumerate(self.biases):
            places = self._places[index]
            energy, part = bias.energy(values[places], step)
            if np.shape(part) != places.shape or not (np.isfinite(energy) and np.isfinite(part).all()):
                _refuse("its energy or a derivative of it is missing or not finite", bias.name, [energy, *part])
            self._energies[index] = energy
            # A bias may name a variable twice, so a plain sum of slices would lose one.
            np.add.at(slopes, places, part)
        return float(self._energies.sum()), slopes

    def _between(self, frame: Frame) -> Applied:
        """Return the result of a step between two impulses."""
        before = self.last or _nothing(len(frame), len(self.variables))
        self.last = replace(before, forces=np.zeros((len(frame), 3)), virial=np.zeros((3, 3)))
        return self.last

    def _fields(self) -> list[str]:
        reported = [name for bias in self.biases for name in bias.columns()]
        return ["time", *self.names, *reported, "bias", "biased"]

    def _write_row(self, step: int, time: float | None, evaluation: Evaluation | None) -> None:
        """Write a row, which without an evaluation is that of a step without bias."""
        if self._colvar_path is None:
            return
        last_step, had_forces = self._last_row or (None, False)
        repeats = step == last_step
        if repeats and (evaluation is None or had_forces):
            # The step has its row: one of its evaluations had forces, or this one has none either.
            return
        if self._colvar is None:
            self._colvar = ColumnWriter(self._colvar_path, self._fields())
        row = dict.fromkeys(self._colvar.fields, np.nan)
        row |= {"time": float(step) if time is None else time, "bias": 0.0, "biased": 0.0}
        if evaluation is not None:
            row |= dict(zip(self.names, evaluation.values.tolist(), strict=True))
            row |= {"bias": evaluation.energy, "biased": 1.0}
            for bias in self.biases:
                row |= bias.columns()
        if repeats:
            self._colvar.replace_last(row)
        else:
            self._colvar.write(row)
        self._last_row = step, evaluation is not None

    def _close_colvar(self) -> None:
        if self._colvar is not None:
            self._colvar.close()
            self._colvar = None

    def _restart(self) -> Restart:
        return Restart(
            settings={
                "model": {"name": self.analyser.model_name, "sha256": self.analyser.model_sha256},
                "variables": [_describe(variable) for variable in self.variables],
                "names": list(self.names),
                "every": self.every,
                "length_scale": self._given_scale,
                "classes": None if self.classes is None else dict(self.classes),
            },
            biases=[{"name": bias.name, "settings": bias.settings()} for bias in self.biases],
            states=[bias.state() for bias in self.biases],
            step=self._step,
            time=self._time,
            length_scale=self._scale,
        )


def _as_biases(biases: Sequence[BiasPotential] | BiasPotential) -> tuple[BiasPotential, ...]:
    found = tuple(biases) if isinstance(biases, Sequence) else (biases,)
    names = [getattr(bias, "name", None) for bias in found]
    for index, (bias, name) in enumerate(zip(found, names, strict=True)):
        if not (hasattr(bias, "energy") and hasattr(bias, "update")):
            _refuse_option("this is not a bias", f"biases[{index}]", bias, "give a bias of phasewire.bias")
        if name in names[:index]:
            _refuse_option("two biases have this name", f"biases[{index}].name", name, "give one of them another name=")
    return found


def _distinct(
    lists: Sequence[Sequence[Variable]],
) -> tuple[tuple[Variable, ...], list[NDArray[np.intp]]]:
    """Return each variable once, and the places of the variables of each list among them.

    Variables that differ only in their names are one, with the first name given to any of them.
    """
    found: dict[Variable, Variable] = {}
    for variables in lists:
        for variable in variables:
            bare = replace(variable, name=None)
            # A bias names its variables after kind and class if they have no other name.
            named = bare if variable.name == variable_names((bare,))[0] else variable
            if found.get(bare, bare).name is None:
                found[bare] = named
    number = {bare: index for index, bare in enumerate(found)}
    places = [
        np.array([number[replace(variable, name=None)] for variable in variables], dtype=np.intp) for variables in lists
    ]
    if not found:
        _refuse_option("there is nothing to evaluate", "biases", [], "give a bias, or a variable to watch")
    return tuple(found.values()), places


def _unique_names(variables: Sequence[Variable]) -> tuple[str, ...]:
    names = variable_names(variables)
    for index, name in enumerate(names):
        if name in names[:index]:
            _refuse_option("two variables have this name", f"variables[{index}].name", name, "rename one of them")
    return names


def _check_policy(on_failure: OnFailure) -> OnFailure:
    if on_failure not in ("stop", "unbiased"):
        _refuse_option(
            "there is no such policy", "on_failure", on_failure, 'give "stop", or "unbiased" to continue without bias'
        )
    return on_failure


def _check_deadline(deadline: float) -> float:
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float, np.number)) or not 0 < deadline < np.inf:
        _refuse_option("the deadline must be a number of seconds above 0", "deadline", deadline, "give for example 10")
    return float(deadline)


def _describe(variable: Variable) -> dict[str, object]:
    """Return the declaration without its name, which is compared separately; only the kind of a custom function."""
    return {"kind": variable.kind} if variable.function is not None else replace(variable, name=None).to_dict()


def _nothing(atom_count: int, variable_count: int) -> Applied:
    return Applied(0.0, np.zeros((atom_count, 3)), np.zeros((3, 3)), np.full(variable_count, np.nan), False)


def _refuse(problem: str, field: str, value: object) -> NoReturn:
    raise make_error(
        "BAD_OPTION",
        problem,
        field=field,
        value=value,
        remedy="check the last frames: the run may have blown up, or a bias may be too steep for double precision",
    )


def _refuse_option(problem: str, field: str, value: object, remedy: str) -> NoReturn:
    raise make_error("BAD_OPTION", problem, field=field, value=value, remedy=remedy)
