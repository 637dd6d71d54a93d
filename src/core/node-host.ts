/** Node as the environment of the core: files, worker threads, cores. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { PhasewireError } from "../errors/index.js";
import { packageRoot } from "../package.js";
import { type CoreBuild, validatesRelaxed } from "./build.js";
import { coresGiven } from "./cores.js";
import type { CoreHost, WorkerHandle, WorkerListener, WorkerMessage, WorkerStart } from "./host.js";

const files: Readonly<Record<CoreBuild, string>> = {
  baseline: "phasewire.wasm",
  relaxed: "phasewire-relaxed.wasm",
};

/** Node 20 has relaxed SIMD behind this flag. Later versions have it on, and no such flag. */
const relaxedFlag = "--experimental-wasm-relaxed-simd";
const isNode20 = process.versions.node.startsWith("20.");

const compiled = new Map<CoreBuild, Promise<WebAssembly.Module>>();

export const nodeHost: CoreHost = {
  compile: coreModule,
  acceptsRelaxed,
  cores: coresGiven,
  freeMemory: () => Math.min(freemem(), process.availableMemory?.() ?? Number.POSITIVE_INFINITY),
  nextTurn,
  startWorker,
};

/**
 * The compiled core, read once per build.
 *
 * @throws PhasewireError `INTERNAL` if the package was not built
 */
export function coreModule(build: CoreBuild): Promise<WebAssembly.Module> {
  const known = compiled.get(build);
  if (known !== undefined) return known;
  const module = compileCore(build);
  compiled.set(build, module);
  return module;
}

/**
 * The same synchronously, for callers that cannot wait. The module is not cached: callers keep their
 * instances.
 *
 * @throws PhasewireError `INTERNAL` if the package was not built
 */
export function coreModuleNow(build: CoreBuild): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(fileOf(build)));
  } catch (cause) {
    throw unreadable(build, cause);
  }
}

async function compileCore(build: CoreBuild): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await readFile(fileOf(build)));
  } catch (cause) {
    compiled.delete(build);
    throw unreadable(build, cause);
  }
}

function fileOf(build: CoreBuild): string {
  return join(packageRoot(), "build", files[build]);
}

function unreadable(build: CoreBuild, cause: unknown): PhasewireError {
  return new PhasewireError("INTERNAL", {
    message: `the compiled core ${fileOf(build)} cannot be read`,
    field: files[build],
    remedy: "Run npm run build.",
    cause,
  });
}

/**
 * Whether relaxed SIMD is available; switches it on if that takes a flag. The flag applies to the process,
 * worker threads included.
 */
function acceptsRelaxed(): boolean {
  if (validatesRelaxed()) return true;
  if (!isNode20) return false;
  setFlagsFromString(relaxedFlag);
  return validatesRelaxed();
}

function startWorker(start: WorkerStart, listener: WorkerListener): WorkerHandle {
  const thread = new Worker(new URL("./worker.js", import.meta.url), { workerData: start });
  thread.on("message", (message: WorkerMessage) => listener.message(message));
  thread.on("error", (error) => listener.failed(`a worker thread failed: ${error.message}`, error));
  thread.on("exit", () => listener.failed("a worker thread ended unexpectedly"));
  thread.unref();
  return {
    keepAlive: (wanted) => (wanted ? thread.ref() : thread.unref()),
    terminate: () => thread.terminate(),
  };
}
