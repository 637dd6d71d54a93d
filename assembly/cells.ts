/**
 * The grid of the neighbour search: atoms sorted by cell.
 *
 * A *basis* B of three rows spans space: the cell vectors along periodic axes, and unit vectors
 * orthogonal to all others along the rest. Coordinates are f = (r - o) B^-1. Along periodic axes f
 * is wrapped into [0, 1), and the wrapped position is w = r - floor(f) B. Along the others o is the
 * least coordinate and nothing is wrapped.
 *
 * Cells are slices of the f of each axis. A cell's *key* packs its three indices. Its *slot* gives
 * the place in the sorted order where its atoms start. If there are few enough cells (dense), the
 * slot is the index of the cell. Otherwise it is a place in an open hash table, so that memory and
 * time stay linear in the number of atoms for any amount of vacuum between them.
 *
 * Context: VALUE_GRID_* and COUNT_GRID_*.
 */
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_ATOM_SLOT,
  ADDRESS_LOCAL,
  ADDRESS_ORDER,
  ADDRESS_POSITIONS,
  ADDRESS_SLOT_KEY,
  ADDRESS_SLOT_START,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_SPECIES,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_ERROR_ATOM,
  COUNT_GRID_CELLS,
  COUNT_GRID_DENSE,
  COUNT_GRID_REACH,
  COUNT_GRID_SLOTS,
  COUNT_PERIODIC,
  STATUS_FAR_POSITION,
  STATUS_NON_FINITE_CELL,
  STATUS_NON_FINITE_POSITIONS,
  STATUS_OK,
  STATUS_SINGULAR_CELL,
  VALUE_CELL,
  VALUE_GRID_BASIS,
  VALUE_GRID_INVERSE,
  VALUE_GRID_ORIGIN,
  VALUE_GRID_WIDTH,
} from "./abi";
import { FLAT_CELL, MOST_PERIODS } from "./contract";
import { slotCapacity } from "./layout";
import { at4, at8, count, countAt, loadF8, region, storeF8 } from "./memory";

/** Cells are a little wider than needed, so that rounding of a cell index cannot lose a pair. */
export const MARGIN: f64 = 1.00001;
/** Most cells along one axis: an index fits into 21 bits of a key. */
export const MOST_CELLS: i32 = 1048576;

/** Key of the cell with indices a, b, c. */
// @ts-ignore: decorator
@inline
export function cellKey(a: i32, b: i32, c: i32): i64 {
  return (<i64>a) | ((<i64>b) << 21) | ((<i64>c) << 42);
}

/** Index of a cell along axis 0, 1, 2. */
// @ts-ignore: decorator
@inline
export function keyIndex(key: i64, axis: i32): i32 {
  return <i32>((key >> (21 * axis)) & 0x1fffff);
}

/** a / b rounded down, b > 0: the image that holds the cell of index a, out of b cells. */
// @ts-ignore: decorator
@inline
export function floorDivide(a: i32, b: i32): i32 {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

// @ts-ignore: decorator
@inline
export function isPeriodic(ctx: usize, axis: i32): bool {
  return ((count(ctx, COUNT_PERIODIC) >> axis) & 1) != 0;
}

function dot(a: usize, b: usize): f64 {
  return loadF8(a, 0) * loadF8(b, 0) + loadF8(a, 1) * loadF8(b, 1) + loadF8(a, 2) * loadF8(b, 2);
}

/** out = a x b */
function cross(out: usize, a: usize, b: usize): void {
  const x = loadF8(a, 1) * loadF8(b, 2) - loadF8(a, 2) * loadF8(b, 1);
  const y = loadF8(a, 2) * loadF8(b, 0) - loadF8(a, 0) * loadF8(b, 2);
  const z = loadF8(a, 0) * loadF8(b, 1) - loadF8(a, 1) * loadF8(b, 0);
  storeF8(out, 0, x);
  storeF8(out, 1, y);
  storeF8(out, 2, z);
}

/** Scales a vector to length 1. Returns false if it has no direction. */
function normalise(v: usize): bool {
  const length = Math.sqrt(dot(v, v));
  if (!(length > 0)) return false;
  for (let i = 0; i < 3; ++i) storeF8(v, i, loadF8(v, i) / length);
  return true;
}

/**
 * Writes a unit vector orthogonal to v to `out`: v crossed with the axis along which v is shortest.
 */
function orthogonal(out: usize, v: usize): bool {
  let least = 0;
  for (let i = 1; i < 3; ++i) if (abs(loadF8(v, i)) < abs(loadF8(v, least))) least = i;
  for (let i = 0; i < 3; ++i) storeF8(out, i, i == least ? 1 : 0);
  cross(out, v, out);
  return normalise(out);
}

/**
 * Computes B and its inverse from the cell. Returns STATUS_SINGULAR_CELL or STATUS_NON_FINITE_CELL
 * if there is none.
 */
export function formBasis(ctx: usize): i32 {
  const basis = ctx + VALUE_GRID_BASIS;
  const inverse = ctx + VALUE_GRID_INVERSE;
  let periodicCount = 0;
  for (let axis = 0; axis < 3; ++axis) {
    if (!isPeriodic(ctx, axis)) continue;
    periodicCount += 1;
    for (let i = 0; i < 3; ++i) {
      const component = loadF8(ctx + VALUE_CELL, 3 * axis + i);
      if (!(abs(component) < Infinity)) return STATUS_NON_FINITE_CELL;
      storeF8(basis, 3 * axis + i, component);
    }
  }
  const row0 = basis;
  const row1 = at8(basis, 3);
  const row2 = at8(basis, 6);
  let sound = true;
  if (periodicCount == 0) {
    for (let i = 0; i < 9; ++i) storeF8(basis, i, i % 4 == 0 ? 1 : 0);
  } else if (periodicCount == 1) {
    const axis = isPeriodic(ctx, 0) ? 0 : isPeriodic(ctx, 1) ? 1 : 2;
    const along = at8(basis, 3 * axis);
    const next = at8(basis, 3 * ((axis + 1) % 3));
    const last = at8(basis, 3 * ((axis + 2) % 3));
    sound = orthogonal(next, along);
    cross(last, along, next);
    sound = normalise(last) && sound;
  } else if (periodicCount == 2) {
    const axis = !isPeriodic(ctx, 0) ? 0 : !isPeriodic(ctx, 1) ? 1 : 2;
    const out = at8(basis, 3 * axis);
    cross(out, at8(basis, 3 * ((axis + 1) % 3)), at8(basis, 3 * ((axis + 2) % 3)));
    sound = normalise(out);
  }
  if (!sound) return STATUS_SINGULAR_CELL;

  // Columns of the inverse are cross products of rows over the determinant. They are computed as
  // rows, then transposed.
  cross(inverse, row1, row2);
  const determinant = dot(row0, inverse);
  const edges = Math.sqrt(dot(row0, row0)) * Math.sqrt(dot(row1, row1)) * Math.sqrt(dot(row2, row2));
  if (!(abs(determinant) > FLAT_CELL * edges)) return STATUS_SINGULAR_CELL;
  cross(at8(inverse, 3), row2, row0);
  cross(at8(inverse, 6), row0, row1);
  for (let i = 0; i < 9; ++i) storeF8(inverse, i, loadF8(inverse, i) / determinant);
  for (let i = 0; i < 3; ++i) {
    for (let k = 0; k < i; ++k) {
      const upper = loadF8(inverse, 3 * k + i);
      storeF8(inverse, 3 * k + i, loadF8(inverse, 3 * i + k));
      storeF8(inverse, 3 * i + k, upper);
    }
  }
  return STATUS_OK;
}

/** Volume spanned by B. */
export function basisVolume(ctx: usize): f64 {
  const basis = ctx + VALUE_GRID_BASIS;
  const a = loadF8(basis, 4) * loadF8(basis, 8) - loadF8(basis, 5) * loadF8(basis, 7);
  const b = loadF8(basis, 5) * loadF8(basis, 6) - loadF8(basis, 3) * loadF8(basis, 8);
  const c = loadF8(basis, 3) * loadF8(basis, 7) - loadF8(basis, 4) * loadF8(basis, 6);
  return abs(loadF8(basis, 0) * a + loadF8(basis, 1) * b + loadF8(basis, 2) * c);
}

/** Distance between the two faces of B that the given axis crosses. */
export function basisHeight(ctx: usize, axis: i32): f64 {
  const x = loadF8(ctx + VALUE_GRID_INVERSE, axis);
  const y = loadF8(ctx + VALUE_GRID_INVERSE, 3 + axis);
  const z = loadF8(ctx + VALUE_GRID_INVERSE, 6 + axis);
  return 1 / Math.sqrt(x * x + y * y + z * z);
}

/**
 * Returns STATUS_NON_FINITE_POSITIONS if a coordinate is NaN or infinite. COUNT_ERROR_ATOM is then
 * the first such atom.
 */
export function checkPositions(ctx: usize): i32 {
  const positions = region(ctx, ADDRESS_POSITIONS);
  const n = 3 * count(ctx, COUNT_ATOMS);
  for (let i = 0; i < n; ++i) {
    if (!(abs(loadF8(positions, i)) < Infinity)) {
      store<i32>(ctx + COUNT_ERROR_ATOM, i / 3);
      return STATUS_NON_FINITE_POSITIONS;
    }
  }
  return STATUS_OK;
}

/** Coordinate of a vector (x, y, z) - o along one axis of B. */
// @ts-ignore: decorator
@inline
function coordinate(ctx: usize, axis: i32, x: f64, y: f64, z: f64): f64 {
  return (
    x * loadF8(ctx + VALUE_GRID_INVERSE, axis) +
    y * loadF8(ctx + VALUE_GRID_INVERSE, 3 + axis) +
    z * loadF8(ctx + VALUE_GRID_INVERSE, 6 + axis)
  );
}

/**
 * Sets o to the least coordinates along non-periodic axes. Writes the extents along them, and 0
 * along the others.
 */
export function findOrigin(ctx: usize, extents: usize): void {
  const positions = region(ctx, ADDRESS_POSITIONS);
  const n = count(ctx, COUNT_ATOMS);
  const origin = ctx + VALUE_GRID_ORIGIN;
  for (let i = 0; i < 3; ++i) {
    storeF8(origin, i, 0);
    storeF8(extents, i, 0);
  }
  for (let axis = 0; axis < 3; ++axis) {
    if (isPeriodic(ctx, axis)) continue;
    let least: f64 = Infinity;
    let most: f64 = -Infinity;
    for (let i = 0; i < n; ++i) {
      const r = at8(positions, 3 * i);
      const f = coordinate(ctx, axis, load<f64>(r), load<f64>(r, 8), load<f64>(r, 16));
      least = min(least, f);
      most = max(most, f);
    }
    for (let i = 0; i < 3; ++i) storeF8(origin, i, loadF8(origin, i) + least * loadF8(ctx + VALUE_GRID_BASIS, 3 * axis + i));
    storeF8(extents, axis, most - least);
  }
}

/**
 * Returns STATUS_FAR_POSITION if an atom is over MOST_PERIODS cells away along a periodic axis.
 * COUNT_ERROR_ATOM is then the first such atom. Needs B.
 */
export function checkReach(ctx: usize): i32 {
  const positions = region(ctx, ADDRESS_POSITIONS);
  const n = count(ctx, COUNT_ATOMS);
  const periodic = count(ctx, COUNT_PERIODIC);
  for (let i = 0; i < n; ++i) {
    const r = at8(positions, 3 * i);
    for (let axis = 0; axis < 3; ++axis) {
      if (!((periodic >> axis) & 1)) continue;
      const f = coordinate(ctx, axis, load<f64>(r), load<f64>(r, 8), load<f64>(r, 16));
      // A sum that overflows, or of infinities, is also too much.
      if (abs(f) <= MOST_PERIODS) continue;
      store<i32>(ctx + COUNT_ERROR_ATOM, i);
      return STATUS_FAR_POSITION;
    }
  }
  return STATUS_OK;
}

/** Where the search for a key begins in a hash table of 2^k slots. */
// @ts-ignore: decorator
@inline
function hash(key: i64, mask: i32): i32 {
  const mixed = <u64>key * 0x9e3779b97f4a7c15;
  return <i32>(mixed >> 33) & mask;
}

/** Slot of a cell, or -1 if the cell is empty. */
export function findSlot(ctx: usize, a: i32, b: i32, c: i32): i32 {
  if (count(ctx, COUNT_GRID_DENSE)) return (a * countAt(ctx, COUNT_GRID_CELLS, 1) + b) * countAt(ctx, COUNT_GRID_CELLS, 2) + c;
  return findKey(region(ctx, ADDRESS_SLOT_KEY), count(ctx, COUNT_GRID_SLOTS) - 1, cellKey(a, b, c));
}

/** The same in a hash table of mask + 1 keys. */
// @ts-ignore: decorator
@inline
export function findKey(keys: usize, mask: i32, key: i64): i32 {
  let slot = hash(key, mask);
  while (true) {
    const found = load<i64>(at8(keys, slot));
    if (found == key) return slot;
    if (found < 0) return -1;
    slot = (slot + 1) & mask;
  }
}

/** Slot of a cell in the hash table. Takes an empty one if the cell has none. */
// @ts-ignore: decorator
@inline
function takeSlot(keys: usize, mask: i32, key: i64): i32 {
  let slot = hash(key, mask);
  while (true) {
    const found = load<i64>(at8(keys, slot));
    if (found == key) return slot;
    if (found < 0) {
      store<i64>(at8(keys, slot), key);
      return slot;
    }
    slot = (slot + 1) & mask;
  }
}

/**
 * Sorts the atoms into cells at least `edge` wide, for searches up to `distance`
 * (COUNT_GRID_REACH). Fills the order, wrapped positions, local positions in units of `unit`,
 * species and slots. Needs B, o and the extents of findOrigin.
 *
 * Returns STATUS_SINGULAR_CELL if the cell is so flat that a search would visit a million images.
 */
export function sortAtoms(ctx: usize, extents: usize, edge: f64, distance: f64, unit: f64): i32 {
  const status = sizeGrid(ctx, extents, edge, distance);
  if (status != STATUS_OK) return status;
  countAtoms(ctx);
  placeAtoms(ctx, unit);
  return STATUS_OK;
}

/** The first step of sortAtoms: the number of cells and slots. */
export function sizeGrid(ctx: usize, extents: usize, edge: f64, distance: f64): i32 {
  const capacity = slotCapacity(count(ctx, COUNT_ATOMS));
  let cells: f64 = 1;
  let visited: f64 = 1;
  for (let axis = 0; axis < 3; ++axis) {
    const periodic = isPeriodic(ctx, axis);
    const height = periodic ? basisHeight(ctx, axis) : loadF8(extents, axis);
    // A non-periodic axis has one cell more than its extent fills, so that the last atom is inside.
    let along = Math.floor(height / edge);
    along = periodic ? max(1, along) : along + 1;
    let width = periodic ? height / along : edge;
    if (along > <f64>MOST_CELLS) {
      along = <f64>MOST_CELLS;
      width = (height / along) * (1 + 1e-12);
    }
    const reach = Math.ceil(distance / width);
    store<i32>(ctx + COUNT_GRID_CELLS + 4 * axis, <i32>along);
    store<i32>(ctx + COUNT_GRID_REACH + 4 * axis, <i32>min(reach, 1e6));
    storeF8(ctx + VALUE_GRID_WIDTH, axis, width);
    cells *= along;
    visited *= periodic ? 2 * reach + 1 : min(2 * reach + 1, along);
  }
  if (!(visited < 1e6)) return STATUS_SINGULAR_CELL;
  const dense = cells <= <f64>capacity;
  const slots = dense ? <i32>cells : capacity;
  store<i32>(ctx + COUNT_GRID_DENSE, dense ? 1 : 0);
  store<i32>(ctx + COUNT_GRID_SLOTS, slots);
  return STATUS_OK;
}

/**
 * The second step: the slot of each atom, and the number of atoms in each slot. Returns the sum of
 * the squares of these numbers, the number of atoms that share the cell of an atom added over all.
 */
export function countAtoms(ctx: usize): f64 {
  const n = count(ctx, COUNT_ATOMS);
  const positions = region(ctx, ADDRESS_POSITIONS);
  const atomSlot = region(ctx, ADDRESS_ATOM_SLOT);
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const slots = count(ctx, COUNT_GRID_SLOTS);
  if (!count(ctx, COUNT_GRID_DENSE)) memory.fill(region(ctx, ADDRESS_SLOT_KEY), 0xff, <usize>slots << 3);
  memory.fill(slotStart, 0, <usize>(slots + 1) << 2);
  const ox = loadF8(ctx + VALUE_GRID_ORIGIN, 0);
  const oy = loadF8(ctx + VALUE_GRID_ORIGIN, 1);
  const oz = loadF8(ctx + VALUE_GRID_ORIGIN, 2);
  // Kept out of memory: the estimate of the length scale counts the atoms of a cloud a dozen times.
  const inverse = ctx + VALUE_GRID_INVERSE;
  const xa = loadF8(inverse, 0);
  const xb = loadF8(inverse, 1);
  const xc = loadF8(inverse, 2);
  const ya = loadF8(inverse, 3);
  const yb = loadF8(inverse, 4);
  const yc = loadF8(inverse, 5);
  const za = loadF8(inverse, 6);
  const zb = loadF8(inverse, 7);
  const zc = loadF8(inverse, 8);
  const na = countAt(ctx, COUNT_GRID_CELLS, 0);
  const nb = countAt(ctx, COUNT_GRID_CELLS, 1);
  const nc = countAt(ctx, COUNT_GRID_CELLS, 2);
  const wa = loadF8(ctx + VALUE_GRID_WIDTH, 0);
  const wb = loadF8(ctx + VALUE_GRID_WIDTH, 1);
  const wc = loadF8(ctx + VALUE_GRID_WIDTH, 2);
  const pa = isPeriodic(ctx, 0);
  const pb = isPeriodic(ctx, 1);
  const pc = isPeriodic(ctx, 2);
  const dense = count(ctx, COUNT_GRID_DENSE) != 0;
  const keys = region(ctx, ADDRESS_SLOT_KEY);
  const mask = slots - 1;
  let shared: f64 = 0;
  for (let i = 0; i < n; ++i) {
    const r = at8(positions, 3 * i);
    const x = load<f64>(r) - ox;
    const y = load<f64>(r, 8) - oy;
    const z = load<f64>(r, 16) - oz;
    const a = indexAlong(x * xa + y * ya + z * za, na, wa, pa);
    const b = indexAlong(x * xb + y * yb + z * zb, nb, wb, pb);
    const c = indexAlong(x * xc + y * yc + z * zc, nc, wc, pc);
    const slot = dense ? (a * nb + b) * nc + c : takeSlot(keys, mask, cellKey(a, b, c));
    store<i32>(at4(atomSlot, i), slot);
    const counter = at4(slotStart, slot);
    const before = load<i32>(counter);
    store<i32>(counter, before + 1);
    shared += <f64>(2 * before + 1);
  }
  return shared;
}

/** The third step: the sorted order, and all that follows it. */
export function placeAtoms(ctx: usize, unit: f64): void {
  const n = count(ctx, COUNT_ATOMS);
  const positions = region(ctx, ADDRESS_POSITIONS);
  const species = region(ctx, ADDRESS_SPECIES);
  const order = region(ctx, ADDRESS_ORDER);
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const local = region(ctx, ADDRESS_LOCAL);
  const sortedSpecies = region(ctx, ADDRESS_SORTED_SPECIES);
  const atomSlot = region(ctx, ADDRESS_ATOM_SLOT);
  const atomCell = region(ctx, ADDRESS_ATOM_CELL);
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const slots = count(ctx, COUNT_GRID_SLOTS);
  const ox = loadF8(ctx + VALUE_GRID_ORIGIN, 0);
  const oy = loadF8(ctx + VALUE_GRID_ORIGIN, 1);
  const oz = loadF8(ctx + VALUE_GRID_ORIGIN, 2);
  const basis = ctx + VALUE_GRID_BASIS;
  let total = 0;
  for (let slot = 0; slot <= slots; ++slot) {
    const here = load<i32>(at4(slotStart, slot));
    total += here;
    store<i32>(at4(slotStart, slot), total);
  }
  // Filled from the back, so that each start ends at its final value and the atoms of a cell keep
  // their order.
  for (let i = n - 1; i >= 0; --i) {
    const start = at4(slotStart, load<i32>(at4(atomSlot, i)));
    const place = load<i32>(start) - 1;
    store<i32>(start, place);
    store<i32>(at4(order, place), i);
  }

  const scale: f64 = 1 / unit;
  const stride = <usize>(n + 8) << 2;
  for (let s = 0; s < n; ++s) {
    const i = load<i32>(at4(order, s));
    const r = at8(positions, 3 * i);
    let x = load<f64>(r) - ox;
    let y = load<f64>(r, 8) - oy;
    let z = load<f64>(r, 16) - oz;
    const fa = coordinate(ctx, 0, x, y, z);
    const fb = coordinate(ctx, 1, x, y, z);
    const fc = coordinate(ctx, 2, x, y, z);
    store<i64>(at8(atomCell, s), cellKey(cellIndex(ctx, 0, fa), cellIndex(ctx, 1, fb), cellIndex(ctx, 2, fc)));
    const ta = isPeriodic(ctx, 0) ? Math.floor(fa) : 0;
    const tb = isPeriodic(ctx, 1) ? Math.floor(fb) : 0;
    const tc = isPeriodic(ctx, 2) ? Math.floor(fc) : 0;
    x -= ta * loadF8(basis, 0) + tb * loadF8(basis, 3) + tc * loadF8(basis, 6);
    y -= ta * loadF8(basis, 1) + tb * loadF8(basis, 4) + tc * loadF8(basis, 7);
    z -= ta * loadF8(basis, 2) + tb * loadF8(basis, 5) + tc * loadF8(basis, 8);
    const w = at8(wrapped, 3 * s);
    store<f64>(w, x);
    store<f64>(w, y, 8);
    store<f64>(w, z, 16);
    const l = at4(local, s);
    store<f32>(l, <f32>(x * scale));
    store<f32>(l + stride, <f32>(y * scale));
    store<f32>(l + 2 * stride, <f32>(z * scale));
    store<i32>(at4(sortedSpecies, s), load<i32>(at4(species, i)));
  }
}

/** Index along an axis of the cell that contains coordinate f. */
// @ts-ignore: decorator
@inline
function cellIndex(ctx: usize, axis: i32, f: f64): i32 {
  return indexAlong(f, countAt(ctx, COUNT_GRID_CELLS, axis), loadF8(ctx + VALUE_GRID_WIDTH, axis), isPeriodic(ctx, axis));
}

/** The same for an axis of so many cells of this width. */
// @ts-ignore: decorator
@inline
function indexAlong(f: f64, along: i32, width: f64, periodic: bool): i32 {
  const position = periodic ? (f - Math.floor(f)) * <f64>along : f / width;
  return max(0, min(along - 1, <i32>position));
}
