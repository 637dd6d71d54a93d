"""Variables in the memory of a core (docs/core-abi.md, "Variables").

Arrays that already lie in that memory are read where they are; others are copied into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from phasewire._contract import limits
from phasewire._core.instance import Fields, Instance, too_large
from phasewire._frame.frame import Frame
from phasewire._model.facts import ModelFacts
from phasewire.variables.declaration import Variable
from phasewire.variables.program import Program, make_program
from phasewire.variables.refusals import Trouble, refusal
from phasewire.variables.schema import check_variables

F64 = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]

_ALIGNMENT = 64
# Most atoms of a slice: a fraction of a second for any variables.
_SLICE = 4 * limits.whole("core", "slice")
_NUMBER_BYTES = 8
_LOGITS = {4: "PLACE_LOGITS_SINGLE", 8: "PLACE_LOGITS_DOUBLE"}
# The flag that makes room for another array, and the type of its numbers.
_PLACES: dict[str, tuple[str, DTypeLike]] = {
    "POSITIONS": ("PLACE_POSITIONS", np.float64),
    "SPECIES": ("PLACE_SPECIES", np.int32),
    "IDS": ("PLACE_IDS", np.float64),
    "LOG_WEIGHTS": ("PLACE_MODEL", np.float64),
    "IDEAL_LOGITS": ("PLACE_MODEL", np.float64),
}


class CoreVariables:
    """Evaluates the variables of one frame at a time: `evaluate`, `pull`, `scale_seed`, a backward pass, `combine`.

    Parameters
    ----------
    instance : Instance
        Its memory after ``instance.end`` is used.

    Attributes
    ----------
    instance : Instance
    seed : float64 array, shape (N, C)
        dE/dl after `pull`, to which derivatives of other kinds may be added.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.seed: F64 = np.zeros((0, 0))
        self._fields = Fields(instance, 0, "VARIABLES_")
        self._free = 0
        self._made: tuple[Sequence[Variable], Sequence[str], Sequence[str] | None, Program] | None = None

    def program(self, variables: Sequence[Variable], model: ModelFacts, names: Sequence[str] | None) -> Program:
        """Return the program of some variables, which consecutive frames share.

        Parameters
        ----------
        variables : sequence of Variable
        model : ModelFacts
        names : sequence of str or None
            Names of the species of the frame.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for an invalid variable, or a class that the model lacks.
        ProtocolError
            ``PROTOCOL_VERSION`` for a distance if the ideal logits are unknown.
        """
        if self._made is not None:
            of_variables, of_phases, of_names, program = self._made
            if of_variables is variables and of_phases is model.phases and of_names == names:
                return program
        check_variables(variables, model.phases, model.aliases)
        program = make_program(variables, model, names, self.instance.constants)
        self._made = (variables, model.phases, names, program)
        return program

    def evaluate(
        self,
        program: Program,
        frame: Frame,
        arrays: Arrays,
        *,
        length_scale: float,
        logit_length: float,
        given: Mapping[int, float | F64],
    ) -> F64:
        """Return the values of the variables, shape ``(V,)``.

        Parameters
        ----------
        program : Program
        frame : Frame
        arrays : Mapping of str to array
            ``LOGITS``, float32 or float64 of shape (N, C); ``POSITIONS``, ``SPECIES``, ``IDS``, ``LOG_WEIGHTS`` and
            ``IDEAL_LOGITS``, if the program needs them and the frame has them; ``SEED``, room for the seed,
            float64 of shape (N, C).
        length_scale, logit_length : float
            a0, and s in units of it.
        given : Mapping of int to float or float64 array, shape (N,)
            Results of custom functions, by record.

        Raises
        ------
        InputError
            ``EMPTY_SELECTION``, ``MISSING_CELL``, ``SINGULAR_CELL`` or ``BAD_OPTION`` if a variable does not fit the
            frame, with a field such as ``variables[0].select.region.radius``.
        """
        self._program, self._frame = program, frame
        needed = {name: arrays[name] for name in ("LOGITS", "SEED", *program.needs) if name in arrays}
        self._lay_out(program, needed)
        self._describe(frame, length_scale, logit_length)
        self._fields.set_count("LOGIT_BYTES", needed["LOGITS"].itemsize)
        for name, array in needed.items():
            self._attach(name, array)
        self.seed = self._fields.array("SEED", np.float64, needed["LOGITS"].shape)
        self._lists()[:] = program.lists
        self._records()[:] = program.numbers
        for record, numbers in given.items():
            self._give(record, numbers)
        if len(self.seed) <= _SLICE:
            self._check(self.instance.call("evaluateVariables", self._fields.address))
        else:
            self._check(self.instance.call("startVariables", self._fields.address))
            self._in_slices("sumVariables")
            self._check(self.instance.call("finishVariables", self._fields.address))
        values: F64 = self._column("VALUE")[program.tops]
        return values

    def pull(self, slopes: F64) -> None:
        """Compute seed and explicit derivatives of an energy from its derivatives by the variables, shape ``(V,)``.

        Raises
        ------
        InputError
            ``BAD_OPTION`` for a region with a sharp edge.
        """
        self._column("SLOPE")[self._program.tops] = slopes
        if len(self.seed) <= _SLICE:
            self._check(self.instance.call("pullVariables", self._fields.address))
        else:
            self._check(self.instance.call("startPull", self._fields.address))
            self._in_slices("pullAtoms")

    def adjoint(self, record: int) -> float:
        """Return the derivative of the energy by a record, after `pull`."""
        return float(self._column("ADJOINT")[record])

    def by_atom(self, record: int) -> F64:
        """Return the derivatives by the per-atom numbers that were given for a record, shape ``(N,)``."""
        by_atom: F64 = self.instance.view(int(self._column("BY_ATOM")[record]), np.float64, (len(self.seed),))
        return by_atom

    def scale_seed(self, room: NDArray[np.float32] | None) -> tuple[NDArray[np.float32], float]:
        """Return the seed of a backward pass, shape ``(N, C)``, and the power of two that it was divided by.

        That is 0 if there is nothing to pass back, and NaN if a number is not finite.

        Parameters
        ----------
        room : float32 array, shape (N, C), optional
            Where to write it, in the memory of the core. Default: over the seed.
        """
        source = self.instance.address_of(self.seed)
        target = source if room is None else self.instance.address_of(room)
        unit = float(self.instance.call("scaleSeed", target, source, self.seed.size))
        return self.instance.view(target, np.float32, self.seed.shape), unit

    def combine(self, gradient: F64, virial: F64, unit: float, *, follows_cell: bool) -> tuple[F64, F64]:
        """Return gradient and virial of the energy, through the logits and directly.

        Parameters
        ----------
        gradient, virial : float64 arrays, shape (N, 3) and (3, 3)
            Results of the backward pass; overwritten if they lie in the memory of the core.
        unit : float
            The power of two of `scale_seed`.
        follows_cell : bool
            Whether a0 is (V/N)^(1/3) and changes with the cell.
        """
        gradient, virial = self._inside(gradient), self._inside(virial)
        self.instance.call(
            "combineDerivatives",
            self.instance.address_of(gradient),
            self.instance.address_of(virial),
            len(gradient),
            unit,
            self._fields.address,
            int(follows_cell),
        )
        return gradient, virial

    def _lay_out(self, program: Program, arrays: Arrays) -> None:
        constants, instance = self.instance.constants, self.instance
        atoms, classes = arrays["LOGITS"].shape
        features = 0 if "SEED" in arrays else constants["PLACE_SEED"]
        if "POSITIONS" in program.needs:
            features |= constants["PLACE_GRADIENT"]
        for name, array in arrays.items():
            if not instance.holds(array):
                features |= constants[_LOGITS[array.itemsize] if name == "LOGITS" else _PLACES[name][0]]
        self._free = instance.end
        context = self._room(constants["VARIABLES_CONTEXT_BYTES"])
        self._fields = Fields(instance, context, "VARIABLES_")
        records, numbers = len(program.records), len(program.lists)
        end = instance.call("layoutVariables", context, self._free, atoms, classes, records, numbers, features)
        if end == 0:
            raise too_large(atoms)
        self._free = int(end)
        instance.grow(self._free, atoms)

    def _in_slices(self, stage: str) -> None:
        """Run a stage for all atoms, a slice at a time."""
        atoms = len(self.seed)
        for begin in range(0, atoms, _SLICE):
            self.instance.call(stage, self._fields.address, begin, min(begin + _SLICE, atoms))
            self.instance.pause()

    def _room(self, size: int) -> int:
        """Return the address of unused bytes."""
        address = -(-self._free // _ALIGNMENT) * _ALIGNMENT
        self._free = address + size
        self.instance.grow(self._free)
        return address

    def _describe(self, frame: Frame, length_scale: float, logit_length: float) -> None:
        fields = self._fields
        fields.set_count("HAS_CELL", frame.cell is not None)
        fields.set_count("PERIODIC", sum(1 << axis for axis, flag in enumerate(frame.periodic) if flag))
        fields.values("CELL", 9)[:] = 0.0 if frame.cell is None else frame.cell.ravel()
        fields.values("ORIGIN", 3)[:] = 0.0 if frame.origin is None else frame.origin
        fields.values("LENGTH_SCALE")[0] = length_scale
        fields.values("LOGIT_LENGTH")[0] = logit_length

    def _attach(self, name: str, array: NDArray[Any]) -> None:
        if self.instance.holds(array):
            self._fields.point(name, self.instance.address_of(array))
        else:
            kind = array.dtype if name == "LOGITS" else _PLACES[name][1]
            self._fields.array(name, kind, array.shape)[:] = array

    def _give(self, record: int, numbers: float | F64) -> None:
        if isinstance(numbers, float):
            self._column("VALUE")[record] = numbers
            return
        for field in ("PER_ATOM", "BY_ATOM"):
            self._column(field)[record] = self._room(numbers.nbytes)
        address = int(self._column("PER_ATOM")[record])
        self.instance.view(address, np.float64, numbers.shape)[:] = numbers

    def _inside(self, array: F64) -> F64:
        """Return an array that lies in the memory of the core."""
        if self.instance.holds(array):
            return array
        inside: F64 = self.instance.view(self._room(array.nbytes), np.float64, array.shape)
        inside[:] = array
        return inside

    def _lists(self) -> F64:
        return self._fields.array("LISTS", np.float64, (len(self._program.lists),))

    def _records(self) -> F64:
        return self._fields.array("RECORDS", np.float64, self._program.numbers.shape)

    def _column(self, name: str) -> F64:
        """Return a field of all records."""
        column: F64 = self._records()[:, self.instance.constants[f"RECORD_{name}"] // _NUMBER_BYTES]
        return column

    def _check(self, status: int) -> None:
        if status == self.instance.constants["STATUS_OK"]:
            return
        trouble = Trouble(
            status=self.instance.status_name(status),
            record=self._fields.count("ERROR_RECORD"),
            number=float(self._fields.values("ERROR")[0]),
            least_height=float(self._fields.values("LEAST_HEIGHT")[0]),
            lists=self._lists(),
        )
        raise refusal(trouble, self._program, self._frame)
