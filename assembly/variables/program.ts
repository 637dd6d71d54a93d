/**
 * The program that a host makes of variables: R records, each of which is one variable, and lists.
 *
 * A record is RECORD_BYTES bytes of f64, whole numbers among them (exact up to 2^53). RECORD_*
 * are byte offsets into it. Records stand in such an order that a variable of variables comes after
 * those it is made of. The host zeroes the record, then writes the fields headed *in* that its kind
 * needs:
 *
 *     kind               fields
 *     KIND_FRACTION      LIST, LENGTH: class numbers           all of these also: REDUCE,
 *     KIND_LOGIT         CLASS, MINUS (-1: no second class)    SWITCH_CENTRE, SWITCH_WIDTH,
 *     KIND_DISTANCE      CLASS                                 IDS, ID_COUNT, SPECIES,
 *     KIND_LOG_DENSITY                                         SPECIES_COUNT, and the fields
 *     KIND_PER_ATOM      PER_ATOM, BY_ATOM                     of a region
 *     KIND_SUM           LIST, LENGTH, WEIGHTS, CONSTANT
 *     KIND_EXTREMUM      LIST, LENGTH, CONSTANT (sharpness b; -b for a minimum)
 *     KIND_SWITCH        LIST, LENGTH = 1, SWITCH_CENTRE, SWITCH_WIDTH
 *     KIND_GIVEN         VALUE
 *
 * Lists are f64 in one region; LIST, WEIGHTS, IDS and SPECIES count numbers from its beginning.
 *
 *     LIST       LENGTH numbers: classes (each once), or the records that the variable is made of
 *     WEIGHTS    LENGTH numbers: the factors of a sum
 *     IDS        ID_COUNT ids in ascending order, each once; then as many marks
 *     SPECIES    SPECIES_COUNT numbers of species; as many numbers of their groups, which begin at
 *                0 and ascend; then as many marks
 *
 * Marks are written by the core: 1 if an atom has that id or species, else 0. A group stands for
 * one entry of the declaration: a name may belong to several numbers. One of a group must occur.
 * An entry that the host finds no number for is NaN, which no atom has.
 *
 * KIND_PER_ATOM and KIND_GIVEN are functions of the user's. The host writes the numbers q_a of each
 * atom, or the value, before it evaluates. After a pull it reads dE/dq_a, or ADJOINT, and adds to
 * the seed what follows.
 */

const NUMBER: i32 = 8;

// ---- in -----------------------------------------------------------------------------------------

/** One of KIND_*. */
export const RECORD_KIND: i32 = 0;
/** k */
export const RECORD_CLASS: i32 = RECORD_KIND + NUMBER;
/** m, or -1 */
export const RECORD_MINUS: i32 = RECORD_CLASS + NUMBER;
export const RECORD_LIST: i32 = RECORD_MINUS + NUMBER;
export const RECORD_LENGTH: i32 = RECORD_LIST + NUMBER;
export const RECORD_WEIGHTS: i32 = RECORD_LENGTH + NUMBER;
export const RECORD_CONSTANT: i32 = RECORD_WEIGHTS + NUMBER;
/** One of REDUCE_*. */
export const RECORD_REDUCE: i32 = RECORD_CONSTANT + NUMBER;
export const RECORD_SWITCH_CENTRE: i32 = RECORD_REDUCE + NUMBER;
/** Above 0, or 0 for no switch. */
export const RECORD_SWITCH_WIDTH: i32 = RECORD_SWITCH_CENTRE + NUMBER;
export const RECORD_IDS: i32 = RECORD_SWITCH_WIDTH + NUMBER;
/** 0: no selection by ids. */
export const RECORD_ID_COUNT: i32 = RECORD_IDS + NUMBER;
export const RECORD_SPECIES: i32 = RECORD_ID_COUNT + NUMBER;
/** 0: no selection by species. */
export const RECORD_SPECIES_COUNT: i32 = RECORD_SPECIES + NUMBER;
/** One of REGION_*. */
export const RECORD_REGION: i32 = RECORD_SPECIES_COUNT + NUMBER;
/** Of a slab: 0, 1 or 2. */
export const RECORD_AXIS: i32 = RECORD_REGION + NUMBER;
/** Of a slab, fractions of the cell vector. */
export const RECORD_FROM: i32 = RECORD_AXIS + NUMBER;
export const RECORD_TO: i32 = RECORD_FROM + NUMBER;
/** 3 numbers: of a ball, fractional coordinates. */
export const RECORD_CENTRE: i32 = RECORD_TO + NUMBER;
/** Of a ball, simulation length unit. */
export const RECORD_RADIUS: i32 = RECORD_CENTRE + 3 * NUMBER;
/** Width of the region's edge, 0 for a sharp one: a fraction for a slab, a length for a ball. */
export const RECORD_EDGE: i32 = RECORD_RADIUS + NUMBER;
/** Byte address of q_a, f64 N. */
export const RECORD_PER_ATOM: i32 = RECORD_EDGE + NUMBER;
/** Byte address of room for dE/dq_a, f64 N, which a pull writes unless ADJOINT is 0. */
export const RECORD_BY_ATOM: i32 = RECORD_PER_ATOM + NUMBER;
/** dE/dV of the variable itself, for a pull; 0 if E depends on it through others alone. */
export const RECORD_SLOPE: i32 = RECORD_BY_ATOM + NUMBER;

// ---- out ----------------------------------------------------------------------------------------

/** V; in for KIND_GIVEN. */
export const RECORD_VALUE: i32 = RECORD_SLOPE + NUMBER;
/** dE/dV, through other records too. */
export const RECORD_ADJOINT: i32 = RECORD_VALUE + NUMBER;
/** sum_a w_a f(q_a) */
export const RECORD_SUM: i32 = RECORD_ADJOINT + NUMBER;
/** sum_a w_a */
export const RECORD_TOTAL: i32 = RECORD_SUM + NUMBER;

// ---- internal -----------------------------------------------------------------------------------

/** 3 numbers: where a ball has its centre; the middle of a slab along its normal comes first. */
export const RECORD_MIDDLE: i32 = RECORD_TOTAL + NUMBER;

export const RECORD_BYTES: i32 = RECORD_MIDDLE + 3 * NUMBER;

// ---- kinds --------------------------------------------------------------------------------------

export const KIND_FRACTION: i32 = 1;
export const KIND_LOGIT: i32 = 2;
export const KIND_DISTANCE: i32 = 3;
export const KIND_LOG_DENSITY: i32 = 4;
export const KIND_PER_ATOM: i32 = 5;
export const KIND_SUM: i32 = 6;
export const KIND_EXTREMUM: i32 = 7;
export const KIND_SWITCH: i32 = 8;
export const KIND_GIVEN: i32 = 9;

export const REDUCE_MEAN: i32 = 0;
export const REDUCE_SUM: i32 = 1;

export const REGION_NONE: i32 = 0;
export const REGION_SLAB: i32 = 1;
export const REGION_BALL: i32 = 2;
