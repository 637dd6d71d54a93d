/**
 * The memory map: every region the core reads or writes, and the version of this interface.
 *
 * All state lives in a *context*, a block of CONTEXT_BYTES bytes that the host places (16-byte aligned).
 * A context holds values (f64), counts (i32) and addresses (u32) of regions; the constants exported
 * below are byte offsets into it, so a host reads them and repeats nothing. The prefix says the type:
 *
 *   VALUE_*    f64, or several in a row        (VALUE_CELL 9, VALUE_VIRIAL 9)
 *   COUNT_*    i32
 *   ADDRESS_*  u32, the byte address of a region in the same memory
 *
 * `layoutModel`, `layoutFrame` and `layoutReference` assign addresses from a base upwards and return
 * the end as f64 (an unsigned address in any host), or 0 if it does not fit into 4 GiB.
 * N = atoms, C = classes, U = width of the last hidden layer, P = pair capacity, K = basis functions.
 */
import { HARMONIC_CONSTANTS, TABLE_BYTES } from "./tables";
import { SCRATCH_BYTES } from "./scratch";

/** Version of the names, offsets, shapes and order of calls described in docs/core-abi.md. */
export const ABI_VERSION: i32 = 3;

/** Bytes of a context. */
export const CONTEXT_BYTES: i32 = 1024;

// ---- values, f64 -----------------------------------------------------------------------------------

/** In: 9 numbers, rows are the cell vectors, simulation length unit. Rows of non-periodic axes are ignored. */
export const VALUE_CELL: i32 = 0;
/** In: the user's length scale, or 0 to have it estimated. */
export const VALUE_LENGTH_SCALE_GIVEN: i32 = 72;
/** Out: the length scale a0 in use, simulation length unit. */
export const VALUE_LENGTH_SCALE: i32 = 80;
/** Out: log density of the frame, the sum over the atoms. */
export const VALUE_LOG_DENSITY: i32 = 88;
/** Out: 9 numbers, virial[alpha][beta] of docs/maths.md, the unit of L. */
export const VALUE_VIRIAL: i32 = 96;
/** Out: distance that belongs to an error (coincident atoms), simulation length unit. */
export const VALUE_ERROR_DISTANCE: i32 = 168;
/** In: model constants in units of a0 (epsilon and logitLength as the model file has them). */
export const VALUE_CUTOFF: i32 = 176;
export const VALUE_BASIS_FIRST: i32 = 184;
export const VALUE_BASIS_LAST: i32 = 192;
export const VALUE_BASIS_WIDTH: i32 = 200;
export const VALUE_EPSILON: i32 = 208;
export const VALUE_LOGIT_LENGTH: i32 = 216;
/** Out of prepareModel: largest error of the radial table against its closed form, over its largest value. */
export const VALUE_TABLE_ERROR: i32 = 224;
/** In: denoising has converged when the largest |delta| is below this many a0; 0 to take all steps. */
export const VALUE_DENOISE_TOLERANCE: i32 = 232;
/** Out: the factor eta of the last denoising step, and the largest |delta| / a0 of the last gradient. */
export const VALUE_DENOISE_FACTOR: i32 = 240;
export const VALUE_DENOISE_LARGEST: i32 = 248;
/** Out: the log density of the frame before the first denoising step. */
export const VALUE_DENOISE_INITIAL: i32 = 256;
/** Internal: log density of the frame that a denoising step started from. */
export const VALUE_DENOISE_PREVIOUS: i32 = 264;
/** Internal: grid of the neighbour search (see cells.ts). */
export const VALUE_GRID: i32 = 272; // 24 f64, to 464

// ---- counts, i32 -----------------------------------------------------------------------------------

export const COUNT_ATOMS: i32 = 464;
export const COUNT_CLASSES: i32 = 468;
export const COUNT_BASIS: i32 = 472;
/** In: bit 0, 1, 2 set where cell vector 0, 1, 2 is periodic. */
export const COUNT_PERIODIC: i32 = 476;
/** In: 1 to tell species apart, 0 to treat all atoms as one species. */
export const COUNT_SPECIES_USED: i32 = 480;
/** Pairs that fit; and, out, pairs the last search wanted (rows are padded to a multiple of 4). */
export const COUNT_PAIR_CAPACITY: i32 = 484;
export const COUNT_PAIRS_NEEDED: i32 = 488;
export const COUNT_WORKERS: i32 = 492;
export const COUNT_FEATURES: i32 = 496;
/** Out: the atoms that belong to an error, or -1. */
export const COUNT_ERROR_ATOM: i32 = 500;
export const COUNT_ERROR_OTHER: i32 = 504;
/** In: steps that denoising may take. Out: those it took, and 1 if it converged. */
export const COUNT_DENOISE_LIMIT: i32 = 508;
export const COUNT_DENOISE_STEPS: i32 = 512;
export const COUNT_DENOISE_CONVERGED: i32 = 516;
/** Internal: where the denoising loop stands (see denoise.ts). */
export const COUNT_DENOISE_PHASE: i32 = 520;
/** Internal: trouble found by any worker in the pair search (see neighbours.ts). */
export const COUNT_PAIR_TROUBLE: i32 = 524;
/** Internal: grid of the neighbour search (see cells.ts). */
export const COUNT_GRID: i32 = 528; // 12 i32, to 576
/** Pairs that fit into the reference's list; and, out, pairs it wanted. */
export const COUNT_REFERENCE_CAPACITY: i32 = 576;
export const COUNT_REFERENCE_NEEDED: i32 = 580;
/** Internal: 1 once the index of reverse pairs belongs to the pairs. */
export const COUNT_REVERSE_READY: i32 = 584;
/** Width of the last hidden layer. */
export const COUNT_OUTER: i32 = 588;

// ---- addresses: model, inputs (f32 as in the model file, f64 for the ideal logits) ------------------

export const ADDRESS_RADIAL_MIX: i32 = 592; // f32 2 x 17 x K
export const ADDRESS_INVARIANTS_MIX: i32 = 596; // f32 7 x 16 x 16
export const ADDRESS_STANDARD_MEAN: i32 = 600; // f32 128
export const ADDRESS_STANDARD_SCALE: i32 = 604; // f32 128
export const ADDRESS_NETWORK1_WEIGHT0: i32 = 608; // f32 64 x 128
export const ADDRESS_NETWORK1_BIAS0: i32 = 612; // f32 64
export const ADDRESS_NETWORK1_WEIGHT1: i32 = 616; // f32 32 x 64
export const ADDRESS_NETWORK1_BIAS1: i32 = 620; // f32 32
export const ADDRESS_NETWORK2_WEIGHT0: i32 = 624; // f32 U x 64
export const ADDRESS_NETWORK2_BIAS0: i32 = 628; // f32 U
export const ADDRESS_NETWORK2_WEIGHT1: i32 = 632; // f32 C x U
export const ADDRESS_NETWORK2_BIAS1: i32 = 636; // f32 C
export const ADDRESS_IDEAL_LOGITS: i32 = 640; // f64 C

// ---- addresses: model, derived by prepareModel ------------------------------------------------------

export const ADDRESS_TABLE: i32 = 644; // f32 2 x TABLE_ROWS x 40, see radial.ts
export const ADDRESS_HARMONICS: i32 = 648; // f32 constants, see harmonics.ts
export const ADDRESS_MIX_FORWARD: i32 = 652; // f32 7 x 16(k) x 16(q)
export const ADDRESS_MIX_BACKWARD: i32 = 656; // f32 7 x 16(q) x 16(k)
export const ADDRESS_FORWARD1_0: i32 = 660; // f32 128 x 64
export const ADDRESS_FORWARD1_1: i32 = 664; // f32 64 x 32
export const ADDRESS_FORWARD2_0: i32 = 668; // f32 64 x U
export const ADDRESS_FORWARD2_1: i32 = 672; // f32 U x Cp, Cp = C rounded up to 8
export const ADDRESS_BACKWARD2_1: i32 = 676; // f32 Cp x U
export const ADDRESS_BIAS2_1: i32 = 680; // f32 Cp, c4 plus the log-weights

// ---- addresses: model, prior over the classes (see prior.ts) ------------------------------------------

/** f64 C: weights of the classes, all 1 after prepareModel. The host may change them between frames, and calls setPrior then. */
export const ADDRESS_CLASS_WEIGHTS: i32 = 684;
/** f64 C, derived by setPrior: the log-weights. */
export const ADDRESS_LOG_PRIOR: i32 = 688;

// ---- addresses: frame, inputs -----------------------------------------------------------------------

/** f64 3N, simulation length unit. Denoising overwrites it with the denoised positions. */
export const ADDRESS_POSITIONS: i32 = 692;
/** i32 N, any numbers; only equality counts. */
export const ADDRESS_SPECIES: i32 = 696;
/** f32 N x C, dL/dl in the order of the atoms given. */
export const ADDRESS_SEED: i32 = 700;

// ---- addresses: frame, results in the order of the atoms given ---------------------------------------

export const ADDRESS_LOGITS: i32 = 704; // f32 N x C
export const ADDRESS_PROBABILITIES: i32 = 708; // f32 N x C
export const ADDRESS_LABELS: i32 = 712; // u16 N
export const ADDRESS_CONFIDENCE: i32 = 716; // f32 N
export const ADDRESS_MARGIN: i32 = 720; // f32 N
export const ADDRESS_ATOM_LOG_DENSITY: i32 = 724; // f32 N
export const ADDRESS_DISTANCE: i32 = 728; // f32 N, simulation length unit
export const ADDRESS_GRADIENT: i32 = 732; // f64 3N, unit of L over length
/** u16 N: the labels before the first denoising step. */
export const ADDRESS_RAW_LABELS: i32 = 736;

// ---- addresses: frame, internal; rows in sorted order unless said otherwise ---------------------------

export const ADDRESS_ORDER: i32 = 740; // i32 N, atom given at each sorted place
export const ADDRESS_WRAPPED: i32 = 744; // f64 3N, inside the cell
export const ADDRESS_LOCAL: i32 = 748; // f32 3 x (N + 8): x, y, z in units of a0, for the prefilter
export const ADDRESS_SORTED_SPECIES: i32 = 752; // i32 N
export const ADDRESS_ATOM_SLOT: i32 = 756; // i32 N, in the order given
export const ADDRESS_ATOM_CELL: i32 = 760; // i64 N, key of the grid cell, sorted
export const ADDRESS_SLOT_START: i32 = 764; // i32 slots + 1
export const ADDRESS_SLOT_KEY: i32 = 768; // i64 slots
export const ADDRESS_PAIR_START: i32 = 772; // i32 N
export const ADDRESS_PAIR_COUNT: i32 = 776; // i32 N
export const ADDRESS_HIDDEN: i32 = 780; // f32 N4 x 32
export const ADDRESS_MESSAGES: i32 = 784; // f32 N4 x 32
export const ADDRESS_HIDDEN_ADJOINT: i32 = 788; // f32 N4 x 32, through network 2 only
export const ADDRESS_MESSAGES_ADJOINT: i32 = 792; // f32 N4 x 32
export const ADDRESS_BLOCK_VIRIAL: i32 = 796; // f64 blocks x 9
export const ADDRESS_MIXED: i32 = 800; // f32 N x 800, A' and A_k00 kept for the backward pass, or 0
export const ADDRESS_DENOISE_POSITIONS: i32 = 804; // f64 3N, where the last step started, order given
export const ADDRESS_DENOISE_STEP: i32 = 808; // f64 3N, delta there
export const ADDRESS_SCRATCH: i32 = 812; // one block of SCRATCH_BYTES a worker

// ---- addresses: pairs; P entries each, a row of one atom is contiguous and padded to 4 ----------------

export const ADDRESS_PAIR_X: i32 = 816; // f32, units of a0
export const ADDRESS_PAIR_Y: i32 = 820;
export const ADDRESS_PAIR_Z: i32 = 824;
export const ADDRESS_PAIR_LINK: i32 = 828; // i32, 2 * sorted place of the neighbour + kind
export const ADDRESS_PAIR_WEIGHT: i32 = 832; // f32, message weight w(r)
export const ADDRESS_PAIR_REVERSE: i32 = 836; // i32, index of the pair seen from the other end
export const ADDRESS_PAIR_GRADIENT_X: i32 = 840; // f32, dL/dx of the pair vector
export const ADDRESS_PAIR_GRADIENT_Y: i32 = 844;
export const ADDRESS_PAIR_GRADIENT_Z: i32 = 848;

// ---- addresses: double-precision reference, order given ------------------------------------------------

export const ADDRESS_REFERENCE_START: i32 = 852; // i32 N + 1
export const ADDRESS_REFERENCE_LINK: i32 = 856; // i32 capacity, 2 * atom + kind
export const ADDRESS_REFERENCE_VECTOR: i32 = 860; // f64 capacity x 3, units of a0
export const ADDRESS_REFERENCE_DENSITY: i32 = 864; // f64 N x 49(lm) x 16(k)
export const ADDRESS_REFERENCE_INVARIANTS: i32 = 868; // f64 N x 128
export const ADDRESS_REFERENCE_HIDDEN: i32 = 872; // f64 N x 32
export const ADDRESS_REFERENCE_MESSAGES: i32 = 876; // f64 N x 32
export const ADDRESS_REFERENCE_LOGITS: i32 = 880; // f64 N x C
export const ADDRESS_REFERENCE_SEED: i32 = 884; // f64 N x C, in
export const ADDRESS_REFERENCE_GRADIENT: i32 = 888; // f64 3N
export const ADDRESS_REFERENCE_SCRATCH: i32 = 892; // f64, see reference.ts

// ---- status codes ---------------------------------------------------------------------------------

export const STATUS_OK: i32 = 0;
/** Not an error: lay the frame out again with COUNT_PAIRS_NEEDED pairs and repeat the call. */
export const STATUS_PAIR_OVERFLOW: i32 = 1;
/** COUNT_ERROR_ATOM names the first atom. */
export const STATUS_NON_FINITE_POSITIONS: i32 = 2;
export const STATUS_NON_FINITE_CELL: i32 = 3;
export const STATUS_SINGULAR_CELL: i32 = 4;
/** The given length scale is negative, zero by underflow, infinite or NaN. */
export const STATUS_BAD_LENGTH_SCALE: i32 = 5;
/** Too few atoms for an estimate (a cluster of fewer than 13): the user must give the length scale. */
export const STATUS_NO_LENGTH_SCALE: i32 = 6;
/** COUNT_ERROR_ATOM, COUNT_ERROR_OTHER and VALUE_ERROR_DISTANCE name the closest pair. */
export const STATUS_COINCIDENT_ATOMS: i32 = 7;
/** COUNT_ERROR_ATOM has more than ROW_CAPACITY neighbours: the length scale is far too large. */
export const STATUS_TOO_DENSE: i32 = 8;
/** A weight or constant is not finite, a constant that must be positive is not, or row 0 of W4 is not zero. */
export const STATUS_MODEL_NON_FINITE: i32 = 9;
/** The reference's pair list is too small: lay it out with COUNT_REFERENCE_NEEDED. */
export const STATUS_REFERENCE_OVERFLOW: i32 = 10;
/** A class weight is negative or not finite, or no class but class 0 has one above 0. */
export const STATUS_BAD_PRIOR: i32 = 11;

// ---- features of a frame ----------------------------------------------------------------------------

/** Regions for the backward pass and for denoising. */
export const FEATURE_GRADIENT: i32 = 1;
/** Keep A' between the passes: 3.1 kB an atom, and a backward pass that need not form it again. */
export const FEATURE_KEEP_DENSITY: i32 = 2;
/** Up to so many atoms keeping the densities is worth its memory (half a GiB); hosts should not ask for it beyond. */
export const KEEP_DENSITY_ATOMS: i32 = 160_000;

// ---- shapes -------------------------------------------------------------------------------------------

export const CHANNELS: i32 = 16;
export const LMAX: i32 = 6;
export const HARMONICS: i32 = 49;
export const INVARIANTS: i32 = 128;
export const HIDDEN: i32 = 32;
/** Width of network 1's first layer, and of network 2's input: hidden numbers and messages. */
export const LAYER: i32 = 64;
/** Ranges of atoms given to a stage begin at a multiple of this. */
export const BLOCK: i32 = 64;
/** Most neighbours one atom may have. */
export const ROW_CAPACITY: i32 = 1024;
/** Most classes and basis functions a model may have. */
export const MAX_CLASSES: i32 = 1023;
export const MAX_BASIS: i32 = 64;
/** The width of the last hidden layer is a multiple of OUTER_STEP, at least that and at most MAX_OUTER. */
export const OUTER_STEP: i32 = 16;
export const MAX_OUTER: i32 = 512;

// ---- layout -------------------------------------------------------------------------------------------

/** Largest end that a layout function may return: a shared 32-bit memory, less one page. */
const MEMORY_LIMIT: f64 = 4294901760;

/** Writes the address of a region of `bytes` bytes that starts at `end`, and returns where the next may start. */
function place(ctx: usize, field: i32, end: f64, bytes: f64): f64 {
  store<u32>(ctx + field, <u32>min(end, MEMORY_LIMIT));
  return Math.ceil((end + bytes) / 64) * 64;
}

function checked(end: f64): f64 {
  return end <= MEMORY_LIMIT ? end : 0;
}

/** First address that belongs to the host. */
export function heapBase(): i32 {
  return (<i32>__heap_base + 63) & ~63;
}

/** Classes rounded up to the width of a register tile. */
// @ts-ignore: decorator
@inline
export function paddedClasses(classCount: i32): i32 {
  return (classCount + 7) & ~7;
}

/** Slots of the search grid: a power of two, at least 2 N. */
// @ts-ignore: decorator
@inline
export function slotCapacity(atomCount: i32): i32 {
  return 1 << (32 - clz(max(64, 2 * atomCount) - 1));
}

/** Places the model's regions from `base` upwards; returns the end, or 0 where a count is out of range. */
export function layoutModel(ctx: usize, base: i32, classCount: i32, basisCount: i32, outerWidth: i32): f64 {
  if (classCount < 2 || classCount > MAX_CLASSES || basisCount < 2 || basisCount > MAX_BASIS) return 0;
  if (outerWidth < OUTER_STEP || outerWidth > MAX_OUTER || outerWidth % OUTER_STEP != 0) return 0;
  store<i32>(ctx + COUNT_CLASSES, classCount);
  store<i32>(ctx + COUNT_BASIS, basisCount);
  store<i32>(ctx + COUNT_OUTER, outerWidth);
  const padded = <f64>paddedClasses(classCount);
  const outer = <f64>outerWidth;
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_RADIAL_MIX, end, 2 * 17 * 4 * <f64>basisCount);
  end = place(ctx, ADDRESS_INVARIANTS_MIX, end, 7 * 256 * 4);
  end = place(ctx, ADDRESS_STANDARD_MEAN, end, 128 * 4);
  end = place(ctx, ADDRESS_STANDARD_SCALE, end, 128 * 4);
  end = place(ctx, ADDRESS_NETWORK1_WEIGHT0, end, 64 * 128 * 4);
  end = place(ctx, ADDRESS_NETWORK1_BIAS0, end, 64 * 4);
  end = place(ctx, ADDRESS_NETWORK1_WEIGHT1, end, 32 * 64 * 4);
  end = place(ctx, ADDRESS_NETWORK1_BIAS1, end, 32 * 4);
  end = place(ctx, ADDRESS_NETWORK2_WEIGHT0, end, 64 * 4 * outer);
  end = place(ctx, ADDRESS_NETWORK2_BIAS0, end, 4 * outer);
  end = place(ctx, ADDRESS_NETWORK2_WEIGHT1, end, 4 * outer * <f64>classCount);
  end = place(ctx, ADDRESS_NETWORK2_BIAS1, end, 4 * <f64>classCount);
  end = place(ctx, ADDRESS_IDEAL_LOGITS, end, 8 * <f64>classCount);
  end = place(ctx, ADDRESS_TABLE, end, <f64>TABLE_BYTES);
  end = place(ctx, ADDRESS_HARMONICS, end, <f64>HARMONIC_CONSTANTS * 4);
  end = place(ctx, ADDRESS_MIX_FORWARD, end, 7 * 256 * 4);
  end = place(ctx, ADDRESS_MIX_BACKWARD, end, 7 * 256 * 4);
  end = place(ctx, ADDRESS_FORWARD1_0, end, 128 * 64 * 4);
  end = place(ctx, ADDRESS_FORWARD1_1, end, 64 * 32 * 4);
  end = place(ctx, ADDRESS_FORWARD2_0, end, 64 * 4 * outer);
  end = place(ctx, ADDRESS_FORWARD2_1, end, 4 * outer * padded);
  end = place(ctx, ADDRESS_BACKWARD2_1, end, 4 * outer * padded);
  end = place(ctx, ADDRESS_BIAS2_1, end, 4 * padded);
  end = place(ctx, ADDRESS_CLASS_WEIGHTS, end, 8 * <f64>classCount);
  end = place(ctx, ADDRESS_LOG_PRIOR, end, 8 * <f64>classCount);
  return checked(end);
}

/**
 * Places a frame's regions from `base` upwards; returns the end, or 0 where that passes 4 GiB.
 * The pairs come last: no other address depends on `pairCapacity` (0: 56 an atom, room for a crystal).
 */
export function layoutFrame(ctx: usize, base: i32, atomCount: i32, pairCapacity: i32, workers: i32, features: i32): f64 {
  if (atomCount < 1 || workers < 1 || pairCapacity < 0) return 0;
  const n = <f64>atomCount;
  const n4 = <f64>((atomCount + 3) & ~3);
  const c = <f64>load<i32>(ctx + COUNT_CLASSES);
  const gradient: f64 = features & FEATURE_GRADIENT ? 1 : 0;
  const keep: f64 = features & FEATURE_KEEP_DENSITY ? 1 : 0;
  const slots: f64 = atomCount > 1 << 28 ? MEMORY_LIMIT : <f64>slotCapacity(atomCount);
  const blocks = Math.ceil(n / BLOCK);
  let pairs = pairCapacity == 0 ? 56 * n : <f64>pairCapacity;
  pairs = Math.ceil(pairs / 4) * 4;

  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_POSITIONS, end, 24 * n);
  end = place(ctx, ADDRESS_SPECIES, end, 4 * n);
  end = place(ctx, ADDRESS_SEED, end, 4 * n * c * gradient);
  end = place(ctx, ADDRESS_LOGITS, end, 4 * n * c);
  end = place(ctx, ADDRESS_PROBABILITIES, end, 4 * n * c);
  end = place(ctx, ADDRESS_LABELS, end, 2 * n);
  end = place(ctx, ADDRESS_CONFIDENCE, end, 4 * n);
  end = place(ctx, ADDRESS_MARGIN, end, 4 * n);
  end = place(ctx, ADDRESS_ATOM_LOG_DENSITY, end, 4 * n);
  end = place(ctx, ADDRESS_DISTANCE, end, 4 * n);
  end = place(ctx, ADDRESS_GRADIENT, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_RAW_LABELS, end, 2 * n * gradient);
  end = place(ctx, ADDRESS_ORDER, end, 4 * n);
  end = place(ctx, ADDRESS_WRAPPED, end, 24 * n);
  end = place(ctx, ADDRESS_LOCAL, end, 12 * (n + 8));
  end = place(ctx, ADDRESS_SORTED_SPECIES, end, 4 * n);
  end = place(ctx, ADDRESS_ATOM_SLOT, end, 4 * n);
  end = place(ctx, ADDRESS_ATOM_CELL, end, 8 * n);
  end = place(ctx, ADDRESS_SLOT_START, end, 4 * (slots + 1));
  end = place(ctx, ADDRESS_SLOT_KEY, end, 8 * slots);
  end = place(ctx, ADDRESS_PAIR_START, end, 4 * n);
  end = place(ctx, ADDRESS_PAIR_COUNT, end, 4 * n);
  end = place(ctx, ADDRESS_HIDDEN, end, 128 * n4);
  end = place(ctx, ADDRESS_MESSAGES, end, 128 * n4);
  end = place(ctx, ADDRESS_HIDDEN_ADJOINT, end, 128 * n4 * gradient);
  end = place(ctx, ADDRESS_MESSAGES_ADJOINT, end, 128 * n4 * gradient);
  end = place(ctx, ADDRESS_BLOCK_VIRIAL, end, 72 * blocks * gradient);
  end = place(ctx, ADDRESS_DENOISE_POSITIONS, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_DENOISE_STEP, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_SCRATCH, end, <f64>SCRATCH_BYTES * <f64>workers);
  end = place(ctx, ADDRESS_MIXED, end, 3200 * n * keep);
  if (!keep) store<u32>(ctx + ADDRESS_MIXED, 0);
  end = place(ctx, ADDRESS_PAIR_X, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_Y, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_Z, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_LINK, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_WEIGHT, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_REVERSE, end, 4 * pairs * gradient);
  end = place(ctx, ADDRESS_PAIR_GRADIENT_X, end, 4 * pairs * gradient);
  end = place(ctx, ADDRESS_PAIR_GRADIENT_Y, end, 4 * pairs * gradient);
  end = place(ctx, ADDRESS_PAIR_GRADIENT_Z, end, 4 * pairs * gradient);

  store<i32>(ctx + COUNT_ATOMS, atomCount);
  store<i32>(ctx + COUNT_PAIR_CAPACITY, <i32>min(pairs, 2147483640));
  store<i32>(ctx + COUNT_WORKERS, workers);
  store<i32>(ctx + COUNT_FEATURES, features);
  return checked(end);
}

/** Places the regions of the double-precision reference from `base` (the end of the frame) upwards. */
export function layoutReference(ctx: usize, base: i32, pairCapacity: i32): f64 {
  const n = <f64>load<i32>(ctx + COUNT_ATOMS);
  const c = <f64>load<i32>(ctx + COUNT_CLASSES);
  const pairs: f64 = pairCapacity == 0 ? 64 * n : <f64>pairCapacity;
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_REFERENCE_START, end, 4 * (n + 1));
  end = place(ctx, ADDRESS_REFERENCE_LINK, end, 4 * pairs);
  end = place(ctx, ADDRESS_REFERENCE_VECTOR, end, 24 * pairs);
  end = place(ctx, ADDRESS_REFERENCE_DENSITY, end, 8 * 784 * n);
  end = place(ctx, ADDRESS_REFERENCE_INVARIANTS, end, 8 * 128 * n);
  end = place(ctx, ADDRESS_REFERENCE_HIDDEN, end, 8 * 32 * n);
  end = place(ctx, ADDRESS_REFERENCE_MESSAGES, end, 8 * 32 * n);
  end = place(ctx, ADDRESS_REFERENCE_LOGITS, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_SEED, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_GRADIENT, end, 24 * n);
  end = place(ctx, ADDRESS_REFERENCE_SCRATCH, end, 8 * (8192 + 64 * n));
  store<i32>(ctx + COUNT_REFERENCE_CAPACITY, <i32>min(pairs, 2147483640));
  return checked(end);
}
