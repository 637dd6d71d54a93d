/**
 * The steps before the neighbour search, on one thread: checks, the length scale, and atoms sorted
 * into cells or the lists of an earlier load.
 */
import {
  ADDRESS_SCRATCH,
  COUNT_ATOMS,
  COUNT_CURSOR_MARK,
  COUNT_DENSE_ROW,
  COUNT_ERROR_ATOM,
  COUNT_ERROR_OTHER,
  COUNT_LIST_MEAN,
  COUNT_LIST_REUSED,
  COUNT_LIST_STATE,
  COUNT_PAIR_TESTS,
  COUNT_PAIR_TROUBLE,
  COUNT_PAIRS_NEEDED,
  COUNT_PERIODIC,
  COUNT_REVERSE_READY,
  COUNT_SCALE_VISITS,
  ROW_CAPACITY,
  STATUS_ABORTED,
  STATUS_BAD_LENGTH_SCALE,
  STATUS_NO_LENGTH_SCALE,
  STATUS_OK,
  STATUS_SINGULAR_CELL,
  STATUS_TOO_DENSE,
  VALUE_CUTOFF,
  VALUE_ERROR_DISTANCE,
  VALUE_GRID_UNIT,
  VALUE_LENGTH_SCALE,
  VALUE_LENGTH_SCALE_GIVEN,
} from "./abi";
import {
  basisHeight,
  basisVolume,
  checkPositions,
  checkReach,
  findOrigin,
  formBasis,
  isPeriodic,
  MARGIN,
  sortAtoms,
} from "./cells";
import { LONGEST_LENGTH_SCALE, SHORTEST_LENGTH_SCALE } from "./contract";
import { formLengthScale } from "./lengthscale";
import { beginLists, LISTS_HOLD, LISTS_NONE, renewLists, wantedSkin } from "./lists";
import { count, region, value } from "./memory";
import { countSpecies } from "./nameable";
import { clearCursors } from "./reverse";
import { SCRATCH_SPECIES, SCRATCH_UNIT_X } from "./scratch";
import { isAborted, judgeWork, mostCrowdedAtom, WORK_CROWDED, WORK_MODERATE } from "./work";

/** A cell is thin if its least height is below this share of its mean edge. */
const THIN: f64 = 0.01;

/** Checks the frame, determines the length scale and sorts the atoms into cells. One thread. */
export function binAtoms(ctx: usize): i32 {
  store<i32>(ctx + COUNT_ERROR_ATOM, -1);
  store<i32>(ctx + COUNT_ERROR_OTHER, -1);
  store<f64>(ctx + VALUE_ERROR_DISTANCE, 0);
  store<i32>(ctx + COUNT_PAIRS_NEEDED, 0);
  store<i32>(ctx + COUNT_PAIR_TROUBLE, 0);
  store<i32>(ctx + COUNT_DENSE_ROW, i32.MAX_VALUE);
  store<i32>(ctx + COUNT_PAIR_TESTS, 0);
  store<i64>(ctx + COUNT_SCALE_VISITS, 0);
  store<i32>(ctx + COUNT_REVERSE_READY, 0);
  if (count(ctx, COUNT_CURSOR_MARK) == 0) clearCursors(ctx);
  let status = checkPositions(ctx);
  if (status != STATUS_OK) return status;
  status = formBasis(ctx);
  if (status != STATUS_OK) return status;
  countSpecies(ctx, region(ctx, ADDRESS_SCRATCH) + SCRATCH_SPECIES);
  status = checkReach(ctx);
  if (status != STATUS_OK) return status;
  const given = value(ctx, VALUE_LENGTH_SCALE_GIVEN);
  // Squares and reciprocals of the length scale must not overflow.
  if (given != 0 && !(given > SHORTEST_LENGTH_SCALE && given < LONGEST_LENGTH_SCALE)) return STATUS_BAD_LENGTH_SCALE;
  const skin = wantedSkin(ctx);
  if (skin > 0 && reuseLists(ctx, given)) return STATUS_OK;
  store<i32>(ctx + COUNT_LIST_REUSED, 0);
  store<i32>(ctx + COUNT_LIST_STATE, LISTS_NONE);
  const reach = (value(ctx, VALUE_CUTOFF) + skin) * MARGIN;
  const extents = region(ctx, ADDRESS_SCRATCH) + SCRATCH_UNIT_X;
  findOrigin(ctx, extents);
  const lengthScale = given != 0 ? given : formLengthScale(ctx, extents, reach);
  if (isAborted(ctx)) return STATUS_ABORTED;
  store<f64>(ctx + VALUE_LENGTH_SCALE, lengthScale);
  if (!(lengthScale > 0)) return isThin(ctx) ? STATUS_SINGULAR_CELL : STATUS_NO_LENGTH_SCALE;
  const distance = reach * lengthScale;
  // The estimate may have left the atoms sorted in this way.
  const mean = given == 0 && value(ctx, VALUE_GRID_UNIT) == lengthScale;
  // With cells one cutoff wide, three in a row are one run of contiguous atoms. Measurements found
  // narrower cells slower.
  if (!mean) status = sortAtoms(ctx, extents, distance, distance, lengthScale);
  const work = status == STATUS_OK ? judgeWork(ctx) : WORK_MODERATE;
  if (status == STATUS_OK && work == WORK_MODERATE) {
    if (skin > 0) {
      beginLists(ctx, skin);
      store<i32>(ctx + COUNT_LIST_MEAN, mean ? 1 : 0);
    }
    return STATUS_OK;
  }
  if (work != WORK_CROWDED && !isDense(ctx, distance)) return STATUS_SINGULAR_CELL;
  // Too many images were refused before the atoms were sorted.
  store<i32>(ctx + COUNT_ERROR_ATOM, status == STATUS_OK ? mostCrowdedAtom(ctx) : 0);
  return STATUS_TOO_DENSE;
}

/**
 * Whether a frame without open axes has too many neighbours on average. Many images full of them
 * mean that the length scale is too large; many that lie far apart, that the cell is too flat.
 */
function isDense(ctx: usize, distance: f64): bool {
  if (count(ctx, COUNT_PERIODIC) != 7) return false;
  const sphere = (4.0 / 3.0) * Math.PI * distance * distance * distance;
  return (sphere / basisVolume(ctx)) * <f64>count(ctx, COUNT_ATOMS) > <f64>ROW_CAPACITY;
}

/**
 * Whether the cell is so flat or skewed that it is at fault if there is no length scale: with a
 * given one, its many images are.
 */
function isThin(ctx: usize): bool {
  let least: f64 = Infinity;
  let axes = 0;
  for (let axis = 0; axis < 3; ++axis) {
    if (!isPeriodic(ctx, axis)) continue;
    least = min(least, basisHeight(ctx, axis));
    axes += 1;
  }
  return axes > 0 && least < THIN * Math.pow(basisVolume(ctx), 1 / <f64>axes);
}

/**
 * Whether the lists of an earlier load are still valid. The length scale is then the given one or,
 * if theirs was, that of the mean volume.
 */
function reuseLists(ctx: usize, given: f64): bool {
  if (count(ctx, COUNT_LIST_STATE) != LISTS_HOLD) return false;
  let lengthScale = given;
  if (given == 0) {
    if (!count(ctx, COUNT_LIST_MEAN) || count(ctx, COUNT_PERIODIC) != 7) return false;
    lengthScale = Math.cbrt(basisVolume(ctx) / <f64>count(ctx, COUNT_ATOMS));
  }
  if (!renewLists(ctx, lengthScale)) return false;
  store<f64>(ctx + VALUE_LENGTH_SCALE, lengthScale);
  store<i32>(ctx + COUNT_LIST_REUSED, 1);
  return true;
}
