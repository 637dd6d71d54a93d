// @ts-check
/**
 * The loop of a worker thread of the core. It sleeps on the control block until a job is posted there, runs
 * the job's stages on the shared memory together with the other workers that take part, and goes back to
 * sleep. The last worker to finish a job sends a message; so does a worker with a fault. This is plain
 * JavaScript, because the entry of a worker must load unchanged from the sources and from the build.
 */
import { instantiateSync } from "@assemblyscript/loader";
import { slots } from "./control.js";

/** @typedef {import("./exports.js").CoreExports} CoreExports */

/** Name of the stage that evaluates whole frames, each on one thread. */
export const wholeFrames = "wholeFrames";

/**
 * Runs jobs until the thread ends.
 *
 * @param {import("./host.js").WorkerStart} start
 * @param {(message: import("./host.js").WorkerMessage) => void} post sends a message to the host
 */
export function workOffJobs({ module, memory, control, worker, stageNames }, post) {
  /** @type {unknown} */
  const exported = instantiateSync(module, { env: { memory } }).exports;
  const core = /** @type {CoreExports} */ (exported);
  const own = slots.job + worker;
  let job = 0;
  for (;;) {
    while (Atomics.load(control, own) === job) Atomics.wait(control, own, job);
    job = Atomics.load(control, own);
    try {
      const workers = Atomics.load(control, slots.participants);
      runStages(core, control, worker, workers, stageNames);
      if (Atomics.add(control, slots.finished, 1) + 1 === workers) post({ finished: job });
    } catch (error) {
      post({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      return;
    }
  }
}

/**
 * @param {CoreExports} core
 * @param {Int32Array} control
 * @param {number} worker
 * @param {number} workers that take part
 * @param {readonly string[]} stageNames
 */
function runStages(core, control, worker, workers, stageNames) {
  const first = Atomics.load(control, slots.firstStage);
  const stageCount = Atomics.load(control, slots.stageCount);
  const context = Atomics.load(control, slots.context);
  const atomCount = Atomics.load(control, slots.atomCount);
  const chunk = Atomics.load(control, slots.chunk);
  for (let index = 0; index < stageCount; index++) {
    const name = stageNames[first + index];
    const stage =
      name === wholeFrames
        ? frameStage(core, control)
        : core[/** @type {import("./exports.js").StageName} */ (name)];
    if (stage === undefined) throw new Error(`the core has no stage ${name}`);
    // Workers take the next chunk as they become free, so a busy core delays no other.
    for (;;) {
      const begin = Atomics.add(control, slots.next + index, chunk);
      if (begin >= atomCount) break;
      stage(context, worker, begin, Math.min(begin + chunk, atomCount));
    }
    meet(control, workers);
  }
}

/**
 * The stage that loads and evaluates whole frames: those of the control block from `begin` to `end`.
 *
 * @param {CoreExports} core
 * @param {Int32Array} control
 */
function frameStage(core, control) {
  /** @type {(context: number, worker: number, begin: number, end: number) => void} */
  return (_context, _worker, begin, end) => {
    for (let frame = begin; frame < end; frame++) {
      const entry = slots.frames + 2 * frame;
      const status = evaluateFrame(core, Atomics.load(control, entry));
      Atomics.store(control, entry + 1, status);
    }
  };
}

/**
 * Loads and evaluates the frame of a context on this thread; returns the first status that is not 0,
 * STATUS_OK.
 *
 * @param {Pick<CoreExports, "loadFrame" | "forward">} core
 * @param {number} context
 */
export function evaluateFrame(core, context) {
  return core.loadFrame(context) || core.forward(context);
}

/**
 * Waits until all workers of the job have arrived.
 *
 * @param {Int32Array} control
 * @param {number} workers
 */
function meet(control, workers) {
  const round = Atomics.load(control, slots.round);
  if (Atomics.add(control, slots.arrived, 1) + 1 === workers) {
    Atomics.store(control, slots.arrived, 0);
    Atomics.add(control, slots.round, 1);
    Atomics.notify(control, slots.round);
    return;
  }
  while (Atomics.load(control, slots.round) === round) Atomics.wait(control, slots.round, round);
}
