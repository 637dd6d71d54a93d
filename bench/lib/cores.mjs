// Cores with one model, and the tasks that are timed.
import { PhaseCore } from "../../dist/src/core/index.js";

export const denoisingSteps = 8;

/** The timed tasks. Each takes the arrays of a frame, searches neighbours, and copies out labels or score. */
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

/** A core of the build that is used by default. The caller must dispose of it. */
export const openCore = (model, options) => PhaseCore.create(model, options);

/**
 * Cores of all builds that this machine can run, by build, the default first. The caller must dispose of
 * them.
 */
export async function openCores(model) {
  const usual = await openCore(model, { threads: 1 });
  const cores = { [usual.build]: usual };
  if (!("baseline" in cores))
    cores.baseline = await PhaseCore.create(model, { threads: 1, build: "baseline" });
  return cores;
}
