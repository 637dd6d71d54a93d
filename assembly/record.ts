/**
 * Memory that the passes share: the scratch memory of a worker, and the record of each group of
 * four atoms (groupBytes of shape.ts). A record has what the backward pass needs again: the mixed
 * densities (invariants.ts), then f32 4 x V and 4 x H of the slopes of SiLU in the two layers of
 * network 1.
 */
import { ADDRESS_KEPT, ADDRESS_SCRATCH, COUNT_CHANNELS, COUNT_INNER } from "./abi";
import { count, region } from "./memory";
import { SCRATCH_BYTES, SCRATCH_GROUP } from "./scratch";
import { groupBytes, harmonicCount } from "./shape";

/** Scratch memory of a worker. */
// @ts-ignore: decorator
@inline
export function workerScratch(ctx: usize, worker: i32): usize {
  return region(ctx, ADDRESS_SCRATCH) + worker * SCRATCH_BYTES;
}

/**
 * Record of the group that begins with sorted atom `first`: kept between the passes, or in the
 * scratch memory.
 */
// @ts-ignore: decorator
@inline
export function groupRecord(ctx: usize, scratch: usize, first: i32): usize {
  const kept = region(ctx, ADDRESS_KEPT);
  return kept ? kept + <usize>(first >> 2) * <usize>groupBytes(ctx) : scratch + SCRATCH_GROUP;
}

/** Address, in a record, of the slopes of the first layer. */
// @ts-ignore: decorator
@inline
export function recordLayer0(ctx: usize, record: usize): usize {
  return record + (<usize>((harmonicCount(ctx) + 1) * count(ctx, COUNT_CHANNELS)) << 4);
}

/** Address, in a record, of the slopes of the second layer. */
// @ts-ignore: decorator
@inline
export function recordLayer1(ctx: usize, record: usize): usize {
  return recordLayer0(ctx, record) + (<usize>count(ctx, COUNT_INNER) << 4);
}
