/**
 * Results from the logits of one atom (docs/maths.md, first table).
 *
 *     p_c = exp(l_c - logP_a),   logP_a = log sum_c exp l_c
 *     label = class of the largest logit (ties: the lowest class)
 *     confidence = p_label,   margin = best minus second-best logit
 *     distance = a0 sqrt(2 s^2 max(0, l0_c - l_c + log w_c))
 *                c = label, or the best crystalline class if the label is 0
 *
 * The logits contain the log-weights of the classes (prior.ts), the distance does not. Results are
 * stored at the place of the atom in the order given.
 */
import {
  ADDRESS_ATOM_LOG_DENSITY,
  ADDRESS_CONFIDENCE,
  ADDRESS_DISTANCE,
  ADDRESS_IDEAL_LOGITS,
  ADDRESS_LABELS,
  ADDRESS_LOG_PRIOR,
  ADDRESS_LOGITS,
  ADDRESS_MARGIN,
  ADDRESS_PROBABILITIES,
  ADDRESS_SEED,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_FEATURES,
  VALUE_LENGTH_SCALE,
  VALUE_LOG_DENSITY,
  VALUE_LOGIT_LENGTH,
} from "./abi";
import { hasTables } from "./layout";
import { at2, at4, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { exp4 } from "./vector";

/** Only lane 0. */
const FIRST_LANE: v128 = i32x4(-1, 0, 0, 0);

/**
 * Class of the first logit equal to `wanted`, which exists. The first vector is searched without
 * `lanes`.
 */
// @ts-ignore: decorator
@inline
function classOf(logits: usize, wanted: f32, lanes: v128): i32 {
  const wanted4 = f32x4.splat(wanted);
  let mask = i32x4.bitmask(v128.andnot(f32x4.eq(v128.load(logits), wanted4), lanes));
  let c = 0;
  while (!mask) {
    c += 4;
    mask = i32x4.bitmask(f32x4.eq(v128.load(at4(logits, c)), wanted4));
  }
  return c + ctz(mask);
}

/**
 * Copies a row of f32. Exactly `length` numbers are written, because the next row follows without
 * padding.
 */
// @ts-ignore: decorator
@inline
function copyRow(to: usize, from: usize, length: i32): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) v128.store(at4(to, i), v128.load(at4(from, i)));
  for (; i < length; ++i) store<f32>(at4(to, i), loadF4(from, i));
}

/**
 * Writes the results of `atom` (order given) from its logits (f32, the padded classes: the padding
 * is far below any class). `exponentials`, of the same size, is scratch.
 */
export function readOut(ctx: usize, atom: i32, logits: usize, exponentials: usize): void {
  const classCount = count(ctx, COUNT_CLASSES);
  const flat = loadF4(logits, 0);
  // The largest and the second largest of every lane, without class 0.
  const lowest = f32x4.splat(-Infinity);
  let largest = v128.bitselect(lowest, v128.load(logits), FIRST_LANE);
  let second = lowest;
  for (let c = 4; c < classCount; c += 4) {
    const v = v128.load(at4(logits, c));
    second = f32x4.max(second, f32x4.min(largest, v));
    largest = f32x4.max(largest, v);
  }
  // The same for pairs of lanes, then for all. The second largest of two is the larger of the
  // seconds and of the smaller first.
  let turned = v128.shuffle<f32>(largest, largest, 2, 3, 0, 1);
  second = f32x4.max(f32x4.max(second, v128.shuffle<f32>(second, second, 2, 3, 0, 1)), f32x4.min(largest, turned));
  largest = f32x4.max(largest, turned);
  turned = v128.shuffle<f32>(largest, largest, 1, 0, 3, 2);
  second = f32x4.max(f32x4.max(second, v128.shuffle<f32>(second, second, 1, 0, 3, 2)), f32x4.min(largest, turned));
  largest = f32x4.max(largest, turned);
  const first = f32x4.extract_lane(largest, 0);
  const next = f32x4.extract_lane(second, 0);
  const crystal = classOf(logits, first, FIRST_LANE);
  const label = first > flat ? crystal : 0;
  const best = max(first, flat);
  const runnerUp = label > 0 ? max(next, flat) : first;

  const shift = f32x4.splat(best);
  // Up to a thousand terms are summed in f64, with an error far below the rounding of f32.
  let low = f64x2.splat(0);
  let high = low;
  for (let c = 0; c < classCount; c += 4) {
    const e = exp4(f32x4.sub(v128.load(at4(logits, c)), shift));
    v128.store(at4(exponentials, c), e);
    low = f64x2.add(low, f64x2.promote_low_f32x4(e));
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(e, e, 1, 1)));
  }
  const sums = f64x2.add(low, high);
  const sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  const confidence = loadF4(exponentials, label) / <f32>sum;

  if (hasTables(count(ctx, COUNT_FEATURES))) {
    const divisor = f32x4.splat(<f32>sum);
    for (let c = 0; c < classCount; c += 4) {
      v128.store(at4(exponentials, c), f32x4.div(v128.load(at4(exponentials, c)), divisor));
    }
    copyRow(at4(region(ctx, ADDRESS_LOGITS), atom * classCount), logits, classCount);
    copyRow(at4(region(ctx, ADDRESS_PROBABILITIES), atom * classCount), exponentials, classCount);
  }
  store<u16>(at2(region(ctx, ADDRESS_LABELS), atom), <u16>label);
  store<f32>(at4(region(ctx, ADDRESS_CONFIDENCE), atom), confidence);
  store<f32>(at4(region(ctx, ADDRESS_MARGIN), atom), best - runnerUp);
  store<f32>(at4(region(ctx, ADDRESS_ATOM_LOG_DENSITY), atom), <f32>(<f64>best + Math.log(sum)));
  const phase = label > 0 ? label : crystal;
  const own = <f64>loadF4(logits, phase) - loadF8(region(ctx, ADDRESS_LOG_PRIOR), phase);
  const missing = loadF8(region(ctx, ADDRESS_IDEAL_LOGITS), phase) - own;
  const distance =
    value(ctx, VALUE_LENGTH_SCALE) * value(ctx, VALUE_LOGIT_LENGTH) * Math.sqrt(2 * max(0, missing));
  store<f32>(at4(region(ctx, ADDRESS_DISTANCE), atom), <f32>distance);
}

/** VALUE_LOG_DENSITY from the results of all atoms, summed in the order given. */
export function sumLogDensity(ctx: usize): void {
  const perAtom = region(ctx, ADDRESS_ATOM_LOG_DENSITY);
  const n = count(ctx, COUNT_ATOMS);
  let sum: f64 = 0;
  for (let i = 0; i < n; ++i) sum += <f64>loadF4(perAtom, i);
  store<f64>(ctx + VALUE_LOG_DENSITY, sum);
}

/** The seed of logP: D_ac = p_ac. */
export function seedLogDensity(ctx: usize): void {
  const bytes = <usize>count(ctx, COUNT_ATOMS) * <usize>(count(ctx, COUNT_CLASSES) << 2);
  memory.copy(region(ctx, ADDRESS_SEED), region(ctx, ADDRESS_PROBABILITIES), bytes);
}

/** logP_a of f64 logits. */
export function logDensityReference(logits: usize, classCount: i32): f64 {
  let best = loadF8(logits, 0);
  for (let c = 1; c < classCount; ++c) best = max(best, loadF8(logits, c));
  let sum: f64 = 0;
  for (let c = 0; c < classCount; ++c) sum += Math.exp(loadF8(logits, c) - best);
  return best + Math.log(sum);
}

/** p_c of f64 logits. */
export function probabilitiesReference(probabilities: usize, logits: usize, classCount: i32): void {
  const logDensity = logDensityReference(logits, classCount);
  for (let c = 0; c < classCount; ++c) storeF8(probabilities, c, Math.exp(loadF8(logits, c) - logDensity));
}
