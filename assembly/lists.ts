/**
 * Neighbour lists with a skin: candidates within cutoff + skin of each atom, kept from one load to
 * the next of the same layout.
 *
 * A list of candidates (j, S) contains all pairs as long as no other pair can have come within the
 * cutoff:
 *
 *     r_c a0 + 2 max_i |w_i - w_i'| + sum_axes max |S| |B - B'|  <  (r_c + skin) a0'
 *
 * Primes mark the load that made the lists. w are the positions, wrapped by the whole cells of that
 * load, S the whole cells between two atoms, B the basis (cells.ts). Atoms, species and periodicity
 * must also be the same; otherwise new lists are made. Vectors are always computed from the
 * current positions. An atom that its engine has moved by whole cells is followed: its count of
 * cells is corrected, and the lists stay valid.
 *
 * Rows as in neighbours.ts: that of sorted atom s is LIST_COUNT[s] entries of LIST_LINK and
 * LIST_IMAGE from LIST_START[s] on.
 */
import {
  ADDRESS_LIST_HOME,
  ADDRESS_LIST_WRAPPED,
  ADDRESS_ORDER,
  ADDRESS_POSITIONS,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_SPECIES,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_DENOISE_PHASE,
  COUNT_FEATURES,
  COUNT_GRID_CELLS,
  COUNT_GRID_REACH,
  COUNT_LIST_IMAGES,
  COUNT_LIST_NEEDED,
  COUNT_LIST_PERIODIC,
  COUNT_LIST_STATE,
  COUNT_LIST_TELLS_SPECIES,
  COUNT_PERIODIC,
  COUNT_SPECIES_USED,
  DENOISE_SKIN,
  FEATURE_LISTS,
  VALUE_CUTOFF,
  VALUE_GRID_BASIS,
  VALUE_GRID_INVERSE,
  VALUE_GRID_ORIGIN,
  VALUE_LENGTH_SCALE,
  VALUE_LIST_BASIS,
  VALUE_LIST_SCALE,
  VALUE_LIST_SKIN,
  VALUE_SKIN,
} from "./abi";
import { isPeriodic } from "./cells";
import { at4, at8, count, countAt, loadF8, region, storeF8, value } from "./memory";
import { PHASE_TRIAL } from "./phases";

/** COUNT_LIST_STATE: there are no lists; they are being made with the pairs; they are valid. */
export const LISTS_NONE: i32 = 0;
export const LISTS_MADE: i32 = 1;
export const LISTS_HOLD: i32 = 2;

/** Most whole cells between two atoms of a list, along one axis. */
export const MOST_IMAGES: i32 = 511;
/** Headroom for the rounding of the sums above. */
const SAFETY: f64 = 1 - 1e-9;

/** The whole cells along the three axes, packed into one number. */
// @ts-ignore: decorator
@inline
export function packImages(a: i32, b: i32, c: i32): i32 {
  return (a + 512) | ((b + 512) << 10) | ((c + 512) << 20);
}

/** Whole cells along one axis. */
// @ts-ignore: decorator
@inline
export function imagesAlong(packed: i32, axis: i32): i32 {
  return ((packed >> (10 * axis)) & 1023) - 512;
}

/** The skin of the lists that this load makes or reuses, units of a0; 0 for none. */
export function wantedSkin(ctx: usize): f64 {
  if (!(count(ctx, COUNT_FEATURES) & FEATURE_LISTS)) return 0;
  const skin = value(ctx, VALUE_SKIN);
  if (skin > 0) return skin;
  return count(ctx, COUNT_DENOISE_PHASE) == PHASE_TRIAL ? DENOISE_SKIN : 0;
}

/** Stores what the lists of this load will be valid for. Call after the atoms were sorted. */
export function beginLists(ctx: usize, skin: f64): void {
  const n = count(ctx, COUNT_ATOMS);
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const home = region(ctx, ADDRESS_LIST_HOME);
  const order = region(ctx, ADDRESS_ORDER);
  memory.copy(region(ctx, ADDRESS_LIST_WRAPPED), wrapped, 24 * <usize>n);
  memory.copy(ctx + VALUE_LIST_BASIS, ctx + VALUE_GRID_BASIS, 9 * 8);
  store<f64>(ctx + VALUE_LIST_SCALE, value(ctx, VALUE_LENGTH_SCALE));
  store<f64>(ctx + VALUE_LIST_SKIN, skin);
  store<i32>(ctx + COUNT_LIST_PERIODIC, count(ctx, COUNT_PERIODIC));
  store<i32>(ctx + COUNT_LIST_TELLS_SPECIES, count(ctx, COUNT_SPECIES_USED));
  for (let axis = 0; axis < 3; ++axis) {
    const cells = countAt(ctx, COUNT_GRID_CELLS, axis);
    const images = isPeriodic(ctx, axis) ? (countAt(ctx, COUNT_GRID_REACH, axis) + cells - 1) / cells : 0;
    store<i32>(ctx + COUNT_LIST_IMAGES + 4 * axis, images);
  }
  for (let s = 0; s < n; ++s) {
    const i = load<i32>(at4(order, s));
    for (let axis = 0; axis < 3; ++axis) {
      const cells = isPeriodic(ctx, axis) ? nearest<f64>(cellsAway(ctx, i, at8(wrapped, 3 * s), axis)) : 0;
      storeF8(home, 3 * s + axis, cells);
    }
  }
  store<i32>(ctx + COUNT_LIST_NEEDED, 0);
  store<i32>(ctx + COUNT_LIST_STATE, LISTS_MADE);
}

/**
 * Coordinate, along an axis, of the vector from a wrapped position (f64 3, without origin) to atom
 * i as given.
 */
function cellsAway(ctx: usize, i: i32, from: usize, axis: i32): f64 {
  const r = at8(region(ctx, ADDRESS_POSITIONS), 3 * i);
  let sum: f64 = 0;
  for (let k = 0; k < 3; ++k) {
    const away = loadF8(r, k) - loadF8(ctx + VALUE_GRID_ORIGIN, k) - loadF8(from, k);
    sum += away * loadF8(ctx + VALUE_GRID_INVERSE, 3 * k + axis);
  }
  return sum;
}

/**
 * Whether the lists are valid for the current positions, basis and length scale. If so, renews the
 * wrapped positions. Call after formBasis and before findOrigin.
 */
export function renewLists(ctx: usize, lengthScale: f64): bool {
  if (count(ctx, COUNT_LIST_PERIODIC) != count(ctx, COUNT_PERIODIC)) return false;
  if (count(ctx, COUNT_LIST_TELLS_SPECIES) != count(ctx, COUNT_SPECIES_USED)) return false;
  let reach = value(ctx, VALUE_CUTOFF) * lengthScale;
  for (let axis = 0; axis < 3; ++axis) {
    let squared: f64 = 0;
    for (let k = 0; k < 3; ++k) {
      const change = loadF8(ctx + VALUE_GRID_BASIS, 3 * axis + k) - loadF8(ctx + VALUE_LIST_BASIS, 3 * axis + k);
      squared += change * change;
    }
    reach += <f64>countAt(ctx, COUNT_LIST_IMAGES, axis) * Math.sqrt(squared);
  }
  const held = (value(ctx, VALUE_CUTOFF) + value(ctx, VALUE_LIST_SKIN)) * value(ctx, VALUE_LIST_SCALE) * SAFETY;
  const allowed = 0.5 * (held - reach);
  if (!(allowed > 0)) return false;

  const n = count(ctx, COUNT_ATOMS);
  const order = region(ctx, ADDRESS_ORDER);
  const species = region(ctx, ADDRESS_SPECIES);
  const sortedSpecies = region(ctx, ADDRESS_SORTED_SPECIES);
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const before = region(ctx, ADDRESS_LIST_WRAPPED);
  const home = region(ctx, ADDRESS_LIST_HOME);
  for (let s = 0; s < n; ++s) {
    const i = load<i32>(at4(order, s));
    if (load<i32>(at4(species, i)) != load<i32>(at4(sortedSpecies, s))) return false;
    if (wrapByHome(ctx, s, i) <= allowed) continue;
    const from = at8(before, 3 * s);
    for (let axis = 0; axis < 3; ++axis) {
      if (isPeriodic(ctx, axis)) storeF8(home, 3 * s + axis, nearest<f64>(cellsAway(ctx, i, from, axis)));
    }
    if (!(wrapByHome(ctx, s, i) <= allowed)) return false;
  }
  return true;
}

/**
 * Writes the wrapped position of sorted atom s, given as atom i, by its count of cells. Returns its
 * distance from the position for which the lists were made.
 */
function wrapByHome(ctx: usize, s: i32, i: i32): f64 {
  const r = at8(region(ctx, ADDRESS_POSITIONS), 3 * i);
  const t = at8(region(ctx, ADDRESS_LIST_HOME), 3 * s);
  const basis = ctx + VALUE_GRID_BASIS;
  const origin = ctx + VALUE_GRID_ORIGIN;
  const to = at8(region(ctx, ADDRESS_WRAPPED), 3 * s);
  const from = at8(region(ctx, ADDRESS_LIST_WRAPPED), 3 * s);
  let squared: f64 = 0;
  for (let k = 0; k < 3; ++k) {
    const whole = loadF8(t, 0) * loadF8(basis, k) + loadF8(t, 1) * loadF8(basis, 3 + k) + loadF8(t, 2) * loadF8(basis, 6 + k);
    const w = loadF8(r, k) - loadF8(origin, k) - whole;
    storeF8(to, k, w);
    const moved = w - loadF8(from, k);
    squared += moved * moved;
  }
  return Math.sqrt(squared);
}
