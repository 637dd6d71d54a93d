/** Loads a frame on one thread: checks, sorted atoms, neighbours. */
import { COUNT_ATOMS, STATUS_OK } from "./abi";
import { binAtoms } from "./bin";
import { count } from "./memory";
import { findPairs, finishPairs } from "./neighbours";

export function loadFrame(ctx: usize): i32 {
  const status = binAtoms(ctx);
  if (status != STATUS_OK) return status;
  findPairs(ctx, 0, 0, count(ctx, COUNT_ATOMS));
  return finishPairs(ctx);
}
