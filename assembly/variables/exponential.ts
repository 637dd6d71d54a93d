/**
 * exp of two f64 numbers at a time, 0 or below: terms relative to the largest, tails of steps.
 *
 *     x = k ln 2 + r,  r = hi - lo,  |r| <= ln 2 / 2,  exp(x) = 2^k exp(r)
 *     c = r - r^2 (P1 + P2 r^2 + P3 r^4 + P4 r^6 + P5 r^8)
 *     exp(r) = 1 + r + r c / (2 - c) = 1 - ((lo - r c / (2 - c)) - hi)
 *
 * The polynomial is that of FreeBSD's e_exp.c (Sun Microsystems, 1993). Largest error over
 * [-708, 0]: 0.86 units in the last place, measured at 200,000 points against 60 decimal digits
 * (test/variables/exponential.test.ts holds it to 1). Below -708 the result is 0: next to an
 * exponential of 1 it would not count. NaN stays NaN.
 */
import { at8 } from "../memory";

/** 1.5 * 2^52: adding it rounds a small f64 to the nearest integer, which its low bits hold. */
const ROUND: f64 = 6755399441055744;

// Each constant twice, so that one load fetches a vector.
const LOWEST: i32 = 0;
const LOG2E: i32 = 16;
const SHIFT: i32 = 32;
const LN2_HIGH: i32 = 48;
const LN2_LOW: i32 = 64;
const P1: i32 = 80;
const P2: i32 = 96;
const P3: i32 = 112;
const P4: i32 = 128;
const P5: i32 = 144;
const TWO: i32 = 160;
const ONE: i32 = 176;
const CONSTANTS: usize = memory.data<f64>(
  [
    -708, -708,
    1.44269504088896338700, 1.44269504088896338700,
    ROUND, ROUND,
    6.93147180369123816490e-1, 6.93147180369123816490e-1,
    1.90821492927058770002e-10, 1.90821492927058770002e-10,
    1.66666666666666019037e-1, 1.66666666666666019037e-1,
    -2.77777777770155933842e-3, -2.77777777770155933842e-3,
    6.61375632143793436117e-5, 6.61375632143793436117e-5,
    -1.65339022054652515390e-6, -1.65339022054652515390e-6,
    4.13813679705723846039e-8, 4.13813679705723846039e-8,
    2, 2,
    1, 1,
  ],
  16,
);

// @ts-ignore: decorator
@inline
function constant(offset: i32): v128 {
  return v128.load(CONSTANTS + <usize>offset);
}

/** a b + c */
// @ts-ignore: decorator
@inline
function madd2(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f64x2.relaxed_madd(a, b, c) : f64x2.add(f64x2.mul(a, b), c);
}

/** exp(x), x at most 0. */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  // The first operand is what stays where one of the two is NaN.
  const clamped = f64x2.pmax(x, constant(LOWEST));
  const shifted = f64x2.add(f64x2.mul(clamped, constant(LOG2E)), constant(SHIFT));
  const k = f64x2.sub(shifted, constant(SHIFT));
  const high = f64x2.sub(clamped, f64x2.mul(k, constant(LN2_HIGH)));
  const low = f64x2.mul(k, constant(LN2_LOW));
  const r = f64x2.sub(high, low);
  const square = f64x2.mul(r, r);
  let p = madd2(constant(P5), square, constant(P4));
  p = madd2(p, square, constant(P3));
  p = madd2(p, square, constant(P2));
  p = madd2(p, square, constant(P1));
  const c = f64x2.sub(r, f64x2.mul(square, p));
  const quotient = f64x2.div(f64x2.mul(r, c), f64x2.sub(constant(TWO), c));
  const y = f64x2.sub(constant(ONE), f64x2.sub(f64x2.sub(low, quotient), high));
  // The bits of 1 are those of 2^0.
  const scale = i64x2.add(i64x2.shl(shifted, 52), constant(ONE));
  return v128.andnot(f64x2.mul(y, scale), f64x2.lt(x, constant(LOWEST)));
}

/** out[i] = exp(x[i]) for 2 * pairs numbers, 0 or below: lets the tests measure exp2. */
export function exponentials2(out: usize, x: usize, pairs: i32): void {
  for (let i = 0; i < pairs; ++i) v128.store(at8(out, 2 * i), exp2(v128.load(at8(x, 2 * i))));
}
