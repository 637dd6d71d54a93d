// Generated from contract/limits.json and contract/model.json by `npm run contract`. Do not edit.
/**
 * A cell is singular if the volume (area, length) that the vectors of its periodic axes span is at
 * most this share of the product of their lengths.
 */
export const FLAT_CELL: f64 = 1e-9;
/**
 * Most cells that an atom may be away from the origin along a periodic axis. Beyond this, doubles
 * place it in the cell with errors of over 1e-7 of its edge.
 */
export const MOST_PERIODS: f64 = 1000000000;
/** Two atoms closer than this are refused. */
export const COINCIDENT: f64 = 0.05;
/** A length scale must be longer than this. */
export const SHORTEST_LENGTH_SCALE: f64 = 1e-100;
/** A length scale must be shorter than this. */
export const LONGEST_LENGTH_SCALE: f64 = 1e+100;
/** Fewest atoms of a cluster whose length scale can be estimated. */
export const FEWEST_OF_CLUSTER: i32 = 13;
/** How often the log-odds of known surroundings are averaged over the neighbours; even. */
export const AVERAGES: i32 = 2;
/**
 * Version of the names, shapes and order of calls of the core (docs/core-abi.md), not of the
 * offsets.
 */
export const ABI_VERSION: i32 = 8;
/** Most pairs of a frame: they are counted in 32-bit integers. */
export const MOST_PAIRS: i32 = 2147483640;
/** Log-weight of a class that is left out: finite, and far below any difference of logits. */
export const LEFT_OUT: f64 = -1000;
/** Most species of a frame that are compared by their neighbours. */
export const MOST_GROUPED: i32 = 16;
/** Most species that a class of a model may need. */
export const MOST_CLASS_SPECIES: i32 = 8;
/** Below this total weight a selection counts as empty. */
export const LEAST_WEIGHT: f64 = 0.000001;
/** Scale on which a distance is smoothed near its ideal phase: h(u) = u^3 / (u^2 + corner). */
export const CORNER: f64 = 0.0625;
/** Amount by which a region may exceed half of a period, to allow for rounding. */
export const REGION_SLACK: f64 = 1e-9;
/** Largest value of classCount. */
export const MAX_CLASSES: i32 = 1023;
/** Largest value of basisCount. */
export const MAX_BASIS: i32 = 64;
/** Largest value of channels. */
export const MAX_CHANNELS: i32 = 16;
/** Step between the values of channels. */
export const CHANNEL_STEP: i32 = 8;
/** Least value of lmax. */
export const MIN_LMAX: i32 = 2;
/** Largest value of lmax. */
export const MAX_LMAX: i32 = 6;
/** Largest value of skippedDegree. */
export const SKIPPABLE_DEGREE: i32 = 5;
/** Largest value of innerWidth. */
export const MAX_INNER: i32 = 128;
/** Step between the values of innerWidth. */
export const WIDTH_STEP: i32 = 8;
/** Largest value of hiddenWidth. */
export const MAX_HIDDEN: i32 = 64;
/** Largest value of outerWidth. */
export const MAX_OUTER: i32 = 512;
/** Step between the values of outerWidth. */
export const OUTER_STEP: i32 = 16;
/** Largest value of knownWidth. */
export const MAX_KNOWN: i32 = 128;
/** Least value of cutoff. */
export const LEAST_CUTOFF: f64 = 0.5;
/** Largest value of cutoff. */
export const MOST_CUTOFF: f64 = 6;
/** Least value of basisFirst. */
export const LEAST_BASIS_FIRST: f64 = -10;
/** Largest value of basisFirst. */
export const MOST_BASIS_FIRST: f64 = 10;
/** Least value of basisLast. */
export const LEAST_BASIS_LAST: f64 = -10;
/** Largest value of basisLast. */
export const MOST_BASIS_LAST: f64 = 10;
/** Least value of basisWidth. */
export const LEAST_BASIS_WIDTH: f64 = 0.01;
/** Largest value of basisWidth. */
export const MOST_BASIS_WIDTH: f64 = 10;
/** Least value of epsilon. */
export const LEAST_EPSILON: f64 = 1e-9;
/** Largest value of epsilon. */
export const MOST_EPSILON: f64 = 1;
/** Least value of logitLength. */
export const LEAST_LOGIT_LENGTH: f64 = 0.0001;
/** Largest value of logitLength. */
export const MOST_LOGIT_LENGTH: f64 = 10;
