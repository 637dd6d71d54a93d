/**
 * The quantities q_a that records are means of, what is counted of them, and their derivatives:
 *
 *     fraction       q = sum of p_ak over its classes k  dq/dl_ac = p_ac ([c is one of them] - q)
 *     logit          q = l_ak, or l_ak - l_am            dq/dl_ak = 1, dq/dl_am = -1
 *     distance       q = a0 s sqrt(2 h(u))               dq/dl_ak = -a0 s h'(u) / sqrt(2 h(u))
 *                    u = l0_k - l'_ak, h(u) = u^3 / (u^2 + 1/16) for u > 0, else 0
 *     log density    q = log P_a                         dq/dl_ac = p_ac
 *     per atom       q is given
 *     switch         f(q) = 1 / (1 + exp(-(q - centre)/width)); without one f(q) = q
 */
import {
  ADDRESS_VARIABLES_IDEAL_LOGITS,
  ADDRESS_VARIABLES_LOG_WEIGHTS,
  ADDRESS_VARIABLES_LOGITS,
  COUNT_VARIABLES_CLASSES,
  COUNT_VARIABLES_LOGIT_BYTES,
  VALUE_VARIABLES_LENGTH_SCALE,
  VALUE_VARIABLES_LOGIT_LENGTH,
} from "./abi";
import { CORNER } from "../contract";
import { at8, count, loadF8, region, storeF8, value } from "../memory";
import { exp2 } from "./exponential";
import {
  KIND_DISTANCE,
  KIND_FRACTION,
  KIND_LOG_DENSITY,
  KIND_LOGIT,
  RECORD_CLASS,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_LIST,
  RECORD_MINUS,
  RECORD_PER_ATOM,
  RECORD_SWITCH_CENTRE,
  RECORD_SWITCH_WIDTH,
} from "./program";
import {
  BLOCK_COUNTED,
  BLOCK_LARGEST,
  BLOCK_NEEDED,
  BLOCK_QUANTITY,
  BLOCK_SLOPE,
  BLOCK_TOTAL,
  exponentialBytes,
  exponentialRows,
} from "./scratch";
import { listOf } from "./selection";
import { logitOf } from "./softmax";

/** c of h(u) = u^3 / (u^2 + c). */

/** Whether a record needs the exponentials of the logits. */
// @ts-ignore: decorator
@inline
export function needsExponentials(record: usize): bool {
  const kind = <i32>value(record, RECORD_KIND);
  return kind == KIND_FRACTION || kind == KIND_LOG_DENSITY;
}

/** The derivative of a distance by the logit of its class. */
// @ts-ignore: decorator
@inline
export function distanceSlope(vctx: usize, u: f64): f64 {
  // It goes to 0 with u, though written so it would be 0 / 0.
  if (!(u > 0)) return 0;
  const square = u * u + CORNER;
  const root = Math.sqrt((2 * u) / square);
  return (-distanceUnit(vctx) * (u * (u * u + 3 * CORNER))) / (square * square * root);
}

// @ts-ignore: decorator
@inline
function distanceUnit(vctx: usize): f64 {
  return value(vctx, VALUE_VARIABLES_LENGTH_SCALE) * value(vctx, VALUE_VARIABLES_LOGIT_LENGTH);
}

/** The logit of class k on its prototype, prior included. */
// @ts-ignore: decorator
@inline
export function idealOf(vctx: usize, k: i32): f64 {
  const weights = region(vctx, ADDRESS_VARIABLES_LOG_WEIGHTS);
  return loadF8(region(vctx, ADDRESS_VARIABLES_IDEAL_LOGITS), k) + (weights == 0 ? 0 : loadF8(weights, k));
}

/**
 * Writes q_a, f(q_a) and f'(q_a) of a record, for `length` atoms from `begin` on. Atoms without the
 * exponentials that it needs, which have no weight, get 0.
 */
export function quantify(vctx: usize, record: usize, block: usize, begin: i32, length: i32): void {
  const kind = <i32>value(record, RECORD_KIND);
  if (kind == KIND_FRACTION) fractions(vctx, record, block, length);
  else if (kind == KIND_LOGIT) combinations(vctx, record, block, begin, length);
  else if (kind == KIND_DISTANCE) distances(vctx, record, block, begin, length);
  else if (kind == KIND_LOG_DENSITY) logDensities(block, length);
  else {
    const given = at8(<usize>value(record, RECORD_PER_ATOM), begin);
    for (let i = 0; i < length; ++i) storeF8(block + BLOCK_QUANTITY, i, loadF8(given, i));
  }
  const width = value(record, RECORD_SWITCH_WIDTH);
  if (width > 0) logistic(block, value(record, RECORD_SWITCH_CENTRE), width, length);
  else {
    for (let i = 0; i < length; ++i) {
      storeF8(block + BLOCK_COUNTED, i, loadF8(block + BLOCK_QUANTITY, i));
      storeF8(block + BLOCK_SLOPE, i, 1);
    }
  }
}

function fractions(vctx: usize, record: usize, block: usize, length: i32): void {
  const classes = listOf(vctx, record, RECORD_LIST);
  const classCount = <i32>value(record, RECORD_LENGTH);
  const rowBytes = exponentialBytes(vctx);
  let row = exponentialRows(vctx);
  for (let i = 0; i < length; ++i, row += rowBytes) {
    let q: f64 = 0;
    if (loadF8(block + BLOCK_NEEDED, i) != 0) {
      for (let j = 0; j < classCount; ++j) q += loadF8(row, <i32>loadF8(classes, j));
      q /= loadF8(block + BLOCK_TOTAL, i);
    }
    storeF8(block + BLOCK_QUANTITY, i, q);
  }
}

function combinations(vctx: usize, record: usize, block: usize, begin: i32, length: i32): void {
  const logits = region(vctx, ADDRESS_VARIABLES_LOGITS);
  const logitBytes = count(vctx, COUNT_VARIABLES_LOGIT_BYTES);
  const classCount = count(vctx, COUNT_VARIABLES_CLASSES);
  const k = <i32>value(record, RECORD_CLASS);
  const m = <i32>value(record, RECORD_MINUS);
  for (let i = 0; i < length; ++i) {
    const first = (begin + i) * classCount;
    let q = logitOf(logits, logitBytes, first + k);
    if (m >= 0) q -= logitOf(logits, logitBytes, first + m);
    storeF8(block + BLOCK_QUANTITY, i, q);
  }
}

function distances(vctx: usize, record: usize, block: usize, begin: i32, length: i32): void {
  const logits = region(vctx, ADDRESS_VARIABLES_LOGITS);
  const logitBytes = count(vctx, COUNT_VARIABLES_LOGIT_BYTES);
  const classCount = count(vctx, COUNT_VARIABLES_CLASSES);
  const k = <i32>value(record, RECORD_CLASS);
  const ideal = idealOf(vctx, k);
  const unit = distanceUnit(vctx);
  for (let i = 0; i < length; ++i) {
    const u = ideal - logitOf(logits, logitBytes, (begin + i) * classCount + k);
    const q = u > 0 ? unit * u * Math.sqrt((2 * u) / (u * u + CORNER)) : 0;
    storeF8(block + BLOCK_QUANTITY, i, q);
  }
}

function logDensities(block: usize, length: i32): void {
  for (let i = 0; i < length; ++i) {
    const isKnown = loadF8(block + BLOCK_NEEDED, i) != 0;
    const logTotal = isKnown ? Math.log(loadF8(block + BLOCK_TOTAL, i)) : 0;
    storeF8(block + BLOCK_QUANTITY, i, isKnown ? loadF8(block + BLOCK_LARGEST, i) + logTotal : 0);
  }
}

/**
 * The step f, two atoms at a time, from the exponential that cannot overflow, so that neither tail
 * loses its digits.
 */
function logistic(block: usize, centre: f64, width: f64, length: i32): void {
  const one = f64x2.splat(1);
  const centres = f64x2.splat(centre);
  const widths = f64x2.splat(width);
  for (let i = 0; i < length; i += 2) {
    const x = f64x2.div(f64x2.sub(v128.load(at8(block + BLOCK_QUANTITY, i)), centres), widths);
    const small = exp2(f64x2.neg(f64x2.abs(x)));
    const sum = f64x2.add(one, small);
    const above = f64x2.ge(x, f64x2.splat(0));
    v128.store(at8(block + BLOCK_COUNTED, i), f64x2.div(v128.bitselect(one, small, above), sum));
    const slope = f64x2.div(f64x2.div(small, f64x2.mul(sum, sum)), widths);
    v128.store(at8(block + BLOCK_SLOPE, i), slope);
  }
}
