/** Instantiation of the compiled core. Only this file uses the AssemblyScript loader. */
import { instantiateSync } from "@assemblyscript/loader";
import { limits } from "../contract/limits.js";
import { PhasewireError } from "../errors/index.js";
import type { CoreExports } from "./exports.js";

/** A 32-bit memory has at most this many pages of 64 KiB. */
const mostPages = 65536;

/** The shared memory of the core's instances; it grows as frames need it. */
export function createMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 1, maximum: mostPages, shared: true });
}

/**
 * Instantiates the core on a memory.
 *
 * @throws PhasewireError `INTERNAL` if the file has another version of the binary interface
 */
export function instantiateCore(module: WebAssembly.Module, memory: WebAssembly.Memory): CoreExports {
  const { instance } = instantiateSync(module, { env: { memory } });
  const core = instance.exports as unknown as CoreExports;
  const found = core.ABI_VERSION?.value;
  const { abiVersion } = limits.core;
  if (found !== abiVersion) {
    throw new PhasewireError("INTERNAL", {
      message: `the compiled core has binary interface ${found}, but this host needs ${abiVersion}`,
      field: "phasewire.wasm",
      value: found,
      remedy: "Build the core and the library from the same sources: npm run build.",
    });
  }
  return core;
}
