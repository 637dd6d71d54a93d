/**
 * The interface of variables (docs/variables.md): the fields of their context, what layoutVariables
 * can place, and statuses.
 *
 * A *variables context* is a block of VARIABLES_CONTEXT_BYTES bytes that the host places (16-byte
 * aligned). It is apart from the context of a frame, so a host that has logits from elsewhere needs
 * no model and no frame. Prefixes are those of the other context: VALUE_ f64, COUNT_ i32, ADDRESS_
 * u32. Each offset is the one before plus the size of that field.
 *
 * The host writes fields headed *in* and reads those headed *out*. The variables are the records of
 * a program (program.ts).
 *
 * N = atoms of one call, C = classes, R = records.
 */

// Bytes of one number of each kind.
const VALUE: i32 = 8;
const COUNT: i32 = 4;
const ADDRESS: i32 = 4;

// ---- values, in ---------------------------------------------------------------------------------

/** 9 numbers: rows are the cell vectors, in which regions are measured. */
export const VALUE_VARIABLES_CELL: i32 = 0;
/** 3 numbers: where fractional coordinates are 0. */
export const VALUE_VARIABLES_ORIGIN: i32 = VALUE_VARIABLES_CELL + 9 * VALUE;
/** a0, simulation length unit. */
export const VALUE_VARIABLES_LENGTH_SCALE: i32 = VALUE_VARIABLES_ORIGIN + 3 * VALUE;
/** s, units of a0. */
export const VALUE_VARIABLES_LOGIT_LENGTH: i32 = VALUE_VARIABLES_LENGTH_SCALE + VALUE;

// ---- values, out --------------------------------------------------------------------------------

/** 9 numbers: the virial of E apart from that through the logits. */
export const VALUE_VARIABLES_VIRIAL: i32 = VALUE_VARIABLES_LOGIT_LENGTH + VALUE;
/** dE/dlog a0 apart from that through the logits. */
export const VALUE_VARIABLES_LOG_LENGTH_SCALE: i32 = VALUE_VARIABLES_VIRIAL + 9 * VALUE;
/** The number that belongs to a status. */
export const VALUE_VARIABLES_ERROR: i32 = VALUE_VARIABLES_LOG_LENGTH_SCALE + VALUE;
/** The least height of the cell over its periodic axes, infinite if there are none. */
export const VALUE_VARIABLES_LEAST_HEIGHT: i32 = VALUE_VARIABLES_ERROR + VALUE;

// ---- values, internal ---------------------------------------------------------------------------

/** 9 numbers: row i is the reciprocal vector g_i, so that s_i = (r - origin) . g_i. */
export const VALUE_VARIABLES_RECIPROCAL: i32 = VALUE_VARIABLES_LEAST_HEIGHT + VALUE;
const VALUES_END: i32 = VALUE_VARIABLES_RECIPROCAL + 9 * VALUE;

// ---- counts, in ---------------------------------------------------------------------------------

/** N; layoutVariables writes it. */
export const COUNT_VARIABLES_ATOMS: i32 = VALUES_END;
/** C; layoutVariables writes it. */
export const COUNT_VARIABLES_CLASSES: i32 = COUNT_VARIABLES_ATOMS + COUNT;
/** R; layoutVariables writes it. */
export const COUNT_VARIABLES_RECORDS: i32 = COUNT_VARIABLES_CLASSES + COUNT;
/** Numbers in the lists; layoutVariables writes it. */
export const COUNT_VARIABLES_LIST_NUMBERS: i32 = COUNT_VARIABLES_RECORDS + COUNT;
/** The place of the first atom in the frame: not 0 where a frame comes in parts. */
export const COUNT_VARIABLES_FIRST_ATOM: i32 = COUNT_VARIABLES_LIST_NUMBERS + COUNT;
/** Bytes of one logit: 4 for f32, 8 for f64. */
export const COUNT_VARIABLES_LOGIT_BYTES: i32 = COUNT_VARIABLES_FIRST_ATOM + COUNT;
/** 1 if there is a cell. */
export const COUNT_VARIABLES_HAS_CELL: i32 = COUNT_VARIABLES_LOGIT_BYTES + COUNT;
/** Bit 0, 1, 2 set where cell vector 0, 1, 2 is periodic. */
export const COUNT_VARIABLES_PERIODIC: i32 = COUNT_VARIABLES_HAS_CELL + COUNT;

// ---- counts, out --------------------------------------------------------------------------------

/** 1 if E depends on regions, so that the gradient was written. */
export const COUNT_VARIABLES_HAS_GRADIENT: i32 = COUNT_VARIABLES_PERIODIC + COUNT;
/** The record that belongs to a status. */
export const COUNT_VARIABLES_ERROR_RECORD: i32 = COUNT_VARIABLES_HAS_GRADIENT + COUNT;
const COUNTS_END: i32 = COUNT_VARIABLES_ERROR_RECORD + COUNT;

// ---- addresses: program -------------------------------------------------------------------------

/** R records of RECORD_BYTES, see program.ts. */
export const ADDRESS_VARIABLES_RECORDS: i32 = COUNTS_END;
/** f64, the lists that records point into. */
export const ADDRESS_VARIABLES_LISTS: i32 = ADDRESS_VARIABLES_RECORDS + ADDRESS;

// ---- addresses: atoms, in; regions placed by the host or by layoutVariables ---------------------

/** f32 or f64 N x C, log-weights of the prior included. */
export const ADDRESS_VARIABLES_LOGITS: i32 = ADDRESS_VARIABLES_LISTS + ADDRESS;
/** f64 C: what the prior has added to the logits; 0 if that is nothing. */
export const ADDRESS_VARIABLES_LOG_WEIGHTS: i32 = ADDRESS_VARIABLES_LOGITS + ADDRESS;
/** f64 C: logit of each class on its own prototype, without prior. */
export const ADDRESS_VARIABLES_IDEAL_LOGITS: i32 = ADDRESS_VARIABLES_LOG_WEIGHTS + ADDRESS;
/** f64 3N, simulation length unit; atoms may lie outside the cell. */
export const ADDRESS_VARIABLES_POSITIONS: i32 = ADDRESS_VARIABLES_IDEAL_LOGITS + ADDRESS;
/** i32 N; 0 if the atoms have none. */
export const ADDRESS_VARIABLES_SPECIES: i32 = ADDRESS_VARIABLES_POSITIONS + ADDRESS;
/** f64 N, whole numbers; 0 if atoms are known by their places, from 0. */
export const ADDRESS_VARIABLES_IDS: i32 = ADDRESS_VARIABLES_SPECIES + ADDRESS;

// ---- addresses: derivatives, out ----------------------------------------------------------------

/** f64 N x C, dE/dl. */
export const ADDRESS_VARIABLES_SEED: i32 = ADDRESS_VARIABLES_IDS + ADDRESS;
/** f64 3N, dE/dr apart from that through the logits. */
export const ADDRESS_VARIABLES_GRADIENT: i32 = ADDRESS_VARIABLES_SEED + ADDRESS;

// ---- addresses: internal ------------------------------------------------------------------------

/** See scratch.ts. */
export const ADDRESS_VARIABLES_SCRATCH: i32 = ADDRESS_VARIABLES_GRADIENT + ADDRESS;
const ADDRESSES_END: i32 = ADDRESS_VARIABLES_SCRATCH + ADDRESS;

/** Bytes of a variables context. */
export const VARIABLES_CONTEXT_BYTES: i32 = (ADDRESSES_END + 63) & ~63;

// ---- what layoutVariables places; other addresses become 0, for the host to set -----------------

/** Room for logits: f32 of them, or f64. */
export const PLACE_LOGITS_SINGLE: i32 = 1;
export const PLACE_LOGITS_DOUBLE: i32 = 2;
/** Room for log-weights and ideal logits. */
export const PLACE_MODEL: i32 = 4;
export const PLACE_POSITIONS: i32 = 8;
export const PLACE_SPECIES: i32 = 16;
export const PLACE_IDS: i32 = 32;
export const PLACE_SEED: i32 = 64;
export const PLACE_GRADIENT: i32 = 128;

// ---- statuses; COUNT_VARIABLES_ERROR_RECORD names the record ------------------------------------

/** A record breaks the rules of program.ts: a fault of the host. */
export const STATUS_BAD_RECORD: i32 = 12;
/** A region, but no cell. */
export const STATUS_NO_CELL: i32 = 13;
/** A region, but the three cell vectors span no volume. */
export const STATUS_FLAT_CELL: i32 = 14;
/** A region meets its own image. VALUE_VARIABLES_ERROR is how far it reaches from its middle. */
export const STATUS_WIDE_REGION: i32 = 15;
/** Ids that no atom has: those whose marks in the list are 0. */
export const STATUS_MISSING_IDS: i32 = 16;
/** Species that no atom has: the groups without a mark in the list. */
export const STATUS_MISSING_SPECIES: i32 = 17;
/** A mean over nothing. VALUE_VARIABLES_ERROR is the sum of the weights. */
export const STATUS_NOTHING_SELECTED: i32 = 18;
/** Derivatives by a region with a sharp edge. */
export const STATUS_SHARP_EDGE: i32 = 19;
