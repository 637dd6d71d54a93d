"""Allowed classes and their weights, in this process."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

import phasewire
from phasewire._model.weights import as_weights, class_weights
from scripted import Scripted
from test_local import PRIORS, hot_crystal
from test_model import DISORDERED, with_classes

PHASES = ("disordered", "fcc", "hexdiamond", "L1_2")
ALIASES = {"ccp": "fcc", "ice-Ih": "hexdiamond"}


def frame():
    positions, cell, species = hot_crystal()
    return positions, cell, True, species


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("fcc", [1, 1, 0, 0]),
        (["ccp", "L1_2"], [1, 1, 0, 1]),
        (iter(("ice-Ih",)), [1, 0, 1, 0]),
        ({"fcc": 2, "ice-Ih": np.float32(0.5), "L1_2": 0}, [1, 2, 0.5, 0]),
        ({"fcc": 1, "disordered": 0}, [0, 1, 0, 0]),
    ],
)
def test_weights(classes, expected):
    weights = class_weights(as_weights(classes), PHASES, ALIASES)
    np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["fcc", "omega"], 'no class "omega"'),
        (["fcc", "fcc"], "names fcc twice"),
        (["fcc", "ccp"], "names fcc twice, as ccp too"),
        ({"fcc": -1}, "a number of at least 0 is needed"),
        ({"fcc": float("nan")}, "a number of at least 0 is needed"),
        ({"fcc": float("inf")}, "a number of at least 0 is needed"),
        ({"fcc": "2"}, "a number of at least 0 is needed"),
        ({"fcc": True}, "a number of at least 0 is needed"),
        ({"fcc": None}, "a number of at least 0 is needed"),
        ([], "allows no crystalline class"),
        ({}, "allows no crystalline class"),
        ({"fcc": 0}, "allows no crystalline class"),
        ("disordered", "allows no crystalline class"),
        ([1], "must be a list of class names"),
        (7, "must be a list of class names"),
    ],
)
def test_what_cannot_be(classes, message):
    with pytest.raises(phasewire.InputError, match=message) as caught:
        class_weights(as_weights(classes), PHASES, ALIASES)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "classes")


@pytest.mark.parametrize(
    ("name", "near"),
    [("fccc", "fcc"), ("L12", "L1_2"), ("Ice-IH", "ice-Ih"), ("hexdiamnd", "hexdiamond"), ("cpp", "ccp")],
)
def test_an_unknown_class_brings_up_those_that_are_near(name, near):
    with pytest.raises(phasewire.InputError) as caught:
        class_weights({name: 1.0}, PHASES, ALIASES)
    assert caught.value.remedy.startswith(f"Did you mean {near}")
    assert "The classes are disordered, fcc," in caught.value.remedy


def test_hundreds_of_classes_are_not_all_listed():
    phases = ("disordered", *(f"phase-{number}" for number in range(350)))
    with pytest.raises(phasewire.InputError) as caught:
        class_weights({"phase-1000": 1.0}, phases, {})
    assert caught.value.remedy.count("phase-") == 5
    assert "phasewire models --search" in caught.value.remedy


@pytest.mark.parametrize("name", PRIORS)
def test_probabilities_are_weighted(local, name):
    fields = ["labels", "probabilities", "logits", "distance"]
    plain = local.analyse(*frame(), fields=fields)
    result = local.analyse(*frame(), fields=fields, classes=PRIORS[name])
    weights = class_weights(as_weights(PRIORS[name]), local.phases, local.aliases)
    weighted = plain.probabilities * weights
    np.testing.assert_allclose(result.probabilities, weighted / weighted.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)
    allowed = weights > 0
    shift = result.logits[:, allowed] - plain.logits[:, allowed]
    np.testing.assert_allclose(shift, np.broadcast_to(np.log(weights[allowed]), shift.shape), atol=1e-4)
    assert set(result.labels) <= set(np.flatnonzero(allowed))
    assert result.labels.dtype == np.uint16
    assert set(result.fractions) == set(local.phases)
    kept = (result.labels == plain.labels) & (plain.labels > 0)
    np.testing.assert_allclose(result.distance[kept], plain.distance[kept], rtol=1e-3, atol=1e-4)


def test_labels_beyond_a_byte(tmp_path):
    listed = [DISORDERED, *({"name": f"c{number}"} for number in range(1, 350))]
    path = tmp_path / "many.safetensors"
    path.write_bytes(with_classes(phasewire.load_model().path.read_bytes(), listed))
    with phasewire.Local(path, classes={"c349": 1, "disordered": 0}) as analyser:
        result = analyser.analyse(*frame(), denoise=1)
    assert set(result.labels) == {349}
    assert set(result.phase_names()) == {"c349"}
    assert result.fractions["c349"] == 1
    assert len(result.fractions) == 350


def test_a_call_goes_before_the_analyser_and_leaves_nothing_behind(local):
    plain = local.analyse(*frame(), fields=["logits"])
    with phasewire.Local(local.model, classes=["hcp", "bcc"]) as limited:
        assert f"3 of {len(local.phases)} phases" in repr(limited)
        first = limited.analyse(*frame(), fields=["labels", "logits"])
        other = limited.analyse(*frame(), fields=["logits"], classes=local.phases)
        again = limited.analyse(*frame(), fields=["logits"])
    assert set(np.unique(first.labels)) <= {limited.phases.index(name) for name in ("disordered", "hcp", "bcc")}
    np.testing.assert_array_equal(other.logits, plain.logits)
    np.testing.assert_array_equal(again.logits, first.logits)
    np.testing.assert_array_equal(local.analyse(*frame(), fields=["logits"]).logits, plain.logits)


def test_denoising_follows(local):
    classes = {"bcc": 1, "disordered": 0}
    plain = local.analyse(*frame(), denoise=4, fields=["denoised"])
    result = local.analyse(*frame(), denoise=4, fields=["labels", "denoised"], classes=classes)
    assert result.fractions["bcc"] == 1
    assert np.abs(result.denoised - plain.denoised).max() > 1e-3


@pytest.mark.parametrize(
    "variable",
    [
        phasewire.log_density(),
        phasewire.fraction("hcp"),
        phasewire.logit_difference("hcp", "fcc"),
    ],
)
def test_forces_are_the_derivative_of_an_energy_with_a_prior(local, variable):
    positions, cell, periodic, species = frame()
    classes = {"fcc": 0.01, "hcp": 3, "bcc": 1}

    def evaluate(points, allowed=classes):
        return local.forces(points, cell, periodic, species, variables=variable, length_scale=2.3, classes=allowed)

    central = evaluate(positions)
    direction = np.random.default_rng(3).normal(size=positions.shape)
    step = 2e-3
    slope = (evaluate(positions + step * direction).energy - evaluate(positions - step * direction).energy) / (2 * step)
    error = abs(slope + np.sum(central.forces * direction))
    assert error <= 2e-3 * np.linalg.norm(central.forces) * np.linalg.norm(direction)
    assert evaluate(positions, None).energy != central.energy


def test_unknown_classes_are_refused_before_anything_is_computed(local):
    analyser = Scripted()
    for classes in (["fccc"], {"fcc": -1}):
        with pytest.raises(phasewire.InputError) as caught:
            analyser.analyse(*frame(), classes=classes)
        assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "classes")
        with pytest.raises(phasewire.InputError):
            local.forces(*frame(), variables=phasewire.log_density(), classes=classes)
        with pytest.raises(phasewire.InputError):
            phasewire.Local(local.model, classes=classes)
        with pytest.raises(phasewire.InputError):
            phasewire.Monitor(local, classes=classes)
    assert analyser.steps == []


def test_a_monitor_hands_its_classes_on(local):
    positions, cell, _ = hot_crystal()
    monitor = phasewire.Monitor(local, classes={"bcc": 1, "disordered": 0})
    monitor.observe(phasewire.Snapshot(positions, cell, (True, True, True)))
    assert monitor.last.fractions["bcc"] == 1
    monitor.close()


def test_a_compound_is_not_named_where_its_species_are_missing(local):
    b2 = bulk("NiAl", "cesiumchloride", a=2.88) * (4, 4, 4)
    two = local.analyse(b2.positions, b2.cell.array, species=b2.get_chemical_symbols(), fields=("labels", "confidence"))
    assert two.fractions["B2"] == 1
    needed = np.array([phase.species_count for phase in local.model.classes])
    assert dict(zip(local.phases, needed, strict=True))["perovskite"] == 3
    for species in (None, ["Ni"] * len(b2)):
        one = local.analyse(b2.positions, b2.cell.array, species=species, fields=("labels", "probabilities"))
        assert one.fractions["bcc"] == 1
        assert (one.probabilities[:, needed > 1] == 0).all()
        assert one.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
