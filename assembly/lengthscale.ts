/**
 * The length scale of a frame (docs/maths.md, "Length scale").
 *
 *     v_ik = (4/3) pi r_(k)^3 / (k + 1/2)     k = 12, 14, ..., 48
 *            r_(k)  distance of the k-th neighbour of atom i
 *     v_i  = mean over k,   q = lower quartile over the atoms (linear between the nearest ranks)
 *     e_i  = |sum_j w_j u_ij| / sum_j w_j,  w_j = 1 - (r_ij / r_(48))^2,  over the 48 nearest
 *     o_i  = fade(e_i; 0.05, 0.15) fade(v_i / q; 1.5, 1.7),   fade: 1 to 0, smooth
 *     v    = exp((sum_i o_i log v_i + m log min(q, v_x)) / (sum_i o_i + m))
 *            m = max(0, 20 - sum_i o_i),  v_x the volume by the extent (extent.ts)
 *            at most 1.3 v_x
 *     v    = V / N          if all axes are periodic, none is open, and |V/N - v| < 0.08 v
 *     v    = v_x            for up to 48 atoms if all axes are open
 *     a0   = v^(1/3)
 *     a0   = d / 0.9        if the median d of the distances to the nearest neighbour is below
 *                           0.3 a0: molecules far apart, or bonded atoms without a lattice
 *
 * Atoms at a surface have neighbours on one side only, so the asymmetry e_i excludes them. The
 * other atoms may have several densities. Frames with too few inner atoms, such as clusters, take
 * the volume of a solid with the moments of their atoms instead.
 *
 * Everything is a smooth function of the distances, so rotations, translations and other orders of
 * the atoms change the result only by rounding.
 *
 * If there are more than SAMPLE atoms, about as many represent all, so the cost after sorting does
 * not grow with N: those whose distance from the centre along the open axes is drawn by a hash, or
 * SAMPLE evenly spaced ones if no axis is open (atom floor(i N / SAMPLE)). If all axes are
 * periodic, every PROBE-th of these is measured first, and decides if it agrees with V / N twice as
 * well as required.
 *
 * Atoms far from all others cost the most, and count the least: v is that of any other v_i which
 * is also above 1.7 q and above the next rank. So all are measured with a short reach first, and
 * only those whose v_i could still be below are measured with a longer one.
 */
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_ORDER,
  ADDRESS_SCRATCH,
  ADDRESS_SLOT_KEY,
  ADDRESS_SLOT_START,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_GRID_CELLS,
  COUNT_GRID_DENSE,
  COUNT_GRID_SLOTS,
  COUNT_PERIODIC,
  COUNT_SCALE_VISITS,
  STATUS_OK,
  VALUE_CUTOFF,
  VALUE_GRID_BASIS,
  VALUE_GRID_UNIT,
  VALUE_GRID_WIDTH,
} from "./abi";
import {
  basisHeight,
  basisVolume,
  cellKey,
  checkPositions,
  countAtoms,
  findKey,
  findOrigin,
  floorDivide,
  formBasis,
  isPeriodic,
  keyIndex,
  MOST_CELLS,
  placeAtoms,
  sizeGrid,
} from "./cells";
import { FEWEST_OF_CLUSTER } from "./contract";
import { extentVolume, findOpenAxes, fromCentre, leastSpacing } from "./extent";
import { at4, at8, count, countAt, loadF8, region, storeF8, value } from "./memory";
import {
  NEAREST,
  SAMPLE,
  SCRATCH_EXTENT,
  SCRATCH_INNER,
  SCRATCH_NEAREST,
  SCRATCH_SAMPLE,
  SCRATCH_SAMPLED,
  SCRATCH_SORTED,
  SCRATCH_SPACING,
  SCRATCH_SYMMETRY,
  SCRATCH_UNIT_X,
} from "./scratch";
import { isAborted } from "./work";

const FIRST: i32 = FEWEST_OF_CLUSTER - 1;
/** Length of a full list of the nearest. */
const LAST: i32 = NEAREST;
const PROBE: i32 = 16;
/** Largest relative difference of V/N from v at which V/N is used. */
const AGREEMENT: f64 = 0.08;
/** Mean unit vectors up to which atoms count in full, and from which on they do not count. */
const SYMMETRIC: f64 = 0.05;
const ASYMMETRIC: f64 = 0.15;
/** The same for v_i, in units of the quartile. */
const DENSE: f64 = 1.5;
const SPARSE: f64 = 1.7;
/** Largest v in units of v_x: in a layer of a few atoms, the v_i grow with k. */
const MOST_OF_EXTENT: f64 = 1.3;
/**
 * Least distance of nearest neighbours in a crystal, units of a0 (nitrogen has 0.38); a distance
 * that only atoms in one place have; and the distance of bonded atoms.
 */
const LEAST_SPACING: f64 = 0.3;
const NO_SPACING: f64 = 0.002;
const BOND: f64 = 0.9;
/** Weight that the inner atoms must have to decide alone. */
const ENOUGH: f64 = 20;
/**
 * The list of the nearest: LAST squared distances, f64, ascending; LAST i32, the index of each
 * one's vector; LAST vectors, f64 x 3, in the order of arrival. A new neighbour takes the place of
 * the one that drops out.
 */
const PLACES: usize = <usize>LAST * 8;
const VECTORS: usize = PLACES + <usize>LAST * 4;
/** After them the distance within which the list is complete, f64. */
const REACHED: usize = VECTORS + <usize>LAST * 24;
/** Number of steps, in cells, by which the search grows evenly. */
const RINGS: f64 = 4;
/**
 * First step if a step of 1 would hardly reach LAST atoms, as in cells as wide as a cutoff of 2.2
 * a0.
 */
const LITTLE_MORE: f64 = 1.2;
/**
 * Most cells, or atoms and images, that a search from one atom visits. Anything beyond counts as
 * infinitely far.
 */
const MOST_VISITED: f64 = 1e6;
/** The same in the first round, and its growth from one round to the next. */
const FIRST_VISITED: f64 = 4096;
const MORE_VISITED: f64 = 16;
/**
 * Most cells, and most atoms, that the estimate visits in all. A cell costs more, because its slot
 * may lie anywhere in memory. Usual frames take below 5e6 of both together; one whose cell is
 * tilted by 100 times its edge takes 7e7 atoms.
 */
const MOST_CELL_VISITS: f64 = 1e7;
const MOST_ATOM_VISITS: f64 = 1e8;
/** Most atoms in the cell of an atom, on average: cells divided so often, and as many still. */
const MOST_CROWDED: f64 = 1e5;

/**
 * Inserts a neighbour into the list of the LAST nearest, ascending; returns the length of the list.
 */
function insert(list: usize, length: i32, squared: f64, x: f64, y: f64, z: f64): i32 {
  const full = length == LAST;
  if (full && squared >= loadF8(list, LAST - 1)) return length;
  const places = list + PLACES;
  let at = full ? LAST - 1 : length;
  const place = full ? load<i32>(at4(places, at)) : length;
  while (at > 0 && loadF8(list, at - 1) > squared) {
    storeF8(list, at, loadF8(list, at - 1));
    store<i32>(at4(places, at), load<i32>(at4(places, at - 1)));
    at -= 1;
  }
  storeF8(list, at, squared);
  store<i32>(at4(places, at), place);
  const vector = at8(list + VECTORS, 3 * place);
  store<f64>(vector, x);
  store<f64>(vector, y, 8);
  store<f64>(vector, z, 16);
  return full ? LAST : length + 1;
}

/**
 * Adds the neighbours of sorted atom s among the atoms [begin, end), shifted by (sx, sy, sz), whose
 * squared distance is at most `limit`.
 */
function scan(list: usize, length: i32, wrapped: usize, s: i32, begin: i32, end: i32, sx: f64, sy: f64, sz: f64, limit: f64): i32 {
  const here = at8(wrapped, 3 * s);
  const hx = load<f64>(here);
  const hy = load<f64>(here, 8);
  const hz = load<f64>(here, 16);
  // No atom is its own neighbour, but its images are.
  const own = sx == 0 && sy == 0 && sz == 0 ? s : -1;
  const hx2 = f64x2.splat(hx);
  const hy2 = f64x2.splat(hy);
  const hz2 = f64x2.splat(hz);
  const sx2 = f64x2.splat(sx);
  const sy2 = f64x2.splat(sy);
  const sz2 = f64x2.splat(sz);
  let j = begin;
  for (; j + 2 <= end; j += 2) {
    const there = at8(wrapped, 3 * j);
    const v0 = v128.load(there);
    const v1 = v128.load(there, 16);
    const v2 = v128.load(there, 32);
    const x = f64x2.add(f64x2.sub(v128.shuffle<i64>(v0, v1, 0, 3), hx2), sx2);
    const y = f64x2.add(f64x2.sub(v128.shuffle<i64>(v0, v2, 1, 2), hy2), sy2);
    const z = f64x2.add(f64x2.sub(v128.shuffle<i64>(v1, v2, 0, 3), hz2), sz2);
    const squared = f64x2.add(f64x2.add(f64x2.mul(x, x), f64x2.mul(y, y)), f64x2.mul(z, z));
    const near = i64x2.bitmask(f64x2.le(squared, f64x2.splat(limit)));
    if (near == 0) continue;
    if (near & 1 && j != own) {
      const first = f64x2.extract_lane(squared, 0);
      length = insert(list, length, first, f64x2.extract_lane(x, 0), f64x2.extract_lane(y, 0), f64x2.extract_lane(z, 0));
    }
    if (near & 2 && j + 1 != own) {
      const second = f64x2.extract_lane(squared, 1);
      length = insert(list, length, second, f64x2.extract_lane(x, 1), f64x2.extract_lane(y, 1), f64x2.extract_lane(z, 1));
    }
    if (length == LAST) limit = min(limit, loadF8(list, LAST - 1));
  }
  if (j < end && j != own) {
    const there = at8(wrapped, 3 * j);
    const x = load<f64>(there) - hx + sx;
    const y = load<f64>(there, 8) - hy + sy;
    const z = load<f64>(there, 16) - hz + sz;
    const squared = x * x + y * y + z * z;
    if (squared <= limit) length = insert(list, length, squared, x, y, z);
  }
  return length;
}

/** Number of cells along one axis within `radius`: on both sides, and the atom's own. */
function cellsWithin(ctx: usize, axis: i32, radius: f64): f64 {
  const cells = 2 * Math.ceil(radius / loadF8(ctx + VALUE_GRID_WIDTH, axis)) + 1;
  return isPeriodic(ctx, axis) ? cells : min(cells, <f64>countAt(ctx, COUNT_GRID_CELLS, axis));
}

/**
 * Number of images of the frame along one axis within `radius`: on both sides, and the frame
 * itself.
 */
function imagesWithin(ctx: usize, axis: i32, radius: f64): f64 {
  return isPeriodic(ctx, axis) ? 2 * Math.ceil(radius / basisHeight(ctx, axis)) + 1 : 1;
}

/** Nearest distances of sorted atom s up to `radius`, among the cells within it. */
function scanCells(ctx: usize, list: usize, s: i32, radius: f64): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const basis = ctx + VALUE_GRID_BASIS;
  const key = load<i64>(at8(region(ctx, ADDRESS_ATOM_CELL), s));
  const n0 = countAt(ctx, COUNT_GRID_CELLS, 0);
  const n1 = countAt(ctx, COUNT_GRID_CELLS, 1);
  const n2 = countAt(ctx, COUNT_GRID_CELLS, 2);
  let length = 0;
  let cells = 0;
  let atoms = 0;
  const lastA = lastCell(ctx, 0, key, radius);
  const lastB = lastCell(ctx, 1, key, radius);
  const lastC = lastCell(ctx, 2, key, radius);
  const firstB = firstCell(ctx, 1, key, radius);
  const firstC = firstCell(ctx, 2, key, radius);
  const dense = count(ctx, COUNT_GRID_DENSE) != 0;
  const keys = region(ctx, ADDRESS_SLOT_KEY);
  const mask = count(ctx, COUNT_GRID_SLOTS) - 1;
  for (let a = firstCell(ctx, 0, key, radius); a <= lastA; ++a) {
    const ta = floorDivide(a, n0);
    for (let b = firstB; b <= lastB; ++b) {
      const tb = floorDivide(b, n1);
      const row = (a - ta * n0) * n1 + (b - tb * n1);
      const keyOfRow = cellKey(a - ta * n0, b - tb * n1, 0);
      for (let c = firstC; c <= lastC; ++c) {
        const tc = c >= 0 && c < n2 ? 0 : floorDivide(c, n2);
        const cell = c - tc * n2;
        const slot = dense ? row * n2 + cell : findKey(keys, mask, keyOfRow | cellKey(0, 0, cell));
        cells += 1;
        if (slot < 0) continue;
        const sx = <f64>ta * loadF8(basis, 0) + <f64>tb * loadF8(basis, 3) + <f64>tc * loadF8(basis, 6);
        const sy = <f64>ta * loadF8(basis, 1) + <f64>tb * loadF8(basis, 4) + <f64>tc * loadF8(basis, 7);
        const sz = <f64>ta * loadF8(basis, 2) + <f64>tb * loadF8(basis, 5) + <f64>tc * loadF8(basis, 8);
        const begin = load<i32>(at4(slotStart, slot));
        const end = load<i32>(at4(slotStart, slot + 1));
        atoms += end - begin;
        length = scan(list, length, wrapped, s, begin, end, sx, sy, sz, radius * radius);
      }
    }
  }
  addVisits(ctx, cells, atoms);
  return length;
}

/** Counts visits; the two numbers saturate, and never wrap around. */
function addVisits(ctx: usize, cells: i32, atoms: i32): void {
  const most: i64 = i32.MAX_VALUE;
  const allCells = <i64>countAt(ctx, COUNT_SCALE_VISITS, 0) + cells;
  const allAtoms = <i64>countAt(ctx, COUNT_SCALE_VISITS, 1) + atoms;
  store<i32>(ctx + COUNT_SCALE_VISITS, <i32>min(allCells, most));
  store<i32>(ctx + COUNT_SCALE_VISITS + 4, <i32>min(allAtoms, most));
}

/** Whether the estimate has visited more cells or atoms than any is worth. */
function isExhausted(ctx: usize): bool {
  return (
    <f64>countAt(ctx, COUNT_SCALE_VISITS, 0) > MOST_CELL_VISITS ||
    <f64>countAt(ctx, COUNT_SCALE_VISITS, 1) > MOST_ATOM_VISITS
  );
}

/**
 * First cell along an axis that a search from the cell `key` visits. Below 0 it belongs to an
 * image.
 */
function firstCell(ctx: usize, axis: i32, key: i64, radius: f64): i32 {
  const first = <f64>keyIndex(key, axis) - Math.ceil(radius / loadF8(ctx + VALUE_GRID_WIDTH, axis));
  return <i32>(isPeriodic(ctx, axis) ? first : max(first, 0));
}

/** Last cell along an axis that a search from the cell `key` visits. */
function lastCell(ctx: usize, axis: i32, key: i64, radius: f64): i32 {
  const last = <f64>keyIndex(key, axis) + Math.ceil(radius / loadF8(ctx + VALUE_GRID_WIDTH, axis));
  return <i32>(isPeriodic(ctx, axis) ? last : min(last, <f64>(countAt(ctx, COUNT_GRID_CELLS, axis) - 1)));
}

/**
 * Nearest distances up to `radius` among all atoms and their images (infinite: no axis is
 * periodic).
 */
function scanAll(ctx: usize, list: usize, s: i32, radius: f64): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const basis = ctx + VALUE_GRID_BASIS;
  const n = count(ctx, COUNT_ATOMS);
  const ra = <i32>imagesWithin(ctx, 0, radius) >> 1;
  const rb = <i32>imagesWithin(ctx, 1, radius) >> 1;
  const rc = <i32>imagesWithin(ctx, 2, radius) >> 1;
  let length = 0;
  for (let ta = -ra; ta <= ra; ++ta) {
    for (let tb = -rb; tb <= rb; ++tb) {
      for (let tc = -rc; tc <= rc; ++tc) {
        const sx = <f64>ta * loadF8(basis, 0) + <f64>tb * loadF8(basis, 3) + <f64>tc * loadF8(basis, 6);
        const sy = <f64>ta * loadF8(basis, 1) + <f64>tb * loadF8(basis, 4) + <f64>tc * loadF8(basis, 7);
        const sz = <f64>ta * loadF8(basis, 2) + <f64>tb * loadF8(basis, 5) + <f64>tc * loadF8(basis, 8);
        length = scan(list, length, wrapped, s, 0, n, sx, sy, sz, radius * radius);
        addVisits(ctx, 0, n);
      }
    }
  }
  return length;
}

/**
 * Length of the weighted mean unit vector to the neighbours in the list, nearest first. The weight
 * vanishes at the last one, so it does not matter which of several at that distance are listed.
 * Neighbours at the atom's own place contribute no vector.
 */
function asymmetry(list: usize, length: i32): f64 {
  const furthest = loadF8(list, length - 1);
  let x: f64 = 0;
  let y: f64 = 0;
  let z: f64 = 0;
  let sum: f64 = 0;
  for (let i = 0; i < length; ++i) {
    const squared = loadF8(list, i);
    const weight = 1 - squared / furthest;
    if (squared == 0 || !(weight > 0)) continue;
    const scale = weight / Math.sqrt(squared);
    const vector = at8(list + VECTORS, 3 * load<i32>(at4(list + PLACES, i)));
    x += load<f64>(vector) * scale;
    y += load<f64>(vector, 8) * scale;
    z += load<f64>(vector, 16) * scale;
    sum += weight;
  }
  return sum > 0 ? Math.sqrt(x * x + y * y + z * z) / sum : 0;
}

/** 1 up to `begin`, 0 from `end` on, smooth between. */
function fading(x: f64, begin: f64, end: f64): f64 {
  const t = max(0, min(1, (x - begin) / (end - begin)));
  return 1 - t * t * (3 - 2 * t);
}

/**
 * Writes v_i of sorted atom s, number i of the sample, to SCRATCH_SAMPLE and SCRATCH_INNER, the
 * weight that its symmetry gives it to SCRATCH_SYMMETRY, and the distance of its nearest neighbour
 * to SCRATCH_SPACING. v_i is 0 if the atom has fewer than FIRST neighbours.
 *
 * If they lie beyond `most` cells or atoms, v_i is infinite, and that in SCRATCH_INNER is minus a
 * number that v_i exceeds in any case.
 */
function measureAtom(ctx: usize, scratch: usize, s: i32, most: f64, i: i32): void {
  const list = scratch + SCRATCH_NEAREST;
  const volumes = scratch + SCRATCH_SAMPLE;
  const inner = scratch + SCRATCH_INNER;
  const enough = enoughOf(ctx);
  const length = findNearest(ctx, list, s, enough, most);
  storeF8(scratch + SCRATCH_SPACING, i, length > 0 ? Math.sqrt(loadF8(list, 0)) : Infinity);
  if (length < enough) {
    storeF8(volumes, i, Infinity);
    storeF8(inner, i, -leastVolume(list, length, enough));
    return;
  }
  const v = length < FIRST ? 0 : meanVolume(list, length);
  storeF8(volumes, i, v);
  storeF8(inner, i, length < FIRST ? Infinity : v);
  storeF8(scratch + SCRATCH_SYMMETRY, i, length < FIRST ? 0 : fading(asymmetry(list, length), SYMMETRIC, ASYMMETRIC));
}

/** Whether an atom has no v_i yet, by its value in `inner`. */
// @ts-ignore: decorator
@inline
function isPending(inner: f64): bool {
  return inner <= 0;
}

/** The mean over k of v_ik from a list of at least FIRST neighbours. */
function meanVolume(list: usize, length: i32): f64 {
  let sum: f64 = 0;
  let terms = 0;
  for (let k = FIRST; k <= length; k += 2) {
    const r = Math.sqrt(loadF8(list, k - 1));
    sum += (r * r * r) / (<f64>k + 0.5);
    terms += 1;
  }
  return ((4.0 / 3.0) * Math.PI * sum) / <f64>terms;
}

/** The least v_i of an atom with `enough` neighbours; the list has those within REACHED. */
function leastVolume(list: usize, length: i32, enough: i32): f64 {
  const reached = load<f64>(list + REACHED);
  let sum: f64 = 0;
  let terms = 0;
  for (let k = FIRST; k <= enough; k += 2) {
    const r = k <= length ? Math.sqrt(loadF8(list, k - 1)) : reached;
    sum += (r * r * r) / (<f64>k + 0.5);
    terms += 1;
  }
  return ((4.0 / 3.0) * Math.PI * sum) / <f64>terms;
}

/** Neighbours that a list must have; 0 if there are too few atoms for any. */
function enoughOf(ctx: usize): i32 {
  const enough = count(ctx, COUNT_PERIODIC) != 0 ? LAST : min(LAST, count(ctx, COUNT_ATOMS) - 1);
  return enough < FIRST ? 0 : enough;
}

/**
 * Fills the list with the nearest neighbours of sorted atom s. Returns its length, which is below
 * `enough` if they lie beyond `most` cells or atoms.
 */
function findNearest(ctx: usize, list: usize, s: i32, enough: i32, most: f64): i32 {
  store<f64>(list + REACHED, 0);
  if (enough == 0) return 0;
  const periodic = count(ctx, COUNT_PERIODIC) != 0;
  const atoms = <f64>count(ctx, COUNT_ATOMS);
  // A non-periodic axis with one cell has nothing beyond it.
  let step: f64 = Infinity;
  for (let axis = 0; axis < 3; ++axis) {
    if (isPeriodic(ctx, axis) || countAt(ctx, COUNT_GRID_CELLS, axis) > 1) step = min(step, loadF8(ctx + VALUE_GRID_WIDTH, axis));
  }
  // The first radius reaches enough atoms at the mean density, if there is one.
  const reached = ((4.0 / 3.0) * Math.PI * step * step * step * atoms) / basisVolume(ctx);
  const first = count(ctx, COUNT_PERIODIC) == 7 && reached < 1.04 * <f64>enough ? LITTLE_MORE : 1;
  // Then the radius grows in equal steps, later by half: flat or skewed cells need many steps that
  // reach few atoms each.
  let length = 0;
  for (let rings = first; ; rings = rings < RINGS ? Math.floor(rings) + 1 : rings * 1.5) {
    const radius = rings * step;
    const cells = cellsWithin(ctx, 0, radius) * cellsWithin(ctx, 1, radius) * cellsWithin(ctx, 2, radius);
    const images = imagesWithin(ctx, 0, radius) * imagesWithin(ctx, 1, radius) * imagesWithin(ctx, 2, radius);
    const byCells = rings <= RINGS || cells <= images * atoms;
    if (!((byCells ? cells : images * atoms) <= most)) break;
    length = byCells ? scanCells(ctx, list, s, radius) : scanAll(ctx, list, s, periodic ? radius : Infinity);
    store<f64>(list + REACHED, radius);
    if (length >= enough) break;
  }
  return length;
}

/**
 * Weighted geometric mean of v_i, to which `otherwise` contributes the weight that is missing to
 * ENOUGH.
 */
function innerVolume(scratch: usize, sampled: i32, quartile: f64, otherwise: f64): f64 {
  let sum: f64 = 0;
  let weights: f64 = 0;
  for (let i = 0; i < sampled; ++i) {
    const v = loadF8(scratch + SCRATCH_INNER, i);
    if (!(v < SPARSE * quartile)) continue;
    const weight = loadF8(scratch + SCRATCH_SYMMETRY, i) * fading(v / quartile, DENSE, SPARSE);
    sum += weight * Math.log(v / quartile);
    weights += weight;
  }
  const missing = max(0, ENOUGH - weights);
  const mean = (sum + missing * Math.log(otherwise / quartile)) / (weights + missing);
  return quartile * Math.exp(mean);
}

/** Sorts in ascending order: Shell's gaps, then insertion. */
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

/** Whether no smaller edge makes smaller cells. */
function isFinest(ctx: usize): bool {
  let finest = true;
  for (let axis = 0; axis < 3; ++axis) finest = finest && countAt(ctx, COUNT_GRID_CELLS, axis) == MOST_CELLS;
  return finest;
}

/** Finds SAMPLE evenly spaced atoms, or all, in the sorted order. Returns their number. */
function findSample(ctx: usize, atoms: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  const sampled = min(n, SAMPLE);
  const order = region(ctx, ADDRESS_ORDER);
  const perAtom = <f64>sampled / <f64>n;
  for (let s = 0; s < n; ++s) {
    const atom = load<i32>(at4(order, s));
    // The lowest number that this atom could have in the sample. Rounding changes it by at most
    // one.
    const sample = <i32>Math.ceil(<f64>atom * perAtom - 1e-6);
    if (sample < sampled && (<i64>sample * n) / sampled == atom) store<i32>(at4(atoms, sample), s);
  }
  return sampled;
}

/**
 * Finds atoms by their distances from the centre along the open axes, in the sorted order: the same
 * ones for any order of the atoms, and for any orientation and place of the frame. Returns their
 * number, or 0 if so many distances are equal that no sample has a useful size.
 */
function drawSample(ctx: usize, extent: usize, open: i32, atoms: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  const order = region(ctx, ADDRESS_ORDER);
  let share = (0.9 * <f64>SAMPLE) / <f64>n;
  for (let trial = 0; trial < 8; ++trial) {
    let drawn = 0;
    for (let s = 0; s < n && drawn <= SAMPLE; ++s) {
      if (!isDrawn(fromCentre(ctx, extent, open, load<i32>(at4(order, s))), share)) continue;
      if (drawn < SAMPLE) store<i32>(at4(atoms, drawn), s);
      drawn += 1;
    }
    if (drawn <= SAMPLE) return drawn < SAMPLE / 4 ? 0 : drawn;
    share *= 0.8;
  }
  return 0;
}

/** Whether a sample of this share has an atom at this squared distance from the centre. */
// @ts-ignore: decorator
@inline
function isDrawn(squared: f64, share: f64): bool {
  // Rounded, because the last bits of the distance depend on orientation and place.
  const mixed = <u64>reinterpret<u32>(<f32>squared) * 0x9e3779b97f4a7c15;
  return <f64>(mixed >> 40) < share * 16777216;
}

/**
 * v of every `step`-th atom of the sample, `length` atoms in all, with the volume by the extent,
 * which may be infinite. Returns 0 if an atom has too few neighbours, infinity if most have none
 * within reach or the work is too much.
 */
function measureSample(ctx: usize, scratch: usize, step: i32, length: i32, byExtent: f64): f64 {
  const atoms = scratch + SCRATCH_SAMPLED;
  const values = scratch + SCRATCH_SAMPLE;
  const sorted = scratch + SCRATCH_SORTED;
  const inner = scratch + SCRATCH_INNER;
  for (let i = 0; i < length; ++i) storeF8(inner, i, 0);
  for (let most = FIRST_VISITED; ; most = min(MOST_VISITED, MORE_VISITED * most)) {
    for (let i = 0; i < length; ++i) {
      if (!isPending(loadF8(inner, i))) continue;
      if (isAborted(ctx) || isExhausted(ctx)) return Infinity;
      measureAtom(ctx, scratch, load<i32>(at4(atoms, i * step)), most, i);
    }
    memory.copy(sorted, values, <usize>length << 3);
    sort(sorted, length);
    const quartile = quartileOf(sorted, length);
    const above = loadF8(sorted, min(<i32>(0.25 * <f64>(length - 1)) + 1, length - 1));
    // Others decide nothing, whatever their v_i.
    let decisive: f64 = 0;
    if (most < MOST_VISITED) decisive = quartile < Infinity ? max(SPARSE * quartile, above) : Infinity;
    let pending = 0;
    for (let i = 0; i < length; ++i) {
      const value = loadF8(inner, i);
      if (!isPending(value)) continue;
      if (-value < decisive) pending += 1;
      else storeF8(inner, i, Infinity);
    }
    if (pending > 0) continue;
    if (!(loadF8(sorted, 0) > 0)) return 0;
    if (!(quartile < Infinity)) return Infinity;
    return min(innerVolume(scratch, length, quartile, min(quartile, byExtent)), MOST_OF_EXTENT * byExtent);
  }
}

/** The lower quartile of sorted values. */
function quartileOf(sorted: usize, length: i32): f64 {
  const rank = 0.25 * <f64>(length - 1);
  const below = <i32>rank;
  const above = min(below + 1, length - 1);
  const quartile = loadF8(sorted, below);
  // Skipped if it has no weight, because the values above may be infinite.
  return rank > <f64>below ? quartile + (rank - <f64>below) * (loadF8(sorted, above) - quartile) : quartile;
}

/** a0 with regard to the distances of `length` nearest neighbours (sorted on return). */
function unlessSparse(lengthScale: f64, spacing: usize, length: i32): f64 {
  sort(spacing, length);
  const median = loadF8(spacing, length >> 1);
  const isSparse = median < LEAST_SPACING * lengthScale && median > NO_SPACING * lengthScale;
  return isSparse ? median / BOND : lengthScale;
}

/**
 * a0, or 0 if there are too few atoms or most have no others within reach. Needs a basis and an
 * origin. Leaves the atoms sorted into its own cells; if these are `cutoff` a0 wide,
 * VALUE_GRID_UNIT is a0.
 */
export function formLengthScale(ctx: usize, extents: usize, cutoff: f64): f64 {
  const n = count(ctx, COUNT_ATOMS);
  const scratch = region(ctx, ADDRESS_SCRATCH);
  const whole = count(ctx, COUNT_PERIODIC) == 7;
  const mean = basisVolume(ctx) / <f64>n;
  store<f64>(ctx + VALUE_GRID_UNIT, 0);

  // Cells of about 16 atoms where there are atoms, found by trial: vacuum can make any first guess
  // too large. The first cells of a periodic frame are those that the neighbour search needs if a0
  // follows from the mean volume.
  let longest: f64 = 0;
  for (let axis = 0; axis < 3; ++axis) longest = max(longest, loadF8(extents, axis));
  let volume = basisVolume(ctx);
  for (let axis = 0; axis < 3; ++axis) {
    if (!isPeriodic(ctx, axis)) volume *= max(loadF8(extents, axis), max(1e-3 * longest, 1e-300));
  }
  const unit = whole ? Math.cbrt(mean) : 1;
  let edge = whole ? cutoff * unit : Math.cbrt((16 * volume) / <f64>n);
  for (let trial = 0; trial < 12; ++trial) {
    if (sizeGrid(ctx, extents, edge, edge) != STATUS_OK) return 0;
    const crowd = countAtoms(ctx) / <f64>n;
    if (isAborted(ctx)) return 0;
    if ((trial > 8 || isFinest(ctx)) && crowd > MOST_CROWDED) return 0;
    if (crowd <= 40 && (crowd >= 6 || n < 64 || trial > 8)) {
      if (whole && trial == 0) store<f64>(ctx + VALUE_GRID_UNIT, unit);
      break;
    }
    if (isFinest(ctx)) break;
    edge *= Math.cbrt(16 / crowd);
  }
  placeAtoms(ctx, unit);

  const spacing = scratch + SCRATCH_SPACING;
  const atoms = scratch + SCRATCH_SAMPLED;
  let sampled = findSample(ctx, atoms);
  if (whole && n > SAMPLE) {
    const probed = measureSample(ctx, scratch, PROBE, SAMPLE / PROBE, Infinity);
    if (abs(mean - probed) < 0.5 * AGREEMENT * probed) return unlessSparse(unit, spacing, SAMPLE / PROBE);
  }
  const extent = scratch + SCRATCH_EXTENT;
  const open = findOpenAxes(ctx, extent, cutoff);
  const byExtent = open ? extentVolume(ctx, extent, open) : Infinity;
  if (open == 7) {
    // The search of pairs names atoms that are in one place.
    if (n < FEWEST_OF_CLUSTER) return whole && leastSpacing(ctx, extent) < NO_SPACING * unit ? unit : 0;
    // In so small a cluster every atom is at the surface.
    if (n <= LAST) return Math.cbrt(byExtent);
  }
  if (n > SAMPLE && open) {
    const drawn = drawSample(ctx, extent, open, atoms);
    sampled = drawn > 0 ? drawn : findSample(ctx, atoms);
  }
  const v = measureSample(ctx, scratch, 1, sampled, byExtent);
  if (!(v > 0 && v < Infinity)) return 0;
  const agrees = whole && open == 0 && abs(mean - v) < AGREEMENT * v;
  return unlessSparse(agrees ? unit : Math.cbrt(v), spacing, sampled);
}

/**
 * Only the estimate, for the frame laid out. Returns 0 if the positions or the cell are unusable or
 * there are too few atoms.
 */
export function estimateLengthScale(ctx: usize): f64 {
  if (checkPositions(ctx) != STATUS_OK || formBasis(ctx) != STATUS_OK) return 0;
  const extents = region(ctx, ADDRESS_SCRATCH) + SCRATCH_UNIT_X;
  findOrigin(ctx, extents);
  return formLengthScale(ctx, extents, value(ctx, VALUE_CUTOFF));
}
