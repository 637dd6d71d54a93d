/**
 * The forward pass: stages over ranges of sorted atoms, in the order forwardDensity, forwardLogits,
 * finishForward. Atoms go through it in groups of four. Values of atoms past the last one are not
 * used.
 */
import {
  ADDRESS_BIAS2_1,
  ADDRESS_FORWARD2_1,
  ADDRESS_HIDDEN,
  ADDRESS_MESSAGES,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_WEIGHT,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_TAKES_PART,
  COUNT_ADJOINTS_READY,
  COUNT_ATOMS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_FUSED,
  COUNT_HIDDEN,
  COUNT_LOWERED,
  COUNT_MESSAGE,
  COUNT_OUTER,
  STATUS_ABORTED,
  STATUS_OK,
} from "./abi";
import { clearFillers, densityForward } from "./density";
import { invariantsForward, mixForward } from "./invariants";
import { at4, count, loadF4, region } from "./memory";
import { asksKnown, lowerLogit } from "./known";
import { gatherRows } from "./messages";
import { speciesAround } from "./nameable";
import { layerForward } from "./network";
import { backwardNetwork2, network1, network2 } from "./networks";
import { readOut, sumLogDensity } from "./readout";
import { groupRecord, workerScratch } from "./record";
import {
  SCRATCH_DENSITY,
  SCRATCH_EXPONENTIALS,
  SCRATCH_INVARIANTS,
  SCRATCH_LOGITS,
  SCRATCH_MIXED_ADJOINT,
  SCRATCH_OUTER_OUT,
  SCRATCH_SPECIES,
} from "./scratch";
import { paddedClasses } from "./shape";
import { settleStacking } from "./stacking";
import { isAborted } from "./work";

/**
 * Computes, from their pairs, the record of the sorted atoms [first, until), at most four, their
 * message weights (PAIR_WEIGHT) and their hidden numbers (HIDDEN).
 */
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

/**
 * Mixed densities (into the record) and invariants (SCRATCH_INVARIANTS) of four atoms from their
 * densities (SCRATCH_DENSITY).
 */
export function formInvariants(ctx: usize, scratch: usize, record: usize): void {
  mixForward(ctx, record, scratch + SCRATCH_DENSITY);
  invariantsForward(ctx, scratch + SCRATCH_INVARIANTS, record, scratch + SCRATCH_MIXED_ADJOINT);
}

/**
 * Radial functions, harmonics, densities, invariants and network 1 of the sorted atoms [begin,
 * end).
 */
export function forwardDensity(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  clearFillers(ctx, scratch);
  for (let first = begin; first < end; first += 4) {
    if (isAborted(ctx)) return;
    formRecord(ctx, scratch, groupRecord(ctx, scratch, first), first, min(first + 4, end));
  }
}

/**
 * Messages, network 2 and results of the sorted atoms [begin, end). In denoising (COUNT_FUSED) the
 * seed of an atom depends only on its own logits, so the adjoints of network 2 are computed at
 * once, while its layers are at hand.
 */
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
  const fused = count(ctx, COUNT_FUSED) != 0;
  const lowered = fused && asksKnown(ctx);
  const a0 = scratch + SCRATCH_OUTER_OUT;
  const logits = scratch + SCRATCH_LOGITS;
  memory.fill(at4(messages, begin * message), 0, <usize>((end - begin) * message) << 2);
  for (let first = begin; first < end; first += 4) {
    if (isAborted(ctx)) return;
    const until = min(first + 4, end);
    for (let s = first; s < until; ++s) {
      const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
      const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
      gatherRows(at4(messages, s * message), at4(weights, start), at4(links, start), length, hidden, hiddenBytes, message);
    }
    network2(ctx, scratch, first);
    layerForward(logits, a0, region(ctx, ADDRESS_FORWARD2_1), region(ctx, ADDRESS_BIAS2_1), classes, outer);
    if (lowered) for (let row = 0; row < 4; ++row) lowerLogit(at4(logits, row * classes));
    for (let s = first; s < until; ++s) {
      const row = (s - first) * classes;
      const around = speciesAround(ctx, scratch + SCRATCH_SPECIES, s);
      const exponentials = at4(scratch + SCRATCH_EXPONENTIALS, row);
      readOut(ctx, load<i32>(at4(order, s)), around, false, at4(logits, row), exponentials);
    }
    if (fused) {
      for (let s = first; s < until; ++s) {
        const row = (s - first) * classes;
        seedAtom(ctx, load<i32>(at4(order, s)), at4(logits, row), at4(scratch + SCRATCH_EXPONENTIALS, row));
      }
      backwardNetwork2(ctx, scratch, first, until);
    }
  }
}

/**
 * The adjoints of an atom's logits (f32, one per padded class) in denoising: its probabilities if
 * it takes part, else zero.
 */
function seedAtom(ctx: usize, atom: i32, adjoints: usize, probabilities: usize): void {
  const classCount = count(ctx, COUNT_CLASSES);
  const padded = paddedClasses(classCount);
  const takesPart = load<u8>(region(ctx, ADDRESS_TAKES_PART) + <usize>atom) != 0;
  for (let c = 0; c < padded; ++c) {
    store<f32>(at4(adjoints, c), takesPart && c < classCount ? loadF4(probabilities, c) : 0);
  }
}

/** Sums over all atoms. Runs after all other stages. */
export function finishForward(ctx: usize): void {
  store<i32>(ctx + COUNT_LOWERED, i32(count(ctx, COUNT_FUSED) != 0 && asksKnown(ctx)));
  store<i32>(ctx + COUNT_ADJOINTS_READY, count(ctx, COUNT_FUSED));
  store<i32>(ctx + COUNT_FUSED, 0);
  settleStacking(ctx, workerScratch(ctx, 0));
  sumLogDensity(ctx);
}

/** The whole forward pass on one thread. */
export function forward(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  forwardDensity(ctx, 0, 0, n);
  forwardLogits(ctx, 0, 0, n);
  finishForward(ctx);
  return isAborted(ctx) ? STATUS_ABORTED : STATUS_OK;
}
