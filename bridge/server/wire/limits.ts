/** The limits that a server announces in its welcome. */
import { limits } from "../../../src/contract/limits.js";
import { codecLimits } from "./codec.js";
import type { Limits } from "./wire.js";

/**
 * The limits of a server that accepts frames of up to `maxAtoms` atoms and, of a model with `classCount`
 * classes, their seeds in double precision. A part can be twice as long as the positions of such a frame, so
 * that a client slightly above the limit still gets an error.
 *
 * @param mostBytes that the arrays of a client may have
 */
export function serverLimits(maxAtoms: number, classCount = 0, mostBytes = Number.POSITIVE_INFINITY): Limits {
  const bytesPerPosition = 24;
  const bytesPerSeed = 8 * classCount;
  return {
    maxAtoms,
    ...codecLimits,
    maxFrameBytes: Math.min(
      Math.max(1 << 20, 2 * bytesPerPosition * maxAtoms, bytesPerSeed * maxAtoms),
      mostBytes,
    ),
    monitorQueue: limits.server.monitorQueue,
    requestQueue: limits.server.requestQueue,
    maxVariables: limits.variables.most,
    maxDenoiseSteps: limits.denoising.mostSteps,
    maxObservables: limits.server.mostObservables,
  };
}
