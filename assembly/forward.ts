/**
 * The forward pass: stages over ranges of sorted atoms, in order forwardDensity, forwardLogits, finishForward.
 * Four atoms at a time go through the networks; rows past the last atom hold leftovers that nothing reads.
 */
import { densityForward } from "./density";
import { invariantsForward, mixForward } from "./invariants";
import {
  ADDRESS_BIAS2_1,
  ADDRESS_FORWARD1_0,
  ADDRESS_FORWARD1_1,
  ADDRESS_FORWARD2_0,
  ADDRESS_FORWARD2_1,
  ADDRESS_HIDDEN,
  ADDRESS_MESSAGES,
  ADDRESS_MIXED,
  ADDRESS_NETWORK1_BIAS0,
  ADDRESS_NETWORK1_BIAS1,
  ADDRESS_NETWORK2_BIAS0,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_WEIGHT,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_SCRATCH,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_OUTER,
  HIDDEN,
  INVARIANTS,
  LAYER,
  paddedClasses,
  STATUS_OK,
} from "./layout";
import { at4, count, region } from "./memory";
import { gatherRows } from "./messages";
import { layerForward, siluForward } from "./network";
import { readOut, sumLogDensity } from "./readout";
import {
  SCRATCH_BYTES,
  SCRATCH_DENSITY,
  SCRATCH_EXPONENTIALS,
  SCRATCH_INVARIANTS,
  SCRATCH_LAYER0,
  SCRATCH_LAYER0_OUT,
  SCRATCH_LAYER1,
  SCRATCH_LOGITS,
  SCRATCH_MIXED,
  SCRATCH_OUTER,
} from "./scratch";

/** Bytes of A' and A[0] of one atom. */
export const MIXED_BYTES: i32 = 3200;

/** Scratch memory of a worker. */
// @ts-ignore: decorator
@inline
export function workerScratch(ctx: usize, worker: i32): usize {
  return region(ctx, ADDRESS_SCRATCH) + worker * SCRATCH_BYTES;
}

/** A' and A[0] of sorted atom s into `mixed`, from its pairs; their message weights into PAIR_WEIGHT. */
export function formMixed(ctx: usize, scratch: usize, mixed: usize, s: i32): void {
  const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
  const density = scratch + SCRATCH_DENSITY;
  densityForward(
    ctx,
    scratch,
    density,
    at4(region(ctx, ADDRESS_PAIR_WEIGHT), start),
    at4(region(ctx, ADDRESS_PAIR_X), start),
    at4(region(ctx, ADDRESS_PAIR_Y), start),
    at4(region(ctx, ADDRESS_PAIR_Z), start),
    at4(region(ctx, ADDRESS_PAIR_LINK), start),
    load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s)),
  );
  mixForward(ctx, mixed, density);
}

/** z of the first layer (SCRATCH_LAYER0), its silu (SCRATCH_LAYER0_OUT) and z of the second (SCRATCH_LAYER1) of four rows of invariants. */
export function network1(ctx: usize, scratch: usize): void {
  const z0 = scratch + SCRATCH_LAYER0;
  const a0 = scratch + SCRATCH_LAYER0_OUT;
  const bias0 = region(ctx, ADDRESS_NETWORK1_BIAS0);
  layerForward(z0, scratch + SCRATCH_INVARIANTS, region(ctx, ADDRESS_FORWARD1_0), bias0, LAYER, INVARIANTS);
  siluForward(a0, z0, 4 * LAYER);
  const bias1 = region(ctx, ADDRESS_NETWORK1_BIAS1);
  layerForward(scratch + SCRATCH_LAYER1, a0, region(ctx, ADDRESS_FORWARD1_1), bias1, HIDDEN, LAYER);
}

/** Radial functions, harmonics, densities, invariants and network 1 of the sorted atoms [begin, end). */
export function forwardDensity(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  const kept = region(ctx, ADDRESS_MIXED);
  const hidden = region(ctx, ADDRESS_HIDDEN);
  for (let first = begin; first < end; first += 4) {
    const until = min(first + 4, end);
    for (let s = first; s < until; ++s) {
      const mixed = kept ? kept + <usize>s * MIXED_BYTES : scratch + SCRATCH_MIXED;
      formMixed(ctx, scratch, mixed, s);
      invariantsForward(ctx, scratch + SCRATCH_INVARIANTS + (s - first) * (INVARIANTS * 4), mixed);
    }
    network1(ctx, scratch);
    siluForward(at4(hidden, first * HIDDEN), scratch + SCRATCH_LAYER1, 4 * HIDDEN);
  }
}

/** z of the first layer of network 2 (SCRATCH_OUTER) of four atoms from their hidden numbers and messages. */
export function network2(ctx: usize, scratch: usize, first: i32): void {
  const input = scratch + SCRATCH_LAYER1;
  const hidden = region(ctx, ADDRESS_HIDDEN);
  const messages = region(ctx, ADDRESS_MESSAGES);
  for (let row = 0; row < 4; ++row) {
    const to = input + (row << 8);
    memory.copy(to, at4(hidden, (first + row) * HIDDEN), HIDDEN * 4);
    memory.copy(to + HIDDEN * 4, at4(messages, (first + row) * HIDDEN), HIDDEN * 4);
  }
  const bias = region(ctx, ADDRESS_NETWORK2_BIAS0);
  layerForward(scratch + SCRATCH_OUTER, input, region(ctx, ADDRESS_FORWARD2_0), bias, count(ctx, COUNT_OUTER), LAYER);
}

/** Messages, network 2 and results of the sorted atoms [begin, end). */
export function forwardLogits(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  const hidden = region(ctx, ADDRESS_HIDDEN);
  const messages = region(ctx, ADDRESS_MESSAGES);
  const weights = region(ctx, ADDRESS_PAIR_WEIGHT);
  const links = region(ctx, ADDRESS_PAIR_LINK);
  const order = region(ctx, ADDRESS_ORDER);
  const classes = paddedClasses(count(ctx, COUNT_CLASSES));
  const outer = count(ctx, COUNT_OUTER);
  const a0 = scratch + SCRATCH_OUTER;
  const logits = scratch + SCRATCH_LOGITS;
  memory.fill(at4(messages, begin * HIDDEN), 0, <usize>(end - begin) * (HIDDEN * 4));
  for (let first = begin; first < end; first += 4) {
    const until = min(first + 4, end);
    for (let s = first; s < until; ++s) {
      const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
      const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
      gatherRows(at4(messages, s * HIDDEN), at4(weights, start), at4(links, start), length, hidden);
    }
    network2(ctx, scratch, first);
    siluForward(a0, a0, 4 * outer);
    layerForward(logits, a0, region(ctx, ADDRESS_FORWARD2_1), region(ctx, ADDRESS_BIAS2_1), classes, outer);
    for (let s = first; s < until; ++s) {
      const row = at4(logits, (s - first) * classes);
      readOut(ctx, load<i32>(at4(order, s)), row, scratch + SCRATCH_EXPONENTIALS);
    }
  }
}

/** Sums over all atoms, once every stage is done. */
export function finishForward(ctx: usize): void {
  sumLogDensity(ctx);
}

/** The whole forward pass on one thread. */
export function forward(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  forwardDensity(ctx, 0, 0, n);
  forwardLogits(ctx, 0, 0, n);
  finishForward(ctx);
  return STATUS_OK;
}
