/** A core without a model or workers, for the variables of logits that the host has. */
import { CoreContext } from "./context.js";
import { createMemory, instantiateCore } from "./instance.js";
import { coreModuleNow } from "./node-host.js";

/**
 * Compiles and instantiates the core synchronously, on its own memory.
 *
 * @returns a context of variables at the first free address
 * @throws PhasewireError `INTERNAL` if the package was not built
 */
export function coreAlone(): CoreContext {
  const memory = createMemory();
  const core = instantiateCore(coreModuleNow("baseline"), memory);
  return new CoreContext(core, memory, core.heapBase(), core.VARIABLES_CONTEXT_BYTES.value);
}
