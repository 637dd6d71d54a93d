/**
 * The binary interface: its version, the fields of a context, status codes and features.
 *
 * All state lives in a *context*, a block of CONTEXT_BYTES bytes that the host places (16-byte
 * aligned). The constants VALUE_*, COUNT_* and ADDRESS_* are byte offsets of its fields. Hosts read
 * them from the module and repeat none of them. The prefix says the type:
 *
 *     VALUE_*    f64
 *     COUNT_*    i32
 *     ADDRESS_*  u32, the byte address of a region in the same memory
 *
 * A field is one number unless its comment gives another number. The fields form a chain: each
 * offset is the one before plus the size of that field, so a new field goes where it belongs and
 * the ones after it move. The comment of an address gives the type and shape of its region.
 * test/core/abi.test.ts checks the chain and the layout against these comments.
 *
 * The host writes fields headed *in* and reads those headed *out*. The meaning of *internal* ones
 * may change at any time.
 *
 * The shape of a model: C classes, F basis functions, K channels, L the largest degree of the
 * harmonics, Y harmonics of D degrees (D = L + 1 and Y = (L + 1)^2 unless one is left out),
 * I = K (D + 1) invariants, and the widths V (first layer of network 1), H (hidden numbers), M
 * (messages), U (last hidden layer), T (known surroundings). Cp is C rounded up to a multiple of 8.
 *
 * A frame: N atoms, P = COUNT_PAIR_CAPACITY, `slots` of the search grid (slotCapacity), `blocks` of
 * BLOCK atoms, `groups` of four atoms, as the networks take them, and N4 = 4 groups.
 */

export { ABI_VERSION } from "./contract";

// Bytes of one number of each kind.
const VALUE: i32 = 8;
const COUNT: i32 = 4;
const ADDRESS: i32 = 4;

// ---- values: frame and options, in --------------------------------------------------------------

/** 9 numbers: rows are the cell vectors, simulation length unit. Rows of open axes are ignored. */
export const VALUE_CELL: i32 = 0;
/** The user's length scale, or 0 to have it estimated. */
export const VALUE_LENGTH_SCALE_GIVEN: i32 = VALUE_CELL + 9 * VALUE;
/** Skin of the neighbour lists, units of a0, 0 for none; see lists.ts. Set before layoutFrame. */
export const VALUE_SKIN: i32 = VALUE_LENGTH_SCALE_GIVEN + VALUE;
/** Denoising has converged when the largest |delta| is below this many a0; 0 to take all steps. */
export const VALUE_DENOISE_TOLERANCE: i32 = VALUE_SKIN + VALUE;

// ---- values: model, in; units of a0, epsilon and the logit length as the model file has them ----

export const VALUE_CUTOFF: i32 = VALUE_DENOISE_TOLERANCE + VALUE;
export const VALUE_BASIS_FIRST: i32 = VALUE_CUTOFF + VALUE;
export const VALUE_BASIS_LAST: i32 = VALUE_BASIS_FIRST + VALUE;
export const VALUE_BASIS_WIDTH: i32 = VALUE_BASIS_LAST + VALUE;
export const VALUE_EPSILON: i32 = VALUE_BASIS_WIDTH + VALUE;
export const VALUE_LOGIT_LENGTH: i32 = VALUE_EPSILON + VALUE;

// ---- values: out --------------------------------------------------------------------------------

/** Of prepareModel: largest error of the radial table, relative to the largest value. */
export const VALUE_TABLE_ERROR: i32 = VALUE_LOGIT_LENGTH + VALUE;
/** The length scale a0 in use, simulation length unit. */
export const VALUE_LENGTH_SCALE: i32 = VALUE_TABLE_ERROR + VALUE;
/** Log density of the frame, the sum over the atoms. */
export const VALUE_LOG_DENSITY: i32 = VALUE_LENGTH_SCALE + VALUE;
/** 9 numbers: virial[alpha][beta] of docs/maths.md, the unit of L. */
export const VALUE_VIRIAL: i32 = VALUE_LOG_DENSITY + VALUE;
/** Distance that belongs to an error (coincident atoms), simulation length unit. */
export const VALUE_ERROR_DISTANCE: i32 = VALUE_VIRIAL + 9 * VALUE;
/** The factor eta of the last denoising step. */
export const VALUE_DENOISE_FACTOR: i32 = VALUE_ERROR_DISTANCE + VALUE;
/** The largest |delta| / a0 of the last gradient in denoising. */
export const VALUE_DENOISE_LARGEST: i32 = VALUE_DENOISE_FACTOR + VALUE;
/** Log density of the frame before the first denoising step. */
export const VALUE_DENOISE_INITIAL: i32 = VALUE_DENOISE_LARGEST + VALUE;

// ---- values: internal ---------------------------------------------------------------------------

/** Log density of the frame that a denoising step started from. */
export const VALUE_DENOISE_PREVIOUS: i32 = VALUE_DENOISE_INITIAL + VALUE;
/** 9 numbers: the basis B of the search grid (see cells.ts). */
export const VALUE_GRID_BASIS: i32 = VALUE_DENOISE_PREVIOUS + VALUE;
/** 9 numbers: B^-1. */
export const VALUE_GRID_INVERSE: i32 = VALUE_GRID_BASIS + 9 * VALUE;
/** 3 numbers: the origin o. */
export const VALUE_GRID_ORIGIN: i32 = VALUE_GRID_INVERSE + 9 * VALUE;
/** 3 numbers: distance between the planes of a cell along each axis. */
export const VALUE_GRID_WIDTH: i32 = VALUE_GRID_ORIGIN + 3 * VALUE;
/** Unit of the local positions if the atoms are sorted into cells of one cutoff, or 0. */
export const VALUE_GRID_UNIT: i32 = VALUE_GRID_WIDTH + 3 * VALUE;
/** Skin and length scale that the neighbour lists were made for. */
export const VALUE_LIST_SKIN: i32 = VALUE_GRID_UNIT + VALUE;
export const VALUE_LIST_SCALE: i32 = VALUE_LIST_SKIN + VALUE;
/** 9 numbers: the basis that they were made for. */
export const VALUE_LIST_BASIS: i32 = VALUE_LIST_SCALE + VALUE;

const VALUES_END: i32 = VALUE_LIST_BASIS + 9 * VALUE;

// ---- counts: shape of the model, in; see shape.ts for their bounds ------------------------------

export const COUNT_CLASSES: i32 = VALUES_END; // C
export const COUNT_BASIS: i32 = COUNT_CLASSES + COUNT; // F
export const COUNT_CHANNELS: i32 = COUNT_BASIS + COUNT; // K
export const COUNT_LMAX: i32 = COUNT_CHANNELS + COUNT; // L
/** A degree of the harmonics that the model leaves out, or 0: 5, of 6. */
export const COUNT_SKIPPED_DEGREE: i32 = COUNT_LMAX + COUNT;
export const COUNT_INNER: i32 = COUNT_SKIPPED_DEGREE + COUNT; // V
export const COUNT_HIDDEN: i32 = COUNT_INNER + COUNT; // H
export const COUNT_MESSAGE: i32 = COUNT_HIDDEN + COUNT; // M
export const COUNT_OUTER: i32 = COUNT_MESSAGE + COUNT; // U
/** T, 0 for a model that does not ask whether surroundings are known. */
export const COUNT_KNOWN: i32 = COUNT_OUTER + COUNT;
/** The class that counts only where it is surrounded by itself (see stacking.ts), or 0. */
export const COUNT_STACKED_CLASS: i32 = COUNT_KNOWN + COUNT;

// ---- counts: frame and options, in --------------------------------------------------------------

/** Bit 0, 1, 2 is set where cell vector 0, 1, 2 is periodic. */
export const COUNT_PERIODIC: i32 = COUNT_STACKED_CLASS + COUNT;
/** 1 to tell species apart, 0 to treat all atoms as one species. */
export const COUNT_SPECIES_USED: i32 = COUNT_PERIODIC + COUNT;
/** Steps that denoising may take. */
export const COUNT_DENOISE_LIMIT: i32 = COUNT_SPECIES_USED + COUNT;
/**
 * A host sets it to 1, from any thread, to end the calls at work on the frame: they return soon,
 * and what they computed is undefined. It stays set until a host clears it.
 */
export const COUNT_ABORT: i32 = COUNT_DENOISE_LIMIT + COUNT;

// ---- counts: out, what the regions were laid out for --------------------------------------------

export const COUNT_ATOMS: i32 = COUNT_ABORT + COUNT; // N
export const COUNT_WORKERS: i32 = COUNT_ATOMS + COUNT;
export const COUNT_FEATURES: i32 = COUNT_WORKERS + COUNT;
/** Pairs that fit. */
export const COUNT_PAIR_CAPACITY: i32 = COUNT_FEATURES + COUNT; // P
export const COUNT_REFERENCE_CAPACITY: i32 = COUNT_PAIR_CAPACITY + COUNT;
export const COUNT_LIST_CAPACITY: i32 = COUNT_REFERENCE_CAPACITY + COUNT;

// ---- counts: out --------------------------------------------------------------------------------

/** Pairs that the last search wanted; rows are padded to a multiple of 4. */
export const COUNT_PAIRS_NEEDED: i32 = COUNT_LIST_CAPACITY + COUNT;
export const COUNT_REFERENCE_NEEDED: i32 = COUNT_PAIRS_NEEDED + COUNT;
/** The atoms that belong to an error, or -1. */
export const COUNT_ERROR_ATOM: i32 = COUNT_REFERENCE_NEEDED + COUNT;
export const COUNT_ERROR_OTHER: i32 = COUNT_ERROR_ATOM + COUNT;
/** Steps that denoising took, and 1 if it converged. */
export const COUNT_DENOISE_STEPS: i32 = COUNT_ERROR_OTHER + COUNT;
export const COUNT_DENOISE_CONVERGED: i32 = COUNT_DENOISE_STEPS + COUNT;
/** 1 if the last load found its pairs by the lists of an earlier one. */
export const COUNT_LIST_REUSED: i32 = COUNT_DENOISE_CONVERGED + COUNT;

// ---- counts: internal ---------------------------------------------------------------------------

/** The most species that a class needs, formed by prepareModel (see nameable.ts). */
export const COUNT_SPECIES_WANTED: i32 = COUNT_LIST_REUSED + COUNT;
/** Species of the frame, counted up to COUNT_SPECIES_WANTED. */
export const COUNT_SPECIES_FOUND: i32 = COUNT_SPECIES_WANTED + COUNT;
/** 3 numbers: cells along each axis of the search grid (see cells.ts). */
export const COUNT_GRID_CELLS: i32 = COUNT_SPECIES_FOUND + COUNT;
/** 3 numbers: cells on either side that reach the search distance. */
export const COUNT_GRID_REACH: i32 = COUNT_GRID_CELLS + 3 * COUNT;
/** 1 if a slot is the index of its cell, 0 if slots are found by hashing. */
export const COUNT_GRID_DENSE: i32 = COUNT_GRID_REACH + 3 * COUNT;
/** Number of slots in use. */
export const COUNT_GRID_SLOTS: i32 = COUNT_GRID_DENSE + COUNT;
/** Trouble that any worker met in the pair search (see neighbours.ts). */
export const COUNT_PAIR_TROUBLE: i32 = COUNT_GRID_SLOTS + COUNT;
/** The first sorted atom found to have too many neighbours: the search goes no further. */
export const COUNT_DENSE_ROW: i32 = COUNT_PAIR_TROUBLE + COUNT;
/** Tests of one atom against up to CANDIDATES others that the pair search made. */
export const COUNT_PAIR_TESTS: i32 = COUNT_DENSE_ROW + COUNT;
/** 2 numbers: cells and atoms that the estimate of the length scale visited (lengthscale.ts). */
export const COUNT_SCALE_VISITS: i32 = COUNT_PAIR_TESTS + COUNT;
/** 1 once the index of reverse pairs belongs to the pairs. */
export const COUNT_REVERSE_READY: i32 = COUNT_SCALE_VISITS + 2 * COUNT;
/** The next mark of a call of reversePairs, 0 in a new layout. */
export const COUNT_CURSOR_MARK: i32 = COUNT_REVERSE_READY + COUNT;
/** 1 while the adjoints of network 2 belong to the last forward pass (see phases.ts). */
export const COUNT_ADJOINTS_READY: i32 = COUNT_CURSOR_MARK + COUNT;
/** 1 if the next forward pass is to form them. */
export const COUNT_FUSED: i32 = COUNT_ADJOINTS_READY + COUNT;
/** Phase of the denoising loop (see phases.ts). */
export const COUNT_DENOISE_PHASE: i32 = COUNT_FUSED + COUNT;
/** 1 while the results have the lowered logit of class 0 that denoising uses; see known.ts. */
export const COUNT_LOWERED: i32 = COUNT_DENOISE_PHASE + COUNT;
/** Whether there are neighbour lists (see lists.ts). */
export const COUNT_LIST_STATE: i32 = COUNT_LOWERED + COUNT;
/** Entries that the lists want; more than the capacity if they do not fit. */
export const COUNT_LIST_NEEDED: i32 = COUNT_LIST_STATE + COUNT;
/** COUNT_PERIODIC and COUNT_SPECIES_USED that the lists were made for. */
export const COUNT_LIST_PERIODIC: i32 = COUNT_LIST_NEEDED + COUNT;
export const COUNT_LIST_TELLS_SPECIES: i32 = COUNT_LIST_PERIODIC + COUNT;
/** 3 numbers: most whole cells between two atoms of a list, along each axis. */
export const COUNT_LIST_IMAGES: i32 = COUNT_LIST_TELLS_SPECIES + COUNT;
/** 1 if the length scale of the lists is that of the mean volume. */
export const COUNT_LIST_MEAN: i32 = COUNT_LIST_IMAGES + 3 * COUNT;

const COUNTS_END: i32 = COUNT_LIST_MEAN + COUNT;

// ---- addresses: model, in; f32 as in the model file, f64 for the ideal logits -------------------

export const ADDRESS_RADIAL_MIX: i32 = COUNTS_END; // f32 2 x (K + 1) x F
export const ADDRESS_INVARIANTS_MIX: i32 = ADDRESS_RADIAL_MIX + ADDRESS; // f32 D x K x K
export const ADDRESS_STANDARD_MEAN: i32 = ADDRESS_INVARIANTS_MIX + ADDRESS; // f32 I
export const ADDRESS_STANDARD_SCALE: i32 = ADDRESS_STANDARD_MEAN + ADDRESS; // f32 I
export const ADDRESS_NETWORK1_WEIGHT0: i32 = ADDRESS_STANDARD_SCALE + ADDRESS; // f32 V x I
export const ADDRESS_NETWORK1_BIAS0: i32 = ADDRESS_NETWORK1_WEIGHT0 + ADDRESS; // f32 V
export const ADDRESS_NETWORK1_WEIGHT1: i32 = ADDRESS_NETWORK1_BIAS0 + ADDRESS; // f32 H x V
export const ADDRESS_NETWORK1_BIAS1: i32 = ADDRESS_NETWORK1_WEIGHT1 + ADDRESS; // f32 H
export const ADDRESS_NETWORK2_WEIGHT0: i32 = ADDRESS_NETWORK1_BIAS1 + ADDRESS; // f32 U x (H + M)
export const ADDRESS_NETWORK2_BIAS0: i32 = ADDRESS_NETWORK2_WEIGHT0 + ADDRESS; // f32 U
export const ADDRESS_NETWORK2_WEIGHT1: i32 = ADDRESS_NETWORK2_BIAS0 + ADDRESS; // f32 C x U
export const ADDRESS_NETWORK2_BIAS1: i32 = ADDRESS_NETWORK2_WEIGHT1 + ADDRESS; // f32 C
export const ADDRESS_KNOWN_WEIGHT0: i32 = ADDRESS_NETWORK2_BIAS1 + ADDRESS; // f32 T x (H + M)
export const ADDRESS_KNOWN_BIAS0: i32 = ADDRESS_KNOWN_WEIGHT0 + ADDRESS; // f32 T
export const ADDRESS_KNOWN_WEIGHT1: i32 = ADDRESS_KNOWN_BIAS0 + ADDRESS; // f32 T
export const ADDRESS_IDEAL_LOGITS: i32 = ADDRESS_KNOWN_WEIGHT1 + ADDRESS; // f64 C
/** i32 Cp, of which C are in: the species that a class needs around an atom (see nameable.ts) */
export const ADDRESS_CLASS_SPECIES: i32 = ADDRESS_IDEAL_LOGITS + ADDRESS;

// ---- addresses: model, prior over the classes (see prior.ts) ------------------------------------

/** f64 C, in: all 1 after prepareModel. Call setPrior after a change. */
export const ADDRESS_CLASS_WEIGHTS: i32 = ADDRESS_CLASS_SPECIES + ADDRESS;
/** f64 C, formed by setPrior: the log-weights. */
export const ADDRESS_LOG_PRIOR: i32 = ADDRESS_CLASS_WEIGHTS + ADDRESS;

// ---- addresses: model, internal; formed by prepareModel -----------------------------------------

/** f32 2 x TABLE_ROWS x 2 x (K + 4), see radial.ts */
export const ADDRESS_TABLE: i32 = ADDRESS_LOG_PRIOR + ADDRESS;
/** i32 Cp, CLASS_SPECIES where the stacked class is barred */
export const ADDRESS_UNSTACKED_SPECIES: i32 = ADDRESS_TABLE + ADDRESS;
/** f32 HARMONIC_CONSTANTS, see harmonics.ts */
export const ADDRESS_HARMONICS: i32 = ADDRESS_UNSTACKED_SPECIES + ADDRESS;
export const ADDRESS_COMPACTION: i32 = ADDRESS_HARMONICS + ADDRESS; // i32 16 x 4, see candidates.ts
/** f32 D x K x K, (degree, k, q) */
export const ADDRESS_MIX_FORWARD: i32 = ADDRESS_COMPACTION + ADDRESS;
/** f32 D x K x K, (degree, q, k) */
export const ADDRESS_MIX_BACKWARD: i32 = ADDRESS_MIX_FORWARD + ADDRESS;
export const ADDRESS_FORWARD1_0: i32 = ADDRESS_MIX_BACKWARD + ADDRESS; // f32 I x V
export const ADDRESS_FORWARD1_1: i32 = ADDRESS_FORWARD1_0 + ADDRESS; // f32 V x H
export const ADDRESS_FORWARD2_0: i32 = ADDRESS_FORWARD1_1 + ADDRESS; // f32 (H + M) x U
export const ADDRESS_FORWARD2_1: i32 = ADDRESS_FORWARD2_0 + ADDRESS; // f32 U x Cp
export const ADDRESS_BACKWARD2_1: i32 = ADDRESS_FORWARD2_1 + ADDRESS; // f32 Cp x U
/** f32 Cp, c4 plus the log-weights */
export const ADDRESS_BIAS2_1: i32 = ADDRESS_BACKWARD2_1 + ADDRESS;
export const ADDRESS_FORWARD_KNOWN: i32 = ADDRESS_BIAS2_1 + ADDRESS; // f32 (H + M) x T

// ---- addresses: frame, in -----------------------------------------------------------------------

/** f64 3N, simulation length unit. Denoising writes the denoised positions here. */
export const ADDRESS_POSITIONS: i32 = ADDRESS_FORWARD_KNOWN + ADDRESS;
/** i32 N, any numbers; only equality counts. */
export const ADDRESS_SPECIES: i32 = ADDRESS_POSITIONS + ADDRESS;
/** f32 N x C, dL/dl in the order of the atoms given. */
export const ADDRESS_SEED: i32 = ADDRESS_SPECIES + ADDRESS;

// ---- addresses: frame, out; in the order of the atoms given -------------------------------------

export const ADDRESS_LOGITS: i32 = ADDRESS_SEED + ADDRESS; // f32 N x C
export const ADDRESS_PROBABILITIES: i32 = ADDRESS_LOGITS + ADDRESS; // f32 N x C
export const ADDRESS_LABELS: i32 = ADDRESS_PROBABILITIES + ADDRESS; // u16 N
export const ADDRESS_CONFIDENCE: i32 = ADDRESS_LABELS + ADDRESS; // f32 N
export const ADDRESS_MARGIN: i32 = ADDRESS_CONFIDENCE + ADDRESS; // f32 N
export const ADDRESS_ATOM_LOG_DENSITY: i32 = ADDRESS_MARGIN + ADDRESS; // f32 N
/** f32 N, simulation length unit */
export const ADDRESS_DISTANCE: i32 = ADDRESS_ATOM_LOG_DENSITY + ADDRESS;
export const ADDRESS_GRADIENT: i32 = ADDRESS_DISTANCE + ADDRESS; // f64 3N, unit of L over length
/** u16 N, the labels before the first denoising step */
export const ADDRESS_RAW_LABELS: i32 = ADDRESS_GRADIENT + ADDRESS;
/** u8 N, 1 for the atoms that take part in denoising; see denoise.ts */
export const ADDRESS_TAKES_PART: i32 = ADDRESS_RAW_LABELS + ADDRESS;
/** f32 N, log-odds after denoising that the surroundings are those of a class; see known.ts */
export const ADDRESS_KNOWN: i32 = ADDRESS_TAKES_PART + ADDRESS;

// ---- addresses: frame, internal; rows in sorted order unless stated otherwise -------------------

/** f32 N, the same between two averages, in the order given; see known.ts */
export const ADDRESS_KNOWN_ROUND: i32 = ADDRESS_KNOWN + ADDRESS;
/** u8 N, species around each atom, in the order given (see nameable.ts) */
export const ADDRESS_SPECIES_AROUND: i32 = ADDRESS_KNOWN_ROUND + ADDRESS;
/** u8 N, 1 where the stacked class is barred, in the order given (see stacking.ts) */
export const ADDRESS_BARRED: i32 = ADDRESS_SPECIES_AROUND + ADDRESS;
/** i32 2 x MOST_GROUPED, species and their groups, of groupSpecies (see contacts.ts) */
export const ADDRESS_SPECIES_GROUPS: i32 = ADDRESS_BARRED + ADDRESS;
/** i32 N, the atom given at each sorted place */
export const ADDRESS_ORDER: i32 = ADDRESS_SPECIES_GROUPS + ADDRESS;
export const ADDRESS_WRAPPED: i32 = ADDRESS_ORDER + ADDRESS; // f64 3N, positions inside the cell
/** f32 3 x (N + 8), x, y, z in units of a0, for the prefilter */
export const ADDRESS_LOCAL: i32 = ADDRESS_WRAPPED + ADDRESS;
export const ADDRESS_SORTED_SPECIES: i32 = ADDRESS_LOCAL + ADDRESS; // i32 N
export const ADDRESS_ATOM_SLOT: i32 = ADDRESS_SORTED_SPECIES + ADDRESS; // i32 N, in the order given
export const ADDRESS_ATOM_CELL: i32 = ADDRESS_ATOM_SLOT + ADDRESS; // i64 N, key of the grid cell
export const ADDRESS_SLOT_START: i32 = ADDRESS_ATOM_CELL + ADDRESS; // i32 slots + 1
export const ADDRESS_SLOT_KEY: i32 = ADDRESS_SLOT_START + ADDRESS; // i64 slots
export const ADDRESS_PAIR_START: i32 = ADDRESS_SLOT_KEY + ADDRESS; // i32 N
export const ADDRESS_PAIR_COUNT: i32 = ADDRESS_PAIR_START + ADDRESS; // i32 N
export const ADDRESS_HIDDEN: i32 = ADDRESS_PAIR_COUNT + ADDRESS; // f32 N4 x H
export const ADDRESS_MESSAGES: i32 = ADDRESS_HIDDEN + ADDRESS; // f32 N4 x M
/** f32 N4 x H, through network 2 only */
export const ADDRESS_HIDDEN_ADJOINT: i32 = ADDRESS_MESSAGES + ADDRESS;
export const ADDRESS_MESSAGES_ADJOINT: i32 = ADDRESS_HIDDEN_ADJOINT + ADDRESS; // f32 N4 x M
export const ADDRESS_BLOCK_VIRIAL: i32 = ADDRESS_MESSAGES_ADJOINT + ADDRESS; // f64 blocks x 9
/** i32 workers x 2 x N, see reverse.ts */
export const ADDRESS_CURSOR: i32 = ADDRESS_BLOCK_VIRIAL + ADDRESS;
/** f64 3N, where the last step began, in the order given */
export const ADDRESS_DENOISE_POSITIONS: i32 = ADDRESS_CURSOR + ADDRESS;
export const ADDRESS_DENOISE_STEP: i32 = ADDRESS_DENOISE_POSITIONS + ADDRESS; // f64 3N, delta there
/** u8 workers x SCRATCH_BYTES, see scratch.ts */
export const ADDRESS_SCRATCH: i32 = ADDRESS_DENOISE_STEP + ADDRESS;
/** u8 groups x groupBytes, see record.ts; address 0 without FEATURE_KEEP_DENSITY */
export const ADDRESS_KEPT: i32 = ADDRESS_SCRATCH + ADDRESS;

// ---- addresses: neighbour lists with a skin, internal; sorted order, see lists.ts ---------------

export const ADDRESS_LIST_START: i32 = ADDRESS_KEPT + ADDRESS; // i32 N
export const ADDRESS_LIST_COUNT: i32 = ADDRESS_LIST_START + ADDRESS; // i32 N
/** f64 3N, positions for which the lists were made */
export const ADDRESS_LIST_WRAPPED: i32 = ADDRESS_LIST_COUNT + ADDRESS;
/** f64 3N, whole cells between the wrapped position and the one given */
export const ADDRESS_LIST_HOME: i32 = ADDRESS_LIST_WRAPPED + ADDRESS;
/** i32 COUNT_LIST_CAPACITY, 2 * sorted place of the neighbour + kind */
export const ADDRESS_LIST_LINK: i32 = ADDRESS_LIST_HOME + ADDRESS;
/** i32 COUNT_LIST_CAPACITY, whole cells between the two atoms */
export const ADDRESS_LIST_IMAGE: i32 = ADDRESS_LIST_LINK + ADDRESS;

// ---- addresses: pairs, internal; the row of an atom is padded to a multiple of 4 ----------------

export const ADDRESS_PAIR_X: i32 = ADDRESS_LIST_IMAGE + ADDRESS; // f32 P, units of a0
export const ADDRESS_PAIR_Y: i32 = ADDRESS_PAIR_X + ADDRESS; // f32 P
export const ADDRESS_PAIR_Z: i32 = ADDRESS_PAIR_Y + ADDRESS; // f32 P
/** i32 P, 2 * sorted place of the neighbour + kind */
export const ADDRESS_PAIR_LINK: i32 = ADDRESS_PAIR_Z + ADDRESS;
export const ADDRESS_PAIR_WEIGHT: i32 = ADDRESS_PAIR_LINK + ADDRESS; // f32 P, message weight w(r)
/** i32 P, index of the pair seen from the other end */
export const ADDRESS_PAIR_REVERSE: i32 = ADDRESS_PAIR_WEIGHT + ADDRESS;
/** f32 P x 4, dL/dx of the pair vector and a zero */
export const ADDRESS_PAIR_GRADIENT: i32 = ADDRESS_PAIR_REVERSE + ADDRESS;

// ---- addresses: double-precision reference, in and out; in the order given ----------------------

export const ADDRESS_REFERENCE_START: i32 = ADDRESS_PAIR_GRADIENT + ADDRESS; // i32 N + 1
/** i32 COUNT_REFERENCE_CAPACITY, 2 * atom + kind */
export const ADDRESS_REFERENCE_LINK: i32 = ADDRESS_REFERENCE_START + ADDRESS;
/** f64 COUNT_REFERENCE_CAPACITY x 3, units of a0 */
export const ADDRESS_REFERENCE_VECTOR: i32 = ADDRESS_REFERENCE_LINK + ADDRESS;
export const ADDRESS_REFERENCE_DENSITY: i32 = ADDRESS_REFERENCE_VECTOR + ADDRESS; // f64 N x Y x K
export const ADDRESS_REFERENCE_INVARIANTS: i32 = ADDRESS_REFERENCE_DENSITY + ADDRESS; // f64 N x I
export const ADDRESS_REFERENCE_HIDDEN: i32 = ADDRESS_REFERENCE_INVARIANTS + ADDRESS; // f64 N x H
export const ADDRESS_REFERENCE_MESSAGES: i32 = ADDRESS_REFERENCE_HIDDEN + ADDRESS; // f64 N x M
export const ADDRESS_REFERENCE_LOGITS: i32 = ADDRESS_REFERENCE_MESSAGES + ADDRESS; // f64 N x C
export const ADDRESS_REFERENCE_PROBABILITIES: i32 = ADDRESS_REFERENCE_LOGITS + ADDRESS; // f64 N x C
export const ADDRESS_REFERENCE_KNOWN: i32 = ADDRESS_REFERENCE_PROBABILITIES + ADDRESS; // f64 N
/** f64 N x C, in */
export const ADDRESS_REFERENCE_SEED: i32 = ADDRESS_REFERENCE_KNOWN + ADDRESS;
export const ADDRESS_REFERENCE_GRADIENT: i32 = ADDRESS_REFERENCE_SEED + ADDRESS; // f64 3N

// ---- addresses: double-precision reference, internal --------------------------------------------

/** f64 N, log-odds before an average, see known.ts */
export const ADDRESS_REFERENCE_ROUND: i32 = ADDRESS_REFERENCE_GRADIENT + ADDRESS;
/** f64 REFERENCE_ADJOINTS + N x (H + M), see scratch.ts */
export const ADDRESS_REFERENCE_SCRATCH: i32 = ADDRESS_REFERENCE_ROUND + ADDRESS;

const ADDRESSES_END: i32 = ADDRESS_REFERENCE_SCRATCH + ADDRESS;

/** Bytes of a context. */
export const CONTEXT_BYTES: i32 = (ADDRESSES_END + 63) & ~63;

// ---- status codes -------------------------------------------------------------------------------

export const STATUS_OK: i32 = 0;
/** Not an error: lay the frame out again with COUNT_PAIRS_NEEDED pairs and repeat the call. */
export const STATUS_PAIR_OVERFLOW: i32 = 1;
/** COUNT_ERROR_ATOM names the first atom. */
export const STATUS_NON_FINITE_POSITIONS: i32 = 2;
export const STATUS_NON_FINITE_CELL: i32 = 3;
export const STATUS_SINGULAR_CELL: i32 = 4;
/** The given length scale is negative, zero by underflow, infinite or NaN. */
export const STATUS_BAD_LENGTH_SCALE: i32 = 5;
/**
 * Too few atoms for an estimate (fewer than 13 in a cluster): the user must give the length scale.
 */
export const STATUS_NO_LENGTH_SCALE: i32 = 6;
/** COUNT_ERROR_ATOM, COUNT_ERROR_OTHER and VALUE_ERROR_DISTANCE name the closest pair. */
export const STATUS_COINCIDENT_ATOMS: i32 = 7;
/**
 * COUNT_ERROR_ATOM has more than ROW_CAPACITY neighbours, or is one of the most crowded cell of a
 * frame that has so many on average: the length scale is far too large.
 */
export const STATUS_TOO_DENSE: i32 = 8;
/**
 * A weight or constant is not finite, a length is not positive, row 0 of W4 is not zero, or a class
 * needs no species or too many.
 */
export const STATUS_MODEL_NON_FINITE: i32 = 9;
/** The reference's pair list is too small: lay it out with COUNT_REFERENCE_NEEDED. */
export const STATUS_REFERENCE_OVERFLOW: i32 = 10;
/** A class weight is negative or not finite, or only class 0 has a weight above 0. */
export const STATUS_BAD_PRIOR: i32 = 11;
/** COUNT_ABORT was set. The statuses from 12 to 19 are those of variables. */
export const STATUS_ABORTED: i32 = 20;
/** Not an error: denoiseFor made all decisions that it was allowed, and more are to come. */
export const STATUS_UNFINISHED: i32 = 21;
/** COUNT_ERROR_ATOM names the first atom that is too many cells away to be wrapped. */
export const STATUS_FAR_POSITION: i32 = 22;

// ---- features of a frame ------------------------------------------------------------------------

/** Regions for the backward pass and for denoising. */
export const FEATURE_GRADIENT: i32 = 1;
/** Keeps what the passes share (`groupBytes`), so that a backward pass need not form it again. */
export const FEATURE_KEEP_DENSITY: i32 = 2;
/** Lists with a skin: of VALUE_SKIN, or of DENOISE_SKIN in denoising if that is 0. */
export const FEATURE_LISTS: i32 = 4;
/**
 * No logits and probabilities, only what is read off them. FEATURE_GRADIENT needs them and wins.
 */
export const FEATURE_NO_TABLES: i32 = 8;

// ---- sizes --------------------------------------------------------------------------------------

/** Units of a0. After its first step denoising moves most atoms by less than half of this. */
export const DENOISE_SKIN: f64 = 0.2;
/** Most atoms for which FEATURE_KEEP_DENSITY is worth its memory. */
export const KEEP_DENSITY_ATOMS: i32 = 160_000;
/** Ranges of atoms given to a stage begin at a multiple of this. */
export const BLOCK: i32 = 64;
/** Most neighbours of one atom. */
export const ROW_CAPACITY: i32 = 1024;
