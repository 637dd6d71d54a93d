/**
 * What is read off the logits of one atom (docs/maths.md, first table).
 *
 *     p_c = exp(l_c - logP_a),  logP_a = log sum_c exp l_c,  label = class of the largest logit (ties: the lowest class)
 *     confidence = p_label,  margin = best minus second-best logit
 *     distance = a0 sqrt(2 s^2 max(0, l0_c - l_c)),  c = label, or the best crystalline class if the label is 0
 *
 * Results go to the place of the atom in the order given.
 */
import {
  ADDRESS_ATOM_LOG_DENSITY,
  ADDRESS_CONFIDENCE,
  ADDRESS_DISTANCE,
  ADDRESS_IDEAL_LOGITS,
  ADDRESS_LABELS,
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
import { at4, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { exp4 } from "./vector";

/**
 * Writes the results of `atom` (order given) from its logits (f32, classCount numbers, room for a multiple of 4); `exponentials` is
 * scratch of the same size.
 */
export function readOut(ctx: usize, atom: i32, logits: usize, exponentials: usize): void {
  const classCount = count(ctx, COUNT_CLASSES);
  let label = 0;
  for (let c = 1; c < classCount; ++c) if (loadF4(logits, c) > loadF4(logits, label)) label = c;
  const best = loadF4(logits, label);
  let crystal = 1;
  let second: f32 = -Infinity;
  for (let c = 0; c < classCount; ++c) {
    if (c > 0 && loadF4(logits, c) > loadF4(logits, crystal)) crystal = c;
    if (c != label) second = max(second, loadF4(logits, c));
  }
  const shift = f32x4.splat(best);
  for (let c = 0; c < classCount; c += 4) {
    v128.store(at4(exponentials, c), exp4(f32x4.sub(v128.load(at4(logits, c)), shift)));
  }
  let sum: f32 = 0;
  for (let c = 0; c < classCount; ++c) sum += loadF4(exponentials, c);

  const logitRow = at4(region(ctx, ADDRESS_LOGITS), atom * classCount);
  const probabilityRow = at4(region(ctx, ADDRESS_PROBABILITIES), atom * classCount);
  for (let c = 0; c < classCount; ++c) {
    store<f32>(at4(logitRow, c), loadF4(logits, c));
    store<f32>(at4(probabilityRow, c), loadF4(exponentials, c) / sum);
  }
  store<u8>(region(ctx, ADDRESS_LABELS) + atom, <u8>label);
  store<f32>(at4(region(ctx, ADDRESS_CONFIDENCE), atom), loadF4(probabilityRow, label));
  store<f32>(at4(region(ctx, ADDRESS_MARGIN), atom), best - second);
  store<f32>(at4(region(ctx, ADDRESS_ATOM_LOG_DENSITY), atom), <f32>(<f64>best + Math.log(<f64>sum)));
  const phase = label > 0 ? label : crystal;
  const missing = loadF8(region(ctx, ADDRESS_IDEAL_LOGITS), phase) - <f64>loadF4(logits, phase);
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
