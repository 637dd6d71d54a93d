/**
 * One worker's scratch memory: byte offsets of what a stage needs for the atoms at hand. Stages share it, so
 * nothing here outlives a call. CHUNK neighbours are treated at a time.
 */

/** Neighbours treated at a time; arrays over neighbours have this row length. */
export const CHUNK: i32 = 64;
export const CHUNK_BYTES: i32 = CHUNK * 4;

/** Rows of harmonics, 1 to 48 (those that fill a register tile among them), and two for Re and Im of (x + iy)^5, which l = 6 needs. */
const HARMONIC_ROWS: i32 = 50;
export const SPARE_RE: i32 = 48;
export const SPARE_IM: i32 = 49;

export const SCRATCH_HARMONICS: i32 = 0; // f32 (lm - 1) x CHUNK
export const SCRATCH_HARMONICS_ADJOINT: i32 = SCRATCH_HARMONICS + HARMONIC_ROWS * CHUNK_BYTES; // the same
export const SCRATCH_RADIAL: i32 = SCRATCH_HARMONICS_ADJOINT + HARMONIC_ROWS * CHUNK_BYTES; // f32 CHUNK x K
export const SCRATCH_RADIAL_SLOPE: i32 = SCRATCH_RADIAL + CHUNK * 64; // f32 CHUNK x K
export const SCRATCH_RADIAL_ADJOINT: i32 = SCRATCH_RADIAL_SLOPE + CHUNK * 64; // f32 CHUNK x K
export const SCRATCH_RADIAL_TURNED: i32 = SCRATCH_RADIAL_ADJOINT + CHUNK * 64; // f32 K x CHUNK
export const SCRATCH_UNIT_X: i32 = SCRATCH_RADIAL_TURNED + 16 * CHUNK_BYTES; // f32 CHUNK, as all that follow
export const SCRATCH_UNIT_Y: i32 = SCRATCH_UNIT_X + CHUNK_BYTES;
export const SCRATCH_UNIT_Z: i32 = SCRATCH_UNIT_Y + CHUNK_BYTES;
export const SCRATCH_INVERSE: i32 = SCRATCH_UNIT_Z + CHUNK_BYTES; // 1 / r
export const SCRATCH_ROW: i32 = SCRATCH_INVERSE + CHUNK_BYTES; // i32, byte offset of the table row
export const SCRATCH_BLEND: i32 = SCRATCH_ROW + CHUNK_BYTES; // f32 8 x CHUNK, Hermite weights and their slopes
export const SCRATCH_WEIGHT_SLOPE: i32 = SCRATCH_BLEND + 8 * CHUNK_BYTES; // dw/dr
export const SCRATCH_LENGTH_ADJOINT: i32 = SCRATCH_WEIGHT_SLOPE + CHUNK_BYTES; // dL/dr
export const SCRATCH_PLACE: i32 = SCRATCH_LENGTH_ADJOINT + CHUNK_BYTES; // t of the interpolation
/** f32 1024, ROW_CAPACITY: adjoints of the message weights of one row. */
export const SCRATCH_WEIGHT_ADJOINT: i32 = SCRATCH_PLACE + CHUNK_BYTES;

// Groups of four atoms, interleaved: row lm of the four stands together, f32 rows of 4 x K; four rows of room for a tile.
const GROUP_ROWS: i32 = 49 + 4;
export const SCRATCH_DENSITY: i32 = SCRATCH_WEIGHT_ADJOINT + 4096;
export const SCRATCH_DENSITY_ADJOINT: i32 = SCRATCH_DENSITY + GROUP_ROWS * 256;
export const SCRATCH_MIXED_ADJOINT: i32 = SCRATCH_DENSITY_ADJOINT + GROUP_ROWS * 256;
/** What the passes share of four atoms, where it is not kept (groupBytes of shape.ts, at most). */
export const SCRATCH_GROUP: i32 = SCRATCH_MIXED_ADJOINT + GROUP_ROWS * 256;
export const SCRATCH_INVARIANTS: i32 = SCRATCH_GROUP + 16 * (50 * 16 + 128 + 64); // f32 4 x I
export const SCRATCH_INVARIANTS_ADJOINT: i32 = SCRATCH_INVARIANTS + 4 * 512; // f32 4 x I
export const SCRATCH_LAYER0: i32 = SCRATCH_INVARIANTS_ADJOINT + 4 * 512; // f32 4 x V, after SiLU, or its adjoint
export const SCRATCH_LAYER1: i32 = SCRATCH_LAYER0 + 4 * 512; // f32 4 x H, adjoint of the hidden numbers
export const SCRATCH_INPUT: i32 = SCRATCH_LAYER1 + 4 * 256; // f32 4 x (H + M)
export const SCRATCH_INPUT_ADJOINT: i32 = SCRATCH_INPUT + 4 * 512; // f32 4 x (H + M)
export const SCRATCH_OUTER: i32 = SCRATCH_INPUT_ADJOINT + 4 * 512; // f32 4 x 512, MAX_OUTER; slopes of SiLU
export const SCRATCH_OUTER_OUT: i32 = SCRATCH_OUTER + 4 * 2048; // f32 4 x 512, after SiLU, or its adjoint
export const SCRATCH_LOGITS: i32 = SCRATCH_OUTER_OUT + 4 * 2048; // f32 4 x 1024, MAX_CLASSES rounded up
export const SCRATCH_EXPONENTIALS: i32 = SCRATCH_LOGITS + 4 * 4096; // f32 4 x 1024, of the same rows

/** The neighbour search: one row of pairs, and candidates. */
export const SCRATCH_PAIRS: i32 = SCRATCH_EXPONENTIALS + 4 * 4096; // f32 x, y, z and i32 link, 1024 and room for one more, each
export const CANDIDATES: i32 = 1024;
export const ROW_STRIDE: i32 = 4096 + 64;
/** Not a whole number of pages apart, nor nearly: a load that follows a store to the same place in another page waits for it. */
export const PACKED_STRIDE: i32 = 4 * CANDIDATES + 320;
export const SCRATCH_CANDIDATES: i32 = SCRATCH_PAIRS + 4 * ROW_STRIDE; // f32 x, y, z, i32 atom and run, CANDIDATES + 4 each; i32 2
export const SCRATCH_NEAR: i32 = SCRATCH_CANDIDATES + 5 * PACKED_STRIDE + 2048; // i32 CANDIDATES + 4

/** What goes on the list of one atom: i32 link and image, CANDIDATES each, and their count. */
export const SCRATCH_LISTED: i32 = SCRATCH_NEAR + 4 * (CANDIDATES + 4);

/** Runs of atoms around one cell, and where to go on if they are more (see neighbours.ts). */
export const MOST_RUNS: i32 = 64;
export const RUN_BYTES: i32 = 48;
export const SCRATCH_RUNS: i32 = SCRATCH_LISTED + 8 * CANDIDATES + 16; // MOST_RUNS records, i32

/** The length-scale estimate: nearest neighbours of one atom, and two numbers for each sampled atom. */
export const SCRATCH_NEAREST: i32 = SCRATCH_RUNS + MOST_RUNS * RUN_BYTES + 16; // 48 of f64, i32, f64 x 3
export const SCRATCH_SAMPLE: i32 = SCRATCH_NEAREST + 48 * 36; // f64 1024
export const SCRATCH_INNER: i32 = SCRATCH_SAMPLE + 1024 * 8; // f64 1024

export const SCRATCH_BYTES: i32 = (SCRATCH_INNER + 1024 * 8 + 255) & ~255;
