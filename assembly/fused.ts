/**
 * Fused passes: in denoising the forward pass at a new place leaves the adjoints of network 2, too (forwardLogits). They count only while the loop asks for a
 * gradient, so that no seed of a host's is ever mistaken for them.
 */
import { COUNT_ADJOINTS_READY, COUNT_DENOISE_PHASE } from "./layout";
import { count } from "./memory";

/** The gradient of L is wanted where the atoms are (see denoise.ts). */
export const PHASE_SCORE: i32 = 2;

/** Whether the adjoints of network 2 stand there already. */
export function adjointsReady(ctx: usize): bool {
  return count(ctx, COUNT_ADJOINTS_READY) != 0 && count(ctx, COUNT_DENOISE_PHASE) == PHASE_SCORE;
}
