/**
 * The shape of a model: the bounds of its sizes, and the numbers that follow from them. The sizes
 * are fields of the context (COUNT_CLASSES and those after it), the letters those of abi.ts.
 */
import {
  COUNT_BASIS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_INNER,
  COUNT_KNOWN,
  COUNT_LMAX,
  COUNT_MESSAGE,
  COUNT_OUTER,
  COUNT_SKIPPED_DEGREE,
} from "./abi";
import {
  CHANNEL_STEP,
  MAX_BASIS,
  MAX_CHANNELS,
  MAX_CLASSES,
  MAX_HIDDEN,
  MAX_INNER,
  MAX_KNOWN,
  MAX_LMAX,
  MAX_OUTER,
  MIN_LMAX,
  OUTER_STEP,
  SKIPPABLE_DEGREE,
  WIDTH_STEP,
} from "./contract";
import { count } from "./memory";

export {
  CHANNEL_STEP,
  MAX_BASIS,
  MAX_CHANNELS,
  MAX_CLASSES,
  MAX_HIDDEN,
  MAX_INNER,
  MAX_KNOWN,
  MAX_LMAX,
  MAX_OUTER,
  MIN_LMAX,
  OUTER_STEP,
  WIDTH_STEP,
} from "./contract";

/** Y and I are at most these. */
export const MAX_HARMONICS: i32 = (MAX_LMAX + 1) * (MAX_LMAX + 1);
export const MAX_INVARIANTS: i32 = MAX_CHANNELS * (MAX_LMAX + 2);

/** Classes rounded up to the width of a register tile. */
// @ts-ignore: decorator
@inline
export function paddedClasses(classCount: i32): i32 {
  return (classCount + 7) & ~7;
}

/** Y: harmonics of all the model's degrees. */
// @ts-ignore: decorator
@inline
export function harmonicCount(ctx: usize): i32 {
  return firstHarmonic(ctx, count(ctx, COUNT_LMAX) + 1);
}

/** Index of the first harmonic of degree l; those of lower degrees come before. */
// @ts-ignore: decorator
@inline
export function firstHarmonic(ctx: usize, l: i32): i32 {
  const skipped = count(ctx, COUNT_SKIPPED_DEGREE);
  return l * l - (skipped != 0 && l > skipped ? 2 * skipped + 1 : 0);
}

/** D: degrees of the harmonics, 0 among them. */
// @ts-ignore: decorator
@inline
export function degreeCount(ctx: usize): i32 {
  return count(ctx, COUNT_LMAX) + 1 - i32(count(ctx, COUNT_SKIPPED_DEGREE) != 0);
}

/** The degree at place `index` among those of the model. */
// @ts-ignore: decorator
@inline
export function degreeAt(ctx: usize, index: i32): i32 {
  const skipped = count(ctx, COUNT_SKIPPED_DEGREE);
  return index + i32(skipped != 0 && index >= skipped);
}

/** I: invariants per atom. */
// @ts-ignore: decorator
@inline
export function invariantCount(ctx: usize): i32 {
  return count(ctx, COUNT_CHANNELS) * (degreeCount(ctx) + 1);
}

/**
 * Bytes that the passes share for four atoms: f32 (Y + 1) x 4 x K of A' and A_k00 (see
 * invariants.ts), 4 x V and 4 x H of the slopes of SiLU in network 1.
 */
export function groupBytes(ctx: usize): i32 {
  const mixed = (harmonicCount(ctx) + 1) * count(ctx, COUNT_CHANNELS);
  return 16 * (mixed + count(ctx, COUNT_INNER) + count(ctx, COUNT_HIDDEN));
}

function isWidth(ctx: usize, field: i32, step: i32, most: i32): bool {
  const width = count(ctx, field);
  return width >= step && width <= most && width % step == 0;
}

function inRange(ctx: usize, field: i32, least: i32, most: i32): bool {
  const number = count(ctx, field);
  return number >= least && number <= most;
}

function isSkipSound(ctx: usize): bool {
  const skipped = count(ctx, COUNT_SKIPPED_DEGREE);
  return skipped == 0 || (skipped == SKIPPABLE_DEGREE && count(ctx, COUNT_LMAX) == MAX_LMAX);
}

/** Whether the core has kernels for the shape in the context. */
export function isShapeSound(ctx: usize): bool {
  return (
    inRange(ctx, COUNT_CLASSES, 2, MAX_CLASSES) &&
    inRange(ctx, COUNT_BASIS, 2, MAX_BASIS) &&
    inRange(ctx, COUNT_LMAX, MIN_LMAX, MAX_LMAX) &&
    isSkipSound(ctx) &&
    isWidth(ctx, COUNT_CHANNELS, CHANNEL_STEP, MAX_CHANNELS) &&
    isWidth(ctx, COUNT_INNER, WIDTH_STEP, MAX_INNER) &&
    isWidth(ctx, COUNT_HIDDEN, WIDTH_STEP, MAX_HIDDEN) &&
    isWidth(ctx, COUNT_MESSAGE, WIDTH_STEP, count(ctx, COUNT_HIDDEN)) &&
    isWidth(ctx, COUNT_OUTER, OUTER_STEP, MAX_OUTER) &&
    (count(ctx, COUNT_KNOWN) == 0 || isWidth(ctx, COUNT_KNOWN, WIDTH_STEP, MAX_KNOWN))
  );
}
