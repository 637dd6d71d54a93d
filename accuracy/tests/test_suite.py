"""The whole suite, quick and without peers, on a few small frames. A stand-in replaces the peers and OVITO."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import write
from phasewire import Local

from accuracy.__main__ import arguments_from, chosen_sections, main
from accuracy.measurements import Bench
from accuracy.metrics import nearest_periodic
from accuracy.peers import Peer
from accuracy.report import at_least, at_most, table
from accuracy.sections import LARGE_TIER, SECTIONS, calibration, coexistence, defects, paths, shock, stacking
from accuracy.suite import Suite
from accuracy.synthetic import gas, ideal, noised, prototypes
from accuracy.systems import Snapshot, load
from accuracy.tally import DENOISED, RAW, count, over_atoms


def data_folder(folder: Path) -> Path:
    """Two crystals, a fluid, a coexistence cell, a labelled fault, a path and a shock, all of them small."""
    folder.mkdir()
    rows = ["file,group,system,phase,T_over_Tm"]

    def add(name: str, group: str, phase: str, heat: float, frames, **info: str) -> None:
        for frame in frames:
            frame.info.update(info)
        write(folder / f"{name}.extxyz.gz", frames)
        rows.append(f"{name}.extxyz.gz,{group},{name},{phase},{heat}")

    def crystal(name: str, sigma: float, width: float = 4.2):
        atoms = noised(ideal(prototypes([name])[0][0], width), sigma).atoms
        return _scaled(atoms, 2.5)

    add("Xx", "A_bulk", "fcc", 0.5, [crystal("fcc", 0.06)])
    add("Zz", "A_bulk", "bcc", 1.0, [crystal("bcc", 0.10)])
    fluid = _scaled(gas(0.3, 1, count=120).atoms, 2.5)
    add("melt", "B_liquid", "liquid", 1.2, [fluid])

    both = crystal("fcc", 0.08, 5.5)
    both.set_array("label", (both.get_scaled_positions(wrap=True)[:, 2] > 0.5).astype(int))
    random = np.random.default_rng(0)
    liquid = both.arrays["label"] == 1
    both.positions[liquid] += random.normal(size=(int(liquid.sum()), 3)) * 1.1
    add("both", "C_coexistence", "fcc/liquid".replace("/", "|"), 1.0, [both],
        label_legend="0 crystal half fcc; 1 liquid half")  # fmt: skip

    layered = crystal("fcc", 0.03)
    layered.set_array("label", np.zeros(len(layered), dtype=int))
    add("fault", "F_gb", "fcc+hcp layers", 0.4, [layered], label_legend="0 fcc layer; 1 hcp layer")

    images = []
    for along in np.linspace(0, 1, 6):
        image = crystal("fcc", 0.0)
        # The Bain path at constant volume: c over a from that of fcc, seen as tetragonal, to that of bcc.
        ratio = (1 + along * (2**-0.5 - 1)) ** (1 / 3)
        image.set_cell(np.asarray(image.cell) * [1 / ratio, 1 / ratio, ratio**2], scale_atoms=True)
        image.info["path_t"] = float(along)
        images.append(image)
    add("bain", "E_paths", "fcc->bcc", 0, images, noise_over_nn="0")

    squeezed = crystal("hcp", 0.04, 5.0)
    squeezed.set_array("label", (squeezed.get_scaled_positions(wrap=True)[:, 2] > 0.5).astype(int) + 1)
    add("shocked", "S_shock", "hcp", 0.2, [squeezed], label_legend="1 ahead of the front; 2 behind the front")
    add("pressed", "S_strain", "hcp", 0.2, [squeezed.copy()], label_legend="1 compressed crystal; 2 compressed crystal")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def _scaled(atoms, factor: float):
    atoms = atoms.copy()
    atoms.set_cell(np.asarray(atoms.cell) * factor, scale_atoms=True)
    return atoms


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("accuracy") / "data")


@pytest.fixture(scope="module")
def finished(data: Path) -> Path:
    """A finished run: pages, plots, figures and cache."""
    out = data.parent / "run"
    status = main(
        ["--quick", "--without-peers", "--steps", "4", "--tier-check", "--data", str(data), "--out", str(out / "pages"),
         "--cache", str(out / "cache"), "--json", str(out / "figures.json")]
    )  # fmt: skip
    assert status == 0
    return out


def test_every_section_writes_a_page_and_the_summary_links_to_it(finished: Path) -> None:
    summary = (finished / "pages" / "README.md").read_text()
    for name in SECTIONS:
        page = (finished / "pages" / f"{name}.md").read_text()
        assert page.startswith("<!-- Written by `npm run accuracy`")
        assert f"({name}.md)" in summary
        for line in page.splitlines():
            if line.startswith("!["):
                picture = finished / "pages" / line.rsplit("(", 1)[1].rstrip(")")
                assert 1000 < picture.stat().st_size < 150_000, picture


def test_verdicts_agree_with_the_figures(finished: Path) -> None:
    report = json.loads((finished / "figures.json").read_text())
    rows = report["pages"]["bulk"]["rows"]
    assert {row["system"] for row in rows} == {"Xx", "Zz"}
    lowest = min(row["right"]["denoised"] for row in rows)
    verdict = next(v for v in report["verdicts"] if "no crystal below 99 %" in v["required"])
    assert verdict["met"] is (lowest >= 0.99)
    assert lowest >= 0.99
    words = {"True": "met", "False": "**not met**", "None": "not measured"}
    summary = (finished / "pages" / "README.md").read_text()
    for v in report["verdicts"]:
        assert f"| {v['required']} |" in summary
        assert words[str(v["met"])] in summary
    # Template matching did not run, so there is no verdict on it.
    shock = next(v for v in report["verdicts"] if v["required"].startswith("shock"))
    assert shock["met"] is None


def test_a_second_run_measures_nothing_again(
    finished: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a frame that is in the cache was analysed again")

    monkeypatch.setattr(Local, "analyse", refuse)
    main(
        ["--quick", "--without-peers", "--steps", "4", "--sections", "bulk", "fluids", "coexistence",
         "--data", str(data), "--out", str(finished / "again"), "--cache", str(finished / "cache")]
    )  # fmt: skip
    assert "no crystal below 99 %" in capsys.readouterr().out
    assert (finished / "again" / "bulk.md").read_text() == (finished / "pages" / "bulk.md").read_text()
    assert not (finished / "again" / "README.md").exists()
    with pytest.raises(AssertionError, match="again"):
        main(
            ["--quick", "--without-peers", "--steps", "5", "--sections", "bulk",
             "--data", str(data), "--out", str(finished / "again"), "--cache", str(finished / "cache")]
        )  # fmt: skip


@pytest.fixture(scope="module")
def suite(finished: Path, data: Path):
    """Input of the sections, with a stand-in peer that calls everything fcc and has no template for bcc."""
    from accuracy.cache import Cache

    with Local() as analyser:
        snapshots = load([data], analyser.phases, analyser.aliases)
        bench = Bench(analyser, Cache(finished / "cache"), 4)
        yield Suite(bench, snapshots, (AlwaysFcc(),), finished / "peers", quick=True)


class AlwaysFcc(Peer):
    """A peer without OVITO."""

    def __init__(self) -> None:
        super().__init__("PTM 0.15", lambda: None, lambda: {"disordered": (0,), "fcc": (1,), "hcp": (2,)})

    def found(self, snapshot: Snapshot, cache: object) -> np.ndarray:
        return np.ones(len(snapshot.atoms), dtype=int)


def test_a_peer_has_figures_only_where_it_has_a_template(suite: Suite) -> None:
    rows = {row.system: row for row in count(suite, suite.of_kind("A", "B"), "test")}
    assert rows["Xx"].share("PTM 0.15") == 1.0
    assert rows["Zz"].share("PTM 0.15") is None
    assert rows["melt"].share("PTM 0.15") == 0.0
    assert over_atoms(list(rows.values()), "PTM 0.15") == rows["Xx"].atoms / (rows["Xx"].atoms + rows["melt"].atoms)
    assert rows["Zz"].share(RAW) is not None
    assert rows["Zz"].share(DENOISED) is not None


def test_a_compound_is_right_for_a_peer_by_its_lattice() -> None:
    right = AlwaysFcc().right(np.array([1, 1, 2, 1, 0]), np.array(["L1_2", "fcc", "D0_19", "hcp", "B2"]))
    np.testing.assert_array_equal(right, [1, 1, 1, 0, np.nan])


def test_the_front_is_found_where_the_labels_change(suite: Suite) -> None:
    (snapshot,) = suite.of_kind("C")
    profile = coexistence.layered(snapshot)
    fronts = coexistence.true_fronts(snapshot, profile)
    assert len(fronts) == 2
    for place in (0.0, profile.length / 2):
        assert abs(nearest_periodic(fronts, place, profile.length)) < 2.0
    np.testing.assert_allclose(
        profile.along, snapshot.atoms.get_scaled_positions()[:, 2] * profile.length, atol=1e-6 * profile.length
    )


def test_shock_is_judged_against_the_peer(suite: Suite) -> None:
    page = shock.run(suite)
    # The stand-in calls hcp fcc, so the model cannot be worse.
    assert [verdict.met for verdict in page.verdicts if verdict.requirement.startswith("shock")] == [True, True]
    assert [verdict.met for verdict in page.verdicts if verdict.requirement.startswith("strain")] == [True, True]
    regions = page.figures["regions"]
    assert len(regions) == 2
    assert all(region["right"]["PTM 0.15"] == 0.0 for region in regions)


def test_paths_run_from_end_to_end(suite: Suite) -> None:
    (path,) = paths.find(suite)
    assert (path.start, path.end) == ("fcc", "bcc")
    curves = paths.measure(path, suite)
    assert curves.shares[0, 0] == 1.0
    assert curves.shares[1, -1] == 1.0
    assert paths.logit_course(path, curves).crossings == 1


def test_local_displacement_of_white_noise() -> None:
    crystal = noised(ideal(prototypes(["fcc"])[0][0]), 0.1)
    squared = calibration.local_squared_displacement(crystal)
    # The mean is below 3 sigma^2, since the common shift of an atom's surroundings does not count.
    assert 0.018 < squared.mean() < 0.03


def test_deep_in_a_grain() -> None:
    crystal = ideal(prototypes(["sc"])[0][0], 8.0)
    crystal.atoms.set_array("label", (crystal.sites[:, 0] > 3.5).astype(int))
    grains = Snapshot("F_gb", "X", "sc", 0.5, crystal.atoms, np.full(len(crystal.sites), "sc"))
    inside = stacking.deep_in_grain(grains, 1.5)
    depth = np.minimum(
        np.abs(crystal.sites[:, 0] - 3.5), np.minimum(crystal.sites[:, 0] + 0.5, 7.5 - crystal.sites[:, 0])
    )
    np.testing.assert_array_equal(inside, depth > 1.0)


def test_made_defects_of_both_kinds_are_measured(suite: Suite) -> None:
    page = defects.run(replace(suite, peers=()))
    made = page.figures["made"]
    assert {case["defect"] for case in made} == {"vacancy", "interstitial"}
    assert all(0.0 <= area <= 1.0 for case in made for area in case["area"].values())


def test_verdicts_of_nan_and_none() -> None:
    assert at_least("r", float("nan"), 0.5, "f").met is False
    assert at_most("r", float("nan"), 0.5, "f").met is False
    assert at_most("r", None, 0.5, "f").met is None
    assert at_least("r", 0.5, 0.5, "f").met is True
    assert table(["a|b"], [["c|d"]]).splitlines()[-1] == "| c/d |"


def test_arguments_are_checked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments_from(["--data", str(data / "nowhere")])
    assert "manifest.csv" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        arguments_from(["--data", str(data), "--steps", "0"])
    arguments = arguments_from(["--data", str(data)])
    assert "prototypes" not in chosen_sections(arguments, 31)
    assert "prototypes" in chosen_sections(arguments, LARGE_TIER + 1)
