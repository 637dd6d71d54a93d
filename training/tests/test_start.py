"""Starting from a trained model: the classes of a run, and the weights that they begin with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from training.classes import class_names, favour, run_model, run_prototypes
from training.config import TrainingConfig
from training.export import read_model
from training.finish import ideal_logits
from training.model import ModelConfig, initial_params, logits
from training.neighbours import neighbour_table
from training.prototypes import built_in
from training.start import CONFIGS, MODELS, carry_over, find_model, radial_basis, refit_radial, reshape, start_from

SHIPPED = json.loads((MODELS / "manifest.json").read_text())["default"]


@pytest.fixture(scope="module")
def shipped():
    return read_model(find_model(SHIPPED))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.cif"
    write(path, bulk("Po", "sc", a=3.3) * (1, 1, 2))
    return path


@pytest.mark.parametrize("wider", [0, 8])
def test_classes_of_the_same_name_keep_their_logits(shipped, wider: int) -> None:
    old, weights, _ = shipped
    config = replace(old, classes=("disordered", "new", "bcc", "B1"), outer_width=old.outer_width + wider)
    carried = carry_over(weights, old, config, seed=3)
    atoms = bulk("NaCl", "rocksalt", a=2.0)
    atoms.positions += np.random.default_rng(1).normal(size=(2, 3)) * 0.05
    table = neighbour_table(atoms.positions, np.asarray(atoms.cell), True, config.cutoff, None)
    vectors = jnp.asarray(atoms.positions[table.indices] - atoms.positions[:, None] + table.shifts)
    other = atoms.numbers[table.indices] != atoms.numbers[:, None]

    def of(constants, tensors) -> dict[str, np.ndarray]:
        tensors = {name: jnp.asarray(value, jnp.float64) for name, value in tensors.items()}
        result, _ = logits(constants, tensors, vectors, table.mask, other, table.indices)
        return dict(zip(constants.classes, np.asarray(result).T, strict=True))

    before, after = of(old, weights), of(config, carried)
    assert list(after) == list(config.classes)
    for name in ("disordered", "bcc", "B1"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-12)
    # A class without any training wins no atom.
    assert (after["new"] < after["disordered"]).all()


def test_new_rows_are_drawn_from_the_seed(shipped) -> None:
    old, weights, _ = shipped
    config = replace(old, classes=("disordered", "new"))
    rows = [carry_over(weights, old, config, seed)["network2.weight1"][1] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.abs(rows[0] - rows[2]).max() > 1e-3


def test_a_model_with_other_constants_is_refused(shipped) -> None:
    old, weights, _ = shipped
    with pytest.raises(ValueError, match="constants"):
        carry_over(weights, old, replace(old, epsilon=2e-3), 0)
    with pytest.raises(ValueError, match="outer_width"):
        carry_over(weights, old, replace(old, outer_width=old.outer_width - 1), 0)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=f"no-such-model.*{SHIPPED}"):
        find_model("no-such-model")


def test_the_classes_of_start_come_first_and_a_file_can_replace_one(shipped, own: Path) -> None:
    old = shipped[0].classes
    training = TrainingConfig(start=SHIPPED, files=[str(own)])
    prototypes = run_prototypes(training)
    assert class_names(prototypes) == (*old, "own")
    assert run_model(training, prototypes) == replace(shipped[0], classes=(*old, "own"))
    replacing = own.rename(own.with_name("fcc.cif"))
    prototypes = run_prototypes(replace(training, files=[str(replacing)]))
    assert sorted(class_names(prototypes)) == sorted(old)
    assert prototypes[-1].name == "fcc"
    assert prototypes[-1].space_group == 221
    weights = start_from(SHIPPED, run_model(training, prototypes), 0)
    np.testing.assert_array_equal(weights["network2.weight1"][-1], shipped[1]["network2.weight1"][old.index("fcc")])


def test_a_name_without_a_structure_is_refused(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.classes.tier", lambda name: built_in(["fcc"]))
    with pytest.raises(ValueError, match="unobtainium"):
        run_prototypes(TrainingConfig(prototypes=["fcc", "unobtainium"]))
    with pytest.raises(ValueError, match=r"unique names.*own, own"):
        run_prototypes(TrainingConfig(prototypes=["fcc"], files=[str(own), str(own)]))


def test_a_tier_names_a_list_of_classes() -> None:
    with pytest.raises(ValueError, match="tier"):
        run_prototypes(TrainingConfig(prototypes="no-such-tier"))
    names = class_names(run_prototypes(TrainingConfig(prototypes="core")))
    assert {"fcc", "hcp", "bcc", "B1"} < set(names)


def test_new_classes_get_their_share_of_the_draws() -> None:
    prototypes = built_in(["fcc", "bcc", "B1", "B2"])
    weighted = favour(prototypes, ("fcc", "bcc"), 0.3)
    weights = {prototype.name: prototype.weight for prototype in weighted}
    assert (weights["B1"] + weights["B2"]) / sum(weights.values()) == pytest.approx(0.3)
    assert (weights["fcc"], weights["bcc"]) == (prototypes[0].weight, prototypes[1].weight)
    assert weights["B1"] / weights["B2"] == pytest.approx(prototypes[2].weight / prototypes[3].weight)
    assert favour(prototypes, (), 0.3) == prototypes


def test_ideal_logits_are_those_in_the_model_file(shipped) -> None:
    config, weights, info = shipped
    prototypes = run_prototypes(TrainingConfig(start=SHIPPED))
    found = ideal_logits(config, {name: jnp.asarray(value, jnp.float64) for name, value in weights.items()}, prototypes)
    assert np.abs(found - np.array(info["idealLogits"])).max() < 1e-9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prototypes": ["fcc"], "stepz": 3}, "stepz"),
        ({"prototypes": ["fcc"], "ema": 1.0}, "ema"),
        ({"prototypes": ["fcc"], "new_share": 0.0}, "new_share"),
        ({"prototypes": ["fcc"], "steps": 0}, "steps"),
        ({"steps": 3}, "prototypes"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict, message: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        TrainingConfig.load(path)


# `known.json` has settings of `training.known`.
@pytest.mark.parametrize("path", sorted(set(CONFIGS.glob("*.json")) - {CONFIGS / "known.json"}), ids=lambda p: p.stem)
def test_settings_in_the_repository_can_be_read(path: Path) -> None:
    assert TrainingConfig.load(path).steps > 0


def test_fine_tuning_uses_the_losses_and_samples_of_the_last_stage_of_core() -> None:
    core, ours = (TrainingConfig.load(CONFIGS / f"{name}.json") for name in ("core", "fine-tune"))
    assert (ours.weights, ours.sampling, ours.logit_length) == (core.weights, core.sampling, core.logit_length)


def crystal_logits(constants, tensors) -> np.ndarray:
    """Logits of a shaken rock-salt crystal in double precision."""
    atoms = bulk("NaCl", "rocksalt", a=2.0)
    atoms.positions += np.random.default_rng(1).normal(size=(2, 3)) * 0.05
    table = neighbour_table(atoms.positions, np.asarray(atoms.cell), True, constants.cutoff, None)
    vectors = jnp.asarray(atoms.positions[table.indices] - atoms.positions[:, None] + table.shifts)
    other = atoms.numbers[table.indices] != atoms.numbers[:, None]
    tensors = {name: jnp.asarray(value, jnp.float64) for name, value in tensors.items()}
    return np.asarray(logits(constants, tensors, vectors, table.mask, other, table.indices)[0])


@pytest.fixture
def small():
    config = ModelConfig(("disordered", "fcc", "bcc"), cutoff=2.0, basis_last=2.0, channels=8, message_width=16)
    return config, {name: np.asarray(value, np.float64) for name, value in initial_params(config, 5).items()}


def test_new_numbers_in_messages_have_no_effect_at_first(small) -> None:
    old, weights = small
    config = replace(old, message_width=32)
    carried = reshape(weights, old, config)
    np.testing.assert_allclose(crystal_logits(config, carried), crystal_logits(old, weights), rtol=1e-5)


def test_leaving_out_a_degree_loses_only_that_degree(small) -> None:
    old, weights = small
    config = replace(old, skipped_degree=5)
    deaf = weights | {"network1.weight0": weights["network1.weight0"].copy()}
    deaf["network1.weight0"][:, 5 * old.channels : 6 * old.channels] = 0.0
    carried = reshape(deaf, old, config)
    assert carried["invariants.mix"].shape == (6, 8, 8)
    np.testing.assert_allclose(crystal_logits(config, carried), crystal_logits(old, deaf), rtol=1e-5)


def test_radial_functions_are_fitted_to_another_cutoff(small) -> None:
    old, weights = small
    config = replace(old, cutoff=2.2, basis_last=2.2)
    mix = refit_radial(weights["radial.mix"], old, config)
    # The range ends where the old cutoff function falls most steeply.
    r = np.linspace(0.7, 1.8, 200)
    before = radial_basis(old, r) @ weights["radial.mix"].reshape(-1, old.basis_count).T
    after = radial_basis(config, r) @ mix.reshape(-1, config.basis_count).T
    assert np.abs(after - before).max() < 0.02 * np.abs(before).max()
    np.testing.assert_array_equal(refit_radial(weights["radial.mix"], old, old), weights["radial.mix"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"message_width": 8}, "lengthen the messages"),
        ({"channels": 16}, "apart from classes"),
        ({"lmax": 4}, "apart from classes"),
    ],
)
def test_other_changes_of_shape_are_refused(small, change: dict, message: str) -> None:
    old, weights = small
    with pytest.raises(ValueError, match=message):
        carry_over(weights, old, replace(old, **change), seed=1)
