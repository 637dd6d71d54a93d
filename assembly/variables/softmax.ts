/**
 * Exponentials of logits, a block of atoms at a time, for the records that need them:
 *
 *     e_ac = exp(l_ac - m_a),   m_a = max_c l_ac,   t_a = sum_c e_ac
 *     p_ac = e_ac / t_a,   log P_a = m_a + log t_a
 *
 * Rows have Ce numbers: C rounded up to 2, filled up with 0. The sum t_a takes the even classes
 * first, then the odd ones.
 */
import { ADDRESS_VARIABLES_LOGITS, COUNT_VARIABLES_CLASSES, COUNT_VARIABLES_LOGIT_BYTES } from "./abi";
import { at4, at8, count, loadF4, loadF8, region, storeF8 } from "../memory";
import { exp2 } from "./exponential";
import {
  BLOCK_LARGEST,
  BLOCK_NEEDED,
  BLOCK_TOTAL,
  evenClasses,
  exponentialBytes,
  exponentialRows,
} from "./scratch";

/** The logit of a class of an atom. */
// @ts-ignore: decorator
@inline
export function logitOf(logits: usize, logitBytes: i32, place: i32): f64 {
  return logitBytes == 8 ? loadF8(logits, place) : <f64>loadF4(logits, place);
}

/** Forms the exponentials of those of `length` atoms from `begin` on that BLOCK_NEEDED marks. */
export function formExponentials(vctx: usize, block: usize, begin: i32, length: i32): void {
  const classCount = count(vctx, COUNT_VARIABLES_CLASSES);
  const logitBytes = count(vctx, COUNT_VARIABLES_LOGIT_BYTES);
  const logits = region(vctx, ADDRESS_VARIABLES_LOGITS);
  const rowBytes = exponentialBytes(vctx);
  let row = exponentialRows(vctx);
  for (let i = 0; i < length; ++i, row += rowBytes) {
    if (loadF8(block + BLOCK_NEEDED, i) == 0) continue;
    const first = (begin + i) * classCount;
    const largest =
      logitBytes == 8
        ? takeDoubles(row, at8(logits, first), classCount)
        : takeSingles(row, at4(logits, first), classCount);
    storeF8(block + BLOCK_LARGEST, i, largest);
    storeF8(block + BLOCK_TOTAL, i, exponentiate(row, classCount, largest));
  }
}

/** The larger of the lanes. */
// @ts-ignore: decorator
@inline
function largestLane(x: v128): f64 {
  return max(f64x2.extract_lane(x, 0), f64x2.extract_lane(x, 1));
}

/** Copies a row of f32; returns the largest. */
// @ts-ignore: decorator
@inline
function takeSingles(row: usize, logits: usize, classCount: i32): f64 {
  let largest = f64x2.splat(-Infinity);
  let c = 0;
  for (; c + 4 <= classCount; c += 4) {
    const four = v128.load(at4(logits, c));
    const low = f64x2.promote_low_f32x4(four);
    const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(four, four, 1, 1));
    v128.store(at8(row, c), low);
    v128.store(at8(row, c), high, 16);
    largest = f64x2.pmax(largest, f64x2.pmax(low, high));
  }
  let most = largestLane(largest);
  for (; c < classCount; ++c) {
    const one = <f64>loadF4(logits, c);
    storeF8(row, c, one);
    most = one > most ? one : most;
  }
  return most;
}

/** Copies a row of f64; returns the largest. */
// @ts-ignore: decorator
@inline
function takeDoubles(row: usize, logits: usize, classCount: i32): f64 {
  let largest = f64x2.splat(-Infinity);
  let c = 0;
  for (; c + 2 <= classCount; c += 2) {
    const two = v128.load(at8(logits, c));
    v128.store(at8(row, c), two);
    largest = f64x2.pmax(largest, two);
  }
  let most = largestLane(largest);
  if (c < classCount) {
    const one = loadF8(logits, c);
    storeF8(row, c, one);
    most = one > most ? one : most;
  }
  return most;
}

/** Turns a row into exponentials relative to `largest`; returns their sum. */
// @ts-ignore: decorator
@inline
function exponentiate(row: usize, classCount: i32, largest: f64): f64 {
  const even = evenClasses(classCount);
  if (even > classCount) storeF8(row, classCount, -Infinity);
  const shift = f64x2.splat(largest);
  let sum = f64x2.splat(0);
  for (let c = 0; c < even; c += 2) {
    const e = exp2(f64x2.sub(v128.load(at8(row, c)), shift));
    v128.store(at8(row, c), e);
    sum = f64x2.add(sum, e);
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}
