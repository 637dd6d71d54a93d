"""What to say where the core cannot evaluate a variable of a frame."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phasewire._contract import limits
from phasewire._frame.frame import Frame
from phasewire.errors import PhasewireError, make_error
from phasewire.variables.program import Program, ascending, species_numbers
from phasewire.variables.regions import Ball, Slab, refused

_NAMED = limits.whole("names", "mostSpeciesListed")


@dataclass(frozen=True, eq=False)
class Trouble:
    """What the core says of a program that it cannot evaluate.

    Attributes
    ----------
    status : str
        Name of the status, without prefix.
    record : int
        The record that it is about.
    number : float
        The number that belongs to the status.
    least_height : float
        Of the cell, over its periodic axes.
    lists : float64 array
        The lists of the program, with the marks of what occurs.
    """

    status: str
    record: int
    number: float
    least_height: float
    lists: NDArray[np.float64]


def refusal(trouble: Trouble, program: Program, frame: Frame) -> PhasewireError:
    """Build the error that names the key at fault."""
    if not 0 <= trouble.record < len(program.records):
        return _internal(trouble)
    select = f"{program.records[trouble.record].where}.select"
    match trouble.status:
        case "MISSING_IDS":
            return _missing_id(trouble, program, f"{select}.ids")
        case "MISSING_SPECIES":
            return _missing_species(trouble, program, frame, f"{select}.species")
        case "NOTHING_SELECTED":
            return make_error(
                "EMPTY_SELECTION",
                "no atom lies in the region, so there is nothing to take a mean of",
                field=select,
                value=trouble.number,
                remedy='take another region or a larger one, or "reduce": "sum"',
            )
        case _:
            return _region_refusal(trouble, program, frame, f"{select}.region")


def _region_refusal(trouble: Trouble, program: Program, frame: Frame, where: str) -> PhasewireError:
    selection = program.records[trouble.record].variable.select
    region = None if selection is None else selection.region
    if region is None:
        return _internal(trouble)
    match trouble.status:
        case "NO_CELL":
            return make_error(
                "MISSING_CELL", "a region needs a cell", field=where, remedy="give the frame a cell, periodic or not"
            )
        case "FLAT_CELL":
            return make_error(
                "SINGULAR_CELL",
                "a region needs three cell vectors that span a volume",
                field=where,
                value=None if frame.cell is None else frame.cell.tolist(),
                remedy="give the directions that are not periodic a vector too",
            )
        case "SHARP_EDGE":
            return refused(
                "a region with width 0 has a value, but no derivative",
                f"{where}.width",
                0.0,
                "give the region a width: a tenth of a cell vector, or one distance of neighbours, does well",
            )
        case "WIDE_REGION" if isinstance(region, Slab):
            return refused(
                "along a periodic axis (to - from)/2 + width must not exceed 1/2, or the region would meet itself",
                f"{where}.width",
                region.width,
            )
        case "WIDE_REGION" if isinstance(region, Ball):
            return refused(
                "radius + width must not exceed half of the cell's least height, "
                f"{0.5 * trouble.least_height:.6g}, or the ball would meet itself",
                f"{where}.radius",
                region.radius,
            )
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
    return make_error(
        "EMPTY_SELECTION",
        f"the frame has no atom with the id {missing}",
        field=where,
        value=missing,
        remedy="give ids as the simulation numbers its atoms; frames without ids count from 0",
    )


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
    return make_error(
        "EMPTY_SELECTION",
        f"no atom has the species {missing!r}",
        field=where,
        value=missing,
        remedy=f"select one of {known}" if known else "hand the species over with the frame",
    )


def _place(program: Program, trouble: Trouble, field: str) -> int:
    place = program.records[trouble.record].fields[field]
    assert isinstance(place, int)
    return place


def _internal(trouble: Trouble) -> PhasewireError:
    return make_error(
        "INTERNAL",
        f"the core refuses record {trouble.record} of the variables: {trouble.status}",
        field="variables",
        remedy="please report this with the variables",
    )
