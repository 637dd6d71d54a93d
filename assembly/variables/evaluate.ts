/**
 * Values of variables (docs/variables.md):
 *
 *     mean   V = sum_a w_a f(q_a) / sum_a w_a        sum   V = sum_a w_a f(q_a)
 *
 * and of what is made of them. Atoms go through in blocks, in which the exponentials of the logits
 * are formed once for all records, and only for atoms that one of them counts. Sums go over the
 * atoms in their order, one after the other.
 */
import {
  ADDRESS_VARIABLES_SCRATCH,
  COUNT_VARIABLES_ATOMS,
  COUNT_VARIABLES_ERROR_RECORD,
  COUNT_VARIABLES_RECORDS,
  STATUS_MISSING_IDS,
  STATUS_MISSING_SPECIES,
  STATUS_NOTHING_SELECTED,
  VALUE_VARIABLES_ERROR,
} from "./abi";
import { LEAST_WEIGHT } from "../contract";
import { count, loadF8, region, storeF8, value } from "../memory";
import { STATUS_OK } from "../abi";
import { checkRecord, isComposite, isOverAtoms } from "./check";
import { compose, recordAt } from "./composites";
import {
  RECORD_REDUCE,
  RECORD_SUM,
  RECORD_TOTAL,
  RECORD_VALUE,
  REDUCE_MEAN,
} from "./program";
import { needsExponentials, quantify } from "./quantities";
import { ATOMS, BLOCK_COUNTED, BLOCK_NEEDED, SELECTION_WEIGHT, selectionOf } from "./scratch";
import { clearMarks, hasAllIds, hasAllSpecies, weigh } from "./selection";
import { formExponentials } from "./softmax";


/** The values of all records. */
export function evaluateVariables(vctx: usize): i32 {
  const status = startVariables(vctx);
  if (status != STATUS_OK) return status;
  sumVariables(vctx, 0, count(vctx, COUNT_VARIABLES_ATOMS));
  return finishVariables(vctx);
}

/** Checks the program and clears the sums. */
export function startVariables(vctx: usize): i32 {
  const records = count(vctx, COUNT_VARIABLES_RECORDS);
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    const status = checkRecord(vctx, record, r);
    if (status != STATUS_OK) return failed(vctx, r, status);
    store<f64>(record + RECORD_SUM, 0);
    store<f64>(record + RECORD_TOTAL, 0);
    if (isOverAtoms(record)) clearMarks(vctx, record);
  }
  return STATUS_OK;
}

/** Adds the atoms [first, end) to the sums, after those before them. */
export function sumVariables(vctx: usize, first: i32, end: i32): void {
  const records = count(vctx, COUNT_VARIABLES_RECORDS);
  const block = region(vctx, ADDRESS_VARIABLES_SCRATCH);
  for (let begin = first; begin < end; begin += ATOMS) {
    const length = min(ATOMS, end - begin);
    for (let i = 0; i < length; ++i) storeF8(block + BLOCK_NEEDED, i, 0);
    let isNeeded = false;
    for (let r = 0; r < records; ++r) {
      const record = recordAt(vctx, r);
      if (!isOverAtoms(record)) continue;
      weigh(vctx, record, selectionOf(vctx, r), begin, length);
      if (!needsExponentials(record)) continue;
      markNeeded(block, selectionOf(vctx, r), length);
      isNeeded = true;
    }
    if (isNeeded) formExponentials(vctx, block, begin, length);
    for (let r = 0; r < records; ++r) {
      const record = recordAt(vctx, r);
      if (!isOverAtoms(record)) continue;
      quantify(vctx, record, block, begin, length);
      addAtoms(record, block, selectionOf(vctx, r), length);
    }
  }
}

/** The atoms of the block that have a weight need their exponentials. */
// @ts-ignore: decorator
@inline
export function markNeeded(block: usize, selection: usize, length: i32): void {
  for (let i = 0; i < length; ++i) {
    if (loadF8(selection + SELECTION_WEIGHT, i) != 0) storeF8(block + BLOCK_NEEDED, i, 1);
  }
}

function addAtoms(record: usize, block: usize, selection: usize, length: i32): void {
  let sum = value(record, RECORD_SUM);
  let total = value(record, RECORD_TOTAL);
  for (let i = 0; i < length; ++i) {
    const w = loadF8(selection + SELECTION_WEIGHT, i);
    if (w == 0) continue;
    sum += w * loadF8(block + BLOCK_COUNTED, i);
    total += w;
  }
  store<f64>(record + RECORD_SUM, sum);
  store<f64>(record + RECORD_TOTAL, total);
}

/** The values, when all atoms have been added. */
export function finishVariables(vctx: usize): i32 {
  const records = count(vctx, COUNT_VARIABLES_RECORDS);
  for (let r = 0; r < records; ++r) {
    const record = recordAt(vctx, r);
    if (isComposite(record)) compose(vctx, record);
    if (!isOverAtoms(record)) continue;
    if (!hasAllIds(vctx, record)) return failed(vctx, r, STATUS_MISSING_IDS);
    if (!hasAllSpecies(vctx, record)) return failed(vctx, r, STATUS_MISSING_SPECIES);
    const total = value(record, RECORD_TOTAL);
    const isMean = <i32>value(record, RECORD_REDUCE) == REDUCE_MEAN;
    if (isMean && !(total >= LEAST_WEIGHT)) {
      store<f64>(vctx + VALUE_VARIABLES_ERROR, total);
      return failed(vctx, r, STATUS_NOTHING_SELECTED);
    }
    store<f64>(record + RECORD_VALUE, isMean ? value(record, RECORD_SUM) / total : value(record, RECORD_SUM));
  }
  return STATUS_OK;
}

/** Names the record of a status, and returns the status. */
export function failed(vctx: usize, r: i32, status: i32): i32 {
  store<i32>(vctx + COUNT_VARIABLES_ERROR_RECORD, r);
  return status;
}
