"""The core in this process, against golden files and physical laws."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import phasewire
from phasewire.errors import PhasewireError

GOLDEN = sorted((Path(__file__).resolve().parents[2] / "models" / "golden").glob("*.json"))
VARIABLES = {
    "fraction": phasewire.fraction("fcc"),
    "log density": phasewire.log_density(),
    "mean logit": phasewire.mean_logit("bcc"),
    "difference": phasewire.logit_difference("bcc", "fcc"),
}
PRIORS = {
    "list": ["fcc", "hcp", "bcc"],
    "weights": {"fcc": 0.3, "hcp": 2, "bcc": 7.7, "disordered": 0.125},
    "one": {"hcp": 1, "disordered": 0},
}


def hot_crystal(seed=5, strain=0.0):
    atoms = bulk("Cu", cubic=True) * 3
    random = np.random.default_rng(seed)
    positions = atoms.positions + random.normal(0, 0.1, atoms.positions.shape)
    species = random.integers(0, 2, len(atoms))
    deformation = np.eye(3) + strain * np.array([[0.3, 0.5, 0], [0, -0.2, 0], [0.1, 0, 0.4]])
    return positions @ deformation, atoms.cell.array @ deformation, species


def close(actual, expected, relative):
    expected = np.asarray(expected)
    error = np.abs(actual - expected).max()
    assert error <= relative * max(1.0, np.abs(expected).max()), error


def test_there_are_golden_files():
    assert len(GOLDEN) >= 5


@pytest.mark.parametrize("build", ["baseline", "relaxed"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path, build):
    golden = json.loads(path.read_text())
    names = {info.sha256: info.name for info in phasewire.shipped_models()}
    # Fails if the golden file belongs to a model that is not shipped.
    with phasewire.Local(names[golden["modelSha256"]], build=build) as analyser:
        frame = golden["positions"], golden["cell"], golden["periodic"], golden["species"]
        result = analyser.analyse(*frame, length_scale=golden["lengthScale"], fields=["logits", "score", "labels"])
        evaluation = analyser.forces(*frame, variables=phasewire.log_density(), length_scale=golden["lengthScale"])
    close(result.logits, golden["logits"], 1e-4)
    close(result.log_density, golden["logDensity"], 1e-4)
    close(result.score, golden["score"], 1e-4)
    close(evaluation.forces, -np.array(golden["score"]), 1e-4)
    close(evaluation.virial, golden["virial"], 1e-4)
    assert evaluation.energy == evaluation.values[0] == pytest.approx(golden["logDensity"], rel=1e-4)
    np.testing.assert_array_equal(result.labels, np.argmax(golden["logits"], axis=1))


def test_all_fields_have_their_shape_and_agree(local):
    positions, cell, species = hot_crystal()
    fields = ["labels", "confidence", "margin", "distance", "probabilities", "logits", "score"]
    result = local.analyse(positions, cell, True, species, fields=fields, step=3, time=1.5)
    count, classes = len(positions), len(local.phases)
    assert (result.step, result.time, result.atom_count) == (3, 1.5, count)
    for name in fields:
        assert getattr(result, name).shape[0] == count
        assert getattr(result, name).flags.owndata
    assert result.logits.shape == result.probabilities.shape == (count, classes)
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(result.labels, result.logits.argmax(axis=1))
    np.testing.assert_allclose(result.confidence, result.probabilities.max(axis=1), rtol=1e-5)
    best = np.sort(result.logits, axis=1)
    np.testing.assert_allclose(result.margin, best[:, -1] - best[:, -2], rtol=1e-4, atol=1e-5)
    assert result.mean_margin == pytest.approx(result.margin.mean(), rel=1e-5)
    assert result.mean_log_density * count == pytest.approx(result.log_density)
    assert sum(result.fractions.values()) == pytest.approx(1)
    assert result.length_scale == pytest.approx((np.linalg.det(cell) / count) ** (1 / 3), rel=1e-9)
    assert result.seconds > 0


def test_only_what_was_asked_for(local):
    positions, cell, _ = hot_crystal()
    result = local.analyse(positions, cell, fields=())
    assert result.labels is None
    assert result.score is None
    assert set(result.fractions) == set(local.phases)


def test_results_do_not_change_with_the_next_frame(local):
    positions, cell, _ = hot_crystal()
    first = local.analyse(positions, cell, fields=["logits"])
    kept = first.logits.copy()
    local.analyse(positions[::2] + 0.1, cell, fields=["logits"])
    np.testing.assert_array_equal(first.logits, kept)


def test_frames_of_any_size_in_any_order(local):
    sizes = [2, 6, 3, 10, 2]
    energies = [local.analyse((atoms := bulk("Cu", cubic=True) * n).positions, atoms.cell.array) for n in sizes]
    per_atom = [result.mean_log_density for result in energies]
    np.testing.assert_allclose(per_atom, per_atom[0], rtol=1e-5)


@pytest.mark.parametrize("build", ["baseline", "relaxed"])
@pytest.mark.parametrize("name", VARIABLES)
def test_forces_are_the_derivative_of_the_energy(name, build):
    local = phasewire.Local(build=build)
    positions, cell, species = hot_crystal()
    scale = 2.3

    def evaluate(points, box=cell):
        return local.forces(
            points, box, True, species, variables=VARIABLES[name], coefficients=[2.0], length_scale=scale
        )

    central = evaluate(positions)
    random = np.random.default_rng(11)
    direction = random.normal(size=positions.shape)
    step = 2e-3
    slope = (evaluate(positions + step * direction).energy - evaluate(positions - step * direction).energy) / (2 * step)
    predicted = -np.sum(central.forces * direction)
    assert abs(slope - predicted) <= 2e-3 * np.linalg.norm(central.forces) * np.linalg.norm(direction)
    assert np.abs(central.forces.sum(axis=0)).max() <= 1e-5 * np.abs(central.forces).sum()
    # Small enough for the steep basins of a trained model, large enough for single precision.
    strain = random.normal(size=(3, 3)) * 4e-4
    strain += strain.T
    stretched = [evaluate(positions @ (np.eye(3) + s), cell @ (np.eye(3) + s)).energy for s in (strain, -strain)]
    work = -np.sum(central.virial * strain)
    assert abs((stretched[0] - stretched[1]) / 2 - work) <= 2e-2 * np.linalg.norm(central.virial) * np.linalg.norm(
        strain
    )


def test_coefficients_add_up(local):
    positions, cell, species = hot_crystal()
    both = local.forces(
        positions,
        cell,
        True,
        species,
        variables=[phasewire.fraction("fcc"), phasewire.mean_logit("hcp")],
        coefficients=[3.0, -0.5],
        length_scale=2.3,
    )
    one = local.forces(positions, cell, True, species, variables=phasewire.fraction("fcc"), length_scale=2.3)
    two = local.forces(positions, cell, True, species, variables=phasewire.mean_logit("hcp"), length_scale=2.3)
    np.testing.assert_array_equal(both.values, [one.values[0], two.values[0]])
    assert both.energy == pytest.approx(3 * one.energy - 0.5 * two.energy)
    close(both.forces, 3 * one.forces - 0.5 * two.forces, 1e-6)


@pytest.mark.parametrize("unit", [1e-60, 1e-30, 1e45])
def test_forces_in_any_unit_of_energy(local, unit):
    positions, cell, species = hot_crystal()
    variables = [phasewire.log_density(), phasewire.fraction("fcc")]
    plain, other = (
        local.forces(
            positions, cell, True, species, variables=variables, coefficients=[size, -3 * size], length_scale=2.3
        )
        for size in (1.0, unit)
    )
    close(other.forces / unit, plain.forces, 1e-5)
    close(other.virial / unit, plain.virial, 1e-5)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"variables": []}, "variables"),
        ({"variables": phasewire.fraction("no-such-class")}, "variables[0].class"),
        ({"variables": [phasewire.log_density(), phasewire.logit_difference("fcc", "x")]}, "variables[1].minus"),
        ({"variables": phasewire.Variable("entropy")}, "variables[0].kind"),
        ({"variables": phasewire.Variable("fraction")}, "variables[0].class"),
        ({"variables": phasewire.fraction("fcc"), "coefficients": [1, 2]}, "coefficients"),
        ({"variables": phasewire.fraction("fcc"), "coefficients": [np.nan]}, "coefficients"),
        ({"variables": phasewire.log_density(), "coefficients": [1e308]}, "coefficients"),
    ],
)
def test_impossible_variables(local, arguments, field):
    positions, cell, _ = hot_crystal()
    with pytest.raises(phasewire.InputError) as caught:
        local.forces(positions, cell, **arguments)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", field)


def test_invariances(local):
    positions, cell, species = hot_crystal()
    logits = local.analyse(positions, cell, True, species, fields=["logits"]).logits
    random = np.random.default_rng(3)
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    order = random.permutation(len(positions))
    # A negative determinant includes a mirror, which makes the cell left-handed.
    cases = [
        (positions @ rotation, cell @ rotation, species, slice(None)),
        (positions + np.array([100.0, -7.0, 0.3]), cell, species, slice(None)),
        (positions + random.integers(-3, 4, positions.shape) @ cell, cell, species, slice(None)),
        (positions[order], cell, species[order], order),
        (positions, cell[[1, 0, 2]], species, slice(None)),
        (positions, cell, 1 - species, slice(None)),
        (1e3 * positions, 1e3 * cell, species, slice(None)),
    ]
    for points, box, kinds, rows in cases:
        close(local.analyse(points, box, True, kinds, fields=["logits"]).logits, logits[rows], 2e-5)


def test_denoising_raises_the_density_and_keeps_the_order(local):
    positions, cell, species = hot_crystal()
    before = local.analyse(positions, cell, True, species)
    after = local.analyse(positions, cell, True, species, denoise=8, fields=["denoised", "labels", "score"])
    assert 0 < after.denoising_steps <= 8
    assert after.log_density == pytest.approx(before.log_density)
    final = local.analyse(after.denoised, cell, True, species, length_scale=before.length_scale)
    assert final.log_density > before.log_density
    moved = np.linalg.norm(after.denoised - positions, axis=1)
    assert after.mean_displacement == pytest.approx(moved.mean())
    assert 0 < moved.max() < 1.0
    raw = local.analyse(positions, cell, True, species, fields=["score"])
    np.testing.assert_array_equal(after.score, raw.score)


def test_denoising_until_converged(local):
    positions, cell, species = hot_crystal()
    result = local.analyse(positions, cell, True, species, denoise="converged", fields=["denoised"])
    assert 0 < result.denoising_steps < 64
    # Converged means that the next step is small.
    a0 = result.length_scale
    again = local.analyse(result.denoised, cell, True, species, denoise=1, length_scale=a0, fields=["denoised"])
    assert np.linalg.norm(again.denoised - result.denoised, axis=1).max() < 0.01 * a0
    assert result.mean_displacement > 0.01 * a0


def test_small_clusters_need_a_length_scale(local):
    positions = bulk("Cu", cubic=True).positions
    with pytest.raises(phasewire.InputError) as caught:
        local.analyse(positions)
    assert caught.value.code == "BAD_LENGTH_SCALE"
    assert local.analyse(positions, length_scale=2.3).atom_count == 4


def test_a_length_scale_far_too_large(local):
    positions, cell, _ = hot_crystal()
    with pytest.raises(PhasewireError) as caught:
        local.analyse(positions, cell, length_scale=20.0)
    assert caught.value.code in ("BAD_LENGTH_SCALE", "COINCIDENT_ATOMS")


def test_a_dense_frame_leaves_no_trace():
    positions, cell, species = hot_crystal()
    with phasewire.Local() as local:
        before = local.analyse(positions, cell, species=species)
        core = local._core
        usual = core._fields.count("PAIR_CAPACITY")
        dense = local.analyse(positions, cell, species=species, length_scale=5.6)
        assert dense.labels.shape == (len(positions),)
        assert core._fields.count("PAIR_CAPACITY") > 9 * usual
        with pytest.raises(PhasewireError) as caught:
            local.analyse(positions, cell, species=species, length_scale=226.0)
        assert caught.value.code == "BAD_LENGTH_SCALE"
        assert core._fields.count("PAIR_TESTS") == 0
        after = local.analyse(positions, cell, species=species)
        assert core._fields.count("PAIR_CAPACITY") == usual
        np.testing.assert_array_equal(after.labels, before.labels)
        # Room that a small dense frame took need not fit a large frame.
        local.analyse(positions, cell, species=species, length_scale=5.6)
        core._atom_count, core._features = 900_000, core._features_for(gradient=False, per_class=False)
        core._lay_out_what_fits()
        assert core._pair_room.per_atom == 0
        core.forget()


def test_a_closed_analyser_says_so():
    analyser = phasewire.Local()
    analyser.close()
    analyser.close()
    with pytest.raises(phasewire.InputError, match="closed"):
        analyser.analyse(np.eye(3), length_scale=1.0)


def test_closing_frees_the_memory():
    analyser = phasewire.Local()
    memory = weakref.ref(analyser._core._memory)
    analyser.close()
    gc.collect()
    assert memory() is None


def test_closing_waits_for_the_call_of_another_thread():
    analyser = phasewire.Local()
    closer = threading.Thread(target=analyser.close)
    with analyser._turn:
        closer.start()
        closer.join(0.05)
        assert closer.is_alive()
        assert analyser._core.length_scale == 0
    closer.join(30)
    with pytest.raises(phasewire.InputError, match="closed"):
        analyser.analyse(np.eye(3), length_scale=1.0)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_an_analyser_cannot_be_pickled_or_copied(local, duplicate):
    with pytest.raises(TypeError, match=r"a Local holds .* make one in each process"):
        duplicate(local)


def test_a_file_that_is_no_core(tmp_path):
    path = tmp_path / "broken.wasm"
    path.write_bytes(b"\0asm nonsense")
    with pytest.raises(phasewire.ModelError) as caught:
        phasewire.Local(wasm=path)
    assert caught.value.code == "MODEL_FORMAT"
    assert "npm run build" in caught.value.remedy
