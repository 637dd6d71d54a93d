"""Errors for the core's status codes; contract/errors.json has the reason for each."""

from __future__ import annotations

import numpy as np

from phasewire._contract import limits
from phasewire._core.instance import Fields
from phasewire._frame.frame import cell_not_finite, flat_cell
from phasewire.errors import STATUS_REASONS, PhasewireError, make_error, refusal


def status_error(name: str, stage: str, fields: Fields, atom_count: int, row_capacity: int) -> PhasewireError:
    """Return the error for a status of a stage.

    Parameters
    ----------
    name : str
        Name of the status without its prefix.
    stage : str
        The function that returned it.
    fields : Fields
        The context.
    atom_count : int
    row_capacity : int
        Most neighbours of one atom.
    """
    reason = STATUS_REASONS.get(name)
    atom, other = fields.count("ERROR_ATOM"), fields.count("ERROR_OTHER")
    scale = float(fields.values("LENGTH_SCALE")[0])
    if reason == "positionNotFinite":
        position = fields.array("POSITIONS", np.float64, (atom_count, 3))[atom]
        axis = int(np.argmin(np.isfinite(position)))
        number = float(position[axis])
        return refusal(reason, axis="xyz"[axis], atom=atom, number=number, value=number)
    if reason == "farPosition":
        place = fields.array("POSITIONS", np.float64, (atom_count, 3))[atom].tolist()
        return refusal(reason, atom=atom, most=limits.whole("frame", "mostPeriods"), value=place)
    if reason == "coincidentAtoms":
        distance = float(fields.values("ERROR_DISTANCE")[0])
        return refusal(
            reason,
            atom=atom,
            other="an image of itself" if other == atom else f"atom {other}",
            distance=distance,
            least=limits.number("frame", "coincident"),
            scale=scale,
            value=[atom, other, distance],
        )
    if reason == "tooDense":
        return refusal(reason, scale=scale, atom=atom, most=row_capacity, value=scale)
    if reason == "noLengthScale":
        return refusal(reason, fewest=limits.whole("frame", "fewestOfCluster"))
    if reason == "extremeLengthScale":
        number = float(fields.values("LENGTH_SCALE_GIVEN")[0])
        least, most = (limits.number("frame", f"{bound}LengthScale") for bound in ("shortest", "longest"))
        return refusal(reason, number=number, least=least, most=most, value=number)
    if reason in ("flatCell", "cellNotFinite"):
        cell = fields.values("CELL", 9).reshape(3, 3)
        bits = fields.count("PERIODIC")
        periodic = [bool(bits >> axis & 1) for axis in range(3)]
        return flat_cell(cell.tolist(), periodic) if reason == "flatCell" else cell_not_finite(cell)
    if reason in ("aborted", "modelNotFinite", "prior"):
        return refusal(reason)
    return make_error("INTERNAL", f"the core's {stage} returned {name}", field=stage)
