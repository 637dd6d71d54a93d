/** Functions of four f32 numbers at a time. */

/**
 * a b + c. The baseline build rounds twice, the same on any machine. The relaxed build uses the
 * machine's fastest way.
 */
// @ts-ignore: decorator
@inline
export function madd4(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** c - a b, rounded like madd4. */
// @ts-ignore: decorator
@inline
export function nmadd4(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_nmadd(a, b, c) : f32x4.sub(c, f32x4.mul(a, b));
}

/** 1.5 * 2^23: adding and subtracting it rounds a small f32 to the nearest integer. */
const ROUND: f32 = 12582912;
const LOG2E: f32 = 1.44269504;
/**
 * ln 2 in two parts. The first has so few bits that its product with an integer up to 127 is exact.
 */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;

/**
 * Constants of exp4, four times each. Loading a vector takes one instruction, often part of another
 * one; a splat of a constant takes three in every pass of a loop.
 */
const EXP: usize = memory.data<f32>(
  [
    -87, -87, -87, -87,
    88, 88, 88, 88,
    LOG2E, LOG2E, LOG2E, LOG2E,
    ROUND, ROUND, ROUND, ROUND,
    LN2_HIGH, LN2_HIGH, LN2_HIGH, LN2_HIGH,
    LN2_LOW, LN2_LOW, LN2_LOW, LN2_LOW,
    1.0 / 5040.0, 1.0 / 5040.0, 1.0 / 5040.0, 1.0 / 5040.0,
    1.0 / 720.0, 1.0 / 720.0, 1.0 / 720.0, 1.0 / 720.0,
    1.0 / 120.0, 1.0 / 120.0, 1.0 / 120.0, 1.0 / 120.0,
    1.0 / 24.0, 1.0 / 24.0, 1.0 / 24.0, 1.0 / 24.0,
    1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0,
    0.5, 0.5, 0.5, 0.5,
    1, 1, 1, 1,
  ],
  16,
);

// Their offsets.
const EXP_LEAST: i32 = 0;
const EXP_MOST: i32 = EXP_LEAST + 16;
const EXP_LOG2E: i32 = EXP_MOST + 16;
const EXP_ROUND: i32 = EXP_LOG2E + 16;
const EXP_LN2_HIGH: i32 = EXP_ROUND + 16;
const EXP_LN2_LOW: i32 = EXP_LN2_HIGH + 16;
const EXP_TERM7: i32 = EXP_LN2_LOW + 16;
const EXP_TERM6: i32 = EXP_TERM7 + 16;
const EXP_TERM5: i32 = EXP_TERM6 + 16;
const EXP_TERM4: i32 = EXP_TERM5 + 16;
const EXP_TERM3: i32 = EXP_TERM4 + 16;
const EXP_TERM2: i32 = EXP_TERM3 + 16;
const EXP_ONE: i32 = EXP_TERM2 + 16;

/**
 * exp(x), with x clamped to [-87, 88]: x = k ln 2 + t with |t| <= ln 2 / 2, and exp(t) by its
 * Taylor series to t^7 / 5040 (Horner). Largest relative error over [-87, 88]: 9.6e-8, measured at
 * 400,004 points (test/core/layout.test.ts allows 1.2e-7).
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const one = v128.load(EXP, EXP_ONE);
  const round = v128.load(EXP, EXP_ROUND);
  const clamped = f32x4.max(v128.load(EXP, EXP_LEAST), f32x4.min(v128.load(EXP, EXP_MOST), x));
  const shifted = f32x4.add(f32x4.mul(clamped, v128.load(EXP, EXP_LOG2E)), round);
  const k = f32x4.sub(shifted, round);
  const t = f32x4.sub(f32x4.sub(clamped, f32x4.mul(k, v128.load(EXP, EXP_LN2_HIGH))), f32x4.mul(k, v128.load(EXP, EXP_LN2_LOW)));
  let p = madd4(v128.load(EXP, EXP_TERM7), t, v128.load(EXP, EXP_TERM6));
  p = madd4(p, t, v128.load(EXP, EXP_TERM5));
  p = madd4(p, t, v128.load(EXP, EXP_TERM4));
  p = madd4(p, t, v128.load(EXP, EXP_TERM3));
  p = madd4(p, t, v128.load(EXP, EXP_TERM2));
  p = madd4(p, t, one);
  p = madd4(p, t, one);
  // The bits of 1 are the exponent of 2^0.
  return f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), one));
}

/** 1 / (1 + exp(-z)) */
// @ts-ignore: decorator
@inline
export function sigmoid4(z: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(z))));
}

/** The sums of the lanes of four vectors, pairs first: lane i of the result is the sum of s_i. */
// @ts-ignore: decorator
@inline
export function sums4(s0: v128, s1: v128, s2: v128, s3: v128): v128 {
  const low01 = v128.shuffle<f32>(s0, s1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(s0, s1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(s2, s3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(s2, s3, 2, 6, 3, 7);
  return f32x4.add(
    f32x4.add(v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), v128.shuffle<f32>(low01, low23, 2, 3, 6, 7)),
    f32x4.add(v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), v128.shuffle<f32>(high01, high23, 2, 3, 6, 7)),
  );
}

/** out[i] = exp(x[i]) for 4 * quads numbers, so that tests can measure exp4. */
export function exponentials(out: usize, x: usize, quads: i32): void {
  for (let i = 0; i < quads; ++i) v128.store(out + (<usize>i << 4), exp4(v128.load(x + (<usize>i << 4))));
}
