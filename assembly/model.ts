/**
 * Derived data of a model, computed once from its tensors: tables, constants, transposed weights.
 */
import {
  ADDRESS_BACKWARD2_1,
  ADDRESS_COMPACTION,
  ADDRESS_FORWARD1_0,
  ADDRESS_FORWARD1_1,
  ADDRESS_FORWARD2_0,
  ADDRESS_FORWARD2_1,
  ADDRESS_FORWARD_KNOWN,
  ADDRESS_HARMONICS,
  ADDRESS_IDEAL_LOGITS,
  ADDRESS_INVARIANTS_MIX,
  ADDRESS_KNOWN_BIAS0,
  ADDRESS_KNOWN_WEIGHT0,
  ADDRESS_KNOWN_WEIGHT1,
  ADDRESS_NETWORK1_BIAS0,
  ADDRESS_NETWORK1_BIAS1,
  ADDRESS_NETWORK1_WEIGHT0,
  ADDRESS_NETWORK1_WEIGHT1,
  ADDRESS_NETWORK2_BIAS0,
  ADDRESS_NETWORK2_BIAS1,
  ADDRESS_NETWORK2_WEIGHT0,
  ADDRESS_NETWORK2_WEIGHT1,
  ADDRESS_RADIAL_MIX,
  ADDRESS_STANDARD_MEAN,
  ADDRESS_STANDARD_SCALE,
  COUNT_BASIS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_INNER,
  COUNT_KNOWN,
  COUNT_MESSAGE,
  COUNT_OUTER,
  STATUS_MODEL_NON_FINITE,
  STATUS_OK,
  VALUE_BASIS_FIRST,
  VALUE_BASIS_LAST,
  VALUE_BASIS_WIDTH,
  VALUE_CUTOFF,
  VALUE_EPSILON,
  VALUE_LOGIT_LENGTH,
} from "./abi";
import { prepareCompaction } from "./candidates";
import {
  LEAST_BASIS_FIRST,
  LEAST_BASIS_LAST,
  LEAST_BASIS_WIDTH,
  LEAST_CUTOFF,
  LEAST_EPSILON,
  LEAST_LOGIT_LENGTH,
  MOST_BASIS_FIRST,
  MOST_BASIS_LAST,
  MOST_BASIS_WIDTH,
  MOST_CUTOFF,
  MOST_EPSILON,
  MOST_LOGIT_LENGTH,
} from "./contract";
import { prepareHarmonics } from "./harmonics";
import { prepareInvariants } from "./invariants";
import { at4, count, loadF4, loadF8, region, value } from "./memory";
import { turn } from "./network";
import { prepareNameable } from "./nameable";
import { clearPrior } from "./prior";
import { prepareRadial } from "./radial";
import { degreeCount, invariantCount, paddedClasses } from "./shape";

/**
 * Computes everything that the kernels need from the tensors and constants, with a prior of equal
 * weights. Returns STATUS_MODEL_NON_FINITE if one of them is unusable.
 */
export function prepareModel(ctx: usize): i32 {
  const classCount = count(ctx, COUNT_CLASSES);
  const basisCount = count(ctx, COUNT_BASIS);
  const outer = count(ctx, COUNT_OUTER);
  const padded = paddedClasses(classCount);
  if (!constantsSound(ctx)) return STATUS_MODEL_NON_FINITE;
  const channels = count(ctx, COUNT_CHANNELS);
  const invariants = invariantCount(ctx);
  const inner = count(ctx, COUNT_INNER);
  const hidden = count(ctx, COUNT_HIDDEN);
  const input = hidden + count(ctx, COUNT_MESSAGE);
  let sound = finite(ctx, ADDRESS_RADIAL_MIX, 2 * (channels + 1) * basisCount);
  sound = finite(ctx, ADDRESS_INVARIANTS_MIX, degreeCount(ctx) * channels * channels) && sound;
  sound = finite(ctx, ADDRESS_STANDARD_MEAN, invariants) && sound;
  sound = finite(ctx, ADDRESS_STANDARD_SCALE, invariants) && sound;
  sound = finite(ctx, ADDRESS_NETWORK1_WEIGHT0, inner * invariants) && sound;
  sound = finite(ctx, ADDRESS_NETWORK1_BIAS0, inner) && sound;
  sound = finite(ctx, ADDRESS_NETWORK1_WEIGHT1, hidden * inner) && sound;
  sound = finite(ctx, ADDRESS_NETWORK1_BIAS1, hidden) && sound;
  sound = finite(ctx, ADDRESS_NETWORK2_WEIGHT0, outer * input) && sound;
  sound = finite(ctx, ADDRESS_NETWORK2_BIAS0, outer) && sound;
  sound = finite(ctx, ADDRESS_NETWORK2_WEIGHT1, classCount * outer) && sound;
  sound = finite(ctx, ADDRESS_NETWORK2_BIAS1, classCount) && sound;
  const known = count(ctx, COUNT_KNOWN);
  sound = finite(ctx, ADDRESS_KNOWN_WEIGHT0, known * input) && sound;
  sound = finite(ctx, ADDRESS_KNOWN_BIAS0, known) && sound;
  sound = finite(ctx, ADDRESS_KNOWN_WEIGHT1, known) && sound;
  if (!sound || !prepareNameable(ctx)) return STATUS_MODEL_NON_FINITE;

  prepareRadial(ctx);
  prepareHarmonics(ctx, region(ctx, ADDRESS_HARMONICS));
  prepareInvariants(ctx);
  prepareCompaction(region(ctx, ADDRESS_COMPACTION));
  turn(region(ctx, ADDRESS_FORWARD1_0), region(ctx, ADDRESS_NETWORK1_WEIGHT0), inner, invariants, inner);
  turn(region(ctx, ADDRESS_FORWARD1_1), region(ctx, ADDRESS_NETWORK1_WEIGHT1), hidden, inner, hidden);
  turn(region(ctx, ADDRESS_FORWARD2_0), region(ctx, ADDRESS_NETWORK2_WEIGHT0), outer, input, outer);
  turn(region(ctx, ADDRESS_FORWARD2_1), region(ctx, ADDRESS_NETWORK2_WEIGHT1), classCount, outer, padded);
  turn(region(ctx, ADDRESS_FORWARD_KNOWN), region(ctx, ADDRESS_KNOWN_WEIGHT0), known, input, known);
  const backward = region(ctx, ADDRESS_BACKWARD2_1);
  memory.fill(backward, 0, <usize>(padded * outer) << 2);
  memory.copy(backward, region(ctx, ADDRESS_NETWORK2_WEIGHT1), <usize>(classCount * outer) << 2);
  clearPrior(ctx);
  return STATUS_OK;
}

function finite(ctx: usize, field: i32, length: i32): bool {
  const from = region(ctx, field);
  for (let i = 0; i < length; ++i) if (!(abs(load<f32>(at4(from, i))) < Infinity)) return false;
  return true;
}

function constantsSound(ctx: usize): bool {
  const classCount = count(ctx, COUNT_CLASSES);
  for (let c = 0; c < classCount; ++c) {
    if (!(abs(loadF8(region(ctx, ADDRESS_IDEAL_LOGITS), c)) < Infinity)) return false;
  }
  // Class 0 has a constant logit only if its row of weights is zero.
  const outer = count(ctx, COUNT_OUTER);
  for (let i = 0; i < outer; ++i) if (loadF4(region(ctx, ADDRESS_NETWORK2_WEIGHT1), i) != 0) return false;
  return (
    isBetween(value(ctx, VALUE_CUTOFF), LEAST_CUTOFF, MOST_CUTOFF) &&
    isBetween(value(ctx, VALUE_BASIS_FIRST), LEAST_BASIS_FIRST, MOST_BASIS_FIRST) &&
    isBetween(value(ctx, VALUE_BASIS_LAST), LEAST_BASIS_LAST, MOST_BASIS_LAST) &&
    isBetween(value(ctx, VALUE_BASIS_WIDTH), LEAST_BASIS_WIDTH, MOST_BASIS_WIDTH) &&
    isBetween(value(ctx, VALUE_EPSILON), LEAST_EPSILON, MOST_EPSILON) &&
    isBetween(value(ctx, VALUE_LOGIT_LENGTH), LEAST_LOGIT_LENGTH, MOST_LOGIT_LENGTH)
  );
}

/** Whether a number lies within bounds; not if it is NaN. */
// @ts-ignore: decorator
@inline
function isBetween(number: f64, least: f64, most: f64): bool {
  return number >= least && number <= most;
}
