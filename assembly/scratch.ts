/**
 * The scratch memory of one worker: byte offsets of what a stage needs for its current atoms.
 * Stages share it, so nothing here outlives a call. Each offset is the one before plus the size of
 * that array.
 */
import { ROW_CAPACITY } from "./abi";
import { MOST_CLASS_SPECIES, MOST_GROUPED } from "./contract";
import {
  MAX_CHANNELS,
  MAX_CLASSES,
  MAX_HARMONICS,
  MAX_HIDDEN,
  MAX_INNER,
  MAX_INVARIANTS,
  MAX_OUTER,
} from "./shape";

// ---- neighbours of one atom, CHUNK at a time ----------------------------------------------------

/** Neighbours treated at a time; arrays over neighbours have this row length. */
export const CHUNK: i32 = 64;
export const CHUNK_BYTES: i32 = CHUNK * 4;

/**
 * Rows of harmonics: all but the constant one (they fill register tiles), then Re and Im of
 * (x + iy)^5, which l = 6 needs.
 */
export const SPARE_RE: i32 = MAX_HARMONICS - 1;
export const SPARE_IM: i32 = SPARE_RE + 1;
const HARMONICS_BYTES: i32 = (SPARE_IM + 1) * CHUNK_BYTES;
const RADIAL_BYTES: i32 = MAX_CHANNELS * CHUNK_BYTES;

/** f32 (lm - 1) x CHUNK, and the adjoints of the same. */
export const SCRATCH_HARMONICS: i32 = 0;
export const SCRATCH_HARMONICS_ADJOINT: i32 = SCRATCH_HARMONICS + HARMONICS_BYTES;
/** f32 CHUNK x K: values, slopes, adjoints; and the values as K x CHUNK. */
export const SCRATCH_RADIAL: i32 = SCRATCH_HARMONICS_ADJOINT + HARMONICS_BYTES;
export const SCRATCH_RADIAL_SLOPE: i32 = SCRATCH_RADIAL + RADIAL_BYTES;
export const SCRATCH_RADIAL_ADJOINT: i32 = SCRATCH_RADIAL_SLOPE + RADIAL_BYTES;
export const SCRATCH_RADIAL_TURNED: i32 = SCRATCH_RADIAL_ADJOINT + RADIAL_BYTES;
/** f32 CHUNK: the unit vectors and 1 / r. */
export const SCRATCH_UNIT_X: i32 = SCRATCH_RADIAL_TURNED + RADIAL_BYTES;
export const SCRATCH_UNIT_Y: i32 = SCRATCH_UNIT_X + CHUNK_BYTES;
export const SCRATCH_UNIT_Z: i32 = SCRATCH_UNIT_Y + CHUNK_BYTES;
export const SCRATCH_INVERSE: i32 = SCRATCH_UNIT_Z + CHUNK_BYTES;
/** i32 CHUNK: byte offset of the table row. */
export const SCRATCH_ROW: i32 = SCRATCH_INVERSE + CHUNK_BYTES;
/** f32 8 x CHUNK: Hermite weights and their slopes. */
export const SCRATCH_BLEND: i32 = SCRATCH_ROW + CHUNK_BYTES;
/** f32 CHUNK: dw/dr, dL/dr, and t of the interpolation. */
export const SCRATCH_WEIGHT_SLOPE: i32 = SCRATCH_BLEND + 8 * CHUNK_BYTES;
export const SCRATCH_LENGTH_ADJOINT: i32 = SCRATCH_WEIGHT_SLOPE + CHUNK_BYTES;
export const SCRATCH_PLACE: i32 = SCRATCH_LENGTH_ADJOINT + CHUNK_BYTES;
/** f32 ROW_CAPACITY: adjoints of the message weights of one row. */
export const SCRATCH_WEIGHT_ADJOINT: i32 = SCRATCH_PLACE + CHUNK_BYTES;

// ---- groups of four atoms -----------------------------------------------------------------------

/** Bytes of one f32 number of each of the four. */
const FOUR: i32 = 16;
/**
 * Interleaved rows of 4 x K: row lm of the four atoms is contiguous. Four more rows fill a tile.
 */
const GROUP_BYTES: i32 = (MAX_HARMONICS + 4) * FOUR * MAX_CHANNELS;

export const SCRATCH_DENSITY: i32 = SCRATCH_WEIGHT_ADJOINT + 4 * ROW_CAPACITY;
export const SCRATCH_DENSITY_ADJOINT: i32 = SCRATCH_DENSITY + GROUP_BYTES;
export const SCRATCH_MIXED_ADJOINT: i32 = SCRATCH_DENSITY_ADJOINT + GROUP_BYTES;
/**
 * Values that the passes share for four atoms, if they are not kept (at most groupBytes of
 * shape.ts).
 */
export const SCRATCH_GROUP: i32 = SCRATCH_MIXED_ADJOINT + GROUP_BYTES;
/** f32 4 x I, and the adjoints. */
export const SCRATCH_INVARIANTS: i32 =
  SCRATCH_GROUP + FOUR * ((MAX_HARMONICS + 1) * MAX_CHANNELS + MAX_INNER + MAX_HIDDEN);
export const SCRATCH_INVARIANTS_ADJOINT: i32 = SCRATCH_INVARIANTS + FOUR * MAX_INVARIANTS;
/** f32 4 x V after SiLU, or its adjoint. */
export const SCRATCH_LAYER0: i32 = SCRATCH_INVARIANTS_ADJOINT + FOUR * MAX_INVARIANTS;
/** f32 4 x H, adjoint of the hidden numbers. */
export const SCRATCH_LAYER1: i32 = SCRATCH_LAYER0 + FOUR * MAX_INNER;
/** f32 4 x (H + M), and the adjoints. */
export const SCRATCH_INPUT: i32 = SCRATCH_LAYER1 + FOUR * MAX_HIDDEN;
export const SCRATCH_INPUT_ADJOINT: i32 = SCRATCH_INPUT + FOUR * 2 * MAX_HIDDEN;
/** f32 4 x U: slopes of SiLU, and the layer after SiLU or its adjoint. */
export const SCRATCH_OUTER: i32 = SCRATCH_INPUT_ADJOINT + FOUR * 2 * MAX_HIDDEN;
export const SCRATCH_OUTER_OUT: i32 = SCRATCH_OUTER + FOUR * MAX_OUTER;
/** f32 4 x Cp, and the exponentials of the same rows. */
export const SCRATCH_LOGITS: i32 = SCRATCH_OUTER_OUT + FOUR * MAX_OUTER;
export const SCRATCH_EXPONENTIALS: i32 = SCRATCH_LOGITS + FOUR * (MAX_CLASSES + 1);
/** i32 MOST_CLASS_SPECIES: the species around an atom. */
export const SCRATCH_SPECIES: i32 = SCRATCH_EXPONENTIALS + FOUR * (MAX_CLASSES + 1);

// ---- the neighbour search -----------------------------------------------------------------------

/** One row of pairs: f32 x, y, z and i32 link, ROW_CAPACITY and room for one more, each. */
export const SCRATCH_PAIRS: i32 = SCRATCH_SPECIES + 4 * MOST_CLASS_SPECIES;
export const ROW_STRIDE: i32 = 4 * ROW_CAPACITY + 64;

/**
 * Candidates, packed: f32 x, y, z, i32 atom and run, CANDIDATES + 4 each, then i32 2 (packRuns).
 * The distance of the arrays is not close to a whole number of pages: a load after a store to the
 * same offset in another page would wait for it.
 */
export const SCRATCH_CANDIDATES: i32 = SCRATCH_PAIRS + 4 * ROW_STRIDE;
export const CANDIDATES: i32 = 1024;
export const PACKED_STRIDE: i32 = 4 * CANDIDATES + 320;

/** i32 CANDIDATES + 4: the candidates that are near. */
export const SCRATCH_NEAR: i32 = SCRATCH_CANDIDATES + 5 * PACKED_STRIDE + 2048;

/** The list of one atom: i32 link and image, CANDIDATES each, and their count. */
export const SCRATCH_LISTED: i32 = SCRATCH_NEAR + 4 * (CANDIDATES + 4);

/**
 * Records of runs of atoms around one cell, then i32: the cell to continue with (see collectRuns).
 */
export const SCRATCH_RUNS: i32 = SCRATCH_LISTED + 8 * CANDIDATES + 16;
export const MOST_RUNS: i32 = 64;
export const RUN_BYTES: i32 = 48;

// ---- the length-scale estimate ------------------------------------------------------------------

/** Nearest neighbours of one atom: f64, i32, f64 x 3 of NEAREST each, f64 (see lengthscale.ts). */
export const SCRATCH_NEAREST: i32 = SCRATCH_RUNS + MOST_RUNS * RUN_BYTES + 16;
export const NEAREST: i32 = 48;

/** f64 SAMPLE: the volumes of the sampled atoms, the same sorted, and those of the inner ones. */
export const SCRATCH_SAMPLE: i32 = SCRATCH_NEAREST + NEAREST * (8 + 4 + 3 * 8) + 8;
export const SAMPLE: i32 = 1024;
export const SCRATCH_SORTED: i32 = SCRATCH_SAMPLE + 8 * SAMPLE;
export const SCRATCH_INNER: i32 = SCRATCH_SORTED + 8 * SAMPLE;
/** i32 SAMPLE: the sampled atoms, by their numbers in the sorted order. */
export const SCRATCH_SAMPLED: i32 = SCRATCH_INNER + 8 * SAMPLE;

/** f64 SAMPLE: weights of the sampled atoms, and the distances of their nearest neighbours. */
export const SCRATCH_SYMMETRY: i32 = SCRATCH_SAMPLED + 4 * SAMPLE;
export const SCRATCH_SPACING: i32 = SCRATCH_SYMMETRY + 8 * SAMPLE;

/**
 * The extent of the atoms (see extent.ts): f64 centre 3 and a position 3, moments 9, projector 9,
 * gaps 3 and where they end 3, u8 marks of the intervals of an axis.
 */
export const SCRATCH_EXTENT: i32 = SCRATCH_SPACING + 8 * SAMPLE;
export const EXTENT_CENTRE: i32 = 0;
export const EXTENT_COVARIANCE: i32 = EXTENT_CENTRE + 6 * 8;
export const EXTENT_PROJECTOR: i32 = EXTENT_COVARIANCE + 9 * 8;
export const EXTENT_GAP: i32 = EXTENT_PROJECTOR + 9 * 8;
export const EXTENT_START: i32 = EXTENT_GAP + 3 * 8;
export const EXTENT_MARKS: i32 = EXTENT_START + 3 * 8;
export const EXTENT_INTERVALS: i32 = 1024;

/** f64 MOST_GROUPED x MOST_GROUPED: contacts of species (see contacts.ts). */
export const SCRATCH_CONTACTS: i32 = SCRATCH_EXTENT + EXTENT_MARKS + EXTENT_INTERVALS;

export const SCRATCH_BYTES: i32 = (SCRATCH_CONTACTS + 8 * MOST_GROUPED * (MOST_GROUPED + 1) + 255) & ~255;

// ---- the double-precision reference (ADDRESS_REFERENCE_SCRATCH), in f64 numbers -----------------

/** A first layer of either network before and after SiLU, and its adjoint. */
export const REFERENCE_Z0: i32 = 0;
export const REFERENCE_A0: i32 = REFERENCE_Z0 + MAX_OUTER;
export const REFERENCE_DA: i32 = REFERENCE_A0 + MAX_OUTER;
/** The second layer of network 1 before SiLU. */
export const REFERENCE_Z1: i32 = REFERENCE_DA + MAX_OUTER;
/** Input of network 2, H + M, and its adjoint. */
export const REFERENCE_X: i32 = REFERENCE_Z1 + MAX_HIDDEN;
export const REFERENCE_DX: i32 = REFERENCE_X + 2 * MAX_HIDDEN;
/** Adjoint of the invariants. */
export const REFERENCE_DB: i32 = REFERENCE_DX + 2 * MAX_HIDDEN;
/** dL/dx of a pair. */
export const REFERENCE_PAIR: i32 = REFERENCE_DB + MAX_INVARIANTS;
/** Harmonics of a pair and their adjoints. */
export const REFERENCE_HARMONICS: i32 = REFERENCE_PAIR + 3;
/** Adjoint of the densities of an atom, Y x K. */
export const REFERENCE_DENSITY_ADJOINT: i32 = REFERENCE_HARMONICS + 2 * MAX_HARMONICS;
/** Adjoints of hidden numbers and messages of all atoms, N x H and N x M. */
export const REFERENCE_ADJOINTS: i32 = REFERENCE_DENSITY_ADJOINT + MAX_HARMONICS * MAX_CHANNELS;
