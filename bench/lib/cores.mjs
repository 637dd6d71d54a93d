// Cores with one model, and what is asked of them.
import { PhaseCore } from "../../dist/src/core/index.js";

export const denoisingSteps = 8;

/** What is timed: each takes a frame's arrays and ends with what was asked for copied out: labels or score. Neighbour search included. */
export const tasks = {
  async forward(core, frame) {
    core.load(frame, { gradients: false, perClass: false });
    const { labels } = await core.forward({ arrays: "views" });
    return labels.slice();
  },
  async gradient(core, frame) {
    core.load(frame);
    return core.score();
  },
  async denoise(core, frame) {
    core.load(frame);
    const { labels } = await core.denoise({ steps: denoisingSteps, arrays: "views" });
    return labels.slice();
  },
};

/** A core of the build that the product takes by default. Dispose of it. */
export const openCore = (model, options) => PhaseCore.create(model, options);

/** A core of each build that this machine can run, by the name of the build; the default comes first. Dispose of them all. */
export async function openCores(model) {
  const usual = await openCore(model, { threads: 1 });
  const cores = { [usual.build]: usual };
  if (!("baseline" in cores))
    cores.baseline = await PhaseCore.create(model, { threads: 1, build: "baseline" });
  return cores;
}
