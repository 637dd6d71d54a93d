"""Two runs that want the same files, and files of the user next to those of a run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.md.verlet import VelocityVerlet
from ase.units import fs

import phasewire.ase
from biased import Counting
from phasewire.errors import InputError
from phasewire.files.checkpoints import Checkpoints
from phasewire.files.colvars import ColumnWriter, read_columns
from phasewire.files.locks import folder_lock
from phasewire.variables import mean_logit

SCRIPT = Path(__file__).with_name("writing_script.py")


def start(folder, pause=-1):
    script = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(pause), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert pause < 0 or script.stdout.readline() == "waits\n"
    return script


def times_of(folder):
    return [read_columns(folder / name)["time"].tolist() for name in ("COLVAR", "HILLS")]


def test_a_second_run_in_a_folder_is_refused_and_the_first_goes_on(tmp_path):
    first = start(tmp_path, pause=7)
    second = start(tmp_path)
    _, errors = second.communicate(timeout=120)
    assert second.returncode != 0
    assert "FILE_IN_USE: another run writes this file" in errors
    _, errors = first.communicate("\n", timeout=120)
    assert first.returncode == 0, errors
    assert times_of(tmp_path) == [list(range(41)), list(range(1, 41))]
    assert not list(tmp_path.glob("bck.*"))


RECORDING = """
import sys
import numpy as np
from phasewire._frame.frame import make_frame
from scripted import result_with
from phasewire.files.extxyz import write_extxyz
path, run = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for step in range(60):
    frame = make_frame(np.arange(3000.0).reshape(-1, 3), step=step)
    write_extxyz(path, frame, result_with(run, step, 1000), append=True)
"""


def test_records_that_two_runs_append_to_one_file_stay_whole(tmp_path):
    record = tmp_path / "record.extxyz"
    command = [sys.executable, "-c", RECORDING, str(record)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parent}
    runs = [subprocess.Popen([*command, str(run)], **pipes) for run in range(2)]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    for run in runs:
        run.communicate(timeout=120)
        assert run.returncode == 0
    frames = ase.io.read(record, index=":")
    assert sorted(frame.info["step"] for frame in frames) == sorted([*range(60)] * 2)
    assert {len(set(frame.arrays["phase"])) for frame in frames} == {1}


def test_a_killed_run_holds_nothing(tmp_path):
    first = start(tmp_path, pause=7)
    first.kill()
    first.communicate()
    second = start(tmp_path)
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    assert times_of(tmp_path) == [list(range(41)), list(range(1, 41))]
    assert read_columns(tmp_path / "bck.0.COLVAR")["time"].tolist() == list(range(8))


def test_a_run_of_the_same_process_takes_a_file_over(tmp_path):
    first = ColumnWriter(tmp_path / "COLVAR", ["time"])
    first.write({"time": 0.0})
    second = ColumnWriter(tmp_path / "COLVAR", ["time"], restart_time=0.0)
    second.write({"time": 1.0})
    with pytest.raises(InputError) as caught:
        first.write({"time": 1.0})
    assert caught.value.code == "FILE_IN_USE"
    third = ColumnWriter(tmp_path / "COLVAR", ["time"])
    third.write({"time": 5.0})
    third.close()
    assert read_columns(tmp_path / "COLVAR")["time"].tolist() == [5.0]
    assert read_columns(tmp_path / "bck.0.COLVAR")["time"].tolist() == [0.0, 1.0]


def test_a_folder_has_one_run_at_a_time(tmp_path):
    with folder_lock(tmp_path), pytest.raises(InputError, match="FILE_IN_USE"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with folder_lock(tmp_path), ColumnWriter(tmp_path / "COLVAR", ["time"]) as writer:
        writer.write({"time": 0.0})


NEIGHBOURS = (
    "step-000000000002.backup",
    "step-000000000002-good",
    "step-000000000001",
    "step-00000002",
    ".step-000000000002.backup",
    "elsewhere",
)


def argon():
    """Return dynamics and biases of a small run."""
    atoms = bulk("Ar", cubic=True) * 2
    atoms.rattle(0.05, seed=1)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=7.0)
    dynamics = VelocityVerlet(atoms, fs)
    return dynamics, phasewire.ase.bias(dynamics, Counting(mean_logit("fcc")), length_scale=3.3)


def test_a_second_run_with_the_same_checkpoints_is_refused(tmp_path):
    dynamics, bias = argon()
    with folder_lock(tmp_path), pytest.raises(InputError, match="FILE_IN_USE: another run writes this folder"):
        phasewire.ase.run_checkpointed(dynamics, bias, 2, tmp_path, every=2)
    assert dynamics.nsteps == 0
    bias.close()


def test_only_checkpoints_are_removed(tmp_path):
    for name in NEIGHBOURS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "bias.npz").write_text("mine")
    (tmp_path / "step-000000000003").write_text("a file, not a folder")
    kept = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    # Remains of killed runs.
    for name, file in ((".step-000000000009.4711", ".bias.npz.4711"), (".step-000000000004.4712", "ase.npz")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("half")
    dynamics, bias = argon()
    phasewire.ase.run_checkpointed(dynamics, bias, 6, tmp_path, every=2)
    bias.close()
    assert {path: path.read_text() for path in kept} == kept
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {*NEIGHBOURS, "step-000000000006"}


def test_a_checkpoint_with_files_of_the_user_stays(tmp_path):
    checkpoints = Checkpoints(tmp_path, ["engine", "bias.npz"])
    for step in (1, 2, 3):
        with checkpoints.new(step) as folder:
            for name in ("engine", "bias.npz"):
                (folder / name).write_text(str(step))
        if step == 1:
            (tmp_path / "step-000000000001" / "notes.txt").write_text("mine")
    assert checkpoints.latest() == tmp_path / "step-000000000003"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000000001", "step-000000000003"]
    assert (tmp_path / "step-000000000001" / "engine").read_text() == "1"
