"""Second looks at a frame, with species merged or left out, for hints (docs/hints.md).

They go through the same steps as those of the TypeScript library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phasewire._contract.tables import read_table
from phasewire._core.core import Core
from phasewire._frame.frame import Frame
from phasewire._frame.hint import Hint
from phasewire._model.model import PhaseClass
from phasewire.errors import PhasewireError

_TABLE = read_table("hints")
_LIGHT = frozenset(_TABLE["light"])


def find_hints(
    core: Core,
    classes: Sequence[PhaseClass],
    frame: Frame,
    labels: NDArray[np.uint16],
    margin: NDArray[np.float32],
    length_scale: float | None,
    denoised: bool,
) -> tuple[Hint, ...]:
    """Look again at the frame that the core has evaluated. The core then holds another frame.

    Parameters
    ----------
    core : Core
    classes : sequence of PhaseClass
    frame : Frame
        With the denoised positions if there are any.
    denoised : bool
        Whether there are. Further looks then take one step, too, because only a denoised frame is asked whether its
        surroundings are known.
    labels, margin : arrays, shape (N,)
        Of the first look.
    length_scale : float or None
        The one that was given, which then holds for a part of the atoms as well.
    """
    if frame.species is None:
        return ()
    kinds = np.unique(frame.species)
    if len(kinds) < 2:
        return ()
    names = {int(kind): str(kind) if frame.names is None else frame.names[kind] for kind in kinds}
    # The groups follow from the evaluated frame, so they come first.
    groups, used = core.group_species(), core.length_scale
    found = (
        _look_at_hosts(core, classes, frame, names, labels, margin, length_scale, denoised),
        _look_at_groups(core, classes, frame, names, groups, labels, used, denoised),
    )
    return tuple(hint for hint in found if hint is not None)


def _look_at_groups(
    core: Core,
    classes: Sequence[PhaseClass],
    frame: Frame,
    names: dict[int, str],
    groups: dict[int, int],
    labels: NDArray[np.uint16],
    length_scale: float,
    denoised: bool,
) -> Hint | None:
    members: dict[int, list[str]] = {}
    for kind, group in groups.items():
        members.setdefault(group, []).append(names[kind])
    merged = [sorted(own) for own in members.values() if len(own) > 1]
    if not merged:
        return None
    label, share = _most_frequent(labels, len(classes))
    # One group is a lattice without order, which has the name of an element.
    if len(members) == 1 and share >= _TABLE["leastShare"] and classes[label].species_count == 1:
        return None
    species = np.array([groups[int(kind)] for kind in frame.species], dtype=np.int32)  # type: ignore[union-attr]
    again, _ = _look(core, replace(frame, species=species), length_scale, denoised)
    label, share = _most_frequent(again, len(classes))
    before = float((labels == label).mean())
    if share < _TABLE["leastShare"] or share - before < _TABLE["leastGain"]:
        return None
    pairs = {name: own[0] for own in merged for name in own[1:]}
    texts = {
        "species": "; ".join(" and ".join(own) for own in merged),
        "map": ",".join(f"{name}={target}" for name, target in pairs.items()),
    }
    return _hint("MERGE_SPECIES", classes[label].name, share, before, texts, species_map=pairs)


def _look_at_hosts(
    core: Core,
    classes: Sequence[PhaseClass],
    frame: Frame,
    names: dict[int, str],
    labels: NDArray[np.uint16],
    margin: NDArray[np.float32],
    length_scale: float | None,
    denoised: bool,
) -> Hint | None:
    hosts = [kind for kind, name in names.items() if name not in _LIGHT]
    if not hosts or len(hosts) == len(names):
        return None
    assert frame.species is not None
    own = np.flatnonzero(np.isin(frame.species, hosts))
    if len(frame) - len(own) < _TABLE["leastLight"] * len(frame):
        return None
    part = replace(frame, positions=frame.positions[own], species=frame.species[own])
    try:
        again, margin_then = _look(core, part, length_scale, denoised)
    except PhasewireError as error:
        # The part has no length scale of its own.
        if error.code != "BAD_LENGTH_SCALE":
            raise
        return None
    label, share = _most_frequent(again, len(classes))
    before = float((labels[own] == label).mean())
    if share < _TABLE["leastShare"] or before >= _TABLE["leastShare"]:
        return None
    # The margin of a crystal says how well it fits; that of disordered atoms does not.
    is_crystal = float((labels[own] != 0).mean()) > 0.5
    gain = float(margin_then.mean(dtype=np.float64)) / max(float(margin[own].mean(dtype=np.float64)), 1e-300)
    if is_crystal and gain < _TABLE["marginGain"]:
        return None
    order = dict.fromkeys(names[int(kind)] for kind in frame.species)
    select = tuple(name for name in order if name not in _LIGHT)
    texts = {"species": ", ".join(name for name in order if name in _LIGHT), "hosts": ",".join(select)}
    return _hint("LIGHT_ATOMS", classes[label].name, share, before, texts, select=select)


def _look(
    core: Core, frame: Frame, length_scale: float | None, denoised: bool
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    core.load(frame, length_scale, gradient=denoised, per_class=False)
    if denoised:
        core.denoise(1)
    else:
        core.forward()
    return core.labels(), core.per_atom("MARGIN")


def _most_frequent(labels: NDArray[np.uint16], class_count: int) -> tuple[int, float]:
    counts = np.bincount(labels, minlength=class_count)
    label = int(np.argmax(counts[1:])) + 1
    return label, float(counts[label] / len(labels))


def _hint(code: str, phase: str, share: float, before: float, texts: dict[str, str], **more: Any) -> Hint:
    entry = _TABLE["codes"][code]
    blanks = texts | {"class": phase, "share": f"{100 * share:.0f}", "before": f"{100 * before:.0f}"}
    return Hint(code, entry["message"].format_map(blanks), entry["remedy"].format_map(blanks), phase, share, **more)
