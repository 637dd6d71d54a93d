/**
 * Rotation invariants (docs/maths.md, "Invariants").
 *
 *     A'[lm][q] = sum_k M^l_qk A[lm][k]                              (A as density.ts forms it: the norms nu_lm are left to the sums)
 *     b[K l + q] = (sqrt(sum_m nu_lm^2 A'[lm][q]^2 + epsilon) - mean) scale,   b[K (L + 1) + k] = (A[0][k] - mean) scale
 *
 * Kernel: groups of four atoms, interleaved, so that the rows of one l are a matrix of 4 (2l + 1) rows and fill register tiles:
 *     density, mixed   f32 rows of 4 x K: row lm holds A[lm] or A'[lm] of the four atoms; row Y of mixed is A[0], all that the backward
 *                      pass needs of the densities
 *     b                f32 4 x I
 * Adjoint: dA'[lm][q] = db[K l + q] scale nu_lm^2 A'[lm][q] / B_lq;  dA[lm][k] = sum_q M^l_qk dA'[lm][q], and dA[0][k] += db[K (L + 1) + k] scale.
 */
import {
  ADDRESS_HARMONICS,
  ADDRESS_INVARIANTS_MIX,
  ADDRESS_MIX_BACKWARD,
  ADDRESS_MIX_FORWARD,
  ADDRESS_STANDARD_MEAN,
  ADDRESS_STANDARD_SCALE,
  COUNT_CHANNELS,
  COUNT_LMAX,
  harmonicCount,
  invariantCount,
  VALUE_EPSILON,
} from "./layout";
import { addF8, at4, copyVectors, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { product } from "./product";
import { madd4 } from "./vector";

/** M of the model file (l, q, k), as it is for the adjoint and turned to (l, k, q) for the values. */
export function prepareInvariants(ctx: usize): void {
  const mix = region(ctx, ADDRESS_INVARIANTS_MIX);
  const forward = region(ctx, ADDRESS_MIX_FORWARD);
  const channels = count(ctx, COUNT_CHANNELS);
  const size = channels * channels;
  const lmax = count(ctx, COUNT_LMAX);
  memory.copy(region(ctx, ADDRESS_MIX_BACKWARD), mix, <usize>((lmax + 1) * size) << 2);
  for (let l = 0; l <= lmax; ++l) {
    for (let q = 0; q < channels; ++q) {
      for (let k = 0; k < channels; ++k) {
        store<f32>(at4(forward, size * l + channels * k + q), loadF4(mix, size * l + channels * q + k));
      }
    }
  }
}

/** Rows of degree l of a group times the matrix of l, for every l; all f32, `out` is not `from`. */
function multiplyDegrees(ctx: usize, out: usize, from: usize, matrices: usize): void {
  const channels = count(ctx, COUNT_CHANNELS);
  const lmax = count(ctx, COUNT_LMAX);
  const bytes = channels << 2;
  for (let l = 0; l <= lmax; ++l) {
    const offset = 4 * l * l * bytes;
    const matrix = matrices + l * channels * bytes;
    product(out + offset, bytes, 0, 0, from + offset, bytes, 4, matrix, bytes, 4 * (2 * l + 1), channels, channels);
  }
}

/** mixed from the densities of a group. */
export function mixForward(ctx: usize, mixed: usize, density: usize): void {
  const rowBytes = count(ctx, COUNT_CHANNELS) << 4;
  multiplyDegrees(ctx, mixed, density, region(ctx, ADDRESS_MIX_FORWARD));
  copyVectors(mixed + harmonicCount(ctx) * rowBytes, density, rowBytes);
}

/** sqrt(sum_m nu_lm^2 A'^2 + epsilon) of four q; `from` is A' of degree l there, `norms` nu^2 of that degree. */
// @ts-ignore: decorator
@inline
function magnitude(from: usize, rowBytes: usize, norms: usize, l: i32, epsilon: v128): v128 {
  let sum = epsilon;
  for (let m = 0; m <= 2 * l; ++m) {
    const a = v128.load(from);
    sum = madd4(f32x4.mul(a, a), v128.load32_splat(at4(norms, m)), sum);
    from += rowBytes;
  }
  return f32x4.sqrt(sum);
}

/** b of a group from its mixed densities. */
export function invariantsForward(ctx: usize, b: usize, mixed: usize): void {
  const epsilon = f32x4.splat(<f32>value(ctx, VALUE_EPSILON));
  const channelBytes = <usize>count(ctx, COUNT_CHANNELS) << 2;
  const rowBytes = channelBytes << 2;
  const lmax = count(ctx, COUNT_LMAX);
  const atomBytes = <usize>invariantCount(ctx) << 2;
  for (let degree = 0; degree <= lmax + 1; ++degree) {
    const first = channelBytes * degree;
    const rows = mixed + rowBytes * (degree * degree);
    const mean = region(ctx, ADDRESS_STANDARD_MEAN) + first;
    const scale = region(ctx, ADDRESS_STANDARD_SCALE) + first;
    const norms = at4(region(ctx, ADDRESS_HARMONICS), degree * degree);
    for (let atom: usize = 0; atom < 4; ++atom) {
      const from = rows + atom * channelBytes;
      const to = b + atom * atomBytes + first;
      for (let q: usize = 0; q < channelBytes; q += 16) {
        // Past the last degree stands A[0], which enters as it is.
        const raw = degree <= lmax ? magnitude(from + q, rowBytes, norms, degree, epsilon) : v128.load(from + q);
        v128.store(to + q, f32x4.mul(f32x4.sub(raw, v128.load(mean + q)), v128.load(scale + q)));
      }
    }
  }
}

/** dA of a group (rows of 4 x K, overwritten) from db (f32 4 x I) and its mixed densities; mixedAdjoint (the same shape) is scratch. */
export function invariantsBackward(ctx: usize, densityAdjoint: usize, db: usize, mixed: usize, mixedAdjoint: usize): void {
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  const epsilon = f32x4.splat(<f32>value(ctx, VALUE_EPSILON));
  const channelBytes = <usize>count(ctx, COUNT_CHANNELS) << 2;
  const rowBytes = channelBytes << 2;
  const lmax = count(ctx, COUNT_LMAX);
  const atomBytes = <usize>invariantCount(ctx) << 2;
  for (let l = 0; l <= lmax; ++l) {
    const first = channelBytes * l;
    const norms = at4(region(ctx, ADDRESS_HARMONICS), l * l);
    for (let atom: usize = 0; atom < 4; ++atom) {
      for (let q: usize = 0; q < channelBytes; q += 16) {
        let o = rowBytes * (l * l) + atom * channelBytes + q;
        const dB = f32x4.mul(v128.load(db + atom * atomBytes + first + q), v128.load(scale + first + q));
        const ratio = f32x4.div(dB, magnitude(mixed + o, rowBytes, norms, l, epsilon));
        for (let m = 0; m <= 2 * l; ++m) {
          const weighted = f32x4.mul(ratio, v128.load32_splat(at4(norms, m)));
          v128.store(mixedAdjoint + o, f32x4.mul(weighted, v128.load(mixed + o)));
          o += rowBytes;
        }
      }
    }
  }
  multiplyDegrees(ctx, densityAdjoint, mixedAdjoint, region(ctx, ADDRESS_MIX_BACKWARD));
  const first = channelBytes * (lmax + 1);
  for (let atom: usize = 0; atom < 4; ++atom) {
    for (let k: usize = 0; k < channelBytes; k += 16) {
      const o = densityAdjoint + atom * channelBytes + k;
      v128.store(o, madd4(v128.load(db + atom * atomBytes + first + k), v128.load(scale + first + k), v128.load(o)));
    }
  }
}

/** A'[lm][q] in f64 from a density with norms. */
function mixedReference(ctx: usize, density: usize, l: i32, lm: i32, q: i32): f64 {
  const channels = count(ctx, COUNT_CHANNELS);
  const mix = at4(region(ctx, ADDRESS_INVARIANTS_MIX), channels * (channels * l + q));
  let sum: f64 = 0;
  for (let k = 0; k < channels; ++k) sum += <f64>loadF4(mix, k) * loadF8(density, channels * lm + k);
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

/** b (f64 I) from a density with norms (f64 Y x K). */
export function invariantsReference(ctx: usize, b: usize, density: usize): void {
  const channels = count(ctx, COUNT_CHANNELS);
  const lmax = count(ctx, COUNT_LMAX);
  for (let l = 0; l <= lmax; ++l) {
    for (let q = 0; q < channels; ++q) storeF8(b, channels * l + q, magnitudeReference(ctx, density, l, q));
  }
  for (let k = 0; k < channels; ++k) storeF8(b, channels * (lmax + 1) + k, loadF8(density, k));
  for (let i = 0; i < invariantCount(ctx); ++i) {
    const mean = <f64>loadF4(region(ctx, ADDRESS_STANDARD_MEAN), i);
    storeF8(b, i, (loadF8(b, i) - mean) * <f64>loadF4(region(ctx, ADDRESS_STANDARD_SCALE), i));
  }
}

/** dA (f64 Y x K, overwritten) from db (f64 I) and the density with norms. */
export function invariantsReferenceBackward(ctx: usize, densityAdjoint: usize, db: usize, density: usize): void {
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  const channels = count(ctx, COUNT_CHANNELS);
  const lmax = count(ctx, COUNT_LMAX);
  memory.fill(densityAdjoint, 0, <usize>(harmonicCount(ctx) * channels) << 3);
  for (let l = 0; l <= lmax; ++l) {
    for (let q = 0; q < channels; ++q) {
      const mix = at4(region(ctx, ADDRESS_INVARIANTS_MIX), channels * (channels * l + q));
      const index = channels * l + q;
      const ratio = (loadF8(db, index) * <f64>loadF4(scale, index)) / magnitudeReference(ctx, density, l, q);
      for (let lm = l * l; lm < (l + 1) * (l + 1); ++lm) {
        const adjoint = ratio * mixedReference(ctx, density, l, lm, q);
        for (let k = 0; k < channels; ++k) addF8(densityAdjoint, channels * lm + k, adjoint * <f64>loadF4(mix, k));
      }
    }
  }
  const first = channels * (lmax + 1);
  for (let k = 0; k < channels; ++k) {
    addF8(densityAdjoint, k, loadF8(db, first + k) * <f64>loadF4(scale, first + k));
  }
}
