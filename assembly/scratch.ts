/**
 * One worker's scratch memory: byte offsets of what a stage needs for the atoms at hand. Stages share it, so
 * nothing here outlives a call. CHUNK neighbours are treated at a time.
 */

/** Neighbours treated at a time; arrays over neighbours have this row length. */
export const CHUNK: i32 = 64;
export const CHUNK_BYTES: i32 = CHUNK * 4;

export const SCRATCH_HARMONICS: i32 = 0; // f32 48(lm - 1) x CHUNK
export const SCRATCH_HARMONICS_ADJOINT: i32 = SCRATCH_HARMONICS + 48 * CHUNK_BYTES; // the same
export const SCRATCH_RADIAL: i32 = SCRATCH_HARMONICS_ADJOINT + 48 * CHUNK_BYTES; // f32 CHUNK x 16
export const SCRATCH_RADIAL_SLOPE: i32 = SCRATCH_RADIAL + CHUNK * 64; // f32 CHUNK x 16
export const SCRATCH_RADIAL_ADJOINT: i32 = SCRATCH_RADIAL_SLOPE + CHUNK * 64; // f32 CHUNK x 16
export const SCRATCH_RADIAL_TURNED: i32 = SCRATCH_RADIAL_ADJOINT + CHUNK * 64; // f32 16 x CHUNK
export const SCRATCH_UNIT_X: i32 = SCRATCH_RADIAL_TURNED + 16 * CHUNK_BYTES; // f32 CHUNK, as all that follow
export const SCRATCH_UNIT_Y: i32 = SCRATCH_UNIT_X + CHUNK_BYTES;
export const SCRATCH_UNIT_Z: i32 = SCRATCH_UNIT_Y + CHUNK_BYTES;
export const SCRATCH_INVERSE: i32 = SCRATCH_UNIT_Z + CHUNK_BYTES; // 1 / r
export const SCRATCH_ROW: i32 = SCRATCH_INVERSE + CHUNK_BYTES; // i32, byte offset of the table row
export const SCRATCH_BLEND: i32 = SCRATCH_ROW + CHUNK_BYTES; // f32 8 x CHUNK, Hermite weights and their slopes
export const SCRATCH_WEIGHT_SLOPE: i32 = SCRATCH_BLEND + 8 * CHUNK_BYTES; // dw/dr
export const SCRATCH_LENGTH_ADJOINT: i32 = SCRATCH_WEIGHT_SLOPE + CHUNK_BYTES; // dL/dr

export const SCRATCH_DENSITY: i32 = SCRATCH_LENGTH_ADJOINT + CHUNK_BYTES; // f32 49 x 16
export const SCRATCH_DENSITY_ADJOINT: i32 = SCRATCH_DENSITY + 49 * 64; // f32 49 x 16
export const SCRATCH_MIXED_ADJOINT: i32 = SCRATCH_DENSITY_ADJOINT + 49 * 64; // f32 49 x 16
export const SCRATCH_MIXED: i32 = SCRATCH_MIXED_ADJOINT + 49 * 64; // f32 4 atoms x 50 x 16
export const SCRATCH_INVARIANTS: i32 = SCRATCH_MIXED + 4 * 3200; // f32 4 x 128
export const SCRATCH_INVARIANTS_ADJOINT: i32 = SCRATCH_INVARIANTS + 4 * 512; // f32 4 x 128
export const SCRATCH_LAYER0: i32 = SCRATCH_INVARIANTS_ADJOINT + 4 * 512; // f32 4 x 64, before SiLU
export const SCRATCH_LAYER0_OUT: i32 = SCRATCH_LAYER0 + 4 * 256; // f32 4 x 64, after SiLU
export const SCRATCH_LAYER0_ADJOINT: i32 = SCRATCH_LAYER0_OUT + 4 * 256; // f32 4 x 64
export const SCRATCH_LAYER1: i32 = SCRATCH_LAYER0_ADJOINT + 4 * 256; // f32 4 x 64
export const SCRATCH_LAYER1_ADJOINT: i32 = SCRATCH_LAYER1 + 4 * 256; // f32 4 x 64
export const SCRATCH_OUTER: i32 = SCRATCH_LAYER1_ADJOINT + 4 * 256; // f32 4 x 512, MAX_OUTER; before SiLU, and after it
export const SCRATCH_OUTER_ADJOINT: i32 = SCRATCH_OUTER + 4 * 2048; // f32 4 x 512
export const SCRATCH_LOGITS: i32 = SCRATCH_OUTER_ADJOINT + 4 * 2048; // f32 4 x 1024, MAX_CLASSES rounded up
export const SCRATCH_EXPONENTIALS: i32 = SCRATCH_LOGITS + 4 * 4096; // f32 1024

/** The neighbour search: one row of pairs, and candidates of one run of cells. */
export const SCRATCH_PAIRS: i32 = SCRATCH_EXPONENTIALS + 4096; // f32 x, y, z and i32 link, 4 x 1024
export const CANDIDATES: i32 = 256;
export const SCRATCH_CANDIDATES: i32 = SCRATCH_PAIRS + 4 * 4096; // i32 CANDIDATES + 4

/** The length-scale estimate: nearest neighbours of one atom, and two numbers for each sampled atom. */
export const SCRATCH_NEAREST: i32 = SCRATCH_CANDIDATES + (CANDIDATES + 16) * 4; // f64 48 x 4
export const SCRATCH_SAMPLE: i32 = SCRATCH_NEAREST + 48 * 32; // f64 1024
export const SCRATCH_INNER: i32 = SCRATCH_SAMPLE + 1024 * 8; // f64 1024

export const SCRATCH_BYTES: i32 = (SCRATCH_INNER + 1024 * 8 + 255) & ~255;
