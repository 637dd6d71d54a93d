"""The interface that the core in this process and the client of a server share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from phasewire._frame.frame import Frame, make_frame
from phasewire._frame.options import Denoise, Options, check_options
from phasewire._frame.renaming import SpeciesMap, rename_species
from phasewire._frame.result import DEFAULT_FIELDS, Evaluation, Result
from phasewire._frame.selection import Select, choose_atoms
from phasewire._model.weights import Classes, class_weights
from phasewire._server.settings import Settings
from phasewire.analysers.task import (
    Energy,
    Task,
    check_coefficients,
    check_seconds,
    linear_energy,
    resolve_length_scale,
)
from phasewire.errors import make_error
from phasewire.variables import Variable
from phasewire.variables.schema import check_list

if TYPE_CHECKING:
    from typing_extensions import Self


class FrameOptions(TypedDict, total=False):
    """Keyword arguments of `Analyser.analyse_frame`, which `Analyser.analyse` documents."""

    length_scale: float | None
    denoise: Denoise
    fields: Iterable[str]
    classes: Classes | None
    hints: bool | None


class Analyser(ABC):
    """Determines the phases of atoms; made by `phasewire.Local` or `phasewire.connect`.

    Both accept and return the same, so callers need not distinguish them. Calls from several threads run one after
    the other. An analyser closes itself when used as a context manager.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    @property
    @abstractmethod
    def model_name(self) -> str:
        """Name of the model."""

    @property
    @abstractmethod
    def phases(self) -> tuple[str, ...]:
        """Class names in the order of the labels; the first is ``disordered``."""

    @property
    @abstractmethod
    def aliases(self) -> Mapping[str, str]:
        """Other names of classes."""

    @property
    def known_phases(self) -> tuple[str, ...]:
        """Like `phases`, but without waiting for a server: empty while they are unknown."""
        return self.phases

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model's file, empty if unknown."""
        return ""

    @property
    def remote(self) -> Settings | None:
        """Settings of the server that computes; None if this process computes."""
        return None

    def available(self) -> bool:
        """Return whether the analyser can be asked now; it looks for a lost server, but never waits for it."""
        return True

    @property
    def water_names(self) -> Mapping[str, str]:
        """Names of classes if the atoms are the oxygens of water, by class name."""
        return {}

    def analyse(
        self,
        positions: ArrayLike,
        cell: ArrayLike | None = None,
        periodic: bool | Sequence[bool] | None = None,
        species: ArrayLike | Sequence[str] | None = None,
        *,
        species_map: SpeciesMap | None = None,
        select: Select | None = None,
        length_scale: float | None = None,
        denoise: Denoise = 0,
        fields: Iterable[str] = DEFAULT_FIELDS,
        classes: Classes | None = None,
        hints: bool | None = None,
        step: int = 0,
        time: float | None = None,
    ) -> Result:
        """Determine the phase of every atom.

        Parameters
        ----------
        positions : array_like, shape (N, 3)
            In any length unit; they may lie outside the cell.
        cell : array_like, shape (3, 3) or (3,), optional
            Rows are the cell vectors, of either handedness.
        periodic : bool or three bool, optional
            Default: periodic in all directions if there is a cell, in none otherwise.
        species : sequence of int or str, shape (N,), optional
            Only equality counts. None: all atoms count as one species, so that B2 is bcc.
        species_map : mapping of str or int to str, optional
            Other names for species, before anything else looks at them: ``{"Ni": "A", "Co": "A"}`` makes nickel and
            cobalt one species, so that (Ni,Co)3Al is L1_2. ``select``, water and variables see the new names.
        select : str, int or sequence of those, optional
            Analyse only the atoms of these species, as if the others were absent; the result then holds only
            these atoms, and their indices as ``selection``. ``"all"``: all atoms. Default: the oxygens if the
            names of the species are those of water (docs/cli.md, "Water"), else all atoms.
        length_scale : float, optional
            a0 = (volume per atom)^(1/3) of the phase of interest. Default: estimated.
        denoise : int or "converged", optional
            Label after this many denoising steps, or after convergence. 0: label the frame as it is.
        fields : iterable of str, optional
            Per-atom arrays to return, from ``labels, confidence, margin, distance, probabilities, logits,
            denoised, score``. Fewer arrays cost less, mainly with a server.
        classes : sequence of str or mapping of str to float, optional
            The allowed classes, by name or alias, with weights if they are not equal. Other classes are left out,
            except ``disordered``, which has weight 1 unless it is named. Default: the classes of the analyser.
        hints : bool, optional
            Whether to look for hints (docs/hints.md), which can take another pass or two. Default: for the first frame
            of each set of species. A server looks for none.
        step, time : optional
            Step and time of the simulation, which the result repeats.

        Raises
        ------
        InputError
            Mostly before anything is computed or sent; docs/errors.md lists the codes.
        ServerUnreachableError, DeadlineError
            If the server is gone or too slow.
        """
        # The arrays are read only during this call, so they need no copies.
        given = make_frame(positions, cell, periodic, species, step=step, time=time, copy=False)
        frame = choose_atoms(rename_species(given, species_map), select)
        return self.analyse_frame(
            frame, length_scale=length_scale, denoise=denoise, fields=fields, classes=classes, hints=hints
        )

    def analyse_batch(self, frames: Iterable[Sequence[Any]], **options: Any) -> list[Result]:
        """Analyse many frames, in order.

        Small frames cost little more per atom than large ones, apart from the estimate of their length scale, which
        uses every atom of a frame of less than a thousand. Give the length scale if you know it.

        Parameters
        ----------
        frames : iterable of sequences
            Positional arguments of `analyse` for each frame: positions, and cell, periodicity and species if there
            are any.
        options
            The keyword arguments of `analyse`, for all frames.

        Raises
        ------
        InputError, ServerUnreachableError, DeadlineError
            As for `analyse`, at the first frame that is refused.

        Examples
        --------
        >>> analyser.analyse_batch([(atoms.positions, atoms.cell.array) for atoms in images])  # doctest: +SKIP
        """
        return [self.analyse(*frame, **options) for frame in frames]

    def forces(
        self,
        positions: ArrayLike,
        cell: ArrayLike | None = None,
        periodic: bool | Sequence[bool] | None = None,
        species: ArrayLike | Sequence[str] | None = None,
        *,
        variables: Variable | Sequence[Variable],
        energy: Energy | None = None,
        coefficients: ArrayLike | None = None,
        species_map: SpeciesMap | None = None,
        select: Select | None = None,
        length_scale: float | Literal["cell"] | None = None,
        classes: Classes | None = None,
        step: int = 0,
        deadline: float | None = None,
    ) -> Evaluation:
        """Evaluate order parameters, and the forces of an energy of them.

        Parameters
        ----------
        positions, cell, periodic, species, species_map, select, classes, step
            As for `analyse`; forces on atoms that are not selected are 0.
        variables : Variable or sequence of Variable
            From `phasewire.fraction`, `phasewire.log_density`, `phasewire.smooth_min` and similar
            functions (`phasewire.variables`).
        energy : callable, optional
            Takes the values of the variables, float64 of shape (V,), between the forward and the backward pass; returns
            E and dE/dV, shape (V,), in the simulation's energy unit. It must not use this analyser. Its exceptions
            are passed on. With a server it may be called twice for one frame.
        coefficients : array_like, shape (V,), optional
            Instead of ``energy``: E = sum of coefficient times variable. Default: all 1.
        length_scale : float or "cell", optional
            a0. Give it when the forces drive a simulation: an estimate that changes from step to step is not
            conservative. ``"cell"``: a0 = (volume of the cell / atoms)^(1/3), with its part in the virial.
        deadline : float, optional
            Seconds that a server may take for all of it. Default: the client's timeout. It has no effect in process.

        Raises
        ------
        InputError, ServerUnreachableError, DeadlineError
            As for `analyse`; and ``EMPTY_SELECTION``, ``MISSING_CELL`` or ``BAD_OPTION`` for a variable that
            does not fit the frame (docs/variables.md).
        """
        whole = make_frame(positions, cell, periodic, species, step=step, copy=False)
        frame = choose_atoms(rename_species(whole, species_map), select)
        evaluation = self.evaluate_frame(
            frame,
            variables=variables,
            energy=energy,
            coefficients=coefficients,
            length_scale=length_scale,
            classes=classes,
            deadline=deadline,
        )
        if frame.selection is None:
            return evaluation
        forces = np.zeros_like(whole.positions)
        forces[frame.selection] = evaluation.forces
        return replace(evaluation, forces=forces, selection=frame.selection, selected=frame.selected)

    def analyse_frame(
        self,
        frame: Frame,
        *,
        length_scale: float | None = None,
        denoise: Denoise = 0,
        fields: Iterable[str] = DEFAULT_FIELDS,
        classes: Classes | None = None,
        hints: bool | None = None,
    ) -> Result:
        """Like `analyse`, for a frame that `make_frame` has checked."""
        options = check_options(length_scale, denoise, fields, classes, hints)
        if options.classes is not None:
            class_weights(options.classes, self.phases, self.aliases)
        with self._turn:
            result = self._analyse(frame, options)
        return result.with_atoms_of(frame, self.water_names)

    def evaluate_frame(
        self,
        frame: Frame,
        *,
        variables: Variable | Sequence[Variable],
        energy: Energy | None = None,
        coefficients: ArrayLike | None = None,
        length_scale: float | Literal["cell"] | None = None,
        classes: Classes | None = None,
        deadline: float | None = None,
    ) -> Evaluation:
        """Like `forces`, for a frame that `make_frame` has checked; the forces are those of its atoms only."""
        chosen = tuple(variables) if isinstance(variables, Iterable) else (variables,)
        seconds = check_seconds(deadline)
        check_list(chosen, "variables")
        number, follows_cell = resolve_length_scale(length_scale, frame)
        if energy is not None and coefficients is not None:
            raise make_error(
                "BAD_OPTION",
                "give either an energy or coefficients",
                field="coefficients",
                remedy="give coefficients for a sum of the variables, or an energy for any other function of them",
            )
        if energy is None:
            energy, where = linear_energy(check_coefficients(coefficients, len(chosen))), "coefficients"
        else:
            where = "energy"
        options = check_options(number, 0, (), classes)
        with self._turn:
            return self._evaluate(frame, Task(chosen, energy, where, follows_cell, seconds), options)

    @abstractmethod
    def _analyse(self, frame: Frame, options: Options) -> Result: ...

    @abstractmethod
    def _evaluate(self, frame: Frame, task: Task, options: Options) -> Evaluation: ...

    def forget(self) -> None:  # noqa: B027
        """Discard data of earlier frames, so that the results of the next frame depend only on that frame.

        By default an analyser keeps no such data.
        """

    def abort(self, thread: int | None = None) -> None:  # noqa: B027
        """End the call that another thread has running in this process; it raises ``ABORTED``.

        It has no effect if no call runs, and on calls that a server answers.

        Parameters
        ----------
        thread : int, optional
            Identifier of a thread (``threading.get_ident``), to end a call only if it is of that thread.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the memory or close the connection. May be called more than once."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds memory or a connection of this process and cannot be pickled or copied; "
            "make one in each process"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
