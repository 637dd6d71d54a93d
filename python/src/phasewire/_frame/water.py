"""Water, recognised by its composition.

The species of a frame are those of water if every name is one of those below (in upper or lower case), there are
exactly two hydrogens per oxygen, and zero, one or two massless sites per oxygen.

Positions do not matter, so all frames of a run select the same atoms, whatever the molecules do.
A frame with any other species, such as the ions of salt water, is not recognised: the user selects the atoms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phasewire._contract.tables import read_table

_WATER = read_table("species")["water"]
# Names of elements, and names that force fields of water give to atoms and to sites that carry only a charge.
_OXYGEN, _HYDROGEN, _SITE = (frozenset(_WATER[part]) for part in ("oxygen", "hydrogen", "site"))

# The two lone pairs of five-site models.
_MOST_SITES: int = _WATER["mostSites"]

OXYGEN_OF_WATER: str = _WATER["oxygens"]
"""Description of a selection of water's oxygens."""


def water_oxygens(species: NDArray[np.int32] | None, names: Sequence[str] | None) -> NDArray[np.int64] | None:
    """Find the oxygen atoms of a frame that is water.

    Parameters
    ----------
    species : int array, shape (N,), or None
    names : sequence of str or None
        Names of the species 0, 1, ...

    Returns
    -------
    int64 array or None
        Indices in ascending order; None if the frame is not water.
    """
    if species is None or names is None or not len(species):
        return None
    of_species = np.bincount(species, minlength=len(names))
    present = [(number, name.upper()) for number, name in enumerate(names) if of_species[number]]
    if any(name not in _OXYGEN | _HYDROGEN | _SITE for _, name in present):
        return None
    oxygen, hydrogen, site = (
        sum(int(of_species[number]) for number, name in present if name in part) for part in (_OXYGEN, _HYDROGEN, _SITE)
    )
    if not (oxygen and hydrogen == 2 * oxygen and site % oxygen == 0 and site <= _MOST_SITES * oxygen):
        return None
    return np.flatnonzero(np.isin(species, [number for number, name in present if name in _OXYGEN]))
