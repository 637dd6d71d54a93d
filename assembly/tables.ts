/** Sizes of the tables that prepareModel computes. */

/** Intervals of the radial table between 0 and the cutoff. */
export const TABLE_INTERVALS: i32 = 512;
/** Nodes, and two rows of zeros for everything at or beyond the cutoff. */
export const TABLE_ROWS: i32 = TABLE_INTERVALS + 3;

/**
 * Numbers of one half of a table row: the channels of the density, the message weight, three zeros.
 */
// @ts-ignore: decorator
@inline
export function tableColumns(channels: i32): i32 {
  return channels + 4;
}

/** Bytes of a table row: values and slopes. */
// @ts-ignore: decorator
@inline
export function tableRowBytes(channels: i32): i32 {
  return 8 * tableColumns(channels);
}

/** Bytes of the table of one kind of pair. */
// @ts-ignore: decorator
@inline
export function tableKindBytes(channels: i32): i32 {
  return TABLE_ROWS * tableRowBytes(channels);
}

/** Bytes of the tables of both kinds. */
export function tableBytes(channels: i32): i32 {
  return 2 * tableKindBytes(channels);
}

/**
 * The f32 constants of the harmonics: 49 squared norms, filled up to 64, then b_lm, 8 for each m.
 */
export const HARMONIC_NORMS: i32 = 64;
export const B_DEGREES: i32 = 8;
export const HARMONIC_CONSTANTS: i32 = HARMONIC_NORMS + 8 * B_DEGREES;
