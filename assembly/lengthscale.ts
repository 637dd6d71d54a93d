/**
 * The length scale of a frame (docs/maths.md, "Length scale").
 *
 *     v_ik = (4/3) pi r_(k)^3 / (k + 1/2)       k = 12, 14, .., 48, r_(k) distance of the k-th neighbour of atom i
 *     v_i  = mean over k,   v = lower quartile over the atoms (linear between the two nearest ranks)
 *     v    = V / N          if all axes are periodic and |V/N - v| < 0.08 v
 *     a0   = v^(1/3)
 *
 * Of more than SAMPLE atoms, SAMPLE evenly spaced ones stand for all (atom floor(i N / SAMPLE)), so the cost beyond sorting does not grow with N.
 */
import {
  basisHeight,
  basisVolume,
  checkPositions,
  findOrigin,
  findSlot,
  formBasis,
  GRID_BASIS,
  GRID_CELLS,
  GRID_SLOTS,
  GRID_WIDTH,
  isPeriodic,
  keyIndex,
  sortAtoms,
} from "./cells";
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_ORDER,
  ADDRESS_SCRATCH,
  ADDRESS_SLOT_START,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_PERIODIC,
  STATUS_OK,
} from "./layout";
import { at4, at8, count, loadF8, region, storeF8 } from "./memory";
import { SCRATCH_NEAREST, SCRATCH_SAMPLE, SCRATCH_UNIT_X } from "./scratch";

const FIRST: i32 = 12;
const LAST: i32 = 48;
const SAMPLE: i32 = 1024;
/** Largest ratio of V/N to v, less one, at which V/N is taken. */
const AGREEMENT: f64 = 0.08;
/** Rings of cells searched before all atoms are. */
const RINGS: i32 = 4;

/** Inserts a squared distance into the ascending list of the LAST smallest; returns the length of the list. */
// @ts-ignore: decorator
@inline
function insert(list: usize, length: i32, squared: f64): i32 {
  if (length == LAST && squared >= loadF8(list, LAST - 1)) return length;
  let at = length == LAST ? LAST - 1 : length;
  while (at > 0 && loadF8(list, at - 1) > squared) {
    storeF8(list, at, loadF8(list, at - 1));
    at -= 1;
  }
  storeF8(list, at, squared);
  return length == LAST ? LAST : length + 1;
}

// @ts-ignore: decorator
@inline
function floorDivide(a: i32, b: i32): i32 {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/** Squared distances below `limit` from sorted atom s to the atoms [begin, end) shifted by (sx, sy, sz). */
function scan(list: usize, length: i32, wrapped: usize, s: i32, begin: i32, end: i32, sx: f64, sy: f64, sz: f64, limit: f64): i32 {
  const here = at8(wrapped, 3 * s);
  const still = sx == 0 && sy == 0 && sz == 0;
  for (let j = begin; j < end; ++j) {
    if (still && j == s) continue;
    const there = at8(wrapped, 3 * j);
    const x = load<f64>(there) - load<f64>(here) + sx;
    const y = load<f64>(there, 8) - load<f64>(here, 8) + sy;
    const z = load<f64>(there, 16) - load<f64>(here, 16) + sz;
    const squared = x * x + y * y + z * z;
    if (squared <= limit) length = insert(list, length, squared);
  }
  return length;
}

/** Nearest distances of sorted atom s among the cells up to `rings` away; complete up to `rings` times the least cell width. */
function scanRings(ctx: usize, list: usize, s: i32, rings: i32): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const basis = ctx + GRID_BASIS;
  const key = load<i64>(at8(region(ctx, ADDRESS_ATOM_CELL), s));
  const n0 = count(ctx, GRID_CELLS);
  const n1 = count(ctx, GRID_CELLS + 4);
  const n2 = count(ctx, GRID_CELLS + 8);
  let radius: f64 = Infinity;
  for (let axis = 0; axis < 3; ++axis) {
    // Along a non-periodic axis of one cell there is nothing beyond.
    if (isPeriodic(ctx, axis) || count(ctx, GRID_CELLS + 4 * axis) > 1) {
      radius = min(radius, <f64>rings * loadF8(ctx + GRID_WIDTH, axis));
    }
  }
  let length = 0;
  for (let da = -rings; da <= rings; ++da) {
    const a = keyIndex(key, 0) + da;
    const ta = floorDivide(a, n0);
    if (ta != 0 && !isPeriodic(ctx, 0)) continue;
    for (let db = -rings; db <= rings; ++db) {
      const b = keyIndex(key, 1) + db;
      const tb = floorDivide(b, n1);
      if (tb != 0 && !isPeriodic(ctx, 1)) continue;
      for (let dc = -rings; dc <= rings; ++dc) {
        const c = keyIndex(key, 2) + dc;
        const tc = floorDivide(c, n2);
        if (tc != 0 && !isPeriodic(ctx, 2)) continue;
        const slot = findSlot(ctx, a - ta * n0, b - tb * n1, c - tc * n2);
        if (slot < 0) continue;
        const sx = <f64>ta * loadF8(basis, 0) + <f64>tb * loadF8(basis, 3) + <f64>tc * loadF8(basis, 6);
        const sy = <f64>ta * loadF8(basis, 1) + <f64>tb * loadF8(basis, 4) + <f64>tc * loadF8(basis, 7);
        const sz = <f64>ta * loadF8(basis, 2) + <f64>tb * loadF8(basis, 5) + <f64>tc * loadF8(basis, 8);
        const begin = load<i32>(at4(slotStart, slot));
        const end = load<i32>(at4(slotStart, slot + 1));
        length = scan(list, length, wrapped, s, begin, end, sx, sy, sz, radius * radius);
      }
    }
  }
  return length;
}

/** Nearest distances among all atoms and images within `radius` (infinite: no axis is periodic). */
function scanAll(ctx: usize, list: usize, s: i32, radius: f64): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const basis = ctx + GRID_BASIS;
  const n = count(ctx, COUNT_ATOMS);
  const ra = isPeriodic(ctx, 0) ? <i32>Math.ceil(radius / basisHeight(ctx, 0)) : 0;
  const rb = isPeriodic(ctx, 1) ? <i32>Math.ceil(radius / basisHeight(ctx, 1)) : 0;
  const rc = isPeriodic(ctx, 2) ? <i32>Math.ceil(radius / basisHeight(ctx, 2)) : 0;
  let length = 0;
  for (let ta = -ra; ta <= ra; ++ta) {
    for (let tb = -rb; tb <= rb; ++tb) {
      for (let tc = -rc; tc <= rc; ++tc) {
        const sx = <f64>ta * loadF8(basis, 0) + <f64>tb * loadF8(basis, 3) + <f64>tc * loadF8(basis, 6);
        const sy = <f64>ta * loadF8(basis, 1) + <f64>tb * loadF8(basis, 4) + <f64>tc * loadF8(basis, 7);
        const sz = <f64>ta * loadF8(basis, 2) + <f64>tb * loadF8(basis, 5) + <f64>tc * loadF8(basis, 8);
        length = scan(list, length, wrapped, s, 0, n, sx, sy, sz, radius * radius);
      }
    }
  }
  return length;
}

/** Volume per atom seen by sorted atom s, or 0 if it has fewer than FIRST neighbours. */
function atomVolume(ctx: usize, list: usize, s: i32): f64 {
  const periodic = count(ctx, COUNT_PERIODIC) != 0;
  const enough = periodic ? LAST : min(LAST, count(ctx, COUNT_ATOMS) - 1);
  if (enough < FIRST) return 0;
  let length = 0;
  for (let rings = 1; rings <= RINGS && length < enough; ++rings) length = scanRings(ctx, list, s, rings);
  if (length < enough) {
    let radius: f64 = Infinity;
    if (periodic) {
      radius = 0;
      for (let axis = 0; axis < 3; ++axis) radius = max(radius, <f64>RINGS * loadF8(ctx + GRID_WIDTH, axis));
    }
    for (;;) {
      length = scanAll(ctx, list, s, radius);
      if (length >= enough) break;
      radius *= 1.5;
    }
  }
  let sum: f64 = 0;
  let terms = 0;
  for (let k = FIRST; k <= length; k += 2) {
    const r = Math.sqrt(loadF8(list, k - 1));
    sum += (r * r * r) / (<f64>k + 0.5);
    terms += 1;
  }
  return ((4.0 / 3.0) * Math.PI * sum) / <f64>terms;
}

/** Sorts ascending (gaps of Shell's method, then insertion). */
function sort(values: usize, length: i32): void {
  for (let gap = length >> 1; gap > 0; gap >>= 1) {
    for (let i = gap; i < length; ++i) {
      const value = loadF8(values, i);
      let at = i;
      while (at >= gap && loadF8(values, at - gap) > value) {
        storeF8(values, at, loadF8(values, at - gap));
        at -= gap;
      }
      storeF8(values, at, value);
    }
  }
}

/** Mean number of atoms in the cell of an atom. */
function crowding(ctx: usize): f64 {
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const slots = count(ctx, GRID_SLOTS);
  let sum: f64 = 0;
  for (let slot = 0; slot < slots; ++slot) {
    const here = <f64>(load<i32>(at4(slotStart, slot + 1)) - load<i32>(at4(slotStart, slot)));
    sum += here * here;
  }
  return sum / <f64>count(ctx, COUNT_ATOMS);
}

/**
 * a0, or 0 if there are too few atoms; for a basis and an origin already formed. Leaves the atoms sorted into other cells than the
 * neighbour search wants.
 */
export function formLengthScale(ctx: usize, extents: usize): f64 {
  const n = count(ctx, COUNT_ATOMS);
  const scratch = region(ctx, ADDRESS_SCRATCH);
  const list = scratch + SCRATCH_NEAREST;
  const values = scratch + SCRATCH_SAMPLE;
  const whole = count(ctx, COUNT_PERIODIC) == 7;

  // Cells of about 16 atoms where the atoms are, found by trial: vacuum may make any first guess too large.
  let longest: f64 = 0;
  for (let axis = 0; axis < 3; ++axis) longest = max(longest, loadF8(extents, axis));
  let volume = basisVolume(ctx);
  for (let axis = 0; axis < 3; ++axis) {
    if (!isPeriodic(ctx, axis)) volume *= max(loadF8(extents, axis), max(1e-3 * longest, 1e-300));
  }
  let edge = Math.cbrt((16 * volume) / <f64>n);
  for (let trial = 0; trial < 12; ++trial) {
    if (sortAtoms(ctx, extents, edge, edge, 1) != STATUS_OK) return 0;
    const crowd = crowding(ctx);
    if (crowd <= 40 && (crowd >= 6 || n < 64 || trial > 8)) break;
    edge *= Math.cbrt(16 / crowd);
  }

  const sampled = min(n, SAMPLE);
  for (let i = 0; i < sampled; ++i) storeF8(values, i, 0);
  if (n <= SAMPLE) {
    for (let s = 0; s < n; ++s) storeF8(values, s, atomVolume(ctx, list, s));
  } else {
    const order = region(ctx, ADDRESS_ORDER);
    for (let s = 0; s < n; ++s) {
      const atom = <i64>load<i32>(at4(order, s));
      const sample = (atom * SAMPLE + n - 1) / n;
      if (sample < SAMPLE && (sample * n) / SAMPLE == atom) storeF8(values, <i32>sample, atomVolume(ctx, list, s));
    }
  }
  sort(values, sampled);
  if (!(loadF8(values, 0) > 0)) return 0;
  const rank = 0.25 * <f64>(sampled - 1);
  const below = <i32>rank;
  const above = min(below + 1, sampled - 1);
  let v = loadF8(values, below) + (rank - <f64>below) * (loadF8(values, above) - loadF8(values, below));
  const mean = basisVolume(ctx) / <f64>n;
  if (whole && abs(mean - v) < AGREEMENT * v) v = mean;
  return Math.cbrt(v);
}

/** The estimate alone, for the frame laid out; 0 if the positions or the cell are unusable or the atoms too few. */
export function estimateLengthScale(ctx: usize): f64 {
  if (checkPositions(ctx) != STATUS_OK || formBasis(ctx) != STATUS_OK) return 0;
  const extents = region(ctx, ADDRESS_SCRATCH) + SCRATCH_UNIT_X;
  findOrigin(ctx, extents);
  return formLengthScale(ctx, extents);
}
