"""Calls in process that end before they are done: by an abort, a budget, Ctrl-C, or an error of any kind.

The next sound frame gets the bits of a new analyser.
"""

from __future__ import annotations

import _thread
import contextlib
import dataclasses
import hashlib
import threading
import time

import numpy as np
import pytest
from ase.build import bulk

import phasewire
from phasewire._frame.snapshot import Snapshot
from phasewire.errors import PhasewireError

MOST_STEPS = 10_000


def crystal(repeats, seed):
    atoms = bulk("Cu", cubic=True) * repeats
    positions = atoms.positions + np.random.default_rng(seed).normal(0, 0.1, atoms.positions.shape)
    return positions, atoms.cell.array


# One call of the core takes the small frame whole, the large one goes through it in slices.
SMALL, LARGE = crystal(3, 1), crystal(11, 2)
VARIABLES = (phasewire.fraction("fcc"), phasewire.log_density())


@pytest.fixture(params=["baseline", "a skin"], scope="module")
def analyser(request):
    with phasewire.Local(build="baseline", skin=0.3 if request.param == "a skin" else 0.0) as made:
        made.skin = 0.3 if request.param == "a skin" else 0.0
        yield made


def digest(*results):
    """Return a digest of all bits of some results."""
    hashed = hashlib.sha256()
    for result in results:
        fields = dataclasses.asdict(result)
        for name in sorted(set(fields) - {"seconds"}):
            value = fields[name]
            hashed.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return hashed.hexdigest()


def everything(analyser, frame=SMALL):
    """Evaluate a frame in all ways, in an order in which each depends on what earlier frames left."""
    positions, cell = frame
    moved = positions + 0.01 * np.sin(np.arange(positions.size)).reshape(positions.shape)
    return digest(
        analyser.analyse(positions, cell, fields=["logits", "score", "distance"]),
        analyser.analyse(moved, cell, fields=["logits"]),
        analyser.forces(moved, cell, variables=VARIABLES),
        analyser.analyse(positions, cell, denoise=3, fields=["logits", "denoised"]),
        analyser.analyse(positions, cell, fields=["logits"]),
    )


KNOWN: dict[tuple[float, int], str] = {}


def expect_like_new(analyser, frame=SMALL):
    key = analyser.skin, len(frame[0])
    if key not in KNOWN:
        with phasewire.Local(build="baseline", skin=analyser.skin) as other:
            KNOWN[key] = everything(other, frame)
    assert everything(analyser, frame) == KNOWN[key]


def denoise(analyser, frame=LARGE):
    return analyser.analyse(*frame, denoise=MOST_STEPS)


def later(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


PRIMITIVES = {
    "forward": lambda analyser: analyser.analyse(*LARGE),
    "score": lambda analyser: analyser.analyse(*LARGE, fields=["score"]),
    "forces": lambda analyser: analyser.forces(*LARGE, variables=VARIABLES),
    "denoise": denoise,
    "denoise, small": lambda analyser: denoise(analyser, SMALL),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_an_abort_at_a_random_moment_ends_the_call(analyser, name):
    for seed in range(3):
        timer = later(0.08 * np.random.default_rng(seed).random(), analyser.abort)
        started = time.monotonic()
        # Denoising never ends by itself; another call that was done before has its results.
        endless = "denoise" in name
        with pytest.raises(phasewire.AbortedError) if endless else contextlib.suppress(phasewire.AbortedError):
            PRIMITIVES[name](analyser)
        timer.join()
        assert time.monotonic() - started < 8, f"seed {seed}"
        expect_like_new(analyser)
    expect_like_new(analyser, LARGE)


@pytest.mark.parametrize("frame", [SMALL, LARGE], ids=["small", "large"])
def test_ctrl_c_ends_a_call(analyser, frame):
    for seed in range(2):
        timer = later(0.1 * np.random.default_rng(seed).random(), _thread.interrupt_main)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            denoise(analyser, frame)
        timer.join()
        assert time.monotonic() - started < 5, f"seed {seed}"
        expect_like_new(analyser)


def test_the_threads_of_python_run_during_a_call(local):
    turns = 0
    done = threading.Event()

    def turn():
        nonlocal turns
        while not done.wait(0.002):
            turns += 1

    thread = threading.Thread(target=turn)
    thread.start()
    local.analyse(*LARGE, denoise=3)
    done.set()
    thread.join()
    assert turns > 5


def test_a_budget_ends_a_call():
    with phasewire.Local(build="baseline", budget=0.05) as analyser:
        analyser.skin = 0.0
        for frame in (SMALL, LARGE):
            with pytest.raises(phasewire.DeadlineError) as caught:
                denoise(analyser, frame)
            assert caught.value.code == "OVER_BUDGET"
            assert caught.value.message == f"the analysis of {len(frame[0])} atoms was ended after 0.05 s, its budget"
            assert caught.value.value == 0.05
        analyser._budget = None
        expect_like_new(analyser)


def changed(index, value):
    positions = SMALL[0].copy()
    positions[index] = value
    return positions, SMALL[1]


BAD = {
    "no volume": ("BAD_LENGTH_SCALE", {"positions": SMALL[0][:9], "periodic": False}, {}),
    "a flat cell": ("SINGULAR_CELL", {"positions": SMALL[0], "cell": np.diag([1e-7, 1e7, 1e7])}, {"length_scale": 2.3}),
    "an extreme scale": ("BAD_LENGTH_SCALE", {"positions": SMALL[0], "cell": SMALL[1]}, {"length_scale": 1e150}),
    "far too dense": ("BAD_LENGTH_SCALE", {"positions": SMALL[0], "cell": SMALL[1]}, {"length_scale": 40}),
    "too dense": ("BAD_LENGTH_SCALE", {"positions": SMALL[0], "cell": SMALL[1]}, {"length_scale": 8}),
    "coincident": ("COINCIDENT_ATOMS", {"positions": changed(0, SMALL[0][1])[0], "cell": SMALL[1]}, {}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_refused_frame_leaves_no_trace(analyser, name):
    code, frame, options = BAD[name]
    for call in (analyser.analyse, lambda **given: analyser.forces(**given, variables=VARIABLES)):
        analyser.analyse(*SMALL, denoise=2)
        with pytest.raises(PhasewireError) as caught:
            call(**frame, **options)
        assert caught.value.code == code
        expect_like_new(analyser)


def test_an_exception_of_the_energy_leaves_no_trace(analyser):
    def energy(values):
        raise RuntimeError("no energy")

    with pytest.raises(RuntimeError, match="no energy"):
        analyser.forces(*SMALL, variables=VARIABLES, energy=energy)
    expect_like_new(analyser)


def test_an_abort_without_a_call_has_no_effect(local):
    local.abort()
    local.analyse(*SMALL)
    local.abort(threading.get_ident())
    assert len(local.analyse(*SMALL).labels) == len(SMALL[0])


def test_an_abort_of_another_thread_has_no_effect(local):
    timer = later(0.02, lambda: local.abort(threading.get_ident()))
    local.analyse(*LARGE, denoise=1)
    timer.join()


@pytest.mark.parametrize("budget", [0, -1.0, np.nan, np.inf, 1e7, "1", True])
def test_a_budget_that_is_not_one_is_refused(budget):
    with pytest.raises(phasewire.InputError) as caught:
        phasewire.Local(budget=budget)
    assert (caught.value.code, caught.value.field) == ("BAD_OPTION", "budget")


def test_a_monitor_that_closes_ends_its_analysis_and_no_other():
    with phasewire.Local() as analyser:
        monitors = [phasewire.Monitor(analyser, background=True, denoise=MOST_STEPS) for _ in range(2)]
        for monitor in monitors:
            monitor.observe(Snapshot(*LARGE, (True, True, True), step=1))
            time.sleep(0.1)
        for monitor in monitors:
            # The second one waited for its turn; its analysis has begun, or soon does, and goes on until its own end.
            assert not monitor.failures
            monitor.close(0.3)
            assert [failure.error.code for failure in monitor.failures] == ["ABORTED"]
        assert len(analyser.analyse(*SMALL).labels) == len(SMALL[0])


def test_a_monitor_in_process_has_a_budget():
    with phasewire.Monitor() as monitor:
        assert monitor._analyser._budget == 120
