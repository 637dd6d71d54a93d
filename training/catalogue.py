"""The classes that the tier `all` adds to `core`: which entries of the encyclopedia they are, and their names.

Entries are tried one by one. Doubtful entries come last; within each group, entries with a Strukturbericht designation
come first, then small cells, then high symmetry. An entry is left out if most of its atoms cannot be distinguished from
those of a class taken before it (`distinction.py`). If it has the same points as that class, its names become aliases.
`structures/all.json` keeps the result and the reasons. To regenerate that file:

    python -m training.catalogue
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np

from .prototypes import BUILT_IN, Prototype, built_in
from .wyckoff import Crystal, read

DATA = Path(__file__).parent / "structures" / "all.json"

# In units of the noise (`distinction.py`). The value is just below the distance between fcc and dhcp, which is 15.
LEAST_DISTANCE = 14.0
# An entry is left out if more than this share of its atoms is closer than LEAST_DISTANCE to atoms of one class.
MOST_SHARE = 0.5
# Below this distance, an entry with the same space group and cell size has the same points, with other free parameters.
SAME = 8.0
# Most atoms in the primitive cell of an entry without a Strukturbericht designation.
MOST_ATOMS = 14
DOUBTFUL = re.compile("hypothetical|questionable|problematic|disputed|original", re.IGNORECASE)
# Structures that no substance has, finite models of random alloys, and entries that count molecules or ions as atoms.
LEFT_OUT = re.compile(r"obsolete|erroneous|SQS|NH\$_\{4\}|benzene", re.IGNORECASE)
# Words before a formula in brackets that do not name a mineral or compound.
NO_MINERALS = {"copper", "modern", "orthorhombic", "hexagonal", "monoclinic", "cubic", "tetragonal", "trigonal"}
# Binary formulas name these last, in this order (IUPAC); metals come first.
NONMETALS = ("B", "Si", "C", "Sb", "As", "P", "N", "H", "Te", "Se", "S", "I", "Br", "Cl", "O", "F")
# Allowed names: users type them on command lines, in comma-separated lists and together with `=`.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# Space groups that are mirror images of each other.
ENANTIOMORPHS = {144: 145, 151: 153, 152: 154, 169: 170, 171: 172, 178: 179, 180: 181, 91: 95, 92: 96, 212: 213, 76: 78}


@dataclass
class Class:
    """A class: its prototype, and the entries with the same points. The entry that it comes from stands first."""

    prototype: Prototype
    entries: list[Crystal] = field(default_factory=list)


@cache
def _table() -> dict:
    return json.loads(DATA.read_text(encoding="utf-8"))


def classes() -> list[Prototype]:
    """The classes that `all` adds to `core`, sorted by name."""
    crystals = {crystal.label: crystal for crystal in read()}
    return [
        replace(
            as_prototype(crystals[entry["entry"]]),
            name=entry["name"],
            label=entry["prototype"],
            aliases=tuple(entry["aliases"]),
        )
        for entry in _table()["classes"]
    ]


def with_designations(core: Iterable[Prototype]) -> list[Prototype]:
    """Classes of `core`, with the names of the entries that have the same points."""
    table = _table()["core"]
    named = []
    for prototype in core:
        entry = table.get(prototype.name, {})
        aliases = (*prototype.aliases, *(alias for alias in entry.get("aliases", ()) if alias not in prototype.aliases))
        named.append(
            replace(
                prototype,
                aliases=aliases,
                strukturbericht=prototype.strukturbericht or entry.get("strukturbericht"),
                pearson=prototype.pearson or entry.get("pearson"),
                aflow=prototype.aflow or entry.get("aflow"),
            )
        )
    return named


def tier(name: str) -> list[Prototype]:
    """The prototypes of the tier `core` or `all`. In `all`, those of `core` come first; the others follow by name."""
    if name not in ("core", "all"):
        raise ValueError(f"unknown tier {name!r}; the tiers are core and all")
    core = with_designations(built_in(list(BUILT_IN)))
    return core if name == "core" else [*core, *classes()]


def as_prototype(crystal: Crystal) -> Prototype:
    """Turn an entry into a class that is named by its label."""
    return Prototype(
        name=crystal.label,
        label=description(crystal),
        space_group=crystal.space_group,
        cell=crystal.cell,
        positions=crystal.fractions @ crystal.cell,
        species=crystal.species,
        strukturbericht=crystal.strukturbericht,
        pearson=crystal.pearson,
        aflow=crystal.label,
    )


def plain(title: str) -> str:
    """A title without TeX: `$\\beta$-SiO$_{2}$` becomes beta-SiO2."""
    return re.sub(r"\s+", " ", re.sub(r"\\em\b|\\['\"^`]|[${}\\]|_(?=\{?\d+\}?\$)|_(?=\{?\d)", "", title)).strip()


def description(crystal: Crystal) -> str:
    """Substance and common name, without the designation."""
    title = re.sub(r"\$_\{([\d.]+)\}\$|\$_(\d)\$", r"\1\2", crystal.title)
    title = re.sub(r"\\overline\{(\d)\}", r"-\1", title)
    if crystal.strukturbericht is not None:
        designation = re.escape(crystal.strukturbericht)
        tex = re.sub(r"_(\w+)", r"_\\{?\1\\}?", designation)
        title = re.sub(rf",?\s*\$?{tex}\$?(?=[\s,)$\]]|$)", "", title)
    text = plain(title).replace("``", "").replace("''", "").replace('"', "")
    text = re.sub(r"\b(Crystal )?Structure\b", "", text)
    text = re.sub(r"\(\s*[,;]\s*", "(", re.sub(r"\(\s*\)|\[\s*\]", "", text))
    text = re.sub(r"\s+(?=[),])|(?<=\()\s+", "", re.sub(r"\s+", " ", text)).strip(" ,")
    text = re.sub(r"^\(([^()]*)\)", r"\1", text)
    if not re.search(r"[A-Z]", text) or text == "Erroneous":
        return crystal.prototype
    return text.encode("ascii", "ignore").decode()


def composition(formula: str) -> tuple[int, ...] | None:
    """Element counts of a formula, largest first, divided by their common factor. None if the text is not a formula."""
    if not re.fullmatch(r"(?:[A-Z][a-z]?\d*)+", formula):
        return None
    counts: Counter[str] = Counter()
    for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
        counts[element] += int(count or 1)
    factor = gcd(*counts.values())
    return tuple(sorted((count // factor for count in counts.values()), reverse=True))


def substance(crystal: Crystal) -> str:
    """Formula with its Greek letter, such as beta-SiO2, from the title, or from the prototype if the title has none."""
    counts = np.bincount(crystal.species)
    wanted = tuple(sorted((counts // np.gcd.reduce(counts)).tolist(), reverse=True))
    for word in re.split(r"[\s(),\[\]]+", description(crystal)):
        prefix, _, formula = word.rpartition("-")
        if composition(formula) == wanted and (not prefix or re.fullmatch("[a-z]+", prefix)):
            return word
    elements = re.findall(r"([A-Z][a-z]?)(\d*)", crystal.prototype)
    ordered = sorted(elements, key=lambda one: NONMETALS.index(one[0]) if one[0] in NONMETALS else -1)
    return "".join(element + count for element, count in ordered)


def mineral(crystal: Crystal) -> str | None:
    """Name of the mineral or compound that precedes the bracketed formula in the title. None if there is no name."""
    match = re.match(r"((?:[a-z]+-)?)([A-Z][a-z]{4,}) \(", description(crystal))
    return match[1] + match[2].lower() if match and match[2].lower() not in NO_MINERALS else None


def same_kind(prototype: Prototype, crystal: Crystal) -> bool:
    """Whether the space group (up to handedness) and the size of the primitive cell agree."""
    groups = prototype.space_group, crystal.space_group
    return len(prototype.species) == len(crystal.species) and (
        groups[0] == groups[1] or ENANTIOMORPHS.get(min(groups)) == max(groups)
    )


def candidates() -> list[Crystal]:
    """Entries in the order in which they are tried."""
    wanted = [
        crystal
        for crystal in read()
        if (crystal.strukturbericht is not None or len(crystal.species) <= MOST_ATOMS)
        and not LEFT_OUT.search(crystal.title)
    ]
    return sorted(
        wanted,
        key=lambda crystal: (
            DOUBTFUL.search(crystal.title) is not None,
            crystal.strukturbericht is None,
            len(crystal.species),
            -crystal.space_group,
            crystal.label,
        ),
    )


def select(core: Sequence[Prototype]) -> tuple[list[Class], dict[str, dict]]:
    """The classes, `core` first, and for each entry left out the class that it is too close to."""
    from .distinction import distances, whitened_sites

    entries = candidates()
    sites = whitened_sites([*core, *map(as_prototype, entries)])
    kept = [Class(prototype) for prototype in core]
    kept_sites = list(sites[: len(core)])
    left_out = {}
    for crystal, own in zip(entries, sites[len(core) :], strict=True):
        near = [distances(own, other) for other in kept_sites]
        shares = [float(own.shares @ (distance < LEAST_DISTANCE)) for distance in near]
        means = [float(own.shares @ distance) for distance in near]
        blocking = [index for index, share in enumerate(shares) if share > MOST_SHARE]
        if not blocking:
            kept.append(Class(as_prototype(crystal), [crystal]))
            kept_sites.append(own)
            continue
        nearest = min(blocking, key=means.__getitem__)
        same = same_kind(kept[nearest].prototype, crystal) and means[nearest] < SAME
        if same:
            kept[nearest].entries.append(crystal)
        left_out[crystal.label] = {
            "nearest": kept[nearest].prototype.name,
            "same": same,
            "share": round(shares[nearest], 2),
            "distance": round(means[nearest], 1),
        }
    return kept, left_out


def names(found: Sequence[Class], taken: Iterable[str]) -> list[str]:
    """One name per class: the first of designation, mineral, substance, and longer names that no other class claims."""

    def choices(entry: Crystal) -> list[str]:
        word = substance(entry)
        texts = [
            entry.strukturbericht if entry.strukturbericht and re.match("[A-L]", entry.strukturbericht) else None,
            mineral(entry),
            word if composition(word) != (1,) else None,
            f"{word}-{entry.pearson}",
            f"{word}-{entry.pearson}-{entry.space_group}",
            f"{word}-{entry.label}",
        ]
        return [text for text in texts if text and NAME.fullmatch(text)]

    options = [choices(one.entries[0]) for one in found]
    claims = Counter(text for texts in options for text in set(texts))
    used = {name.lower() for name in taken}
    result = []
    for texts in options:
        name = next(text for text in texts if claims[text] == 1 and text.lower() not in used)
        used.add(name.lower())
        result.append(name)
    return result


def aliases(named: dict[str, Class]) -> dict[str, list[str]]:
    """Other names of each class: designations, minerals, substances, labels. No two classes share one."""
    wanted = {}
    for name, one in named.items():
        texts: list[str | None] = []
        for entry in one.entries:
            word = substance(entry)
            # An element alone does not identify a structure.
            formula = None if composition(word) == (1,) else word
            texts += [entry.strukturbericht, mineral(entry), formula, entry.label, *entry.aliases]
        wanted[name] = [text for text in dict.fromkeys(texts) if text and not re.search(r"[\s,=]", text)]
    own = {name.lower() for name in named}
    own |= {alias.lower() for one in named.values() for alias in one.prototype.aliases}
    claims = Counter(
        text.lower() for texts in wanted.values() for text in {text.lower(): text for text in texts}.values()
    )
    return {
        name: [text for text in texts if claims[text.lower()] == 1 and text.lower() not in own]
        for name, texts in wanted.items()
    }


def main() -> None:
    """Write the data file."""
    argparse.ArgumentParser(description="Regenerate structures/all.json.").parse_args()
    core = built_in(list(BUILT_IN))
    kept, left_out = select(core)
    others = kept[len(core) :]
    chosen = names(others, [text for prototype in core for text in (prototype.name, *prototype.aliases)])
    shown = {one.prototype.name: name for one, name in zip(others, chosen, strict=True)}
    named = {one.prototype.name: one for one in kept[: len(core)]} | dict(zip(chosen, others, strict=True))
    others_names = aliases(named)
    table = {
        "core": {
            name: {
                "strukturbericht": next(
                    (entry.strukturbericht for entry in one.entries if entry.strukturbericht), None
                ),
                "pearson": one.entries[0].pearson,
                "aflow": one.entries[0].label,
                "aliases": others_names[name],
            }
            for name, one in list(named.items())[: len(core)]
            if one.entries
        },
        "classes": [
            {
                "name": name,
                "entry": named[name].entries[0].label,
                "prototype": named[name].prototype.label,
                "aliases": others_names[name],
            }
            for name in sorted(chosen)
        ],
        "leftOut": {
            label: {**reason, "nearest": shown.get(reason["nearest"], reason["nearest"])}
            for label, reason in sorted(left_out.items())
        },
    }
    lines = []
    for key, value in table.items():
        items = (
            [f"{json.dumps(name)}: {json.dumps(item)}" for name, item in value.items()]
            if isinstance(value, dict)
            else [json.dumps(item) for item in value]
        )
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        lines.append(f"{json.dumps(key)}: {opening}\n" + ",\n".join(items) + f"\n{closing}")
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(others)} classes besides the {len(core)} of core; {len(left_out)} entries left out")


if __name__ == "__main__":
    main()
