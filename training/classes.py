"""The classes of a run: prototypes by name, by tier, from structure files, and from the model that it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .catalogue import tier
from .config import TrainingConfig
from .export import read_model
from .model import ModelConfig
from .prototypes import BUILT_IN, Prototype, built_in, from_file
from .start import find_model

DISORDERED = "disordered"


def by_name(names: list[str]) -> list[Prototype]:
    """Prototypes of the tiers, in the order of `names`.

    Raises
    ------
    ValueError
        If a name belongs neither to the built-in prototypes nor to the tier `all`.
    """
    if all(name in BUILT_IN for name in names):
        return built_in(names)
    known = {prototype.name: prototype for prototype in tier("all")}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"no structure is known for {', '.join(unknown)}: give each as a file named after its class (--prototype)"
        )
    return [known[name] for name in names]


def known_classes(start: str) -> tuple[str, ...]:
    """Crystalline classes of the model with this name or path."""
    return tuple(name for name in read_model(find_model(start))[0].classes if name != DISORDERED)


def run_prototypes(training: TrainingConfig) -> list[Prototype]:
    """Prototypes of a run in the order of its classes. A file named after a class of `start` replaces that class.

    Raises
    ------
    ValueError
        If a class has no structure, or two have the same name.
    """
    own = [from_file(Path(file)) for file in training.files]
    own_names = {prototype.name for prototype in own}
    known = known_classes(training.start) if training.start is not None else ()
    if isinstance(training.prototypes, str):
        shared = tier(training.prototypes)
    elif training.prototypes is None:
        shared = by_name([name for name in known if name not in own_names])
    else:
        shared = by_name(training.prototypes)
    prototypes = shared + own
    names = [prototype.name for prototype in prototypes]
    if len(set(names)) != len(names) or DISORDERED in names or not names:
        given = ", ".join(names) or "none"
        raise ValueError(f"a run needs classes with unique names other than `{DISORDERED}`; got: {given}")
    return prototypes if training.new_share is None else favour(prototypes, known, training.new_share)


def favour(prototypes: list[Prototype], known: tuple[str, ...], share: float) -> list[Prototype]:
    """The same prototypes, reweighted so that unknown classes make up this share of all draws."""
    old = sum(prototype.weight for prototype in prototypes if prototype.name in known)
    new = sum(prototype.weight for prototype in prototypes if prototype.name not in known)
    if old == 0.0 or new == 0.0:
        return prototypes
    factor = share / (1.0 - share) * old / new
    return [
        prototype if prototype.name in known else replace(prototype, weight=factor * prototype.weight)
        for prototype in prototypes
    ]


def class_names(prototypes: list[Prototype]) -> tuple[str, ...]:
    """Names in the order of the logits, class 0 first."""
    return (DISORDERED, *(prototype.name for prototype in prototypes))


def run_model(training: TrainingConfig, prototypes: list[Prototype]) -> ModelConfig:
    """Constants of a run's model: those of `start`, or the defaults with the run's length constant."""
    if training.start is not None:
        start = read_model(find_model(training.start))[0]
        config = replace(start, classes=class_names(prototypes), **training.shape)
    else:
        config = ModelConfig(classes=class_names(prototypes), logit_length=training.logit_length, **training.shape)
    return config if training.outer_width is None else replace(config, outer_width=training.outer_width)
