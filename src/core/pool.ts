/**
 * Worker threads over one shared memory.
 *
 * The pool runs one job at a time: consecutive stages over all atoms, with a barrier after each. Idle workers
 * sleep and do not keep the process alive.
 */
import { PhasewireError } from "../errors/index.js";
import { controlLength, mostFrames, slots } from "./control.js";
import type { StageName } from "./exports.js";
import type { CoreHost, WorkerHandle, WorkerMessage } from "./host.js";
import { wholeFrames } from "./worker-loop.js";

/** All stages in the order of the calls; a job is a run of this list. */
const stageNames: readonly (StageName | typeof wholeFrames)[] = [
  "findPairs",
  "forwardDensity",
  "forwardLogits",
  "backwardLogits",
  "backwardDensity",
  "gatherGradient",
  wholeFrames,
];

/** The stages from one to another. */
export function stagesFrom(first: StageName, last: StageName): readonly StageName[] {
  return stageNames.slice(stageNames.indexOf(first), stageNames.indexOf(last) + 1) as StageName[];
}

/**
 * Mean number of chunks per worker and stage: enough to even out busy cores, and few enough to cost nothing.
 */
const chunksPerWorker = 32;

/** Largest number of frames that `evaluateFrames` takes at once. */
export const mostFramesOfAJob = mostFrames;

interface Job {
  resolve(): void;
  reject(error: PhasewireError): void;
}

/** A run of stages over the atoms of a context. */
export interface StageRun {
  readonly first: (typeof stageNames)[number];
  readonly last: (typeof stageNames)[number];
  /** Address of the core's context. */
  readonly context: number;
  readonly atomCount: number;
  /** The core's BLOCK: chunks are multiples of it. */
  readonly block: number;
  /** Workers that share it, at most those of the pool. */
  readonly workers: number;
}

/** Workers that share the stages of the core. After a fault every call is refused with the same error. */
export class WorkerPool {
  private readonly workers: readonly WorkerHandle[];
  private readonly control: Int32Array;
  private job: Job | null = null;
  private fault: PhasewireError | null = null;

  constructor(host: CoreHost, module: WebAssembly.Module, memory: WebAssembly.Memory, count: number) {
    this.control = new Int32Array(new SharedArrayBuffer(4 * controlLength(count)));
    const listener = {
      message: (message: WorkerMessage) => this.receive(message),
      failed: (reason: string, cause?: unknown) => this.fail(reason, cause),
    };
    this.workers = Array.from({ length: count }, (_, worker) =>
      host.startWorker({ module, memory, control: this.control, worker, stageNames }, listener),
    );
  }

  /** @throws PhasewireError `INTERNAL` (rejection) if a worker trapped or died, now or earlier */
  run({ first, last, context, atomCount, block, workers }: StageRun): Promise<void> {
    const { control } = this;
    if (this.fault !== null) return Promise.reject(this.fault);
    const begin = stageNames.indexOf(first);
    const chunk = Math.ceil(atomCount / (workers * chunksPerWorker) / block) * block;
    return new Promise<void>((resolve, reject) => {
      this.job = { resolve, reject };
      Atomics.store(control, slots.firstStage, begin);
      Atomics.store(control, slots.stageCount, stageNames.indexOf(last) - begin + 1);
      Atomics.store(control, slots.context, context);
      Atomics.store(control, slots.atomCount, atomCount);
      Atomics.store(control, slots.chunk, chunk);
      Atomics.store(control, slots.participants, workers);
      Atomics.store(control, slots.finished, 0);
      for (let stage = 0; stage < stageNames.length; stage++) Atomics.store(control, slots.next + stage, 0);
      for (let worker = 0; worker < workers; worker++) {
        // Busy workers keep the process alive, sleeping ones do not.
        this.workers[worker]!.keepAlive(true);
        Atomics.add(control, slots.job + worker, 1);
        Atomics.notify(control, slots.job + worker);
      }
    });
  }

  /**
   * Loads and evaluates whole frames, each on one of the workers.
   *
   * @param contexts addresses of at most `mostFramesOfAJob` contexts
   * @returns the status of each
   * @throws PhasewireError `INTERNAL` (rejection) if a worker trapped or died, now or before
   */
  async evaluateFrames(contexts: readonly number[]): Promise<number[]> {
    const { control } = this;
    for (const [frame, context] of contexts.entries()) {
      Atomics.store(control, slots.frames + 2 * frame, context);
    }
    const workers = Math.min(this.workers.length, contexts.length);
    const job = { first: wholeFrames, last: wholeFrames, context: 0, block: 1 } as const;
    await this.run({ ...job, atomCount: contexts.length, workers });
    return contexts.map((_, frame) => Atomics.load(control, slots.frames + 2 * frame + 1));
  }

  /** Ends the workers. A running job is rejected. */
  async dispose(): Promise<void> {
    this.fail("the core was disposed of");
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private receive(message: WorkerMessage): void {
    if ("failed" in message) {
      this.fail(`the core failed in a worker thread: ${message.failed}`);
      return;
    }
    for (const worker of this.workers) worker.keepAlive(false);
    const { job } = this;
    this.job = null;
    job?.resolve();
  }

  /**
   * Refuses the current job and all later ones. The other workers may be waiting for the lost one, so all are
   * ended.
   */
  private fail(message: string, cause?: unknown): void {
    if (this.fault !== null) return;
    this.fault = new PhasewireError("INTERNAL", { message, cause });
    const { job } = this;
    this.job = null;
    job?.reject(this.fault);
    for (const worker of this.workers) void worker.terminate();
  }
}
