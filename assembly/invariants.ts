/**
 * Rotation invariants (docs/maths.md, "Invariants").
 *
 *     A'[lm][q] = nu_lm sum_k M^l_qk A[lm][k]                         (A as density.ts forms it, without nu)
 *     b[16 l + q] = (sqrt(sum_m A'[lm][q]^2 + epsilon) - mean) scale,  b[112 + k] = (A[0][k] - mean) scale
 *
 * mixed: f32 50 x 16, A' in rows 0..48, A[0] in row 49: all that the backward pass needs.
 * Adjoint: dA'[lm][q] = db[16 l + q] scale A'[lm][q] / B_lq;  dA[lm][k] = nu_lm sum_q M^l_qk dA'[lm][q], and dA[0][k] += db[112 + k] scale.
 */
import {
  ADDRESS_HARMONICS,
  ADDRESS_INVARIANTS_MIX,
  ADDRESS_MIX_BACKWARD,
  ADDRESS_MIX_FORWARD,
  ADDRESS_STANDARD_MEAN,
  ADDRESS_STANDARD_SCALE,
  LMAX,
  VALUE_EPSILON,
} from "./layout";
import { addF8, at4, loadF4, loadF8, region, storeF8, value } from "./memory";

/** M of the model file (l, q, k), as it is for the adjoint and turned to (l, k, q) for the values. */
export function prepareInvariants(ctx: usize): void {
  const mix = region(ctx, ADDRESS_INVARIANTS_MIX);
  const forward = region(ctx, ADDRESS_MIX_FORWARD);
  memory.copy(region(ctx, ADDRESS_MIX_BACKWARD), mix, 7 * 1024);
  for (let l = 0; l <= LMAX; ++l) {
    for (let q = 0; q < 16; ++q) {
      for (let k = 0; k < 16; ++k) store<f32>(at4(forward, 256 * l + 16 * k + q), loadF4(mix, 256 * l + 16 * q + k));
    }
  }
}

/** out[row] = factor[row] left[row] matrix for `rows` rows of 16 and a 16 x 16 matrix; all f32, out is not left. */
function multiplyRows(out: usize, factors: usize, left: usize, matrix: usize, rows: i32): void {
  for (let row = 0; row < rows; ++row) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    const from = left + (<usize>row << 6);
    for (let k = 0; k < 16; ++k) {
      const a = v128.load32_splat(from + (<usize>k << 2));
      const m = matrix + (<usize>k << 6);
      s0 = f32x4.add(s0, f32x4.mul(a, v128.load(m)));
      s1 = f32x4.add(s1, f32x4.mul(a, v128.load(m, 16)));
      s2 = f32x4.add(s2, f32x4.mul(a, v128.load(m, 32)));
      s3 = f32x4.add(s3, f32x4.mul(a, v128.load(m, 48)));
    }
    const factor = v128.load32_splat(at4(factors, row));
    const to = out + (<usize>row << 6);
    v128.store(to, f32x4.mul(factor, s0));
    v128.store(to, f32x4.mul(factor, s1), 16);
    v128.store(to, f32x4.mul(factor, s2), 32);
    v128.store(to, f32x4.mul(factor, s3), 48);
  }
}

/** mixed (50 x 16) from a density (49 x 16). */
export function mixForward(ctx: usize, mixed: usize, density: usize): void {
  const norms = region(ctx, ADDRESS_HARMONICS);
  const matrices = region(ctx, ADDRESS_MIX_FORWARD);
  for (let l = 0; l <= LMAX; ++l) {
    const first = l * l;
    multiplyRows(mixed + (first << 6), at4(norms, first), density + (first << 6), matrices + (l << 10), 2 * l + 1);
  }
  memory.copy(mixed + 49 * 64, density, 64);
}

/** sqrt(sum_m A'^2 + epsilon) of four q. */
// @ts-ignore: decorator
@inline
function magnitude(mixed: usize, l: i32, q: i32, epsilon: v128): v128 {
  let from = mixed + (l << 6) * l + (q << 2);
  let sum = epsilon;
  for (let m = 0; m <= 2 * l; ++m) {
    const a = v128.load(from);
    sum = f32x4.add(sum, f32x4.mul(a, a));
    from += 64;
  }
  return f32x4.sqrt(sum);
}

// @ts-ignore: decorator
@inline
function standardised(ctx: usize, index: i32, raw: v128): v128 {
  const mean = v128.load(at4(region(ctx, ADDRESS_STANDARD_MEAN), index));
  const scale = v128.load(at4(region(ctx, ADDRESS_STANDARD_SCALE), index));
  return f32x4.mul(f32x4.sub(raw, mean), scale);
}

/** b (f32 128) from mixed. */
export function invariantsForward(ctx: usize, b: usize, mixed: usize): void {
  const epsilon = f32x4.splat(<f32>value(ctx, VALUE_EPSILON));
  for (let l = 0; l <= LMAX; ++l) {
    for (let q = 0; q < 16; q += 4) {
      const index = 16 * l + q;
      v128.store(at4(b, index), standardised(ctx, index, magnitude(mixed, l, q, epsilon)));
    }
  }
  for (let k = 0; k < 16; k += 4) {
    v128.store(at4(b, 112 + k), standardised(ctx, 112 + k, v128.load(mixed + 49 * 64 + (k << 2))));
  }
}

/** dA (49 x 16, overwritten) from db (f32 128) and mixed; mixedAdjoint (49 x 16) is scratch. */
export function invariantsBackward(ctx: usize, densityAdjoint: usize, db: usize, mixed: usize, mixedAdjoint: usize): void {
  const norms = region(ctx, ADDRESS_HARMONICS);
  const matrices = region(ctx, ADDRESS_MIX_BACKWARD);
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  const epsilon = f32x4.splat(<f32>value(ctx, VALUE_EPSILON));
  for (let l = 0; l <= LMAX; ++l) {
    const first = l * l;
    for (let q = 0; q < 16; q += 4) {
      const index = at4(0, 16 * l + q);
      const dB = f32x4.mul(v128.load(db + index), v128.load(scale + index));
      const ratio = f32x4.div(dB, magnitude(mixed, l, q, epsilon));
      let o = (first << 6) + (q << 2);
      for (let m = 0; m <= 2 * l; ++m) {
        v128.store(mixedAdjoint + o, f32x4.mul(ratio, v128.load(mixed + o)));
        o += 64;
      }
    }
    const offset = first << 6;
    multiplyRows(densityAdjoint + offset, at4(norms, first), mixedAdjoint + offset, matrices + (l << 10), 2 * l + 1);
  }
  for (let k = 0; k < 16; k += 4) {
    const index = at4(0, 112 + k);
    const o = densityAdjoint + (k << 2);
    v128.store(o, f32x4.add(v128.load(o), f32x4.mul(v128.load(db + index), v128.load(scale + index))));
  }
}

/** A'[lm][q] in f64 from a density with norms. */
function mixedReference(ctx: usize, density: usize, l: i32, lm: i32, q: i32): f64 {
  const mix = at4(region(ctx, ADDRESS_INVARIANTS_MIX), 256 * l + 16 * q);
  let sum: f64 = 0;
  for (let k = 0; k < 16; ++k) sum += <f64>loadF4(mix, k) * loadF8(density, 16 * lm + k);
  return sum;
}

function magnitudeReference(ctx: usize, density: usize, l: i32, q: i32): f64 {
  let sum = value(ctx, VALUE_EPSILON);
  for (let lm = l * l; lm < (l + 1) * (l + 1); ++lm) {
    const a = mixedReference(ctx, density, l, lm, q);
    sum += a * a;
  }
  return Math.sqrt(sum);
}

/** b (f64 128) from a density with norms (f64 49 x 16). */
export function invariantsReference(ctx: usize, b: usize, density: usize): void {
  for (let l = 0; l <= LMAX; ++l) {
    for (let q = 0; q < 16; ++q) storeF8(b, 16 * l + q, magnitudeReference(ctx, density, l, q));
  }
  for (let k = 0; k < 16; ++k) storeF8(b, 112 + k, loadF8(density, k));
  for (let i = 0; i < 128; ++i) {
    const mean = <f64>loadF4(region(ctx, ADDRESS_STANDARD_MEAN), i);
    storeF8(b, i, (loadF8(b, i) - mean) * <f64>loadF4(region(ctx, ADDRESS_STANDARD_SCALE), i));
  }
}

/** dA (f64 49 x 16, overwritten) from db (f64 128) and the density with norms. */
export function invariantsReferenceBackward(ctx: usize, densityAdjoint: usize, db: usize, density: usize): void {
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  memory.fill(densityAdjoint, 0, 784 * 8);
  for (let l = 0; l <= LMAX; ++l) {
    for (let q = 0; q < 16; ++q) {
      const mix = at4(region(ctx, ADDRESS_INVARIANTS_MIX), 256 * l + 16 * q);
      const index = 16 * l + q;
      const ratio = (loadF8(db, index) * <f64>loadF4(scale, index)) / magnitudeReference(ctx, density, l, q);
      for (let lm = l * l; lm < (l + 1) * (l + 1); ++lm) {
        const adjoint = ratio * mixedReference(ctx, density, l, lm, q);
        for (let k = 0; k < 16; ++k) addF8(densityAdjoint, 16 * lm + k, adjoint * <f64>loadF4(mix, k));
      }
    }
  }
  for (let k = 0; k < 16; ++k) addF8(densityAdjoint, k, loadF8(db, 112 + k) * <f64>loadF4(scale, 112 + k));
}
