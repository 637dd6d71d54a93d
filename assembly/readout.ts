/**
 * What is read off the logits of one atom (docs/maths.md, first table).
 *
 *     p_c = exp(l_c - logP_a),  logP_a = log sum_c exp l_c,  label = class of the largest logit (ties: the lowest class)
 *     confidence = p_label,  margin = best minus second-best logit
 *     distance = a0 sqrt(2 s^2 max(0, l0_c - l_c + log w_c)),  c = label, or the best crystalline class if the label is 0
 *
 * The logits hold the log-weights of the classes (prior.ts), the distance does not.
 * Results go to the place of the atom in the order given.
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
  VALUE_LENGTH_SCALE,
  VALUE_LOG_DENSITY,
  VALUE_LOGIT_LENGTH,
} from "./layout";
import { at2, at4, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { exp4 } from "./vector";

/**
 * Writes the results of `atom` (order given) from its logits (f32, classCount numbers, room for a multiple of 4); `exponentials` is
 * scratch of the same size.
 */
export function readOut(ctx: usize, atom: i32, logits: usize, exponentials: usize): void {
  const classCount = count(ctx, COUNT_CLASSES);
  const flat = loadF4(logits, 0);
  let crystal = 1;
  let first: f32 = loadF4(logits, 1);
  let next: f32 = -Infinity;
  for (let c = 2; c < classCount; ++c) {
    const logit = loadF4(logits, c);
    if (logit > first) {
      next = first;
      first = logit;
      crystal = c;
    } else next = max(next, logit);
  }
  const label = first > flat ? crystal : 0;
  const best = max(first, flat);
  const second = label > 0 ? max(next, flat) : first;

  const shift = f32x4.splat(best);
  for (let c = 0; c < classCount; c += 4) {
    v128.store(at4(exponentials, c), exp4(f32x4.sub(v128.load(at4(logits, c)), shift)));
  }
  // Up to a thousand terms: summed in f64, they lose nothing that f32 shows.
  let sum: f64 = 0;
  for (let c = 0; c < classCount; ++c) sum += <f64>loadF4(exponentials, c);
  const divisor = f32x4.splat(<f32>sum);
  for (let c = 0; c < classCount; c += 4) {
    v128.store(at4(exponentials, c), f32x4.div(v128.load(at4(exponentials, c)), divisor));
  }

  // Rows of other atoms follow without padding, so exactly these bytes are written.
  const probabilityRow = at4(region(ctx, ADDRESS_PROBABILITIES), atom * classCount);
  memory.copy(at4(region(ctx, ADDRESS_LOGITS), atom * classCount), logits, <usize>classCount << 2);
  memory.copy(probabilityRow, exponentials, <usize>classCount << 2);
  store<u16>(at2(region(ctx, ADDRESS_LABELS), atom), <u16>label);
  store<f32>(at4(region(ctx, ADDRESS_CONFIDENCE), atom), loadF4(probabilityRow, label));
  store<f32>(at4(region(ctx, ADDRESS_MARGIN), atom), best - second);
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
