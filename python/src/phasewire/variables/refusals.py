"""Turns a status of the core into the error for a variable that does not fit a frame."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phasewire import errors
from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire.errors import PhasewireError
from phasewire.variables.program import Program, ascending, species_numbers
from phasewire.variables.regions import Ball, Slab

_NAMED = limits.whole("names", "mostSpeciesListed")


@dataclass(frozen=True, eq=False)
class Trouble:
    """The core's report on a program that it cannot evaluate.

    Attributes
    ----------
    status : str
        Name of the status, without prefix.
    record : int
        Number of the record.
    number : float
        The number that belongs to the status.
    least_height : float
        Least height of the cell over its periodic axes.
    lists : float64 array
        The lists of the program, with the marks of ids and species that occur.
    """

    status: str
    record: int
    number: float
    least_height: float
    lists: NDArray[np.float64]


def refusal(trouble: Trouble, program: Program, frame: Frame) -> PhasewireError:
    """Build the error, which names the key at fault."""
    if not 0 <= trouble.record < len(program.records):
        return _internal(trouble)
    select = f"{program.records[trouble.record].where}.select"
    match trouble.status:
        case "MISSING_IDS":
            return _missing_id(trouble, program, f"{select}.ids")
        case "MISSING_SPECIES":
            return _missing_species(trouble, program, frame, f"{select}.species")
        case "NOTHING_SELECTED":
            return errors.refusal("nothingSelected", field=select, total=trouble.number, value=trouble.number)
        case _:
            return _region_refusal(trouble, program, frame, f"{select}.region")


def _region_refusal(trouble: Trouble, program: Program, frame: Frame, where: str) -> PhasewireError:
    selection = program.records[trouble.record].variable.select
    region = None if selection is None else selection.region
    if region is None:
        return _internal(trouble)
    match trouble.status:
        case "NO_CELL":
            return errors.refusal("noRegionCell", field=where)
        case "FLAT_CELL":
            cell = None if frame.cell is None else frame.cell.tolist()
            return errors.refusal("flatRegionCell", field=where, value=cell)
        case "SHARP_EDGE":
            return errors.refusal("sharpRegion", field=where, value=region.width)
        case "WIDE_REGION" if isinstance(region, Slab):
            return errors.refusal("wideSlab", field=where, reach=trouble.number, value=region.width)
        case "WIDE_REGION" if isinstance(region, Ball):
            height = trouble.least_height
            return errors.refusal("wideBall", field=where, reach=trouble.number, height=height, value=region.radius)
        case _:
            return _internal(trouble)


def _missing_id(trouble: Trouble, program: Program, where: str) -> PhasewireError:
    selection = program.records[trouble.record].variable.select
    assert selection is not None
    assert selection.ids is not None
    sought = ascending(selection.ids)
    begin = _place(program, trouble, "IDS") + len(sought)
    absent = {number for number, mark in zip(sought, trouble.lists[begin:], strict=False) if mark == 0}
    missing = next(number for number in selection.ids if ascending([number])[0] in absent)
    return errors.refusal("missingId", field=where, ids=missing, value=missing)


def _missing_species(trouble: Trouble, program: Program, frame: Frame, where: str) -> PhasewireError:
    selection = program.records[trouble.record].variable.select
    assert selection is not None
    assert selection.species is not None
    groups = [species_numbers(name, frame.names) for name in selection.species]
    count = sum(map(len, groups))
    begin = _place(program, trouble, "SPECIES") + 2 * count
    ends = np.cumsum([begin, *map(len, groups)])
    found = [bool(trouble.lists[begin:end].any()) for begin, end in itertools.pairwise(ends)]
    missing = selection.species[found.index(False)]
    present = [] if frame.species is None else np.unique(frame.species).tolist()
    known = ", ".join(str(kind if frame.names is None else frame.names[kind]) for kind in present[:_NAMED])
    remedy = (
        f"Select among the species of the frame: {known}."
        if known
        else "The frame has no species, so none can be selected: omit the selection."
    )
    return errors.refusal("missingSpecies", field=where, species=missing, value=missing, remedy=remedy)


def _place(program: Program, trouble: Trouble, field: str) -> int:
    place = program.records[trouble.record].fields[field]
    assert isinstance(place, int)
    return place


def _internal(trouble: Trouble) -> PhasewireError:
    return errors.make_error(
        "INTERNAL",
        f"the core refuses record {trouble.record} of the variables: {trouble.status}",
        field="variables",
        remedy="please report this with the variables",
    )
