/** The limits that a server announces in its welcome. */

import { mostVariables } from "../../../src/variables/index.js";
import { codecLimits } from "./codec.js";
import type { Limits } from "./wire.js";

/** Atoms that a server takes unless told otherwise. */
export const defaultMaxAtoms = 1_000_000;

/**
 * The limits of a server that takes frames of up to `maxAtoms` atoms. One part may be twice as long as the largest array of such a frame,
 * so that a client that is a little over the limit still gets an error to read, where ZeroMQ itself would just close the connection.
 */
export function serverLimits(maxAtoms: number): Limits {
  const bytesPerPosition = 24;
  return {
    maxAtoms,
    ...codecLimits,
    maxFrameBytes: Math.max(1 << 20, 2 * bytesPerPosition * maxAtoms),
    monitorQueue: 2,
    requestQueue: 8,
    maxVariables: mostVariables,
    maxDenoiseSteps: 64,
    maxObservables: 32,
  };
}
