/**
 * What the core needs of the place it runs in: compiled code, cores and threads. Node's is in node-host.ts (and cores.ts);
 * phase-core.ts and what it imports know nothing of Node, so that a browser's page can bring its own.
 */
import type { CoreBuild } from "./build.js";

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The control block, see control.js. */
  readonly control: Int32Array;
  /** Number of this worker, from 0. */
  readonly worker: number;
  /** All stages, in the order that jobs count them in. */
  readonly stageNames: readonly string[];
}

/** What a worker says: a job is done, or it cannot go on. */
export type WorkerMessage = { readonly finished: number } | { readonly failed: string };

/** Where a worker's messages and its end are told. */
export interface WorkerListener {
  message(message: WorkerMessage): void;
  /** The thread failed or ended. */
  failed(reason: string, cause?: unknown): void;
}

/** A running worker thread. */
export interface WorkerHandle {
  /** Whether the thread keeps the process alive, where there is such a thing. */
  keepAlive(wanted: boolean): void;
  /** Ends the thread, which is told to the listener as a failure. */
  terminate(): Promise<unknown>;
}

/** The place the core runs in. */
export interface CoreHost {
  /**
   * The compiled core, read once a build.
   *
   * @throws PhasewireError `INTERNAL` if the package was not built
   */
  compile(build: CoreBuild): Promise<WebAssembly.Module>;
  /** Whether relaxed SIMD can be had. */
  acceptsRelaxed(): boolean;
  /** Cores that this process may use, at least 1. */
  cores(): number;
  /** Bytes of memory that this process may still take. */
  freeMemory(): number;
  /** Starts a thread that runs worker-loop.js. */
  startWorker(start: WorkerStart, listener: WorkerListener): WorkerHandle;
}
