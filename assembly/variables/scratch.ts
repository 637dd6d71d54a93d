/**
 * Scratch memory of variables. Atoms go through in blocks, so that the rows of a block stay in the
 * nearest cache. Nothing here outlives the work on a block.
 *
 *     block     f64 BLOCK each: see BLOCK_*
 *     records   R times SELECTION_BYTES: what one record makes of the atoms of the block
 *     rows      f64 BLOCK x Ce: exponentials of the logits, Ce = C rounded up to 2
 */
import { ADDRESS_VARIABLES_SCRATCH, COUNT_VARIABLES_CLASSES, COUNT_VARIABLES_RECORDS } from "./abi";
import { count, region } from "../memory";

/** Atoms of a block. */
export const ATOMS: i32 = 32;
const ROW: i32 = 8 * ATOMS;

/** 0 if no record needs the exponentials of the atom. */
export const BLOCK_NEEDED: i32 = 0;
/** The largest logit. */
export const BLOCK_LARGEST: i32 = BLOCK_NEEDED + ROW;
/** The sum of the exponentials, each of a logit less the largest. */
export const BLOCK_TOTAL: i32 = BLOCK_LARGEST + ROW;
/** The part of the seed that is p_ac times one number per atom. */
export const BLOCK_SHARED: i32 = BLOCK_TOTAL + ROW;
/** q_a, f(q_a) and f'(q_a) of the record at work. */
export const BLOCK_QUANTITY: i32 = BLOCK_SHARED + ROW;
export const BLOCK_COUNTED: i32 = BLOCK_QUANTITY + ROW;
export const BLOCK_SLOPE: i32 = BLOCK_COUNTED + ROW;
const BLOCK_BYTES: i32 = BLOCK_SLOPE + ROW;

/** w_a */
export const SELECTION_WEIGHT: i32 = 0;
/** dw/ds of a slab, (dw/d|d|) / |d| of a ball. */
export const SELECTION_SLOPE: i32 = SELECTION_WEIGHT + ROW;
/** d_a of a ball, three rows. */
export const SELECTION_X: i32 = SELECTION_SLOPE + ROW;
export const SELECTION_Y: i32 = SELECTION_X + ROW;
export const SELECTION_Z: i32 = SELECTION_Y + ROW;
/** The derivative that the record adds to the seed, by the logit of its class or by p_ac. */
export const SELECTION_FACTOR: i32 = SELECTION_Z + ROW;
const SELECTION_BYTES: i32 = SELECTION_FACTOR + ROW;

export function scratchBytes(classCount: i32, records: i32): f64 {
  return <f64>BLOCK_BYTES + <f64>SELECTION_BYTES * <f64>records + <f64>ROW * <f64>evenClasses(classCount);
}

/** Numbers of one row of exponentials. */
// @ts-ignore: decorator
@inline
export function evenClasses(classCount: i32): i32 {
  return (classCount + 1) & ~1;
}

/** The numbers of record `r` for the block. */
// @ts-ignore: decorator
@inline
export function selectionOf(vctx: usize, r: i32): usize {
  return region(vctx, ADDRESS_VARIABLES_SCRATCH) + BLOCK_BYTES + <usize>(SELECTION_BYTES * r);
}

/** The exponentials of the block. */
// @ts-ignore: decorator
@inline
export function exponentialRows(vctx: usize): usize {
  return selectionOf(vctx, count(vctx, COUNT_VARIABLES_RECORDS));
}

/** Bytes of one row of exponentials. */
// @ts-ignore: decorator
@inline
export function exponentialBytes(vctx: usize): usize {
  return <usize>(evenClasses(count(vctx, COUNT_VARIABLES_CLASSES)) << 3);
}
