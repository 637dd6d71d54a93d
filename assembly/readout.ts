/**
 * Results from the logits of one atom (docs/maths.md, first table).
 *
 *     logP_a = log sum_c exp l_c       over all classes
 *     Over the classes that the atom can be named after (nameable.ts), class 0 among them:
 *     p_c = exp l_c / sum_k exp l_k,   0 for the others
 *     label = class of the largest logit (ties: the lowest class)
 *     confidence = p_label,   margin = best minus second-best logit; where only class 0 can be
 *                             named, its logit minus the best of all, at least 0
 *     distance = a0 sqrt(2 s^2 max(0, l0_c - l_c + log w_c))
 *                c = label, or the best crystalline class if the label is 0
 *
 * The seed of logP_a, exp(l_c - logP_a), is p_c if all classes can be named.
 *
 * The logits contain the log-weights of the classes (prior.ts), the distance does not. If all
 * crystalline classes that can be named are left out, the label is 0. Results are stored at the
 * place of the atom in the order given.
 */
import {
  ADDRESS_ATOM_LOG_DENSITY,
  ADDRESS_CLASS_SPECIES,
  ADDRESS_CONFIDENCE,
  ADDRESS_DISTANCE,
  ADDRESS_IDEAL_LOGITS,
  ADDRESS_LABELS,
  ADDRESS_LOG_PRIOR,
  ADDRESS_LOGITS,
  ADDRESS_MARGIN,
  ADDRESS_PROBABILITIES,
  ADDRESS_SCRATCH,
  ADDRESS_SEED,
  ADDRESS_SPECIES_AROUND,
  ADDRESS_UNSTACKED_SPECIES,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_FEATURES,
  COUNT_SPECIES_WANTED,
  VALUE_LENGTH_SCALE,
  VALUE_LOG_DENSITY,
  VALUE_LOGIT_LENGTH,
} from "./abi";
import { LEFT_OUT } from "./contract";
import { hasTables } from "./layout";
import { at2, at4, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { isBarred, unnameable } from "./nameable";
import { PADDING } from "./prior";
import { SCRATCH_EXPONENTIALS, SCRATCH_LOGITS } from "./scratch";
import { paddedClasses } from "./shape";
import { exp4 } from "./vector";

/** Only lane 0. */
const FIRST_LANE: v128 = i32x4(-1, 0, 0, 0);
/** Takes the place of a logit whose class cannot be named: below any, above the padding. */
const UNNAMEABLE: f32 = -1e4;
/**
 * If the best logit is so far above all that can be named, their exponentials relative to it would
 * be rounded away.
 */
const FAR: f32 = 60;

/** More species than any class needs. */
const ALL_SPECIES: v128 = i32x4(127, 127, 127, 127);

/** Logits of the classes c to c + 3, with UNNAMEABLE for those that cannot be named. */
// @ts-ignore: decorator
@inline
function nameable(logits: usize, needed: usize, c: i32, around: v128): v128 {
  return v128.bitselect(f32x4.splat(UNNAMEABLE), v128.load(at4(logits, c)), unnameable(needed, c, around));
}

/** First class after 0 whose logit, as `nameable` has it, is `wanted`; there is one. */
// @ts-ignore: decorator
@inline
function classOf(logits: usize, needed: usize, around: v128, wanted: f32): i32 {
  const wanted4 = f32x4.splat(wanted);
  let mask = i32x4.bitmask(v128.andnot(f32x4.eq(nameable(logits, needed, 0, around), wanted4), FIRST_LANE));
  let c = 0;
  while (!mask) {
    c += 4;
    mask = i32x4.bitmask(f32x4.eq(nameable(logits, needed, c, around), wanted4));
  }
  return c + ctz(mask);
}

// @ts-ignore: decorator
@inline
function largestLane(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.max(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

/** Writes exp(l_c - shift) of the padded classes and returns their sum. */
function exponentiate(exponentials: usize, logits: usize, classCount: i32, shift: f32): f64 {
  const shift4 = f32x4.splat(shift);
  // Up to a thousand terms are summed in f64, with an error far below the rounding of f32.
  let low = f64x2.splat(0);
  let high = low;
  for (let c = 0; c < classCount; c += 4) {
    const e = exp4(f32x4.sub(v128.load(at4(logits, c)), shift4));
    v128.store(at4(exponentials, c), e);
    low = f64x2.add(low, f64x2.promote_low_f32x4(e));
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(e, e, 1, 1)));
  }
  const sums = f64x2.add(low, high);
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

/** Exponentials of the classes c to c + 3, with 0 for those that cannot be named. */
// @ts-ignore: decorator
@inline
function ofNameable(exponentials: usize, needed: usize, c: i32, around: v128): v128 {
  return v128.andnot(v128.load(at4(exponentials, c)), unnameable(needed, c, around));
}

/** The sum of the exponentials whose classes can be named. */
// @ts-ignore: decorator
@inline
function sumNameable(exponentials: usize, needed: usize, around: v128, classCount: i32): f64 {
  let low = f64x2.splat(0);
  let high = low;
  for (let c = 0; c < classCount; c += 4) {
    const e = ofNameable(exponentials, needed, c, around);
    low = f64x2.add(low, f64x2.promote_low_f32x4(e));
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(e, e, 1, 1)));
  }
  const sums = f64x2.add(low, high);
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

/** Writes the shares of the classes that can be named, exactly `classCount` numbers. */
function shareNameable(to: usize, exponentials: usize, needed: usize, around: v128, sum: f32, classCount: i32): void {
  const divisor = f32x4.splat(sum);
  let c = 0;
  for (; c + 4 <= classCount; c += 4) {
    v128.store(at4(to, c), f32x4.div(ofNameable(exponentials, needed, c, around), divisor));
  }
  const seen = i32x4.extract_lane(around, 0);
  for (; c < classCount; ++c) {
    const share: f32 = load<i32>(at4(needed, c)) > seen ? 0 : loadF4(exponentials, c) / sum;
    store<f32>(at4(to, c), share);
  }
}

/** Divides the exponentials of the padded classes by their sum. */
// @ts-ignore: decorator
@inline
function normalise(exponentials: usize, sum: f32, classCount: i32): void {
  const divisor = f32x4.splat(sum);
  for (let c = 0; c < classCount; c += 4) {
    v128.store(at4(exponentials, c), f32x4.div(v128.load(at4(exponentials, c)), divisor));
  }
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
 * is far below any class) and from the species around it, without the stacked class if it is
 * barred from that. `exponentials`, of the same size, gets the seed of logP_a if the frame has
 * tables.
 */
export function readOut(
  ctx: usize,
  atom: i32,
  speciesSeen: i32,
  barred: bool,
  logits: usize,
  exponentials: usize,
): void {
  const classCount = count(ctx, COUNT_CLASSES);
  const needed = region(ctx, barred ? ADDRESS_UNSTACKED_SPECIES : ADDRESS_CLASS_SPECIES);
  const around = i32x4.splat(speciesSeen);
  const namesAll = !barred && speciesSeen >= count(ctx, COUNT_SPECIES_WANTED);
  const flat = loadF4(logits, 0);
  // The largest and the second largest of every lane among those that can be named, and the largest
  // of all, without class 0.
  const lowest = f32x4.splat(-Infinity);
  let every = v128.bitselect(lowest, v128.load(logits), FIRST_LANE);
  let largest = v128.bitselect(lowest, nameable(logits, needed, 0, around), FIRST_LANE);
  let second = lowest;
  for (let c = 4; c < classCount; c += 4) {
    every = f32x4.max(every, v128.load(at4(logits, c)));
    const v = nameable(logits, needed, c, around);
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
  const anyFirst = largestLane(every);
  const top = max(anyFirst, flat);
  const namesNone = speciesSeen == 0;
  const first = namesNone ? anyFirst : f32x4.extract_lane(largest, 0);
  const next = f32x4.extract_lane(second, 0);
  const crystal = classOf(logits, needed, namesNone ? ALL_SPECIES : around, first);
  const logWeight = loadF8(region(ctx, ADDRESS_LOG_PRIOR), crystal);
  const label = first > flat && logWeight > LEFT_OUT && !namesNone ? crystal : 0;
  const best = label > 0 ? first : flat;
  const runnerUp = label > 0 ? max(next, flat) : first;

  const tables = hasTables(count(ctx, COUNT_FEATURES));
  const probabilities = at4(region(ctx, ADDRESS_PROBABILITIES), atom * classCount);
  let sum = exponentiate(exponentials, logits, classCount, top);
  const logDensity = <f64>top + Math.log(sum);
  let confidence: f32;
  if (namesAll) confidence = loadF4(exponentials, label) / <f32>sum;
  else {
    const named = namesNone ? flat : max(first, flat);
    const far = top - named > FAR;
    if (far) exponentiate(exponentials, logits, classCount, named);
    const own = <f32>sumNameable(exponentials, needed, around, classCount);
    confidence = loadF4(exponentials, label) / own;
    if (tables) shareNameable(probabilities, exponentials, needed, around, own, classCount);
    if (far) sum = exponentiate(exponentials, logits, classCount, top);
  }
  if (tables) {
    normalise(exponentials, <f32>sum, classCount);
    copyRow(at4(region(ctx, ADDRESS_LOGITS), atom * classCount), logits, classCount);
    if (namesAll) copyRow(probabilities, exponentials, classCount);
  }
  store<u8>(region(ctx, ADDRESS_SPECIES_AROUND) + atom, <u8>speciesSeen);
  store<u16>(at2(region(ctx, ADDRESS_LABELS), atom), <u16>label);
  store<f32>(at4(region(ctx, ADDRESS_CONFIDENCE), atom), confidence);
  store<f32>(at4(region(ctx, ADDRESS_MARGIN), atom), max(best - runnerUp, 0));
  store<f32>(at4(region(ctx, ADDRESS_ATOM_LOG_DENSITY), atom), <f32>logDensity);
  const own = <f64>loadF4(logits, crystal) - logWeight;
  const missing = loadF8(region(ctx, ADDRESS_IDEAL_LOGITS), crystal) - own;
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

/** The seed of logP: D_ac = exp(l_ac - logP_a). */
export function seedLogDensity(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  const seed = region(ctx, ADDRESS_SEED);
  for (let i = 0; i < n; ++i) seedRow(ctx, at4(seed, i * classCount), i);
}

/** Writes the row of that seed for `atom`, with the bits that the forward pass has for it. */
export function seedRow(ctx: usize, to: usize, atom: i32): void {
  const classCount = count(ctx, COUNT_CLASSES);
  const around = <i32>load<u8>(region(ctx, ADDRESS_SPECIES_AROUND) + atom);
  if (around >= count(ctx, COUNT_SPECIES_WANTED) && !isBarred(ctx, atom)) {
    copyRow(to, at4(region(ctx, ADDRESS_PROBABILITIES), atom * classCount), classCount);
    return;
  }
  const scratch = region(ctx, ADDRESS_SCRATCH);
  const logits = scratch + SCRATCH_LOGITS;
  const exponentials = scratch + SCRATCH_EXPONENTIALS;
  copyRow(logits, at4(region(ctx, ADDRESS_LOGITS), atom * classCount), classCount);
  for (let c = classCount; c < paddedClasses(classCount); ++c) store<f32>(at4(logits, c), <f32>PADDING);
  let largest = v128.load(logits);
  for (let c = 4; c < classCount; c += 4) largest = f32x4.max(largest, v128.load(at4(logits, c)));
  const top = largestLane(largest);
  normalise(exponentials, <f32>exponentiate(exponentials, logits, classCount, top), classCount);
  copyRow(to, exponentials, classCount);
}

/** logP_a of f64 logits. */
export function logDensityReference(logits: usize, classCount: i32): f64 {
  let best = loadF8(logits, 0);
  for (let c = 1; c < classCount; ++c) best = max(best, loadF8(logits, c));
  let sum: f64 = 0;
  for (let c = 0; c < classCount; ++c) sum += Math.exp(loadF8(logits, c) - best);
  return best + Math.log(sum);
}

/** The seed of logP_a of f64 logits. */
export function seedAtomReference(seed: usize, logits: usize, classCount: i32): void {
  const logDensity = logDensityReference(logits, classCount);
  for (let c = 0; c < classCount; ++c) storeF8(seed, c, Math.exp(loadF8(logits, c) - logDensity));
}

/** p_c of f64 logits at an atom with this many species around it. */
export function probabilitiesReference(ctx: usize, probabilities: usize, logits: usize, around: i32): void {
  const needed = region(ctx, ADDRESS_CLASS_SPECIES);
  const classCount = count(ctx, COUNT_CLASSES);
  let best = loadF8(logits, 0);
  for (let c = 1; c < classCount; ++c) {
    if (load<i32>(at4(needed, c)) <= around) best = max(best, loadF8(logits, c));
  }
  let sum: f64 = 0;
  for (let c = 0; c < classCount; ++c) {
    const e = load<i32>(at4(needed, c)) <= around ? Math.exp(loadF8(logits, c) - best) : 0;
    storeF8(probabilities, c, e);
    sum += e;
  }
  for (let c = 0; c < classCount; ++c) storeF8(probabilities, c, loadF8(probabilities, c) / sum);
}
