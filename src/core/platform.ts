/** What the host needs of Node beside worker threads: the compiled core's file and the number of cores. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { PhasewireError } from "../errors/index.js";
import { packageRoot } from "../package.js";

/** More threads than this are used only if asked for. */
const mostDefaultThreads = 16;

let compiled: Promise<WebAssembly.Module> | null = null;

/**
 * The compiled core, read once.
 *
 * @throws PhasewireError `INTERNAL` if the package was not built
 */
export function coreModule(): Promise<WebAssembly.Module> {
  compiled ??= compileCore();
  return compiled;
}

async function compileCore(): Promise<WebAssembly.Module> {
  const file = join(packageRoot(), "build", "phasewire.wasm");
  try {
    return await WebAssembly.compile(await readFile(file));
  } catch (cause) {
    compiled = null;
    throw new PhasewireError("INTERNAL", {
      message: `the compiled core ${file} cannot be read`,
      field: "phasewire.wasm",
      remedy: "Run npm run build.",
      cause,
    });
  }
}

/** One fewer than the cores, at least 1, at most 16. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(mostDefaultThreads, availableParallelism() - 1));
}
