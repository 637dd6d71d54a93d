/**
 * The environment of the core: compiled code, cores and threads. Node's is in node-host.ts (and cores.ts);
 * phase-core.ts and its imports do not depend on Node, so a browser's page can provide its own.
 */
import type { CoreBuild } from "./build.js";

/** Input of a new worker thread. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The control block, see control.js. */
  readonly control: Int32Array;
  /** Number of this worker, from 0. */
  readonly worker: number;
  /** All stages, in the order in which jobs count them. */
  readonly stageNames: readonly string[];
}

/** Message of a worker: a job is done, or the worker cannot continue. */
export type WorkerMessage = { readonly finished: number } | { readonly failed: string };

/** Receives the messages and the end of a worker. */
export interface WorkerListener {
  message(message: WorkerMessage): void;
  /** The thread failed or ended. */
  failed(reason: string, cause?: unknown): void;
}

/** A running worker thread. */
export interface WorkerHandle {
  /** Sets whether the thread keeps the process alive, if the host has this. */
  keepAlive(wanted: boolean): void;
  /** Ends the thread; the listener receives this as a failure. */
  terminate(): Promise<unknown>;
}

/** The environment of the core. */
export interface CoreHost {
  /**
   * The compiled core, read once per build.
   *
   * @throws PhasewireError `INTERNAL` if the package was not built
   */
  compile(build: CoreBuild): Promise<WebAssembly.Module>;
  /** Whether relaxed SIMD is available. */
  acceptsRelaxed(): boolean;
  /** Cores that this process may use, at least 1. */
  cores(): number;
  /** Bytes of memory that this process can still allocate. */
  freeMemory(): number;
  /** Lets the event loop turn once: timers, messages and input. */
  nextTurn(): Promise<void>;
  /** Starts a thread that runs worker-loop.js. */
  startWorker(start: WorkerStart, listener: WorkerListener): WorkerHandle;
}
