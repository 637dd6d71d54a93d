"""A biased run in a process of its own: STEP FOLDER. At STEP it prints, and waits for a line."""

import sys
from pathlib import Path

import numpy as np

from phasewire import fraction
from phasewire._frame.frame import make_frame
from phasewire._frame.result import Evaluation
from phasewire.analysers.base import Analyser
from phasewire.bias import Metadynamics
from phasewire.driving.driver import Driver


class Still(Analyser):
    """Finds half of the atoms fcc in every frame, and forces of 0."""

    model_name, phases, aliases = "still", ("disordered", "fcc"), {}

    def evaluate_frame(self, frame, **options):
        energy, slopes = options["energy"](np.array([0.5]))
        nothing = np.zeros((len(frame), 3))
        return Evaluation(np.array([0.5]), energy, nothing, np.zeros((3, 3)), 3.3, frame.step, 0.0, slopes)

    def close(self):
        pass

    _analyse = _evaluate = None


pause, folder = int(sys.argv[1]), Path(sys.argv[2])
hills = Metadynamics(fraction("fcc"), sigma=0.1, height=0.001, pace=1, bias_factor=None, hills=folder / "HILLS")
with Driver(hills, analyser=Still(), colvar=folder / "COLVAR") as driver:
    for step in range(41):
        driver.apply(make_frame(np.eye(3), step=step))
        if step == pause:
            print("waits", flush=True)
            sys.stdin.readline()
