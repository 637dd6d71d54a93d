/**
 * Around a backward pass: the seed in the single precision that the pass takes, and the sum of what
 * it makes of it and of the explicit derivatives of variables.
 *
 * The pass is linear. Large and small seeds would leave single precision (joules, or a mean over
 * millions of atoms), so a power of two is taken out, without rounding.
 */
import {
  ADDRESS_VARIABLES_GRADIENT,
  COUNT_VARIABLES_HAS_GRADIENT,
  VALUE_VARIABLES_LOG_LENGTH_SCALE,
  VALUE_VARIABLES_VIRIAL,
} from "./abi";
import { at4, at8, count, loadF8, region, storeF8, value } from "../memory";

/** Powers of two within these bounds have inverses that are ordinary numbers. */
const MOST_EXPONENT: i32 = 1000;

/**
 * to[i] = from[i] / unit as f32, unit the power of two that brings the largest magnitude into
 * [1, 2). Returns unit; 0 if all numbers are 0, and `to` is then cleared; NaN if one is not finite,
 * and `to` is then left alone. `to` may be `from`.
 */
export function scaleSeed(to: usize, from: usize, length: i32): f64 {
  const largest = largestMagnitude(from, length);
  if (!(largest < Infinity)) return NaN;
  const unit: f64 = largest == 0 ? 1 : powerOfTwo(exponentOf(largest));
  const inverse = 1 / unit;
  const inverses = f64x2.splat(inverse);
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const low = f32x4.demote_f64x2_zero(f64x2.mul(v128.load(at8(from, i)), inverses));
    const high = f32x4.demote_f64x2_zero(f64x2.mul(v128.load(at8(from, i), 16), inverses));
    v128.store(at4(to, i), v128.shuffle<f32>(low, high, 0, 1, 4, 5));
  }
  for (; i < length; ++i) store<f32>(at4(to, i), <f32>(loadF8(from, i) * inverse));
  return largest == 0 ? 0 : unit;
}

/** The largest magnitude, NaN if there is a NaN. */
function largestMagnitude(numbers: usize, length: i32): f64 {
  let most = f64x2.splat(0);
  let i = 0;
  for (; i + 2 <= length; i += 2) most = f64x2.max(most, f64x2.abs(v128.load(at8(numbers, i))));
  let largest = max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
  if (i < length) largest = max(largest, Math.abs(loadF8(numbers, i)));
  return largest;
}

/** e with 2^e <= x < 2^(e + 1), within the bounds. */
function exponentOf(x: f64): i32 {
  const e = <i32>((reinterpret<u64>(x) >> 52) & 0x7ff) - 1023;
  return max(-MOST_EXPONENT, min(MOST_EXPONENT, e));
}

/** 2^e */
function powerOfTwo(e: i32): f64 {
  return reinterpret<f64>(<u64>(e + 1023) << 52);
}

/**
 * gradient (f64 3N) and virial (f64 9) of a backward pass, in place: times `unit`, plus the
 * explicit ones of the variables in `vctx` (0 if there are none). If a0 follows the cell,
 * (V/N)^(1/3), the virial W becomes W - (tr(W_l) + dE/dlog a0) I / 3, W_l the part through the
 * logits: these depend on positions over a0, so their derivative by log a0 is the trace of W_l.
 */
export function combineDerivatives(
  gradient: usize,
  virial: usize,
  atoms: i32,
  unit: f64,
  vctx: usize,
  followsCell: i32,
): void {
  for (let i = 0; i < 9; ++i) storeF8(virial, i, loadF8(virial, i) * unit);
  const explicit = vctx != 0 && count(vctx, COUNT_VARIABLES_HAS_GRADIENT) != 0;
  const direct = explicit ? region(vctx, ADDRESS_VARIABLES_GRADIENT) : 0;
  const units = f64x2.splat(unit);
  const length = 3 * atoms;
  let i = 0;
  for (; i + 2 <= length; i += 2) {
    let sum = f64x2.mul(v128.load(at8(gradient, i)), units);
    if (explicit) sum = f64x2.add(sum, v128.load(at8(direct, i)));
    v128.store(at8(gradient, i), sum);
  }
  if (i < length) {
    const last = loadF8(gradient, i) * unit;
    storeF8(gradient, i, explicit ? last + loadF8(direct, i) : last);
  }
  const trace = loadF8(virial, 0) + loadF8(virial, 4) + loadF8(virial, 8);
  const growth: f64 = vctx == 0 ? 0 : value(vctx, VALUE_VARIABLES_LOG_LENGTH_SCALE);
  const pressure = followsCell != 0 ? (trace + growth) / 3 : 0;
  for (let j = 0; j < 9; ++j) {
    const own: f64 = vctx == 0 ? 0 : loadF8(vctx + VALUE_VARIABLES_VIRIAL, j);
    storeF8(virial, j, loadF8(virial, j) + (own - (j % 4 == 0 ? pressure : 0)));
  }
}
