/**
 * Priority of a server: it yields to other programs on its machine, above all to the simulation that it
 * watches.
 */
import os from "node:os";
import { limits } from "../../src/contract/limits.js";
import { PhasewireError } from "../../src/errors/index.js";
import type { Logger } from "./log.js";

/** Default niceness of a server: next to a simulation on the same core it gets a tenth of the time. */
export const defaultNiceness: number = limits.server.niceness;

/** Lowest priority that every system has. */
const mostNiceness = 19;

/**
 * A niceness from the command line.
 *
 * @throws PhasewireError `BAD_OPTION`
 */
export function parseNiceness(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= mostNiceness) return value;
  throw new PhasewireError("BAD_OPTION", {
    field: "nice",
    value: text,
    message: `--nice is ${JSON.stringify(text)}; a whole number from 0 (as important as other programs) to ${mostNiceness} is needed`,
  });
}

/**
 * Makes this thread, and all threads that it starts from now on (on most systems the whole process), yield to
 * others. The priority is never raised.
 */
export function yieldToOthers(niceness: number, logger: Logger): void {
  try {
    if (niceness > os.getPriority()) os.setPriority(niceness);
  } catch (error) {
    logger.warn("the priority stays as it is", { niceness, reason: String(error) });
  }
}
