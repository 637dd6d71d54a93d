/** Traces that one frame leaves to the next, and how to drop them. */
import {
  COUNT_ABORT,
  COUNT_ADJOINTS_READY,
  COUNT_DENOISE_PHASE,
  COUNT_FUSED,
  COUNT_LIST_REUSED,
  COUNT_LIST_STATE,
  COUNT_REVERSE_READY,
} from "./abi";
import { LISTS_NONE } from "./lists";
import { PHASE_DONE } from "./phases";

/**
 * Drops the neighbour lists, the state of passes and of denoising, and an abort. The next load
 * gives the bits of a core that has seen no other frame, whichever call failed, and however far it
 * was.
 */
export function forgetFrames(ctx: usize): void {
  atomic.store<i32>(ctx + COUNT_ABORT, 0);
  store<i32>(ctx + COUNT_LIST_STATE, LISTS_NONE);
  store<i32>(ctx + COUNT_LIST_REUSED, 0);
  store<i32>(ctx + COUNT_REVERSE_READY, 0);
  store<i32>(ctx + COUNT_ADJOINTS_READY, 0);
  store<i32>(ctx + COUNT_FUSED, 0);
  store<i32>(ctx + COUNT_DENOISE_PHASE, PHASE_DONE);
}
