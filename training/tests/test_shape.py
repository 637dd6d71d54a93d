"""Models of other shapes: as settings, as weights, as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from training.classes import run_model, run_prototypes
from training.config import TrainingConfig
from training.export import read_model, write_model
from training.model import Intermediates, ModelConfig, initial_params, logits
from training.neighbours import neighbour_table
from training.sampling import SamplingConfig
from training.start import find_model

SHAPE = {
    "channels": 8,
    "lmax": 4,
    "cutoff": 2.0,
    "basis_last": 2.0,
    "inner_width": 48,
    "hidden_width": 24,
    "message_width": 16,
    "outer_width": 80,
}


@pytest.fixture
def config() -> ModelConfig:
    training = TrainingConfig(prototypes=["fcc", "B1"], shape=SHAPE)
    return run_model(training, run_prototypes(training))


def evaluate(config: ModelConfig, params: dict) -> tuple[np.ndarray, Intermediates]:
    atoms = bulk("NaCl", "rocksalt", a=2.0, cubic=True)
    atoms.positions += np.random.default_rng(1).normal(size=(len(atoms), 3)) * 0.05
    table = neighbour_table(atoms.positions, np.asarray(atoms.cell), True, config.cutoff, None)
    vectors = jnp.asarray(atoms.positions[table.indices] - atoms.positions[:, None] + table.shifts)
    other = atoms.numbers[table.indices] != atoms.numbers[:, None]
    result, stages = logits(config, params, vectors, table.mask, other, table.indices)
    return np.asarray(result), stages


def test_the_sizes_of_a_run_are_those_of_its_settings(config: ModelConfig) -> None:
    assert {name: getattr(config, name) for name in SHAPE} == SHAPE
    result, stages = evaluate(config, initial_params(config, 0))
    assert result.shape == (8, 3)
    assert stages.density.shape == (8, 8, 25)
    assert stages.invariants.shape == (8, 8 * 6)
    assert stages.hidden.shape == (8, 24)
    assert stages.messages.shape == (8, 16)


def test_messages_carry_only_the_first_hidden_numbers(config: ModelConfig) -> None:
    params = initial_params(config, 0)
    _, stages = evaluate(config, params)
    # Hidden numbers beyond the message width must not change the messages.
    beyond = params["network1.bias1"].at[config.message_width :].add(1.0)
    _, changed = evaluate(config, params | {"network1.bias1": beyond})
    np.testing.assert_array_equal(np.asarray(changed.messages), np.asarray(stages.messages))
    within = params["network1.bias1"].at[config.message_width - 1].add(1.0)
    _, changed = evaluate(config, params | {"network1.bias1": within})
    assert np.abs(np.asarray(changed.messages - stages.messages)).max(axis=0)[-1] > 1e-4


def test_neighbours_beyond_the_cutoff_do_not_count(config: ModelConfig) -> None:
    params = initial_params(config, 0)
    vectors = np.zeros((2, 2, 3))
    vectors[:, :, 2] = (1.2, config.cutoff - 1e-9)
    tables = []
    for far in (config.cutoff - 1e-9, config.cutoff + 0.1):
        vectors[:, 1, 2] = far
        mask = np.ones((2, 2), bool)
        table, _ = logits(config, params, jnp.asarray(vectors), mask, ~mask, np.array([[1, 1], [0, 0]]))
        tables.append(np.asarray(table))
    np.testing.assert_allclose(tables[0], tables[1], rtol=0, atol=1e-12)


def test_a_file_keeps_the_shape(config: ModelConfig, tmp_path: Path) -> None:
    params = initial_params(config, 0)
    entries = [{"name": name} for name in config.classes]
    path = tmp_path / "small.safetensors"
    write_model(path, config, params, entries, np.zeros(len(entries)), {})
    read, weights, info = read_model(path)
    assert read == config
    assert (info["innerWidth"], info["hiddenWidth"], info["messageWidth"]) == (48, 24, 16)
    for name, tensor in params.items():
        np.testing.assert_array_equal(weights[name], np.asarray(tensor, np.float32))
    # A later run takes over this shape.
    later = TrainingConfig(prototypes=["fcc", "bcc"], start=str(path))
    assert run_model(later, run_prototypes(later)).channels == 8
    assert run_model(later, run_prototypes(later)).cutoff == 2.0


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"channels": 12}, "channels.*8, 16"),
        ({"lmax": 7}, "lmax.*2, 3, 4, 5, 6"),
        ({"inner_width": 20}, "inner_width"),
        ({"message_width": 0}, "message_width"),
        ({"message_width": 32, "hidden_width": 24}, "message_width.*hidden_width"),
        ({"outer_width": 24}, "outer_width"),
        ({"cutoff": float("nan")}, "cutoff"),
        ({"width": 3}, "width.*inner_width"),
    ],
)
def test_a_shape_that_the_core_cannot_run_is_refused(shape: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(prototypes=["fcc"], shape=shape)


def test_a_run_that_starts_from_a_model_keeps_its_shape_except_for_its_settings() -> None:
    training = TrainingConfig(prototypes=["fcc"], start="core", shape={"message_width": 32})
    start = read_model(find_model("core"))[0]
    config = run_model(training, run_prototypes(training))
    assert config == replace(start, classes=config.classes, message_width=32)


@pytest.mark.parametrize(("cutoff", "width"), [(2.0, 48), (2.1, 56), (2.3, 72)])
def test_neighbour_tables_have_room_for_the_cutoff(cutoff: float, width: int) -> None:
    assert SamplingConfig(cutoff=cutoff).table_width == width
    assert SamplingConfig(cutoff=cutoff, neighbours=60).table_width == 60
