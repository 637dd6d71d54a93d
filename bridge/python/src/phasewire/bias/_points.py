"""Points at which a bias tells its free energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from phasewire.bias._base import Values
from phasewire.errors import make_error


def as_points(points: ArrayLike, count: int, name: str) -> Values:
    """Return points as an array of shape (P, V); with one variable a list of numbers will do.

    Raises
    ------
    InputError
        ``SHAPE_MISMATCH``.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim == 1 and count == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != count or len(array) == 0:
        raise make_error(
            "SHAPE_MISMATCH",
            f"points in {count} variables are an array of shape (P, {count})",
            field=f"{name}.points",
            value=array.shape,
            remedy="give a row for each point",
        )
    return array
