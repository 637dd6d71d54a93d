"""True classes of the snapshots, from phases and legends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from accuracy.systems import UNKNOWN, class_of, is_water, load, true_classes

PHASES = ("disordered", "fcc", "hcp", "bcc", "diamond", "hexdiamond")
ALIASES = {"ice-Ih": "hexdiamond"}


def labelled(legend: str, labels: list[int]) -> Atoms:
    atoms = Atoms(f"Cu{len(labels)}", positions=np.arange(3 * len(labels)).reshape(-1, 3))
    atoms.set_array("label", np.array(labels))
    atoms.info["label_legend"] = legend
    return atoms


def truth(legend: str, labels: list[int], phase: str) -> list[str]:
    return true_classes(labelled(legend, labels), phase, PHASES, ALIASES).tolist()


def test_phases_have_classes_by_name_alias_and_kind() -> None:
    assert class_of("fcc", PHASES, ALIASES) == "fcc"
    assert class_of("ice-Ih", PHASES, ALIASES) == "hexdiamond"
    assert class_of("ice-VII", PHASES, ALIASES) == "bcc"
    assert class_of("liquid", PHASES, ALIASES) == "disordered"
    assert class_of("glass", PHASES, ALIASES) == "disordered"
    for phase in ("omega", "not fcc", "fcc growing in liquid", "fcc|liquid"):
        assert class_of(phase, PHASES, ALIASES) == UNKNOWN


def test_halves_of_a_coexistence_cell() -> None:
    legend = "0 crystal half ice-Ih; 1 liquid half; 2 interface (within 5 A of a plane)"
    assert truth(legend, [0, 1, 2], "ice-Ih|liquid") == ["hexdiamond", "disordered", UNKNOWN]


def test_a_shock_front_has_no_truth() -> None:
    legend = "1 ahead of the front; 2 front zone (within 6 A of it); 3 behind the front; 4 interface to leave out"
    assert truth(legend, [1, 2, 3, 4], "hcp") == ["hcp", UNKNOWN, "hcp", UNKNOWN]


def test_layers_of_a_fault() -> None:
    assert truth("0 fcc layer; 1 hcp layer", [1, 0], "fcc+hcp layers") == ["hcp", "fcc"]


def test_legends_that_name_no_phase_keep_the_phase_of_the_file() -> None:
    assert truth("0 c (fcc-like) layer; 1 h (hcp-like) layer", [0, 1], "dhcp") == [UNKNOWN, UNKNOWN]
    assert truth("grain of origin 0..3", [0, 3], "fcc") == ["fcc", "fcc"]
    defect = "0 bulk; 1 first-shell neighbour of a vacancy; 2 shares a Wigner-Seitz site (interstitial)"
    assert truth(defect, [0, 1, 2], "fcc") == ["fcc", "fcc", UNKNOWN]


def test_water_is_recognised_by_its_composition() -> None:
    assert is_water(Atoms("OH2OH2"), "anything")
    assert is_water(Atoms("O2"), "mW")
    assert not is_water(Atoms("O2"), "oxygen")
    assert not is_water(Atoms("OH"), "hydroxide")


def test_loading_removes_hydrogens_and_quick_keeps_the_hottest(tmp_path: Path) -> None:
    hot, cold = bulk("Cu", cubic=True), bulk("Cu", cubic=True).repeat((2, 1, 1))
    water = Atoms("OH2OH2", positions=np.arange(18).reshape(6, 3), cell=[20, 20, 20], pbc=True)
    for name, frames in (("hot", hot), ("cold", cold), ("water", water), ("grow", [hot] * 12)):
        write(tmp_path / f"{name}.extxyz.gz", frames)
    (tmp_path / "manifest.csv").write_text(
        "file,group,system,phase,T_over_Tm\n"
        "cold.extxyz.gz,A_bulk,Cu,fcc,0.1\n"
        "hot.extxyz.gz,A_bulk,Cu,fcc,1.0\n"
        "water.extxyz.gz,A_ice,H2O,ice-Ih,0.5\n"
        "grow.extxyz.gz,H_growth,grow,fcc growing in liquid,\n"
    )
    everything = load([tmp_path], PHASES, ALIASES)
    assert len(everything) == 3 + 12
    ice = next(s for s in everything if s.phase == "ice-Ih")
    assert ice.water
    assert ice.atoms.get_chemical_symbols() == ["O", "O"]
    assert ice.truth.tolist() == ["hexdiamond"] * 2
    assert everything[-1].temperature == 0.0
    quick = load([tmp_path], PHASES, ALIASES, quick=True)
    assert [len(s.atoms) for s in quick if s.system == "Cu"] == [4]
    assert 5 <= sum(s.kind == "H" for s in quick) <= 7
    (tmp_path / "water.extxyz.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"water\.extxyz\.gz.*\(1 such files\)"):
        load([tmp_path], PHASES, ALIASES)
