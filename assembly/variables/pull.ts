/**
 * Derivatives of E, a function of the variables, from dE/dV (RECORD_SLOPE). With adj = dE/dV of a
 * mean or sum over atoms, W = sum_a w_a or 1:
 *
 *     dE/dq_a = adj w_a f'(q_a) / W        dE/dw_a = adj (f(q_a) - V) / W, or adj f(q_a) of a sum
 *
 * All records go into one seed. What is p_ac times one number per atom is added up first:
 *
 *     D_ac = p_ac A_a + parts of single classes
 */
import {
  ADDRESS_VARIABLES_GRADIENT,
  ADDRESS_VARIABLES_LOGITS,
  ADDRESS_VARIABLES_SCRATCH,
  ADDRESS_VARIABLES_SEED,
  COUNT_VARIABLES_ATOMS,
  COUNT_VARIABLES_CLASSES,
  COUNT_VARIABLES_HAS_GRADIENT,
  COUNT_VARIABLES_LOGIT_BYTES,
  COUNT_VARIABLES_RECORDS,
  STATUS_SHARP_EDGE,
  VALUE_VARIABLES_LOG_LENGTH_SCALE,
  VALUE_VARIABLES_VIRIAL,
} from "./abi";
import { addF8, at8, count, loadF8, region, storeF8, value } from "../memory";
import { STATUS_OK } from "../abi";
import { isComposite, isOverAtoms } from "./check";
import { pullComposite, recordAt } from "./composites";
import { failed, markNeeded } from "./evaluate";
import {
  KIND_DISTANCE,
  KIND_FRACTION,
  KIND_LOG_DENSITY,
  KIND_LOGIT,
  RECORD_ADJOINT,
  RECORD_BY_ATOM,
  RECORD_CLASS,
  RECORD_EDGE,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_LIST,
  RECORD_MINUS,
  RECORD_REDUCE,
  RECORD_REGION,
  RECORD_SLOPE,
  RECORD_TOTAL,
  RECORD_VALUE,
  REDUCE_MEAN,
  REGION_NONE,
} from "./program";
import { distanceSlope, idealOf, needsExponentials, quantify } from "./quantities";
import { pullRegion } from "./regions";
import {
  ATOMS,
  BLOCK_COUNTED,
  BLOCK_NEEDED,
  BLOCK_QUANTITY,
  BLOCK_SHARED,
  BLOCK_SLOPE,
  BLOCK_TOTAL,
  exponentialBytes,
  exponentialRows,
  SELECTION_FACTOR,
  SELECTION_WEIGHT,
  selectionOf,
} from "./scratch";
import { listOf, weigh } from "./selection";
import { formExponentials, logitOf } from "./softmax";

/** Seed, gradient, virial and dE/dlog a0. */
export function pullVariables(vctx: usize): i32 {
  const status = startPull(vctx);
  if (status == STATUS_OK) pullAtoms(vctx, 0, count(vctx, COUNT_VARIABLES_ATOMS));
  return status;
}

/** The adjoints of all records, from the outermost to the innermost. */
export function startPull(vctx: usize): i32 {
  const records = count(vctx, COUNT_VARIABLES_RECORDS);
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    store<f64>(record + RECORD_ADJOINT, value(record, RECORD_SLOPE));
  }
  for (let r = records - 1; r >= 0; --r) {
    const record = recordAt(vctx, r);
    if (isComposite(record) && value(record, RECORD_ADJOINT) != 0) pullComposite(vctx, record);
  }
  let hasGradient = false;
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    if (!isActive(record) || !hasRegion(record)) continue;
    if (value(record, RECORD_EDGE) == 0) return failed(vctx, r, STATUS_SHARP_EDGE);
    hasGradient = true;
  }
  store<i32>(vctx + COUNT_VARIABLES_HAS_GRADIENT, i32(hasGradient));
  store<f64>(vctx + VALUE_VARIABLES_LOG_LENGTH_SCALE, 0);
  for (let i = 0; i < 9; ++i) storeF8(vctx + VALUE_VARIABLES_VIRIAL, i, 0);
  return STATUS_OK;
}

/** Whether E depends on a mean or sum over atoms. */
// @ts-ignore: decorator
@inline
function isActive(record: usize): bool {
  return isOverAtoms(record) && value(record, RECORD_ADJOINT) != 0;
}

// @ts-ignore: decorator
@inline
function hasRegion(record: usize): bool {
  return <i32>value(record, RECORD_REGION) != REGION_NONE;
}

/** Overwrites the seed of the atoms [first, end) and, if there is one, their gradient. */
export function pullAtoms(vctx: usize, first: i32, end: i32): void {
  const block = region(vctx, ADDRESS_VARIABLES_SCRATCH);
  for (let begin = first; begin < end; begin += ATOMS) {
    pullBlock(vctx, block, begin, min(ATOMS, end - begin));
  }
}

function pullBlock(vctx: usize, block: usize, begin: i32, length: i32): void {
  const records = count(vctx, COUNT_VARIABLES_RECORDS);
  for (let i = 0; i < length; ++i) {
    storeF8(block + BLOCK_NEEDED, i, 0);
    storeF8(block + BLOCK_SHARED, i, 0);
  }
  let isNeeded = false;
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    if (!isActive(record)) continue;
    weigh(vctx, record, selectionOf(vctx, r), begin, length);
    if (!needsExponentials(record)) continue;
    markNeeded(block, selectionOf(vctx, r), length);
    isNeeded = true;
  }
  if (isNeeded) formExponentials(vctx, block, begin, length);
  if (count(vctx, COUNT_VARIABLES_HAS_GRADIENT) != 0) {
    clear(at8(region(vctx, ADDRESS_VARIABLES_GRADIENT), 3 * begin), 3 * length);
  }
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    if (!isActive(record)) continue;
    quantify(vctx, record, block, begin, length);
    pullQuantity(vctx, record, block, selectionOf(vctx, r), begin, length);
  }
  shareSeed(vctx, block, begin, length);
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    if (isActive(record)) addToSeed(vctx, record, block, selectionOf(vctx, r), begin, length);
  }
}

function clear(numbers: usize, length: i32): void {
  for (let i = 0; i < length; ++i) storeF8(numbers, i, 0);
}

/** The factors of a record, its part of A_a, and what its region and a0 have of it. */
function pullQuantity(
  vctx: usize,
  record: usize,
  block: usize,
  selection: usize,
  begin: i32,
  length: i32,
): void {
  const kind = <i32>value(record, RECORD_KIND);
  const isMean = <i32>value(record, RECORD_REDUCE) == REDUCE_MEAN;
  const scale = value(record, RECORD_ADJOINT) / (isMean ? value(record, RECORD_TOTAL) : 1);
  const reference = isMean ? value(record, RECORD_VALUE) : 0;
  const moves = hasRegion(record);
  let growth: f64 = 0;
  for (let i = 0; i < length; ++i) {
    const w = loadF8(selection + SELECTION_WEIGHT, i);
    let factor: f64 = 0;
    if (w != 0) {
      const q = loadF8(block + BLOCK_QUANTITY, i);
      factor = scale * w * loadF8(block + BLOCK_SLOPE, i);
      if (kind == KIND_FRACTION) addF8(block + BLOCK_SHARED, i, -factor * q);
      else if (kind == KIND_LOG_DENSITY) addF8(block + BLOCK_SHARED, i, factor);
      else if (kind == KIND_DISTANCE) growth += factor * q;
      const byWeight = scale * (loadF8(block + BLOCK_COUNTED, i) - reference);
      if (moves) pullRegion(vctx, record, selection, begin, i, byWeight);
    }
    storeF8(selection + SELECTION_FACTOR, i, factor);
  }
  if (kind == KIND_DISTANCE) addF8(vctx + VALUE_VARIABLES_LOG_LENGTH_SCALE, 0, growth);
}

/** Writes p_ac A_a into the seed. */
function shareSeed(vctx: usize, block: usize, begin: i32, length: i32): void {
  const classCount = count(vctx, COUNT_VARIABLES_CLASSES);
  const rowBytes = exponentialBytes(vctx);
  let row = exponentialRows(vctx);
  let seed = at8(region(vctx, ADDRESS_VARIABLES_SEED), begin * classCount);
  for (let i = 0; i < length; ++i, row += rowBytes, seed = at8(seed, classCount)) {
    const shared = loadF8(block + BLOCK_SHARED, i);
    if (shared == 0) {
      clear(seed, classCount);
      continue;
    }
    const factor = shared / loadF8(block + BLOCK_TOTAL, i);
    const factors = f64x2.splat(factor);
    let c = 0;
    for (; c + 2 <= classCount; c += 2) {
      v128.store(at8(seed, c), f64x2.mul(v128.load(at8(row, c)), factors));
    }
    if (c < classCount) storeF8(seed, c, loadF8(row, c) * factor);
  }
}

/** Adds the parts of single classes, or writes dE/dq_a for the host. */
function addToSeed(
  vctx: usize,
  record: usize,
  block: usize,
  selection: usize,
  begin: i32,
  length: i32,
): void {
  const kind = <i32>value(record, RECORD_KIND);
  const classCount = count(vctx, COUNT_VARIABLES_CLASSES);
  const seed = at8(region(vctx, ADDRESS_VARIABLES_SEED), begin * classCount);
  const factors = selection + SELECTION_FACTOR;
  if (kind == KIND_FRACTION) {
    const classes = listOf(vctx, record, RECORD_LIST);
    const rowBytes = exponentialBytes(vctx);
    let row = exponentialRows(vctx);
    for (let i = 0; i < length; ++i, row += rowBytes) {
      if (loadF8(factors, i) == 0) continue;
      const factor = loadF8(factors, i) / loadF8(block + BLOCK_TOTAL, i);
      for (let j = 0; j < <i32>value(record, RECORD_LENGTH); ++j) {
        const k = <i32>loadF8(classes, j);
        addF8(seed, i * classCount + k, factor * loadF8(row, k));
      }
    }
  } else if (kind == KIND_LOGIT) {
    const k = <i32>value(record, RECORD_CLASS);
    const m = <i32>value(record, RECORD_MINUS);
    for (let i = 0; i < length; ++i) {
      addF8(seed, i * classCount + k, loadF8(factors, i));
      if (m >= 0) addF8(seed, i * classCount + m, -loadF8(factors, i));
    }
  } else if (kind == KIND_DISTANCE) {
    const k = <i32>value(record, RECORD_CLASS);
    const ideal = idealOf(vctx, k);
    const logits = region(vctx, ADDRESS_VARIABLES_LOGITS);
    const logitBytes = count(vctx, COUNT_VARIABLES_LOGIT_BYTES);
    for (let i = 0; i < length; ++i) {
      const u = ideal - logitOf(logits, logitBytes, (begin + i) * classCount + k);
      addF8(seed, i * classCount + k, loadF8(factors, i) * distanceSlope(vctx, u));
    }
  } else if (kind != KIND_LOG_DENSITY) {
    const byAtom = at8(<usize>value(record, RECORD_BY_ATOM), begin);
    for (let i = 0; i < length; ++i) storeF8(byAtom, i, loadF8(factors, i));
  }
}
