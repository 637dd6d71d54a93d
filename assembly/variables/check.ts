/**
 * Whether the records of a program keep the rules of program.ts, so that no call reads or writes
 * elsewhere.
 */
import {
  COUNT_VARIABLES_CLASSES,
  COUNT_VARIABLES_HAS_CELL,
  COUNT_VARIABLES_LIST_NUMBERS,
  COUNT_VARIABLES_LOGIT_BYTES,
  STATUS_BAD_RECORD,
  STATUS_FLAT_CELL,
  STATUS_NO_CELL,
  STATUS_WIDE_REGION,
} from "./abi";
import { count, loadF8, value } from "../memory";
import { STATUS_OK } from "../abi";
import { prepareCell } from "./geometry";
import {
  KIND_DISTANCE,
  KIND_EXTREMUM,
  KIND_FRACTION,
  KIND_GIVEN,
  KIND_LOGIT,
  KIND_PER_ATOM,
  KIND_SUM,
  KIND_SWITCH,
  RECORD_AXIS,
  RECORD_CLASS,
  RECORD_EDGE,
  RECORD_ID_COUNT,
  RECORD_IDS,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_LIST,
  RECORD_MINUS,
  RECORD_REDUCE,
  RECORD_REGION,
  RECORD_SPECIES,
  RECORD_SPECIES_COUNT,
  RECORD_SWITCH_WIDTH,
  RECORD_WEIGHTS,
  REDUCE_SUM,
  REGION_BALL,
  REGION_NONE,
  REGION_SLAB,
} from "./program";
import { prepareRegion } from "./regions";
import { listOf } from "./selection";

/** Whether a record is a mean or a sum over atoms. */
// @ts-ignore: decorator
@inline
export function isOverAtoms(record: usize): bool {
  const kind = <i32>value(record, RECORD_KIND);
  return kind >= KIND_FRACTION && kind <= KIND_PER_ATOM;
}

/** Whether a record is a variable of variables. */
// @ts-ignore: decorator
@inline
export function isComposite(record: usize): bool {
  const kind = <i32>value(record, RECORD_KIND);
  return kind >= KIND_SUM && kind <= KIND_SWITCH;
}

/** The status of record `r`: also that of its region, whose geometry is prepared. */
export function checkRecord(vctx: usize, record: usize, r: i32): i32 {
  if (!isSound(vctx, record, r)) return STATUS_BAD_RECORD;
  if (!isOverAtoms(record) || <i32>value(record, RECORD_REGION) == REGION_NONE) return STATUS_OK;
  if (count(vctx, COUNT_VARIABLES_HAS_CELL) == 0) return STATUS_NO_CELL;
  if (!prepareCell(vctx)) return STATUS_FLAT_CELL;
  return prepareRegion(vctx, record) ? STATUS_OK : STATUS_WIDE_REGION;
}

function isSound(vctx: usize, record: usize, r: i32): bool {
  const logitBytes = count(vctx, COUNT_VARIABLES_LOGIT_BYTES);
  if (logitBytes != 4 && logitBytes != 8) return false;
  if (isComposite(record)) return isSoundComposite(vctx, record, r);
  if (isOverAtoms(record)) return isSoundMean(vctx, record);
  return <i32>value(record, RECORD_KIND) == KIND_GIVEN;
}

/** Whether a field holds a whole number from `least` to `most`. */
function isWhole(record: usize, field: i32, least: i32, most: i32): bool {
  const number = value(record, field);
  return number >= <f64>least && number <= <f64>most && Math.floor(number) == number;
}

/** Whether `times` x the count of one field fit into the lists from the place in the other. */
function fits(vctx: usize, record: usize, place: i32, length: i32, times: i32): bool {
  const numbers = count(vctx, COUNT_VARIABLES_LIST_NUMBERS);
  if (!isWhole(record, length, 0, numbers)) return false;
  if (value(record, length) == 0) return true;
  const end = value(record, place) + <f64>times * value(record, length);
  return isWhole(record, place, 0, numbers) && end <= <f64>numbers;
}

/** Whether the list holds whole numbers from 0 to below `end`, one at least. */
function isListBelow(vctx: usize, record: usize, end: i32): bool {
  if (!fits(vctx, record, RECORD_LIST, RECORD_LENGTH, 1) || value(record, RECORD_LENGTH) == 0) return false;
  const list = listOf(vctx, record, RECORD_LIST);
  for (let i = 0; i < <i32>value(record, RECORD_LENGTH); ++i) {
    const number = loadF8(list, i);
    if (!(number >= 0 && number < <f64>end && Math.floor(number) == number)) return false;
  }
  return true;
}

function isSoundComposite(vctx: usize, record: usize, r: i32): bool {
  if (!isListBelow(vctx, record, r)) return false;
  const kind = <i32>value(record, RECORD_KIND);
  if (kind == KIND_SUM) return fits(vctx, record, RECORD_WEIGHTS, RECORD_LENGTH, 1);
  if (kind == KIND_EXTREMUM) return true;
  return value(record, RECORD_LENGTH) == 1 && value(record, RECORD_SWITCH_WIDTH) > 0;
}

function isSoundMean(vctx: usize, record: usize): bool {
  const classes = count(vctx, COUNT_VARIABLES_CLASSES);
  const kind = <i32>value(record, RECORD_KIND);
  if (kind == KIND_FRACTION && !isListBelow(vctx, record, classes)) return false;
  const hasClass = kind == KIND_LOGIT || kind == KIND_DISTANCE;
  if (hasClass && !isWhole(record, RECORD_CLASS, 0, classes - 1)) return false;
  if (kind == KIND_LOGIT && !isWhole(record, RECORD_MINUS, -1, classes - 1)) return false;
  if (!isWhole(record, RECORD_REDUCE, 0, REDUCE_SUM)) return false;
  if (!(value(record, RECORD_SWITCH_WIDTH) >= 0)) return false;
  if (!fits(vctx, record, RECORD_IDS, RECORD_ID_COUNT, 2)) return false;
  if (!fits(vctx, record, RECORD_SPECIES, RECORD_SPECIES_COUNT, 3)) return false;
  if (!isWhole(record, RECORD_REGION, REGION_NONE, REGION_BALL)) return false;
  const shape = <i32>value(record, RECORD_REGION);
  if (shape == REGION_SLAB && !isWhole(record, RECORD_AXIS, 0, 2)) return false;
  return shape == REGION_NONE || value(record, RECORD_EDGE) >= 0;
}
