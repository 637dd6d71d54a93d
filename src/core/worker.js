// @ts-check
/**
 * A worker thread of the core. It sleeps on `control` until a job is posted there, runs its stages together with the other workers on the shared memory, and
 * goes back to sleep. The last worker to finish a job says so by a message; a fault is a message too. Plain JavaScript, because a worker's
 * entry must load as it is, from the sources and from the build alike.
 */
import { parentPort, workerData } from "node:worker_threads";
import { instantiateSync } from "@assemblyscript/loader";
import { slots } from "./control.js";

/** @type {{ module: WebAssembly.Module, memory: WebAssembly.Memory, control: Int32Array, worker: number, workers: number }} */
const { module, memory, control, worker, workers } = workerData;
const core = /** @type {Record<string, (...numbers: number[]) => void>} */ (
  instantiateSync(module, { env: { memory } }).exports
);

/** Waits until all workers are here. */
function meet() {
  const round = Atomics.load(control, slots.round);
  if (Atomics.add(control, slots.arrived, 1) + 1 === workers) {
    Atomics.store(control, slots.arrived, 0);
    Atomics.add(control, slots.round, 1);
    Atomics.notify(control, slots.round);
    return;
  }
  while (Atomics.load(control, slots.round) === round) Atomics.wait(control, slots.round, round);
}

/** @param {readonly string[]} stageNames */
function run(stageNames) {
  const first = Atomics.load(control, slots.firstStage);
  const stageCount = Atomics.load(control, slots.stageCount);
  const context = Atomics.load(control, slots.context);
  const atomCount = Atomics.load(control, slots.atomCount);
  const chunk = Atomics.load(control, slots.chunk);
  for (let index = 0; index < stageCount; index++) {
    const stage = core[/** @type {string} */ (stageNames[first + index])];
    if (stage === undefined) throw new Error(`the core has no stage ${stageNames[first + index]}`);
    // Workers take the next chunk as they become free, so a busy core holds nobody up.
    for (;;) {
      const begin = Atomics.add(control, slots.next + index, chunk);
      if (begin >= atomCount) break;
      stage(context, worker, begin, Math.min(begin + chunk, atomCount));
    }
    meet();
  }
}

let job = 0;
for (;;) {
  while (Atomics.load(control, slots.job) === job) Atomics.wait(control, slots.job, job);
  job = Atomics.load(control, slots.job);
  try {
    run(workerData.stageNames);
    if (Atomics.add(control, slots.finished, 1) + 1 === workers) parentPort?.postMessage({ finished: job });
  } catch (error) {
    parentPort?.postMessage({
      failed: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    break;
  }
}
