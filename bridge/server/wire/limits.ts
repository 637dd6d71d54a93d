/** The limits that a server announces in its welcome. */

import { mostVariables } from "../../../src/variables/index.js";
import { codecLimits } from "./codec.js";
import type { Limits } from "./wire.js";

/** Default limit of a server on the atoms of a frame. */
export const defaultMaxAtoms = 1_000_000;

/**
 * The limits of a server that accepts frames of up to `maxAtoms` atoms. A part can be twice as long as the
 * largest array of such a frame, so that a client slightly above the limit still gets an error. Above that,
 * ZeroMQ closes the connection.
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
