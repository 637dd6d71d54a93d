"""PLUMED as a bias, tested with a stand-in that checks order and arguments of the calls.

PLUMED's kernel is not available here. The stand-in follows PLUMED's developer manual and sources: calls before and
after `init`, new values after each `setStepLong`, forces added to the engine's memory, hills only in `update`.
"""

from __future__ import annotations

import re
import sys
import types
from typing import ClassVar

import numpy as np
import pytest

from phasewire.bias import Harmonic
from phasewire.bias.plumed import Plumed
from phasewire.errors import InputError
from phasewire.files.colvars import ColumnWriter, read_columns
from toy import Named

VARIABLES = (Named("fraction.fcc"), Named("logP"))
INPUT = "a: EXTRACV NAME=fraction_fcc  # the solid\nb: EXTRACV NAME=logP\nRESTRAINT ARG=a,b AT=0.5,-1 KAPPA=30,2\n"
CENTRE, STRENGTH = (0.5, -1.0), (30.0, 2.0)

BEFORE_INIT = {
    "setMDEngine": str,
    "setTimestep": float,
    "setKbT": float,
    "setRestart": int,
    "setNatoms": int,
    "setPlumedDat": str,
    "setLogFile": str,
}
SHAPES = {
    "setMasses": (1,),
    "setCharges": (1,),
    "setPositions": (1, 3),
    "setForces": (1, 3),
    "setBox": (3, 3),
    "setVirial": (3, 3),
}


class StandIn:
    """Stands in for PLUMED with a harmonic restraint on two EXTRACVs, and a HILLS file that `update` extends."""

    made: ClassVar[list[StandIn]] = []

    def __init__(self, kernel=None):
        if kernel == "missing":
            raise RuntimeError("Error loading PLUMED kernel at path missing")
        self.options, self.initialised, self.finalised = {}, False, False
        self.values, self.forces, self.given, self.phase = {}, {}, set(), None
        self.updates, self.checkpoint, self.bias = [], 0, 0.0
        StandIn.made.append(self)

    def finalize(self):
        self.finalised = True

    def cmd(self, key, value=None):
        assert not self.finalised
        word, *rest = key.split()
        if word in BEFORE_INIT:
            assert not self.initialised, f"{word} after init"
            assert type(value) is BEFORE_INIT[word]
            assert word != "setNatoms" or "setMDEngine" in self.options, "atoms are named after the engine"
            self.options[word] = value
            return
        if word == "init":
            assert not self.initialised
            assert set(self.options) == set(BEFORE_INIT)
            self.initialised = True
            restart = 0.0 if not self.options["setRestart"] else np.inf
            fields = ("time", "height")
            self.hills = ColumnWriter("HILLS", fields, restart_time=None if restart == 0.0 else restart)
            return
        assert self.initialised, f"{word} before init"
        if word in SHAPES:
            self._array(word, value)
            return
        # setExtraCV is `_set_extra_cv` here; an unknown command is an AttributeError.
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()
        getattr(self, f"_{method}")(*rest, *([] if value is None else [value]))

    def _set_step_long(self, value):
        assert value.dtype == np.int_
        assert value.shape == (1,)
        self.step, self.phase = int(value[0]), "step"
        self.values, self.forces, self.given = {}, {}, set()

    def _array(self, word, value):
        assert self.phase == "step"
        assert value.dtype == np.float64
        assert value.shape == SHAPES[word]
        self.given.add(word)

    def _set_extra_cv(self, name, value):
        assert self.phase == "step"
        # A scalar is read at once.
        self.values[name] = float(value[0])

    def _set_extra_cvforce(self, name, value):
        assert self.phase == "step"
        assert value.shape == (1,)
        self.forces[name] = value

    def _prepare_calc(self):
        assert self.phase == "step"
        assert self.given == set(SHAPES)
        self.phase = "prepared"

    def _perform_calc_no_update(self):
        assert self.phase == "prepared"
        self.phase = "calculated"
        self.bias = 0.0
        for name, centre, strength in zip(("fraction_fcc", "logP"), CENTRE, STRENGTH, strict=True):
            away = self.values[name] - centre
            self.bias += 0.5 * strength * away**2
            self.forces[name][0] -= strength * away

    def _get_bias(self, value):
        assert self.phase in ("calculated", "updated")
        value[0] = self.bias

    def _do_check_point(self, value):
        assert type(value) is int
        self.checkpoint = value

    def _update(self):
        assert self.phase == "calculated"
        self.phase = "updated"
        self.updates.append((self.step, dict(self.values), self.checkpoint))
        # As METAD, no hill at the first step.
        if len(self.updates) > 1:
            self.hills.write({"time": round(self.step * self.options["setTimestep"], 6), "height": self.bias})


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    module = types.ModuleType("plumed")
    module.Plumed = StandIn
    monkeypatch.setitem(sys.modules, "plumed", module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plumed.dat").write_text(INPUT)
    StandIn.made = []


def make(**options):
    return Plumed("plumed.dat", VARIABLES, **{"kT": 2.5, "timestep": 0.002, **options})


def test_energy_and_derivatives_are_those_of_plumeds_restraint():
    bias, own = make(), Harmonic(VARIABLES, CENTRE, STRENGTH)
    for step, point in enumerate(np.random.default_rng(1).normal(size=(5, 2))):
        energy, derivatives = bias.energy(point, step)
        wanted, slope = own.energy(point, step)
        assert energy == pytest.approx(wanted)
        np.testing.assert_allclose(derivatives, slope)
        assert bias.columns() == {"plumed.bias": energy}
        bias.update(point, step)
    options = StandIn.made[0].options
    assert options == {
        "setMDEngine": "phasewire",
        "setTimestep": 0.002,
        "setKbT": 2.5,
        "setRestart": 0,
        "setNatoms": 1,
        "setPlumedDat": "plumed.dat",
        "setLogFile": "plumed.log",
    }


def test_units_are_converted_here():
    # eV and the time unit of ASE, in kJ/mol and ps.
    bias = make(kT=0.0259, timestep=0.5, energy_unit=96.485, time_unit=0.01018)
    energy, derivatives = bias.energy([0.7, 0.0], 3)
    wanted, slope = Harmonic(VARIABLES, CENTRE, STRENGTH).energy([0.7, 0.0], 3)
    assert energy == pytest.approx(wanted / 96.485)
    np.testing.assert_allclose(derivatives, slope / 96.485)
    assert StandIn.made[0].options["setKbT"] == pytest.approx(0.0259 * 96.485)
    assert StandIn.made[0].options["setTimestep"] == pytest.approx(0.00509)


def test_only_update_moves_on_once_a_step_and_at_the_step_s_own_values():
    bias = make()
    for step in range(4):
        bias.energy([0.1 * step, 0.0], step)
        bias.energy([9.0, 9.0], step)
        bias.update([0.1 * step, 0.0], step)
        bias.energy([0.1 * step, 0.0], step)
        bias.update([0.1 * step, 0.0], step)
    updates = StandIn.made[0].updates
    assert [step for step, _, _ in updates] == [0, 1, 2, 3]
    assert [values["fraction_fcc"] for _, values, _ in updates] == [0.1 * step for step in range(4)]


def test_a_restart_cuts_plumeds_files_and_tells_it_to_go_on(tmp_path):
    bias = make(files=["HILLS", "COLVAR"])
    for step in range(5, 9):
        bias.update([0.1, 0.2], step)
        if step == 6:
            np.savez(tmp_path / "state.npz", **bias.state())
    second = make(files=["HILLS", "COLVAR"])
    second.check_settings(bias.settings())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.restore(state)
    assert StandIn.made[-1].options["setRestart"] == 1
    for step in (6, 7):
        second.energy([0.1, 0.2], step)
        second.energy([0.1, 0.2], step)
        second.update([0.1, 0.2], step)
    assert [step for step, _, _ in StandIn.made[-1].updates] == [6, 7]
    # The rows of steps 6 and 7, as without a restart; that of 8 is gone.
    np.testing.assert_allclose(read_columns("HILLS")["time"], [0.012, 0.014])


def test_a_checkpoint_where_plumed_has_not_flushed_is_refused():
    bias = make(checkpoint_every=10)
    assert not bias.state()["begun"]
    bias.update([0.0, 0.0], 19)
    with pytest.raises(InputError, match="checkpoint_every"):
        bias.state()
    bias.update([0.0, 0.0], 20)
    assert int(bias.state()["step"]) == 20
    assert [flag for _, _, flag in StandIn.made[0].updates] == [0, 1]


def test_an_end_is_told_to_plumed():
    bias = make()
    bias.energy([0.0, 0.0], 0)
    bias.close()
    assert StandIn.made[0].finalised


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: EXTRACV NAME=fraction_fcc\n", "logP"),
        (INPUT + "c: EXTRACV NAME=other\n", "other"),
        (INPUT.replace("fraction_fcc", "fraction.fcc"), "fraction_fcc"),
        ("UNITS ENERGY=kcal/mol LENGTH=A\n" + INPUT, "energy_unit"),
    ],
)
def test_an_input_that_plumed_would_take_wrongly_is_refused(tmp_path, text, word):
    (tmp_path / "plumed.dat").write_text(text)
    with pytest.raises(InputError, match=word):
        make()


def test_an_input_that_includes_another_may_read_variables_there(tmp_path):
    (tmp_path / "plumed.dat").write_text("INCLUDE FILE=other.dat\n")
    make()


def test_without_input_package_or_kernel_the_error_says_so(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="FILE_ACCESS"):
        Plumed("absent.dat", VARIABLES, kT=1.0, timestep=1.0)
    with pytest.raises(InputError, match="PLUMED_KERNEL"):
        make(kernel="missing")
    monkeypatch.setitem(sys.modules, "plumed", None)
    with pytest.raises(ImportError, match=r"phasewire\[plumed\]"):
        make()


def test_an_edited_input_is_another_setting(tmp_path):
    stored = make().settings()
    (tmp_path / "plumed.dat").write_text(INPUT.replace("30", "31"))
    with pytest.raises(InputError, match=r"plumed\.input"):
        make().check_settings(stored)
