/**
 * The forward pass: stages over ranges of sorted atoms, in order forwardDensity, forwardLogits, finishForward.
 * Atoms go through it in groups of four; what stands for atoms past the last one is leftovers that nothing reads.
 *
 * A group's record (groupBytes of layout.ts) holds what the backward pass needs again: its mixed densities (invariants.ts), then f32 4 x V and
 * 4 x H of the slopes of SiLU in the two layers of network 1.
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
  ADDRESS_KEPT,
  ADDRESS_MESSAGES,
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
  COUNT_ADJOINTS_READY,
  COUNT_ATOMS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_INNER,
  COUNT_MESSAGE,
  COUNT_OUTER,
  groupBytes,
  harmonicCount,
  invariantCount,
  paddedClasses,
  STATUS_OK,
} from "./layout";
import { at4, copyVectors, count, region } from "./memory";
import { gatherRows } from "./messages";
import { layerForward, siluForward } from "./network";
import { readOut, sumLogDensity } from "./readout";
import {
  SCRATCH_BYTES,
  SCRATCH_DENSITY,
  SCRATCH_EXPONENTIALS,
  SCRATCH_GROUP,
  SCRATCH_INPUT,
  SCRATCH_INVARIANTS,
  SCRATCH_LAYER0,
  SCRATCH_LOGITS,
  SCRATCH_OUTER,
  SCRATCH_OUTER_OUT,
} from "./scratch";

/** Scratch memory of a worker. */
// @ts-ignore: decorator
@inline
export function workerScratch(ctx: usize, worker: i32): usize {
  return region(ctx, ADDRESS_SCRATCH) + worker * SCRATCH_BYTES;
}

/** Record of the group that begins with sorted atom `first`: kept from pass to pass, or in the scratch memory. */
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

/** The record of the sorted atoms [first, until), at most four, from their pairs; their message weights into PAIR_WEIGHT, their hidden numbers into HIDDEN. */
export function formRecord(ctx: usize, scratch: usize, record: usize, first: i32, until: i32): void {
  const density = scratch + SCRATCH_DENSITY;
  const channelBytes = <usize>count(ctx, COUNT_CHANNELS) << 2;
  for (let s = first; s < until; ++s) {
    const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
    densityForward(
      ctx,
      scratch,
      density + <usize>(s - first) * channelBytes,
      at4(region(ctx, ADDRESS_PAIR_WEIGHT), start),
      at4(region(ctx, ADDRESS_PAIR_X), start),
      at4(region(ctx, ADDRESS_PAIR_Y), start),
      at4(region(ctx, ADDRESS_PAIR_Z), start),
      at4(region(ctx, ADDRESS_PAIR_LINK), start),
      load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s)),
    );
  }
  formInvariants(ctx, scratch, record);
  network1(ctx, scratch, record, first);
}

/** Mixed densities (into the record) and invariants (SCRATCH_INVARIANTS) of four atoms from their densities (SCRATCH_DENSITY). */
export function formInvariants(ctx: usize, scratch: usize, record: usize): void {
  mixForward(ctx, record, scratch + SCRATCH_DENSITY);
  invariantsForward(ctx, scratch + SCRATCH_INVARIANTS, record);
}

/** Hidden numbers of the four sorted atoms from `first` and, into the record, the slopes of both layers of network 1, from their invariants. */
export function network1(ctx: usize, scratch: usize, record: usize, first: i32): void {
  const invariants = scratch + SCRATCH_INVARIANTS;
  const a0 = scratch + SCRATCH_LAYER0;
  const z0 = recordLayer0(ctx, record);
  const z1 = recordLayer1(ctx, record);
  const inner = count(ctx, COUNT_INNER);
  const hidden = count(ctx, COUNT_HIDDEN);
  const bias0 = region(ctx, ADDRESS_NETWORK1_BIAS0);
  layerForward(z0, invariants, region(ctx, ADDRESS_FORWARD1_0), bias0, inner, invariantCount(ctx));
  siluForward(a0, z0, 4 * inner);
  const bias1 = region(ctx, ADDRESS_NETWORK1_BIAS1);
  layerForward(z1, a0, region(ctx, ADDRESS_FORWARD1_1), bias1, hidden, inner);
  siluForward(at4(region(ctx, ADDRESS_HIDDEN), first * hidden), z1, 4 * hidden);
}

/** Radial functions, harmonics, densities, invariants and network 1 of the sorted atoms [begin, end). */
export function forwardDensity(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  for (let first = begin; first < end; first += 4) {
    formRecord(ctx, scratch, groupRecord(ctx, scratch, first), first, min(first + 4, end));
  }
}

/** The last hidden layer (SCRATCH_OUTER_OUT) and its slopes (SCRATCH_OUTER) of four atoms from their hidden numbers and messages. */
export function network2(ctx: usize, scratch: usize, first: i32): void {
  const input = scratch + SCRATCH_INPUT;
  const hidden = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  const width = hidden + message;
  for (let row = 0; row < 4; ++row) {
    const to = at4(input, row * width);
    copyVectors(to, at4(region(ctx, ADDRESS_HIDDEN), (first + row) * hidden), hidden << 2);
    copyVectors(at4(to, hidden), at4(region(ctx, ADDRESS_MESSAGES), (first + row) * message), message << 2);
  }
  const outer = count(ctx, COUNT_OUTER);
  const z = scratch + SCRATCH_OUTER;
  layerForward(z, input, region(ctx, ADDRESS_FORWARD2_0), region(ctx, ADDRESS_NETWORK2_BIAS0), outer, width);
  siluForward(scratch + SCRATCH_OUTER_OUT, z, 4 * outer);
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
  const hiddenBytes = count(ctx, COUNT_HIDDEN) << 2;
  const message = count(ctx, COUNT_MESSAGE);
  const a0 = scratch + SCRATCH_OUTER_OUT;
  const logits = scratch + SCRATCH_LOGITS;
  memory.fill(at4(messages, begin * message), 0, <usize>((end - begin) * message) << 2);
  for (let first = begin; first < end; first += 4) {
    const until = min(first + 4, end);
    for (let s = first; s < until; ++s) {
      const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
      const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
      gatherRows(at4(messages, s * message), at4(weights, start), at4(links, start), length, hidden, hiddenBytes, message);
    }
    network2(ctx, scratch, first);
    layerForward(logits, a0, region(ctx, ADDRESS_FORWARD2_1), region(ctx, ADDRESS_BIAS2_1), classes, outer);
    for (let s = first; s < until; ++s) {
      const row = (s - first) * classes;
      readOut(ctx, load<i32>(at4(order, s)), at4(logits, row), at4(scratch + SCRATCH_EXPONENTIALS, row));
    }
  }
}

/** Sums over all atoms, once every stage is done. */
export function finishForward(ctx: usize): void {
  store<i32>(ctx + COUNT_ADJOINTS_READY, 0);
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
