"""Declarations of variables: constructors, arithmetic, JSON, names, and errors that name the key."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import phasewire
from phasewire import atoms, ball, fraction, mean_logit, slab
from phasewire.errors import PhasewireError
from phasewire.variables import Switch, Variable, variable_from_dict, variable_names, variables_from_list

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "test" / "variables" / "golden.json").read_text())

DECLARED = [
    (fraction("fcc"), {"kind": "fraction", "class": "fcc"}),
    (fraction("fcc", "hcp", name="close"), {"kind": "fraction", "classes": ["fcc", "hcp"], "name": "close"}),
    (fraction(["fcc", "hcp"]), {"kind": "fraction", "classes": ["fcc", "hcp"]}),
    (phasewire.log_density(reduce="mean"), {"kind": "logDensity", "reduce": "mean"}),
    (mean_logit("bcc"), {"kind": "meanLogit", "class": "bcc"}),
    (phasewire.logit_difference("bcc", "fcc"), {"kind": "logitDifference", "class": "bcc", "minus": "fcc"}),
    (
        phasewire.distance("fcc", switch=(0.5, 0.1), reduce="sum"),
        {"kind": "distance", "class": "fcc", "reduce": "sum", "switch": {"centre": 0.5, "width": 0.1}},
    ),
    (
        fraction("fcc", switch=Switch(0.5, 0.1), select=atoms(ids=np.arange(3), species="Cu")),
        {
            "kind": "fraction",
            "class": "fcc",
            "switch": {"centre": 0.5, "width": 0.1},
            "select": {"ids": [0, 1, 2], "species": ["Cu"]},
        },
    ),
    (
        fraction("fcc", select=atoms(species=["Cu", 3], region=slab(2, 0.2, 0.8, width=0.05))),
        {
            "kind": "fraction",
            "class": "fcc",
            "select": {"species": ["Cu", 3], "region": {"axis": 2, "from": 0.2, "to": 0.8, "width": 0.05}},
        },
    ),
    (
        fraction("fcc", select=atoms(region=ball((0.5, 0.5, 0), 4, width=0))),
        {
            "kind": "fraction",
            "class": "fcc",
            "select": {"region": {"centre": [0.5, 0.5, 0], "radius": 4, "width": 0}},
        },
    ),
    (
        phasewire.weighted_sum([(2, fraction("fcc"))], constant=1),
        {"kind": "sum", "terms": [{"weight": 2, "variable": {"kind": "fraction", "class": "fcc"}}], "constant": 1},
    ),
    (
        phasewire.smooth_min(fraction("fcc"), fraction("hcp"), sharpness=4),
        {
            "kind": "smoothMin",
            "variables": [{"kind": "fraction", "class": "fcc"}, {"kind": "fraction", "class": "hcp"}],
            "sharpness": 4,
        },
    ),
    (
        phasewire.smooth_max(fraction("fcc"), sharpness=4),
        {"kind": "smoothMax", "variables": [{"kind": "fraction", "class": "fcc"}], "sharpness": 4},
    ),
    (
        phasewire.switch(fraction("fcc"), 0.5, 0.1, name="solid"),
        {
            "kind": "switch",
            "variable": {"kind": "fraction", "class": "fcc"},
            "centre": 0.5,
            "width": 0.1,
            "name": "solid",
        },
    ),
]


def refusal(call):
    with pytest.raises(PhasewireError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("variable", "body"), DECLARED)
def test_json_of_declarations(variable, body):
    assert variable.to_dict() == body
    assert variable.to_wire() == body
    assert json.loads(json.dumps(variable.to_dict())) == body
    assert variable_from_dict(json.loads(json.dumps(body))) == variable
    assert pickle.loads(pickle.dumps(variable)) == variable
    assert hash(variable) == hash(variable_from_dict(body))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["variable"]["kind"])
def test_golden_variables_come_back_as_they_are(case):
    assert variable_from_dict(case["variable"]).to_dict() == case["variable"]


def test_arithmetic_makes_one_sum():
    a, b = fraction("fcc"), mean_logit("hcp")
    variable = 0.5 * a - b / 4 + 1
    assert variable.to_dict() == {
        "kind": "sum",
        "terms": [{"weight": 0.5, "variable": a.to_dict()}, {"weight": -0.25, "variable": b.to_dict()}],
        "constant": 1.0,
    }
    assert -(a - b) == b - a or (-(a - b)).terms == (phasewire.variables.Term(-1, a), phasewire.variables.Term(1, b))
    assert (2 - a).to_dict()["constant"] == 2
    assert (3 * (a + 1)).to_dict()["constant"] == 3
    assert sum([a, b]).to_dict()["terms"] == [
        {"weight": 1, "variable": a.to_dict()},
        {"weight": 1, "variable": b.to_dict()},
    ]
    assert (np.float64(2) * a).to_dict() == (2 * a).to_dict()
    assert (a * np.float32(2)).to_dict() == (2 * a).to_dict()


def test_a_sum_with_a_name_stays_together():
    named = phasewire.weighted_sum([(2, fraction("fcc"))], name="twice")
    assert (named + 1).to_dict()["terms"] == [{"weight": 1, "variable": named.to_dict()}]


@pytest.mark.parametrize("wrong", ["x", None, [1.0]])
def test_arithmetic_with_what_is_no_number(wrong):
    for combine in (lambda: fraction("fcc") + wrong, lambda: wrong * fraction("fcc"), lambda: fraction("fcc") / wrong):
        with pytest.raises(TypeError):
            combine()


def test_names():
    variables = [fraction("fcc"), fraction("fcc"), phasewire.log_density(name="fraction.fcc.2"), fraction("fcc", "hcp")]
    assert variable_names(variables) == ("fraction.fcc", "fraction.fcc.3", "fraction.fcc.2", "fraction.fcc.hcp")
    assert variable_names([phasewire.custom(len, len), phasewire.per_atom(len)]) == ("custom", "perAtom")


def test_a_file_of_variables(tmp_path):
    path = tmp_path / "variables.json"
    path.write_text(json.dumps([variable.to_dict() for variable, _ in DECLARED]))
    assert phasewire.read_variables(path) == tuple(variable for variable, _ in DECLARED)
    assert phasewire.read_variables(str(path))[0] == fraction("fcc")
    path.write_text("[]")
    assert phasewire.read_variables(path) == ()


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (None, "FILE_ACCESS", "path"),
        (b"\xff\xfe\x00", "FILE_ACCESS", "path"),
        (b"[{", "FILE_FORMAT", "path"),
        (b"[" * 100000, "FILE_FORMAT", "path"),
        (b"{}", "BAD_OPTION", "variables"),
        (b'[{"kind": "meanLogit", "class": "fcc", "name": NaN}]', "BAD_OPTION", "variables[0].name"),
        (b'[{"kind": "sum", "terms": [], "constant": NaN}]', "BAD_OPTION", "variables[0].terms"),
    ],
)
def test_files_that_are_refused(tmp_path, content, code, field):
    path = tmp_path / "variables.json"
    if content is not None:
        path.write_bytes(content)
    error = refusal(lambda: phasewire.read_variables(path))
    assert (error.code, error.field) == (code, field)


@pytest.mark.parametrize(
    ("declare", "field"),
    [
        (lambda: fraction(), "classes"),
        (lambda: fraction(3), "class"),
        (lambda: fraction("fcc", reduce="max"), "reduce"),
        (lambda: fraction("fcc", switch=(0.5, 0.0)), "switch.width"),
        (lambda: fraction("fcc", switch=0.5), "switch"),
        (lambda: fraction("fcc", name="a b"), "name"),
        (lambda: fraction("fcc", select=atoms()), "select"),
        (lambda: fraction("fcc", select="Cu"), "select"),
        (lambda: fraction("fcc", select=atoms(ids=[])), "select.ids"),
        (lambda: fraction("fcc", select=atoms(ids=[1.5])), "select.ids"),
        (lambda: fraction("fcc", select=atoms(species=[True])), "select.species"),
        (lambda: fraction("fcc", select=atoms(region="left")), "select.region"),
        (lambda: fraction("fcc", select=atoms(region=slab(3, 0, 1, width=0))), "select.region.axis"),
        (lambda: fraction("fcc", select=atoms(region=slab(0, 1, 0, width=0))), "select.region.to"),
        (lambda: fraction("fcc", select=atoms(region=slab(0, 0, 1, width=-1))), "select.region.width"),
        (lambda: fraction("fcc", select=atoms(region=slab(0, np.nan, 1, width=0))), "select.region.from"),
        (lambda: fraction("fcc", select=atoms(region=ball((0, 0), 1, width=0))), "select.region.centre"),
        (lambda: fraction("fcc", select=atoms(region=ball((0, 0, "x"), 1, width=0))), "select.region.centre"),
        (lambda: fraction("fcc", select=atoms(region=ball((0, 0, 0), -1, width=0))), "select.region.radius"),
        (lambda: phasewire.smooth_min(sharpness=1), "variables"),
        (lambda: phasewire.smooth_min(fraction("fcc"), sharpness=-1), "sharpness"),
        (lambda: phasewire.smooth_max(fraction("fcc"), 3, sharpness=1), "variables[1]"),
        (lambda: phasewire.switch(fraction("fcc"), np.inf, 1), "centre"),
        (lambda: phasewire.weighted_sum([]), "terms"),
        (lambda: phasewire.weighted_sum([(np.nan, fraction("fcc"))]), "terms[0].weight"),
        (lambda: phasewire.weighted_sum([(1, Variable("fraction"))]), "terms[0].variable.class"),
        (lambda: phasewire.custom("f", len), "function"),
        (lambda: phasewire.custom(len, None), "derivative"),
        (lambda: phasewire.custom(len, 3), "derivative"),
        (lambda: phasewire.per_atom(len, 3), "derivative"),
        (lambda: phasewire.per_atom(None), "function"),
        (lambda: phasewire.per_atom(len, switch=(0, 0)), "switch.width"),
    ],
)
def test_declarations_that_are_refused(declare, field):
    error = refusal(declare)
    assert (error.code, error.field) == ("BAD_OPTION", field)


def test_nested_too_deep():
    variable = fraction("fcc")
    for _ in range(3):
        variable = phasewire.switch(variable, 0, 1)
    error = refusal(lambda: phasewire.switch(variable, 0, 1))
    assert error.field == "variable.variable.variable.variable"


def test_too_many():
    bodies = [{"kind": "sum", "terms": [{"weight": 1, "variable": {"kind": "logDensity"}}]}] * 32
    assert len(variables_from_list(bodies)) == 32
    assert refusal(lambda: variables_from_list([*bodies, {"kind": "logDensity"}])).field == "variables"


def test_where_an_error_lies_is_up_to_the_caller():
    body = {"kind": "fraction", "class": "fcc", "select": {"region": {"axis": 0, "from": 0, "to": 1}}}
    assert refusal(lambda: variable_from_dict(body)).field == "variable.select.region.width"
    assert refusal(lambda: variables_from_list([body], "watch")).field == "watch[0].select.region.width"


def test_functions_cannot_be_written():
    for variable in (phasewire.custom(len, len), phasewire.per_atom(len), phasewire.per_atom(len) + 1):
        assert refusal(variable.to_dict).code == "BAD_OPTION"


def test_kinds_of_code_cannot_be_read():
    for kind in ("custom", "perAtom"):
        assert refusal(lambda kind=kind: variable_from_dict({"kind": kind})).field == "variable.kind"


def test_null_counts_as_absent():
    body = {"kind": "fraction", "class": "fcc", "select": None, "name": None}
    assert variable_from_dict(body) == fraction("fcc")
