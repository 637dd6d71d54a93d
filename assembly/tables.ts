/** Sizes of the tables that prepareModel forms. */

/** Intervals of the radial table between 0 and the cutoff. */
export const TABLE_INTERVALS: i32 = 512;
/** Nodes, and two rows of zeros for everything at or beyond the cutoff. */
export const TABLE_ROWS: i32 = TABLE_INTERVALS + 3;
/** A row holds values and slopes of 20 channels: 16 of the density, the message weight, three zeros. */
export const TABLE_ROW_BYTES: i32 = 160;
export const TABLE_KIND_BYTES: i32 = TABLE_ROWS * TABLE_ROW_BYTES;
export const TABLE_BYTES: i32 = 2 * TABLE_KIND_BYTES;

/** f32 constants of the harmonics: 49 norms (padded to 64), then 8 x 8 of the recursion (see harmonics.ts). */
export const HARMONIC_NORMS: i32 = 64;
export const HARMONIC_CONSTANTS: i32 = HARMONIC_NORMS + 64;
