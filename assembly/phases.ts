/** The phase of the denoising loop (see denoise.ts), as far as the passes depend on it. */
import { COUNT_ADJOINTS_READY, COUNT_DENOISE_PHASE } from "./abi";
import { count } from "./memory";

/** The given frame was loaded and evaluated. */
export const PHASE_BEGIN: i32 = 0;
/** A step was made, the new place loaded and evaluated. */
export const PHASE_TRIAL: i32 = 1;
/** The gradient of L at the current place was computed. */
export const PHASE_SCORE: i32 = 2;
/** The last step was taken back, the place before it loaded and evaluated. */
export const PHASE_RETURN: i32 = 3;
export const PHASE_DONE: i32 = 4;

/**
 * Whether the forward pass at a new place has already left the adjoints of network 2
 * (forwardLogits). They count only while the loop requests a gradient, so that a seed from a host
 * is never mistaken for them.
 */
export function adjointsReady(ctx: usize): bool {
  return count(ctx, COUNT_ADJOINTS_READY) != 0 && count(ctx, COUNT_DENOISE_PHASE) == PHASE_SCORE;
}
