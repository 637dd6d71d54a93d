"""Translates variables into the program of numbers that the core evaluates (assembly/variables/program.ts).

A record is one variable. A variable of other variables comes after them. Records point into lists of numbers. Names of
classes and species become numbers here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phasewire._model.class_names import class_number
from phasewire._model.facts import ModelFacts
from phasewire.errors import make_error
from phasewire.variables.declaration import JSON_KEYS, Variable
from phasewire.variables.regions import AtomSelection, Region, Slab

F64 = NDArray[np.float64]

_NUMBER_BYTES = 8
# Double precision cannot distinguish ids from here on. No simulation has so many atoms.
_MOST_ID = 2**53

Fields = dict[str, float | Sequence[float]]
"""Fields of a record, by name without prefix."""


@dataclass(frozen=True, eq=False)
class Record:
    """One variable of the list, or one inside another.

    Attributes
    ----------
    variable : Variable
    where : str
        Place of its declaration, such as ``variables[0].terms[1].variable``.
    fields : dict
    """

    variable: Variable
    where: str
    fields: Fields


@dataclass(frozen=True, eq=False)
class Program:
    """Variables, ready to be written into the memory of a core.

    Attributes
    ----------
    numbers : float64 array, shape (R, numbers of a record)
        The records.
    lists : float64 array
    records : tuple of Record
        The variables of the records.
    tops : int array, shape (V,)
        The records of the variables of the list.
    needs : frozenset of str
        The arrays that records read: ``POSITIONS``, ``SPECIES``, ``IDS``, ``LOG_WEIGHTS``,
        ``IDEAL_LOGITS``.
    """

    numbers: F64
    lists: F64
    records: tuple[Record, ...]
    tops: NDArray[np.intp]
    needs: frozenset[str]


def make_program(
    variables: Sequence[Variable], model: ModelFacts, names: Sequence[str] | None, constants: Mapping[str, int]
) -> Program:
    """Make the program of variables that `phasewire.variables.schema.check_variables` has checked.

    Parameters
    ----------
    variables : sequence of Variable
    model : ModelFacts
    names : sequence of str or None
        Names of the species of the frames.
    constants : Mapping of str to int
        The numbers that the core exports.

    Raises
    ------
    ProtocolError
        ``PROTOCOL_VERSION`` for a distance if the ideal logits are unknown.
    """
    builder = _Builder(model, names, constants)
    tops = [builder.add(variable, f"variables[{index}]") for index, variable in enumerate(variables)]
    return builder.program(tops)


class _Builder:
    def __init__(self, model: ModelFacts, names: Sequence[str] | None, constants: Mapping[str, int]) -> None:
        self._model = model
        self._names = names
        self._constants = constants
        self._records: list[Record] = []
        self._lists: list[float] = []
        self._needs: set[str] = set()

    def add(self, variable: Variable, where: str) -> int:
        """Add a record, after those that it is made of; return its number."""
        record = Record(variable, where, self._fields_of(variable, where))
        self._records.append(record)
        return len(self._records) - 1

    def program(self, tops: Sequence[int]) -> Program:
        """Return the program."""
        numbers = np.zeros((len(self._records), self._constants["RECORD_BYTES"] // _NUMBER_BYTES))
        for row, record in zip(numbers, self._records, strict=True):
            for name, value in record.fields.items():
                place = self._constants[f"RECORD_{name}"] // _NUMBER_BYTES
                row[place : place + np.size(value)] = value
        return Program(
            numbers, np.array(self._lists), tuple(self._records), np.array(tops, dtype=np.intp), frozenset(self._needs)
        )

    def _fields_of(self, variable: Variable, where: str) -> Fields:
        match variable.kind:
            case "sum":
                terms = variable.terms or ()
                inner = [self.add(term.variable, f"{where}.terms[{i}].variable") for i, term in enumerate(terms)]
                weights = self._list([term.weight for term in terms])
                return self._composite("SUM", inner) | {"WEIGHTS": weights, "CONSTANT": variable.constant or 0.0}
            case "smoothMin" | "smoothMax":
                inner = [self.add(one, f"{where}.variables[{i}]") for i, one in enumerate(variable.variables or ())]
                sign = 1.0 if variable.kind == "smoothMax" else -1.0
                return self._composite("EXTREMUM", inner) | {"CONSTANT": sign * (variable.sharpness or 1.0)}
            case "switch":
                assert variable.variable is not None
                inner = [self.add(variable.variable, f"{where}.variable")]
                return self._composite("SWITCH", inner) | self._switch(variable.centre, variable.width)
            case "custom":
                return {"KIND": self._constants["KIND_GIVEN"]}
            case _:
                return self._mean(variable, where)

    def _composite(self, kind: str, inner: Sequence[int]) -> Fields:
        return {"KIND": self._constants[f"KIND_{kind}"], "LIST": self._list(inner), "LENGTH": len(inner)}

    def _mean(self, variable: Variable, where: str) -> Fields:
        fields = self._quantity(variable, where)
        fields["REDUCE"] = self._constants["REDUCE_SUM" if variable.is_sum_over_atoms else "REDUCE_MEAN"]
        if variable.switch is not None:
            fields |= self._switch(variable.switch.centre, variable.switch.width)
        if variable.select is not None:
            fields |= self._selection(variable.select)
        return fields

    def _quantity(self, variable: Variable, where: str) -> Fields:
        match variable.kind:
            case "fraction":
                names = (variable.phase,) if variable.phases is None else variable.phases
                numbers = [self._class(name, where) for name in names]
                return {"KIND": self._constants["KIND_FRACTION"], "LIST": self._list(numbers), "LENGTH": len(numbers)}
            case "meanLogit" | "logitDifference":
                minus = -1 if variable.minus is None else self._class(variable.minus, where)
                number = self._class(variable.phase, where)
                return {"KIND": self._constants["KIND_LOGIT"], "CLASS": number, "MINUS": minus}
            case "distance":
                self._require_ideal_logits(variable, where)
                self._needs |= {"LOG_WEIGHTS", "IDEAL_LOGITS"}
                return {"KIND": self._constants["KIND_DISTANCE"], "CLASS": self._class(variable.phase, where)}
            case "logDensity":
                return {"KIND": self._constants["KIND_LOG_DENSITY"]}
            case _:
                return {"KIND": self._constants["KIND_PER_ATOM"]}

    def _class(self, name: str | None, where: str) -> int:
        assert name is not None
        return class_number(name, self._model.phases, self._model.aliases, f"{where}.{JSON_KEYS['phase']}")

    def _require_ideal_logits(self, variable: Variable, where: str) -> None:
        if self._model.ideal_logits is None:
            raise make_error(
                "PROTOCOL_VERSION",
                "a distance needs the ideal logits of the model, which the server does not send",
                field=f"{where}.kind",
                value=variable.kind,
                remedy="use a server of this release, or phasewire.Local()",
            )

    def _switch(self, centre: float | None, width: float | None) -> Fields:
        return {"SWITCH_CENTRE": centre or 0.0, "SWITCH_WIDTH": width or 1.0}

    def _selection(self, selection: AtomSelection) -> Fields:
        fields: Fields = {}
        if selection.ids is not None:
            wanted = ascending(selection.ids)
            self._needs.add("IDS")
            fields |= {"IDS": self._list([*wanted, *[0] * len(wanted)]), "ID_COUNT": len(wanted)}
        if selection.species is not None:
            groups = [species_numbers(name, self._names) for name in selection.species]
            numbers = [number for group in groups for number in group]
            places = [float(place) for place, group in enumerate(groups) for _ in group]
            self._needs.add("SPECIES")
            fields |= {"SPECIES": self._list([*numbers, *places, *[0] * len(places)]), "SPECIES_COUNT": len(places)}
        if selection.region is not None:
            self._needs.add("POSITIONS")
            fields |= self._region(selection.region)
        return fields

    def _region(self, region: Region) -> Fields:
        edge = {"EDGE": region.width}
        if isinstance(region, Slab):
            kind = self._constants["REGION_SLAB"]
            return {"REGION": kind, "AXIS": region.axis, "FROM": region.start, "TO": region.stop, **edge}
        return {"REGION": self._constants["REGION_BALL"], "CENTRE": region.centre, "RADIUS": region.radius, **edge}

    def _list(self, numbers: Sequence[float]) -> int:
        """Append numbers to the lists; return the place of the first."""
        begin = len(self._lists)
        self._lists += numbers
        return begin


def ascending(ids: Sequence[int]) -> list[float]:
    """Return ids in ascending order, each once; ids beyond those of any atom become infinite."""
    return sorted({float(number) if abs(number) < _MOST_ID else float("inf") for number in ids})


def species_numbers(name: str | int, names: Sequence[str] | None) -> list[float]:
    """Return the numbers of a species of a declaration, NaN if it has none."""
    if isinstance(name, int):
        return [float(name)]
    return [float(number) for number, known in enumerate(names or ()) if known == name] or [float("nan")]
