/**
 * Bounds on the work of one frame. A host can end it (COUNT_ABORT), and the neighbour search does
 * not begin if, by the number of atoms in the cells, it would take far more work than a frame of
 * atoms can need.
 */
import {
  ADDRESS_ORDER,
  ADDRESS_SLOT_START,
  COUNT_ABORT,
  COUNT_ATOMS,
  COUNT_GRID_CELLS,
  COUNT_GRID_REACH,
  COUNT_GRID_SLOTS,
} from "./abi";
import { isPeriodic } from "./cells";
import { at4, count, countAt, region } from "./memory";

/**
 * Most tests of a pair: as many for each atom, and as many more. A crystal takes some 300 per atom.
 * Frames of the highest density that is accepted take 7000, and those of a few cells up to 50,000.
 */
const TESTS_PER_ATOM: f64 = 8192;
const TESTS_OF_ANY: f64 = 5e8;
/** Cells around a cell, itself included, if no image is met twice. */
const USUAL_CELLS: f64 = 27;

/** Whether a host wants the calls on this frame to end. */
// @ts-ignore: decorator
@inline
export function isAborted(ctx: usize): bool {
  return atomic.load<i32>(ctx + COUNT_ABORT) != 0;
}

/** Mean number of atoms in the cell of an atom. */
export function crowding(ctx: usize): f64 {
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const slots = count(ctx, COUNT_GRID_SLOTS);
  let sum: f64 = 0;
  for (let slot = 0; slot < slots; ++slot) {
    const here = <f64>(load<i32>(at4(slotStart, slot + 1)) - load<i32>(at4(slotStart, slot)));
    sum += here * here;
  }
  return sum / <f64>count(ctx, COUNT_ATOMS);
}

/** An atom of the cell with the most atoms. */
export function mostCrowdedAtom(ctx: usize): i32 {
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const slots = count(ctx, COUNT_GRID_SLOTS);
  let most = 0;
  let first = 0;
  for (let slot = 0; slot < slots; ++slot) {
    const begin = load<i32>(at4(slotStart, slot));
    const here = load<i32>(at4(slotStart, slot + 1)) - begin;
    if (here <= most) continue;
    most = here;
    first = begin;
  }
  return load<i32>(at4(region(ctx, ADDRESS_ORDER), first));
}

/** The search of pairs as the cells show it: moderate; too many atoms; or too many images. */
export const WORK_MODERATE: i32 = 0;
export const WORK_CROWDED: i32 = 1;
export const WORK_IMAGES: i32 = 2;

/**
 * Judges the search of pairs of the sorted atoms. It makes at most as many tests as if all cells
 * around an atom's cell held as many atoms as that one: a relation that is symmetric, so by the
 * inequality of Cauchy and Schwarz the sum over all atoms is no smaller.
 */
export function judgeWork(ctx: usize): i32 {
  let visited: f64 = 1;
  for (let axis = 0; axis < 3; ++axis) {
    const across = <f64>(2 * countAt(ctx, COUNT_GRID_REACH, axis) + 1);
    visited *= isPeriodic(ctx, axis) ? across : min(across, <f64>countAt(ctx, COUNT_GRID_CELLS, axis));
  }
  const atoms = <f64>count(ctx, COUNT_ATOMS);
  const limit = TESTS_OF_ANY + TESTS_PER_ATOM * atoms;
  const perCell = crowding(ctx) * atoms;
  if (visited * perCell <= limit) return WORK_MODERATE;
  return min(visited, USUAL_CELLS) * perCell > limit ? WORK_CROWDED : WORK_IMAGES;
}
