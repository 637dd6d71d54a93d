"""Start from a trained model: its weights, with the rows of the last layer set up for the classes of another run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from .export import TENSORS, read_model
from .model import ModelConfig, initial_params

MODELS = Path(__file__).resolve().parent.parent / "models"
CONFIGS = Path(__file__).resolve().parent / "configs"
# The last layer has one row per class.
CLASS_TENSORS = ("network2.weight1", "network2.bias1")
# Constants that may differ from those of the model to start from, besides the classes and `outer_width`.
RESHAPED = ("cutoff", "basis_last", "skipped_degree", "message_width")
# The random weights of a new class are scaled by the first number, and its bias lies below the flat level of class 0 by
# the second. There it takes no atom from a known class.
NEW_CLASS_SCALE = 0.1
NEW_CLASS_DEPTH = 2.0


def find_model(reference: str) -> Path:
    """Path of a model given by its name in `models/` or by the path of its file.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    path = Path(reference) if reference.endswith(".safetensors") else MODELS / f"{reference}.safetensors"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in MODELS.glob("*.safetensors")))
        raise ValueError(f"no model {reference!r}: give the path of a .safetensors file, or one of {names}")
    return path


def first_stage(reference: str | None, runs: Path) -> tuple[Path, Path] | None:
    """Settings and model file of the run that another run starts from. None if `reference` does not name settings.

    Parameters
    ----------
    reference
        `start` of a run.
    runs
        Folder of all runs.
    """
    if reference is None or reference.endswith(".safetensors") or (MODELS / f"{reference}.safetensors").is_file():
        return None
    settings = CONFIGS / f"{reference}.json"
    return (settings, runs / reference / "model" / f"{reference}.safetensors") if settings.is_file() else None


def carry_over(
    weights: dict[str, np.ndarray], old: ModelConfig, config: ModelConfig, seed: int
) -> dict[str, np.ndarray]:
    """Weights of a model for other classes. Rows of classes with the same name are kept, new rows start small and low.

    A wider last hidden layer gets new units that the kept rows do not read yet, so that their logits do not change. The
    standardisation is kept with the weights.

    Parameters
    ----------
    weights
        Tensors of the trained model, by name (models/FORMAT.md).
    old, config
        Constants and classes of the trained model and of the new run.
    seed
        Seed of the random rows and units.

    Returns
    -------
    dict
        The tensors in single precision.

    Raises
    ------
    ValueError
        If the two differ in more than the classes, `outer_width` and `RESHAPED`, or the last hidden layer is narrower.
    """
    if replace(old, **{name: getattr(config, name) for name in ("classes", "outer_width", *RESHAPED)}) != config:
        raise ValueError(
            f"a run must have the constants of the model that it starts from, apart from classes, {', '.join(RESHAPED)}"
        )
    result = {name: np.array(value, np.float32) for name, value in initial_params(config, seed).items()}
    width = old.outer_width
    if width > config.outer_width:
        raise ValueError(f"`outer_width` is {config.outer_width}; it must be at least the {width} of the start model")
    weights = reshape(weights, old, config)
    row, bias = (result[name] for name in CLASS_TENSORS)
    row *= NEW_CLASS_SCALE
    bias[:] = weights["network2.bias1"][0] - NEW_CLASS_DEPTH
    for index, name in enumerate(config.classes):
        if name in old.classes:
            source = old.classes.index(name)
            row[index] = 0.0
            row[index, :width], bias[index] = (weights[tensor][source] for tensor in CLASS_TENSORS)
    for name in TENSORS:
        if name not in CLASS_TENSORS:
            # Only the last hidden layer can be longer than it was.
            result[name][: len(weights[name])] = weights[name]
    return result


def reshape(weights: dict[str, np.ndarray], old: ModelConfig, config: ModelConfig) -> dict[str, np.ndarray]:
    """Weights for another cutoff, fewer degrees of the harmonics, or more numbers in the messages.

    The new radial functions, with the new cutoff function, are fitted to the old ones. The information of a degree that
    is left out is lost. New numbers in the messages have zero weights at first.

    Raises
    ------
    ValueError
        If a degree is added, or the messages become shorter.
    """
    if not set(config.degrees) <= set(old.degrees) or config.message_width < old.message_width:
        raise ValueError("a run may leave out degrees and lengthen the messages of its start model, not the reverse")
    kept = [old.degrees.index(degree) for degree in config.degrees]
    blocks = [*kept, len(old.degrees)]
    features = np.concatenate([np.arange(old.channels) + old.channels * block for block in blocks])
    spread = np.zeros((old.outer_width, config.hidden_width + config.message_width), np.float32)
    spread[:, : old.hidden_width + old.message_width] = weights["network2.weight0"]
    return weights | {
        "radial.mix": refit_radial(weights["radial.mix"], old, config),
        "invariants.mix": weights["invariants.mix"][kept],
        "standard.mean": weights["standard.mean"][features],
        "standard.scale": weights["standard.scale"][features],
        "network1.weight0": weights["network1.weight0"][:, features],
        "network2.weight0": spread,
    }


def refit_radial(mix: np.ndarray, old: ModelConfig, config: ModelConfig) -> np.ndarray:
    """Mixing weights of the new basis, with the new cutoff function, that come closest to the old radial functions."""
    if radial_constants(old) == radial_constants(config):
        return mix
    r = np.linspace(config.basis_first, min(old.cutoff, config.cutoff), 200)
    before, after = (radial_basis(shape, r) for shape in (old, config))
    targets = before @ mix.reshape(-1, old.basis_count).T.astype(np.float64)
    ridge = 1e-3 * np.eye(config.basis_count)
    fitted = np.linalg.solve(after.T @ after + ridge, after.T @ targets)
    return fitted.T.reshape(2, config.channels + 1, config.basis_count).astype(np.float32)


def radial_constants(config: ModelConfig) -> tuple[float, ...]:
    """The constants that determine the radial basis."""
    return config.cutoff, config.basis_count, config.basis_first, config.basis_last, config.basis_width


def radial_basis(config: ModelConfig, r: np.ndarray) -> np.ndarray:
    """Basis functions times the cutoff function (docs/maths.md, "Radial functions"), shape (R, P)."""
    centres = np.linspace(config.basis_first, config.basis_last, config.basis_count)
    basis = np.exp(-0.5 * ((r[:, None] - centres) / config.basis_width) ** 2)
    return (1.0 - np.minimum(r / config.cutoff, 1.0) ** 6)[:, None] ** 3 * basis


def start_from(reference: str, config: ModelConfig, seed: int) -> dict[str, np.ndarray]:
    """Weights that `carry_over` makes from the model with this name or path."""
    old, weights, _ = read_model(find_model(reference))
    return carry_over(weights, old, config, seed)


def read_teacher(reference: str, classes: tuple[str, ...]) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """Constants and weights of the teacher with this name or path, for a run with these classes.

    Raises
    ------
    ValueError
        If there is no such model, or it has other classes.
    """
    config, weights, _ = read_model(find_model(reference))
    if config.classes != classes:
        raise ValueError(f"`teacher` {reference!r} has other classes than the run; choose one with the same classes")
    return config, weights
