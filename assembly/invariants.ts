/**
 * Rotation invariants (docs/maths.md, "Invariants"). d is the place of l among the D degrees.
 *
 *     A'[lm][q] = sum_k M^l_qk A[lm][k]         A as in density.ts, without the norms nu_lm
 *     b[K d + q] = (sqrt(sum_m nu_lm^2 A'[lm][q]^2 + epsilon) - mean) scale
 *     b[K D + k] = (A[0][k] - mean) scale
 *
 * Kernel: groups of four atoms, interleaved, so that the rows of one l are a matrix of 4 (2l + 1)
 * rows and fill register tiles:
 *
 *     density, mixed   f32 rows of 4 x K: row lm holds A[lm] or A'[lm] of the four atoms. Row Y of
 *                      mixed is A[0], the only densities that the backward pass needs
 *     b                f32 4 x I
 *
 * Adjoint, with B_lq the square root above:
 *
 *     dA'[lm][q] = db[K d + q] scale nu_lm^2 A'[lm][q] / B_lq
 *     dA[lm][k] = sum_q M^l_qk dA'[lm][q],   dA[0][k] += db[K D + k] scale
 */
import {
  ADDRESS_HARMONICS,
  ADDRESS_INVARIANTS_MIX,
  ADDRESS_MIX_BACKWARD,
  ADDRESS_MIX_FORWARD,
  ADDRESS_STANDARD_MEAN,
  ADDRESS_STANDARD_SCALE,
  COUNT_CHANNELS,
  VALUE_EPSILON,
} from "./abi";
import { addF8, at4, copyVectors, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { product } from "./product";
import { degreeAt, degreeCount, firstHarmonic, harmonicCount, invariantCount } from "./shape";
import { madd4 } from "./vector";

/**
 * M of the model file (l, q, k): unchanged for the adjoint, transposed to (l, k, q) for the values.
 */
export function prepareInvariants(ctx: usize): void {
  const mix = region(ctx, ADDRESS_INVARIANTS_MIX);
  const forward = region(ctx, ADDRESS_MIX_FORWARD);
  const channels = count(ctx, COUNT_CHANNELS);
  const size = channels * channels;
  const degrees = degreeCount(ctx);
  memory.copy(region(ctx, ADDRESS_MIX_BACKWARD), mix, <usize>(degrees * size) << 2);
  for (let d = 0; d < degrees; ++d) {
    for (let q = 0; q < channels; ++q) {
      for (let k = 0; k < channels; ++k) {
        store<f32>(at4(forward, size * d + channels * k + q), loadF4(mix, size * d + channels * q + k));
      }
    }
  }
}

/**
 * Multiplies the rows of each degree l of a group by the matrix of l. All f32; `out` is not `from`.
 */
function multiplyDegrees(ctx: usize, out: usize, from: usize, matrices: usize): void {
  const channels = count(ctx, COUNT_CHANNELS);
  const degrees = degreeCount(ctx);
  const bytes = channels << 2;
  for (let d = 0; d < degrees; ++d) {
    const l = degreeAt(ctx, d);
    const offset = 4 * firstHarmonic(ctx, l) * bytes;
    const matrix = matrices + d * channels * bytes;
    product(out + offset, bytes, 0, 0, from + offset, bytes, 4, matrix, bytes, 4 * (2 * l + 1), channels, channels);
  }
}

/** Computes mixed from the densities of a group. */
export function mixForward(ctx: usize, mixed: usize, density: usize): void {
  const rowBytes = count(ctx, COUNT_CHANNELS) << 4;
  multiplyDegrees(ctx, mixed, density, region(ctx, ADDRESS_MIX_FORWARD));
  copyVectors(mixed + harmonicCount(ctx) * rowBytes, density, rowBytes);
}

/** Bytes of a row of 4 x K treated at a time: eight vectors, which leaves a register for a norm. */
const BLOCK_BYTES: i32 = 128;

/** sqrt(sum_m nu_lm^2 A'^2 + epsilon): D rows of 4 x K into `out`. */
function magnitudes(ctx: usize, out: usize, mixed: usize): void {
  const epsilon = f32x4.splat(<f32>value(ctx, VALUE_EPSILON));
  const rowBytes = count(ctx, COUNT_CHANNELS) << 4;
  const degrees = degreeCount(ctx);
  let norm = region(ctx, ADDRESS_HARMONICS);
  let row = mixed;
  for (let d = 0; d < degrees; ++d) {
    const end = norm + ((2 * degreeAt(ctx, d) + 1) << 2);
    for (let o = 0; o < rowBytes; o += BLOCK_BYTES) {
      let s0 = epsilon;
      let s1 = epsilon;
      let s2 = epsilon;
      let s3 = epsilon;
      let s4 = epsilon;
      let s5 = epsilon;
      let s6 = epsilon;
      let s7 = epsilon;
      let from = row + o;
      for (let at = norm; at < end; at += 4) {
        const n = v128.load32_splat(at);
        s0 = addSquare(from, n, s0);
        s1 = addSquare(from + 16, n, s1);
        s2 = addSquare(from + 32, n, s2);
        s3 = addSquare(from + 48, n, s3);
        s4 = addSquare(from + 64, n, s4);
        s5 = addSquare(from + 80, n, s5);
        s6 = addSquare(from + 96, n, s6);
        s7 = addSquare(from + 112, n, s7);
        from += rowBytes;
      }
      const to = out + o + d * rowBytes;
      v128.store(to, f32x4.sqrt(s0));
      v128.store(to, f32x4.sqrt(s1), 16);
      v128.store(to, f32x4.sqrt(s2), 32);
      v128.store(to, f32x4.sqrt(s3), 48);
      v128.store(to, f32x4.sqrt(s4), 64);
      v128.store(to, f32x4.sqrt(s5), 80);
      v128.store(to, f32x4.sqrt(s6), 96);
      v128.store(to, f32x4.sqrt(s7), 112);
    }
    row += ((end - norm) >> 2) * rowBytes;
    norm = end;
  }
}

/** sum + norm a^2, a at `from`. */
// @ts-ignore: decorator
@inline
function addSquare(from: usize, norm: v128, sum: v128): v128 {
  const a = v128.load(from);
  return madd4(f32x4.mul(a, a), norm, sum);
}

/** Computes b of a group from its mixed densities; `rows` (f32 (D + 1) x 4 x K) is scratch. */
export function invariantsForward(ctx: usize, b: usize, mixed: usize, rows: usize): void {
  const channelBytes = count(ctx, COUNT_CHANNELS) << 2;
  const rowBytes = channelBytes << 2;
  const degrees = degreeCount(ctx);
  const atomBytes = invariantCount(ctx) << 2;
  const mean = region(ctx, ADDRESS_STANDARD_MEAN);
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  magnitudes(ctx, rows, mixed);
  // After the last degree comes A[0], which needs no square root.
  copyVectors(rows + degrees * rowBytes, mixed + harmonicCount(ctx) * rowBytes, rowBytes);
  for (let degree = 0; degree <= degrees; ++degree) {
    const first = degree * channelBytes;
    for (let atom = 0; atom < 4; ++atom) {
      const from = rows + degree * rowBytes + atom * channelBytes;
      const to = b + atom * atomBytes + first;
      for (let q = 0; q < channelBytes; q += 16) {
        const centred = f32x4.sub(v128.load(from + q), v128.load(mean + first + q));
        v128.store(to + q, f32x4.mul(centred, v128.load(scale + first + q)));
      }
    }
  }
}

/**
 * Computes dA of a group (rows of 4 x K, overwritten) from db (f32 4 x I) and its mixed densities.
 * mixedAdjoint (the same shape) and `rows` (f32 D x 4 x K) are scratch.
 */
export function invariantsBackward(
  ctx: usize,
  densityAdjoint: usize,
  db: usize,
  mixed: usize,
  mixedAdjoint: usize,
  rows: usize,
): void {
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  const channelBytes = count(ctx, COUNT_CHANNELS) << 2;
  const rowBytes = channelBytes << 2;
  const degrees = degreeCount(ctx);
  const atomBytes = invariantCount(ctx) << 2;
  magnitudes(ctx, rows, mixed);
  for (let d = 0; d < degrees; ++d) {
    const l = degreeAt(ctx, d);
    const first = d * channelBytes;
    for (let atom = 0; atom < 4; ++atom) {
      const row = rows + d * rowBytes + atom * channelBytes;
      for (let q = 0; q < channelBytes; q += 16) {
        const dB = f32x4.mul(v128.load(db + atom * atomBytes + first + q), v128.load(scale + first + q));
        v128.store(row + q, f32x4.div(dB, v128.load(row + q)));
      }
    }
    const begin = firstHarmonic(ctx, l);
    const norms = at4(region(ctx, ADDRESS_HARMONICS), begin);
    const ratios = rows + d * rowBytes;
    for (let m = 0; m <= 2 * l; ++m) {
      const norm = v128.load32_splat(at4(norms, m));
      const offset = (begin + m) * rowBytes;
      for (let o = 0; o < rowBytes; o += 16) {
        const weighted = f32x4.mul(v128.load(ratios + o), norm);
        v128.store(mixedAdjoint + offset + o, f32x4.mul(weighted, v128.load(mixed + offset + o)));
      }
    }
  }
  multiplyDegrees(ctx, densityAdjoint, mixedAdjoint, region(ctx, ADDRESS_MIX_BACKWARD));
  const first = channelBytes * degrees;
  for (let atom = 0; atom < 4; ++atom) {
    for (let k = 0; k < channelBytes; k += 16) {
      const o = densityAdjoint + atom * channelBytes + k;
      v128.store(o, madd4(v128.load(db + atom * atomBytes + first + k), v128.load(scale + first + k), v128.load(o)));
    }
  }
}

/** A'[lm][q] in f64 from a density with norms. */
function mixedReference(ctx: usize, density: usize, d: i32, lm: i32, q: i32): f64 {
  const channels = count(ctx, COUNT_CHANNELS);
  const mix = at4(region(ctx, ADDRESS_INVARIANTS_MIX), channels * (channels * d + q));
  let sum: f64 = 0;
  for (let k = 0; k < channels; ++k) sum += <f64>loadF4(mix, k) * loadF8(density, channels * lm + k);
  return sum;
}

function magnitudeReference(ctx: usize, density: usize, d: i32, q: i32): f64 {
  let sum = value(ctx, VALUE_EPSILON);
  const l = degreeAt(ctx, d);
  const first = firstHarmonic(ctx, l);
  for (let lm = first; lm < first + 2 * l + 1; ++lm) {
    const a = mixedReference(ctx, density, d, lm, q);
    sum += a * a;
  }
  return Math.sqrt(sum);
}

/** b (f64 I) from a density with norms (f64 Y x K). */
export function invariantsReference(ctx: usize, b: usize, density: usize): void {
  const channels = count(ctx, COUNT_CHANNELS);
  const degrees = degreeCount(ctx);
  for (let d = 0; d < degrees; ++d) {
    for (let q = 0; q < channels; ++q) storeF8(b, channels * d + q, magnitudeReference(ctx, density, d, q));
  }
  for (let k = 0; k < channels; ++k) storeF8(b, channels * degrees + k, loadF8(density, k));
  for (let i = 0; i < invariantCount(ctx); ++i) {
    const mean = <f64>loadF4(region(ctx, ADDRESS_STANDARD_MEAN), i);
    storeF8(b, i, (loadF8(b, i) - mean) * <f64>loadF4(region(ctx, ADDRESS_STANDARD_SCALE), i));
  }
}

/** dA (f64 Y x K, overwritten) from db (f64 I) and the density with norms. */
export function invariantsReferenceBackward(ctx: usize, densityAdjoint: usize, db: usize, density: usize): void {
  const scale = region(ctx, ADDRESS_STANDARD_SCALE);
  const channels = count(ctx, COUNT_CHANNELS);
  const degrees = degreeCount(ctx);
  memory.fill(densityAdjoint, 0, <usize>(harmonicCount(ctx) * channels) << 3);
  for (let d = 0; d < degrees; ++d) {
    const l = degreeAt(ctx, d);
    const begin = firstHarmonic(ctx, l);
    for (let q = 0; q < channels; ++q) {
      const mix = at4(region(ctx, ADDRESS_INVARIANTS_MIX), channels * (channels * d + q));
      const index = channels * d + q;
      const ratio = (loadF8(db, index) * <f64>loadF4(scale, index)) / magnitudeReference(ctx, density, d, q);
      for (let lm = begin; lm < begin + 2 * l + 1; ++lm) {
        const adjoint = ratio * mixedReference(ctx, density, d, lm, q);
        for (let k = 0; k < channels; ++k) addF8(densityAdjoint, channels * lm + k, adjoint * <f64>loadF4(mix, k));
      }
    }
  }
  const first = channels * degrees;
  for (let k = 0; k < channels; ++k) {
    addF8(densityAdjoint, k, loadF8(db, first + k) * <f64>loadF4(scale, first + k));
  }
}
