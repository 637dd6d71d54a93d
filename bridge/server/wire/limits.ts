/** The limits that a server announces in its welcome. */
import { limits } from "../../../src/contract/limits.js";
import { codecLimits } from "./codec.js";
import type { Limits } from "./wire.js";

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
    monitorQueue: limits.server.monitorQueue,
    requestQueue: limits.server.requestQueue,
    maxVariables: limits.variables.most,
    maxDenoiseSteps: limits.denoising.mostSteps,
    maxObservables: limits.server.mostObservables,
  };
}
