/** Where the denoising loop stands (see denoise.ts), as far as the passes themselves must know. */
import { COUNT_ADJOINTS_READY, COUNT_DENOISE_PHASE } from "./abi";
import { count } from "./memory";

/** The frame given was loaded and evaluated. */
export const PHASE_BEGIN: i32 = 0;
/** A step was made, the new place loaded and evaluated. */
export const PHASE_TRIAL: i32 = 1;
/** The gradient of L was formed where the atoms are. */
export const PHASE_SCORE: i32 = 2;
/** The last step was taken back, the place before it loaded and evaluated. */
export const PHASE_RETURN: i32 = 3;
export const PHASE_DONE: i32 = 4;

/**
 * Whether the adjoints of network 2 stand there already: the forward pass at a new place leaves them (forwardLogits). They count only while the loop asks
 * for a gradient, so that no seed of a host's is ever mistaken for them.
 */
export function adjointsReady(ctx: usize): bool {
  return count(ctx, COUNT_ADJOINTS_READY) != 0 && count(ctx, COUNT_DENOISE_PHASE) == PHASE_SCORE;
}
