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
 * N = atoms, C = classes, P = pair capacity, F = basis functions. The shape of a model: K = channels, L = largest degree of the harmonics,
 * Y harmonics of D degrees (D = L + 1 and Y = (L + 1)^2 unless one is left out), I = K (D + 1) invariants, and the widths V (first layer of network 1), H (hidden numbers), M (messages),
 * U (last hidden layer). N4 is N rounded up to a multiple of 4: atoms go through the networks in groups of four.
 */
import { HARMONIC_CONSTANTS, tableBytes } from "./tables";
import { SCRATCH_BYTES } from "./scratch";

/** Version of the names, offsets, shapes and order of calls described in docs/core-abi.md. */
export const ABI_VERSION: i32 = 4;

/** Bytes of a context. */
export const CONTEXT_BYTES: i32 = 1280;

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
/** In: U. */
export const COUNT_OUTER: i32 = 588;

// ---- addresses: model, inputs (f32 as in the model file, f64 for the ideal logits) ------------------

export const ADDRESS_RADIAL_MIX: i32 = 592; // f32 2 x (K + 1) x F
export const ADDRESS_INVARIANTS_MIX: i32 = 596; // f32 D x K x K
export const ADDRESS_STANDARD_MEAN: i32 = 600; // f32 I
export const ADDRESS_STANDARD_SCALE: i32 = 604; // f32 I
export const ADDRESS_NETWORK1_WEIGHT0: i32 = 608; // f32 V x I
export const ADDRESS_NETWORK1_BIAS0: i32 = 612; // f32 V
export const ADDRESS_NETWORK1_WEIGHT1: i32 = 616; // f32 H x V
export const ADDRESS_NETWORK1_BIAS1: i32 = 620; // f32 H
export const ADDRESS_NETWORK2_WEIGHT0: i32 = 624; // f32 U x (H + M)
export const ADDRESS_NETWORK2_BIAS0: i32 = 628; // f32 U
export const ADDRESS_NETWORK2_WEIGHT1: i32 = 632; // f32 C x U
export const ADDRESS_NETWORK2_BIAS1: i32 = 636; // f32 C
export const ADDRESS_IDEAL_LOGITS: i32 = 640; // f64 C

// ---- addresses: model, derived by prepareModel ------------------------------------------------------

export const ADDRESS_TABLE: i32 = 644; // f32 2 x TABLE_ROWS x 2 (K + 4), see radial.ts
export const ADDRESS_HARMONICS: i32 = 648; // f32 constants, see harmonics.ts
export const ADDRESS_MIX_FORWARD: i32 = 652; // f32 D x K(k) x K(q)
export const ADDRESS_MIX_BACKWARD: i32 = 656; // f32 D x K(q) x K(k)
export const ADDRESS_FORWARD1_0: i32 = 660; // f32 I x V
export const ADDRESS_FORWARD1_1: i32 = 664; // f32 V x H
export const ADDRESS_FORWARD2_0: i32 = 668; // f32 (H + M) x U
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
export const ADDRESS_HIDDEN: i32 = 780; // f32 N4 x H
export const ADDRESS_MESSAGES: i32 = 784; // f32 N4 x M
export const ADDRESS_HIDDEN_ADJOINT: i32 = 788; // f32 N4 x H, through network 2 only
export const ADDRESS_MESSAGES_ADJOINT: i32 = 792; // f32 N4 x M
export const ADDRESS_BLOCK_VIRIAL: i32 = 796; // f64 blocks x 9
export const ADDRESS_KEPT: i32 = 800; // f32, what the backward pass needs of every four atoms (groupBytes), or 0
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
export const ADDRESS_PAIR_GRADIENT: i32 = 840; // f32 P x 4, dL/dx of the pair vector, and a zero

// ---- addresses: double-precision reference, order given ------------------------------------------------

export const ADDRESS_REFERENCE_START: i32 = 852; // i32 N + 1
export const ADDRESS_REFERENCE_LINK: i32 = 856; // i32 capacity, 2 * atom + kind
export const ADDRESS_REFERENCE_VECTOR: i32 = 860; // f64 capacity x 3, units of a0
export const ADDRESS_REFERENCE_DENSITY: i32 = 864; // f64 N x Y x K
export const ADDRESS_REFERENCE_INVARIANTS: i32 = 868; // f64 N x I
export const ADDRESS_REFERENCE_HIDDEN: i32 = 872; // f64 N x H
export const ADDRESS_REFERENCE_MESSAGES: i32 = 876; // f64 N x M
export const ADDRESS_REFERENCE_LOGITS: i32 = 880; // f64 N x C
export const ADDRESS_REFERENCE_SEED: i32 = 884; // f64 N x C, in
export const ADDRESS_REFERENCE_GRADIENT: i32 = 888; // f64 3N
export const ADDRESS_REFERENCE_SCRATCH: i32 = 892; // f64, see reference.ts

// ---- counts: shape of the model, in --------------------------------------------------------------------

export const COUNT_CHANNELS: i32 = 896;
export const COUNT_LMAX: i32 = 900;
export const COUNT_INNER: i32 = 904;
export const COUNT_HIDDEN: i32 = 908;
export const COUNT_MESSAGE: i32 = 912;
/** A degree of the harmonics that the model leaves out, or 0: 5, of 6. */
export const COUNT_SKIPPED_DEGREE: i32 = 1104;
/** i32 16 x 4, see neighbours.ts. */
export const ADDRESS_COMPACTION: i32 = 920;
/** Frame, i32 2 x N a worker, see reversePairs. */
export const ADDRESS_CURSOR: i32 = 924;
/** Internal: the next mark of a call of reversePairs, 0 in a new layout. */
export const COUNT_CURSOR_MARK: i32 = 936;
/** Internal: unit of the local positions that the atoms were sorted for with cells of one cutoff, or 0. */
export const VALUE_GRID_UNIT: i32 = 928;
/** Internal: 1 while the adjoints of network 2 belong to the last forward pass (see denoise.ts). */
export const COUNT_ADJOINTS_READY: i32 = 916;
/** Internal: 1 if the next forward pass is to form them. */
export const COUNT_FUSED: i32 = 940;

// ---- lists with a skin, see lists.ts --------------------------------------------------------------------

/** In: the skin, units of a0, of lists of candidates that are kept from load to load; 0 for none. Set before layoutFrame. */
export const VALUE_SKIN: i32 = 944;
/** Internal: skin, length scale and basis (9) of the lists. */
export const VALUE_LIST_SKIN: i32 = 952;
export const VALUE_LIST_SCALE: i32 = 960;
export const VALUE_LIST_BASIS: i32 = 968; // to 1040
/** Out: 1 if the last load found its pairs by the lists of one before. */
export const COUNT_LIST_REUSED: i32 = 1040;
/** Internal. */
export const COUNT_LIST_STATE: i32 = 1044;
export const COUNT_LIST_CAPACITY: i32 = 1048;
export const COUNT_LIST_NEEDED: i32 = 1052;
export const COUNT_LIST_PERIODIC: i32 = 1056;
export const COUNT_LIST_TELLS_SPECIES: i32 = 1060;
export const COUNT_LIST_IMAGES: i32 = 1064; // 3 i32
/** Internal: 1 if the length scale of the lists is that of the mean volume. */
export const COUNT_LIST_MEAN: i32 = 1076;
export const ADDRESS_LIST_START: i32 = 1080; // i32 N, sorted
export const ADDRESS_LIST_COUNT: i32 = 1084; // i32 N, sorted
export const ADDRESS_LIST_WRAPPED: i32 = 1088; // f64 3N, sorted, where the lists were made
export const ADDRESS_LIST_HOME: i32 = 1092; // f64 3N, sorted, whole cells between the wrapped position and the one given
export const ADDRESS_LIST_LINK: i32 = 1096; // i32 list capacity, 2 * sorted place of the neighbour + kind
export const ADDRESS_LIST_IMAGE: i32 = 1100; // i32 list capacity, whole cells between the two

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
/** Keep what the passes share (`groupBytes`), and a backward pass need not form it again. */
export const FEATURE_KEEP_DENSITY: i32 = 2;
/** Lists with a skin: of VALUE_SKIN, or of DENOISE_SKIN in denoising where that is 0. */
export const FEATURE_LISTS: i32 = 4;
/** No logits and probabilities of all classes, only what is read off them; not with FEATURE_GRADIENT, which needs them. */
export const FEATURE_NO_TABLES: i32 = 8;
/** Units of a0. After its first step denoising moves most atoms by less than half of this. */
export const DENOISE_SKIN: f64 = 0.2;
/** Up to so many atoms keeping it is worth its memory; hosts should not ask for it beyond. */
export const KEEP_DENSITY_ATOMS: i32 = 160_000;

// ---- shapes -------------------------------------------------------------------------------------------

/** Channels are this many, or twice as many: two or four vectors. */
export const CHANNEL_STEP: i32 = 8;
export const MAX_CHANNELS: i32 = 16;
export const MIN_LMAX: i32 = 2;
export const MAX_LMAX: i32 = 6;
/** V, H and M are multiples of WIDTH_STEP; M is at most H. */
export const WIDTH_STEP: i32 = 8;
export const MAX_INNER: i32 = 128;
export const MAX_HIDDEN: i32 = 64;
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

/** Y: harmonics of all the model's degrees. */
// @ts-ignore: decorator
@inline
export function harmonicCount(ctx: usize): i32 {
  return firstHarmonic(ctx, load<i32>(ctx + COUNT_LMAX) + 1);
}

/** Where the harmonics of degree l begin: those of lower degrees come before. */
// @ts-ignore: decorator
@inline
export function firstHarmonic(ctx: usize, l: i32): i32 {
  const skipped = load<i32>(ctx + COUNT_SKIPPED_DEGREE);
  return l * l - (skipped != 0 && l > skipped ? 2 * skipped + 1 : 0);
}

/** Degrees of the harmonics, 0 among them. */
// @ts-ignore: decorator
@inline
export function degreeCount(ctx: usize): i32 {
  return load<i32>(ctx + COUNT_LMAX) + 1 - i32(load<i32>(ctx + COUNT_SKIPPED_DEGREE) != 0);
}

/** The degree at place `index` among those of the model. */
// @ts-ignore: decorator
@inline
export function degreeAt(ctx: usize, index: i32): i32 {
  const skipped = load<i32>(ctx + COUNT_SKIPPED_DEGREE);
  return index + i32(skipped != 0 && index >= skipped);
}

/** I */
// @ts-ignore: decorator
@inline
export function invariantCount(ctx: usize): i32 {
  return load<i32>(ctx + COUNT_CHANNELS) * (degreeCount(ctx) + 1);
}

/**
 * Bytes of what four atoms share between the passes: f32 (Y + 1) x 4 x K of A' and A_k00 (see invariants.ts), 4 x V and 4 x H of the slopes of
 * SiLU in network 1.
 */
export function groupBytes(ctx: usize): i32 {
  const mixed = (harmonicCount(ctx) + 1) * load<i32>(ctx + COUNT_CHANNELS);
  return 16 * (mixed + load<i32>(ctx + COUNT_INNER) + load<i32>(ctx + COUNT_HIDDEN));
}

function isWidth(ctx: usize, field: i32, step: i32, most: i32): bool {
  const width = load<i32>(ctx + field);
  return width >= step && width <= most && width % step == 0;
}

function inRange(ctx: usize, field: i32, least: i32, most: i32): bool {
  const number = load<i32>(ctx + field);
  return number >= least && number <= most;
}

function skipSound(ctx: usize): bool {
  const skipped = load<i32>(ctx + COUNT_SKIPPED_DEGREE);
  return skipped == 0 || (skipped == 5 && load<i32>(ctx + COUNT_LMAX) == 6);
}

function shapeSound(ctx: usize): bool {
  return (
    inRange(ctx, COUNT_CLASSES, 2, MAX_CLASSES) &&
    inRange(ctx, COUNT_BASIS, 2, MAX_BASIS) &&
    inRange(ctx, COUNT_LMAX, MIN_LMAX, MAX_LMAX) &&
    skipSound(ctx) &&
    isWidth(ctx, COUNT_CHANNELS, CHANNEL_STEP, MAX_CHANNELS) &&
    isWidth(ctx, COUNT_INNER, WIDTH_STEP, MAX_INNER) &&
    isWidth(ctx, COUNT_HIDDEN, WIDTH_STEP, MAX_HIDDEN) &&
    isWidth(ctx, COUNT_MESSAGE, WIDTH_STEP, load<i32>(ctx + COUNT_HIDDEN)) &&
    isWidth(ctx, COUNT_OUTER, OUTER_STEP, MAX_OUTER)
  );
}

/**
 * Places the regions of the model whose shape stands in COUNT_CLASSES, COUNT_BASIS, COUNT_CHANNELS, COUNT_LMAX, COUNT_SKIPPED_DEGREE, COUNT_INNER, COUNT_HIDDEN,
 * COUNT_MESSAGE and COUNT_OUTER, from `base` upwards; returns the end, or 0 where one of them is out of range.
 */
export function layoutModel(ctx: usize, base: i32): f64 {
  if (!shapeSound(ctx)) return 0;
  const c = <f64>load<i32>(ctx + COUNT_CLASSES);
  const basis = <f64>load<i32>(ctx + COUNT_BASIS);
  const k = <f64>load<i32>(ctx + COUNT_CHANNELS);
  const degrees = <f64>degreeCount(ctx);
  const i = <f64>invariantCount(ctx);
  const v = <f64>load<i32>(ctx + COUNT_INNER);
  const h = <f64>load<i32>(ctx + COUNT_HIDDEN);
  const x = h + <f64>load<i32>(ctx + COUNT_MESSAGE);
  const u = <f64>load<i32>(ctx + COUNT_OUTER);
  const padded = <f64>paddedClasses(load<i32>(ctx + COUNT_CLASSES));
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_RADIAL_MIX, end, 8 * (k + 1) * basis);
  end = place(ctx, ADDRESS_INVARIANTS_MIX, end, 4 * degrees * k * k);
  end = place(ctx, ADDRESS_STANDARD_MEAN, end, 4 * i);
  end = place(ctx, ADDRESS_STANDARD_SCALE, end, 4 * i);
  end = place(ctx, ADDRESS_NETWORK1_WEIGHT0, end, 4 * v * i);
  end = place(ctx, ADDRESS_NETWORK1_BIAS0, end, 4 * v);
  end = place(ctx, ADDRESS_NETWORK1_WEIGHT1, end, 4 * h * v);
  end = place(ctx, ADDRESS_NETWORK1_BIAS1, end, 4 * h);
  end = place(ctx, ADDRESS_NETWORK2_WEIGHT0, end, 4 * u * x);
  end = place(ctx, ADDRESS_NETWORK2_BIAS0, end, 4 * u);
  end = place(ctx, ADDRESS_NETWORK2_WEIGHT1, end, 4 * u * c);
  end = place(ctx, ADDRESS_NETWORK2_BIAS1, end, 4 * c);
  end = place(ctx, ADDRESS_IDEAL_LOGITS, end, 8 * c);
  end = place(ctx, ADDRESS_TABLE, end, <f64>tableBytes(load<i32>(ctx + COUNT_CHANNELS)));
  end = place(ctx, ADDRESS_HARMONICS, end, <f64>HARMONIC_CONSTANTS * 4);
  end = place(ctx, ADDRESS_COMPACTION, end, 256);
  end = place(ctx, ADDRESS_MIX_FORWARD, end, 4 * degrees * k * k);
  end = place(ctx, ADDRESS_MIX_BACKWARD, end, 4 * degrees * k * k);
  end = place(ctx, ADDRESS_FORWARD1_0, end, 4 * v * i);
  end = place(ctx, ADDRESS_FORWARD1_1, end, 4 * h * v);
  end = place(ctx, ADDRESS_FORWARD2_0, end, 4 * u * x);
  end = place(ctx, ADDRESS_FORWARD2_1, end, 4 * u * padded);
  end = place(ctx, ADDRESS_BACKWARD2_1, end, 4 * u * padded);
  end = place(ctx, ADDRESS_BIAS2_1, end, 4 * padded);
  end = place(ctx, ADDRESS_CLASS_WEIGHTS, end, 8 * c);
  end = place(ctx, ADDRESS_LOG_PRIOR, end, 8 * c);
  return checked(end);
}

/** Whether a frame laid out for `features` holds logits and probabilities. */
// @ts-ignore: decorator
@inline
export function hasTables(features: i32): bool {
  return (features & FEATURE_NO_TABLES) == 0 || (features & FEATURE_GRADIENT) != 0;
}

/** Pairs that an atom of a crystal has up to `skin` beyond the cutoff, rows filled up to a multiple of 4 and some room beside. */
function usualPairs(ctx: usize, skin: f64): f64 {
  const cutoff = load<f64>(ctx + VALUE_CUTOFF) + skin;
  return Math.ceil(1.02 * (4.0 / 3.0) * Math.PI * cutoff * cutoff * cutoff + 4);
}

/**
 * Places a frame's regions from `base` upwards; returns the end, or 0 where that passes 4 GiB.
 * The pairs come last: no other address depends on `pairCapacity` (0: room for a crystal, see usualPairs).
 */
export function layoutFrame(ctx: usize, base: i32, atomCount: i32, pairCapacity: i32, workers: i32, features: i32): f64 {
  if (atomCount < 1 || workers < 1 || pairCapacity < 0) return 0;
  store<i32>(ctx + COUNT_ADJOINTS_READY, 0);
  store<i32>(ctx + COUNT_FUSED, 0);
  store<i32>(ctx + COUNT_CURSOR_MARK, 0);
  const n = <f64>atomCount;
  const n4 = Math.ceil(n / 4) * 4;
  const c = <f64>load<i32>(ctx + COUNT_CLASSES);
  const h = 4 * <f64>load<i32>(ctx + COUNT_HIDDEN);
  const m = 4 * <f64>load<i32>(ctx + COUNT_MESSAGE);
  const gradient: f64 = features & FEATURE_GRADIENT ? 1 : 0;
  const keep: f64 = features & FEATURE_KEEP_DENSITY ? 1 : 0;
  const slots: f64 = atomCount > 1 << 28 ? MEMORY_LIMIT : <f64>slotCapacity(atomCount);
  const blocks = Math.ceil(n / BLOCK);
  let pairs = pairCapacity == 0 ? usualPairs(ctx, 0) * n : <f64>pairCapacity;
  pairs = Math.ceil(pairs / 4) * 4;

  const skin = load<f64>(ctx + VALUE_SKIN);
  const lists: f64 = features & FEATURE_LISTS ? 1 : 0;
  const tables: f64 = hasTables(features) ? 1 : 0;
  const listCapacity = Math.ceil(usualPairs(ctx, skin > 0 ? skin : DENOISE_SKIN) / 4) * 4 * n * lists;
  store<i32>(ctx + COUNT_LIST_STATE, 0);
  store<i32>(ctx + COUNT_LIST_REUSED, 0);
  store<i32>(ctx + COUNT_LIST_CAPACITY, <i32>min(listCapacity, 2147483640));

  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_POSITIONS, end, 24 * n);
  end = place(ctx, ADDRESS_SPECIES, end, 4 * n);
  end = place(ctx, ADDRESS_SEED, end, 4 * n * c * gradient);
  end = place(ctx, ADDRESS_LOGITS, end, 4 * n * c * tables);
  end = place(ctx, ADDRESS_PROBABILITIES, end, 4 * n * c * tables);
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
  end = place(ctx, ADDRESS_HIDDEN, end, h * n4);
  end = place(ctx, ADDRESS_MESSAGES, end, m * n4);
  end = place(ctx, ADDRESS_HIDDEN_ADJOINT, end, h * n4 * gradient);
  end = place(ctx, ADDRESS_MESSAGES_ADJOINT, end, m * n4 * gradient);
  end = place(ctx, ADDRESS_BLOCK_VIRIAL, end, 72 * blocks * gradient);
  end = place(ctx, ADDRESS_CURSOR, end, 8 * n * <f64>workers * gradient);
  end = place(ctx, ADDRESS_DENOISE_POSITIONS, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_DENOISE_STEP, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_SCRATCH, end, <f64>SCRATCH_BYTES * <f64>workers);
  end = place(ctx, ADDRESS_KEPT, end, 0.25 * <f64>groupBytes(ctx) * n4 * keep);
  if (!keep) store<u32>(ctx + ADDRESS_KEPT, 0);
  end = place(ctx, ADDRESS_LIST_START, end, 4 * n * lists);
  end = place(ctx, ADDRESS_LIST_COUNT, end, 4 * n * lists);
  end = place(ctx, ADDRESS_LIST_WRAPPED, end, 24 * n * lists);
  end = place(ctx, ADDRESS_LIST_HOME, end, 24 * n * lists);
  end = place(ctx, ADDRESS_LIST_LINK, end, 4 * listCapacity);
  end = place(ctx, ADDRESS_LIST_IMAGE, end, 4 * listCapacity);
  end = place(ctx, ADDRESS_PAIR_X, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_Y, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_Z, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_LINK, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_WEIGHT, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_REVERSE, end, 4 * pairs * gradient);
  end = place(ctx, ADDRESS_PAIR_GRADIENT, end, 16 * pairs * gradient);

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
  const h = 8 * <f64>load<i32>(ctx + COUNT_HIDDEN);
  const m = 8 * <f64>load<i32>(ctx + COUNT_MESSAGE);
  const pairs: f64 = pairCapacity == 0 ? 64 * n : <f64>pairCapacity;
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_REFERENCE_START, end, 4 * (n + 1));
  end = place(ctx, ADDRESS_REFERENCE_LINK, end, 4 * pairs);
  end = place(ctx, ADDRESS_REFERENCE_VECTOR, end, 24 * pairs);
  end = place(ctx, ADDRESS_REFERENCE_DENSITY, end, 8 * <f64>(harmonicCount(ctx) * load<i32>(ctx + COUNT_CHANNELS)) * n);
  end = place(ctx, ADDRESS_REFERENCE_INVARIANTS, end, 8 * <f64>invariantCount(ctx) * n);
  end = place(ctx, ADDRESS_REFERENCE_HIDDEN, end, h * n);
  end = place(ctx, ADDRESS_REFERENCE_MESSAGES, end, m * n);
  end = place(ctx, ADDRESS_REFERENCE_LOGITS, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_SEED, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_GRADIENT, end, 24 * n);
  end = place(ctx, ADDRESS_REFERENCE_SCRATCH, end, 8 * 8192 + (h + m) * n);
  store<i32>(ctx + COUNT_REFERENCE_CAPACITY, <i32>min(pairs, 2147483640));
  return checked(end);
}
