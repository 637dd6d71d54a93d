/** Room for a seed in double precision between two passes. */
import type { EvaluatedFrame } from "./types.js";

const pairBytes = 16;
const numberBytes = 8;

/**
 * The address of room for the f64 seed of a frame that takes no extra memory: in the gradients of the pairs,
 * which are unused until a backward pass has read the seed.
 *
 * @param numbers N x C
 * @returns null if it is too small
 */
export function roomForSeed({ context, hasGradients }: EvaluatedFrame, numbers: number): number | null {
  const isRoom = hasGradients && pairBytes * context.count("PAIR_CAPACITY") >= numberBytes * numbers;
  return isRoom ? context.region("PAIR_GRADIENT") : null;
}
