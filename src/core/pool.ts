/**
 * Worker threads over one shared memory. This file alone in src/core needs Node's worker_threads.
 *
 * One job at a time: a run of consecutive stages over all atoms, with a barrier after each. Idle workers sleep and do not keep the process alive.
 */
import { Worker } from "node:worker_threads";
import { PhasewireError } from "../errors/index.js";
import { slots } from "./control.js";
import type { StageName } from "./exports.js";

/** All stages in the order of the calls; a job is a run of this list. */
const stageNames: readonly StageName[] = [
  "findPairs",
  "forwardDensity",
  "forwardLogits",
  "backwardLogits",
  "backwardDensity",
  "gatherGradient",
];

/** Chunks an average worker gets of a stage: enough to even out busy cores, few enough to cost nothing. */
const chunksPerWorker = 8;

/** What a worker says: a job is done, or it cannot go on. */
type WorkerMessage = { readonly finished: number } | { readonly failed: string };

interface Job {
  resolve(): void;
  reject(error: PhasewireError): void;
}

/** Workers that share the stages of the core. After a fault every call is refused with the same error. */
export class WorkerPool {
  private readonly workers: readonly Worker[];
  private readonly control: Int32Array;
  private job: Job | null = null;
  private fault: PhasewireError | null = null;

  constructor(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    private readonly count: number,
  ) {
    this.control = new Int32Array(new SharedArrayBuffer(4 * slots.length));
    this.workers = Array.from({ length: count }, (_, worker) => {
      const thread = new Worker(new URL("./worker.js", import.meta.url), {
        workerData: { module, memory, control: this.control, worker, workers: count, stageNames },
      });
      thread.on("message", (message: WorkerMessage) => this.receive(message));
      thread.on("error", (error) => this.fail(`a worker thread failed: ${error.message}`, error));
      thread.on("exit", () => this.fail("a worker thread ended unexpectedly"));
      thread.unref();
      return thread;
    });
  }

  /**
   * Runs the stages from `first` to `last` over all atoms.
   *
   * @param block the core's BLOCK: chunks are multiples of it
   * @throws PhasewireError `INTERNAL` (rejection) if a worker trapped or died, now or before
   */
  run(first: StageName, last: StageName, context: number, atomCount: number, block: number): Promise<void> {
    const { control } = this;
    if (this.fault !== null) return Promise.reject(this.fault);
    const begin = stageNames.indexOf(first);
    const chunk = Math.ceil(atomCount / (this.count * chunksPerWorker) / block) * block;
    return new Promise<void>((resolve, reject) => {
      this.job = { resolve, reject };
      Atomics.store(control, slots.firstStage, begin);
      Atomics.store(control, slots.stageCount, stageNames.indexOf(last) - begin + 1);
      Atomics.store(control, slots.context, context);
      Atomics.store(control, slots.atomCount, atomCount);
      Atomics.store(control, slots.chunk, chunk);
      Atomics.store(control, slots.finished, 0);
      for (let stage = 0; stage < stageNames.length; stage++) Atomics.store(control, slots.next + stage, 0);
      // Workers at work keep the process alive, sleeping ones do not.
      for (const worker of this.workers) worker.ref();
      Atomics.add(control, slots.job, 1);
      Atomics.notify(control, slots.job);
    });
  }

  /** Ends the workers, a job under way included (it is rejected). */
  async dispose(): Promise<void> {
    this.fail("the core was disposed of");
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private receive(message: WorkerMessage): void {
    if ("failed" in message) {
      this.fail(`the core failed in a worker thread: ${message.failed}`);
      return;
    }
    for (const worker of this.workers) worker.unref();
    const { job } = this;
    this.job = null;
    job?.resolve();
  }

  /** Refuses the job under way and all to come; the other workers may be waiting for the lost one, so all are ended. */
  private fail(message: string, cause?: unknown): void {
    if (this.fault !== null) return;
    this.fault = new PhasewireError("INTERNAL", { message, cause });
    const { job } = this;
    this.job = null;
    job?.reject(this.fault);
    for (const worker of this.workers) void worker.terminate();
  }
}
