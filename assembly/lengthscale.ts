/**
 * The length scale of a frame (docs/maths.md, "Length scale").
 *
 *     v_ik = (4/3) pi r_(k)^3 / (k + 1/2)     k = 12, 14, ..., 48
 *            r_(k)  distance of the k-th neighbour of atom i
 *     v_i  = mean over k,   q = lower quartile over the atoms (linear between the nearest ranks)
 *     v    = geometric mean of v_i over inner atoms: v_i < 1.6 q and
 *            |mean unit vector to the up to 48 neighbours| < 0.2;
 *            q if there are fewer than 8 of them
 *     v    = V / N          if all axes are periodic and |V/N - v| < 0.08 v
 *     a0   = v^(1/3)
 *
 * Atoms at a surface have neighbours on one side only, so the asymmetry excludes them. The other
 * atoms may have several densities.
 *
 * If there are more than SAMPLE atoms, SAMPLE evenly spaced ones represent all (atom floor(i N /
 * SAMPLE)), so the cost after sorting does not grow with N. If all axes are periodic, every
 * PROBE-th of these is measured first, and decides if it agrees with V / N twice as well as
 * required.
 *
 * Atoms far from all others cost the most, and count the least: v is that of any other v_i which
 * is also above 1.6 q and above the next rank. So all are measured with a short reach first, and
 * only those whose v_i could still be below are measured with a longer one.
 */
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_ORDER,
  ADDRESS_SCRATCH,
  ADDRESS_SLOT_START,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_GRID_CELLS,
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
  checkPositions,
  countAtoms,
  findOrigin,
  findSlot,
  floorDivide,
  formBasis,
  isPeriodic,
  keyIndex,
  MOST_CELLS,
  placeAtoms,
  sizeGrid,
} from "./cells";
import { FEWEST_OF_CLUSTER } from "./contract";
import { at4, at8, count, countAt, loadF8, region, storeF8, value } from "./memory";
import {
  NEAREST,
  SAMPLE,
  SCRATCH_INNER,
  SCRATCH_NEAREST,
  SCRATCH_SAMPLE,
  SCRATCH_SAMPLED,
  SCRATCH_SORTED,
  SCRATCH_UNIT_X,
} from "./scratch";
import { isAborted } from "./work";

const FIRST: i32 = FEWEST_OF_CLUSTER - 1;
/** Length of a full list of the nearest. */
const LAST: i32 = NEAREST;
const PROBE: i32 = 16;
/** Largest relative difference of V/N from v at which V/N is used. */
const AGREEMENT: f64 = 0.08;
/**
 * Inner atoms: largest mean unit vector to the neighbours, largest v_i in units of the quartile,
 * and the least number of atoms.
 */
const MOST_ASYMMETRY: f64 = 0.2;
const MOST_VOLUME: f64 = 1.6;
const FEWEST_INNER: i32 = 8;
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
  const still = sx == 0 && sy == 0 && sz == 0;
  for (let j = begin; j < end; ++j) {
    if (still && j == s) continue;
    const there = at8(wrapped, 3 * j);
    const x = load<f64>(there) - load<f64>(here) + sx;
    const y = load<f64>(there, 8) - load<f64>(here, 8) + sy;
    const z = load<f64>(there, 16) - load<f64>(here, 16) + sz;
    const squared = x * x + y * y + z * z;
    if (!(squared <= limit)) continue;
    length = insert(list, length, squared, x, y, z);
    if (length == LAST) limit = min(limit, loadF8(list, LAST - 1));
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
  for (let a = firstCell(ctx, 0, key, radius); a <= lastA; ++a) {
    const ta = floorDivide(a, n0);
    for (let b = firstCell(ctx, 1, key, radius); b <= lastB; ++b) {
      const tb = floorDivide(b, n1);
      for (let c = firstCell(ctx, 2, key, radius); c <= lastC; ++c) {
        const tc = floorDivide(c, n2);
        const slot = findSlot(ctx, a - ta * n0, b - tb * n1, c - tc * n2);
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
 * Length of the mean unit vector to the neighbours in the list. Neighbours at the atom's own place
 * contribute no vector.
 */
function asymmetry(list: usize, length: i32): f64 {
  let x: f64 = 0;
  let y: f64 = 0;
  let z: f64 = 0;
  for (let i = 0; i < length; ++i) {
    const squared = loadF8(list, i);
    if (squared == 0) continue;
    const inverse = 1 / Math.sqrt(squared);
    const vector = at8(list + VECTORS, 3 * load<i32>(at4(list + PLACES, i)));
    x += load<f64>(vector) * inverse;
    y += load<f64>(vector, 8) * inverse;
    z += load<f64>(vector, 16) * inverse;
  }
  return Math.sqrt(x * x + y * y + z * z) / <f64>length;
}

/**
 * Writes v_i of sorted atom s to `volume`, and to `inner` if the atom is symmetric, else infinity.
 * v_i is 0 if the atom has fewer than FIRST neighbours.
 *
 * If they lie beyond `most` cells or atoms, v_i is infinite, and `inner` is minus a number that v_i
 * exceeds in any case.
 */
function measureAtom(ctx: usize, list: usize, s: i32, most: f64, volume: usize, inner: usize): void {
  const enough = enoughOf(ctx);
  const length = findNearest(ctx, list, s, enough, most);
  if (length < enough) {
    store<f64>(volume, Infinity);
    store<f64>(inner, -leastVolume(list, length, enough));
    return;
  }
  const v = length < FIRST ? 0 : meanVolume(list, length);
  store<f64>(volume, v);
  store<f64>(inner, length >= FIRST && asymmetry(list, length) < MOST_ASYMMETRY ? v : Infinity);
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

/** Geometric mean of v_i over the inner atoms, or q if there are too few. */
function innerVolume(inner: usize, sampled: i32, quartile: f64): f64 {
  let sum: f64 = 0;
  let found = 0;
  for (let i = 0; i < sampled; ++i) {
    const v = loadF8(inner, i);
    if (!(v < MOST_VOLUME * quartile)) continue;
    sum += Math.log(v / quartile);
    found += 1;
  }
  return found < FEWEST_INNER ? quartile : quartile * Math.exp(sum / <f64>found);
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

/** Finds the sampled atoms in the sorted order. */
function findSample(ctx: usize, atoms: usize): void {
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
}

/**
 * v of every `step`-th atom of the sample, `length` atoms in all. Returns 0 if an atom has too few
 * neighbours, infinity if most have none within reach or the work is too much.
 */
function measureSample(ctx: usize, scratch: usize, step: i32, length: i32): f64 {
  const atoms = scratch + SCRATCH_SAMPLED;
  const list = scratch + SCRATCH_NEAREST;
  const values = scratch + SCRATCH_SAMPLE;
  const sorted = scratch + SCRATCH_SORTED;
  const inner = scratch + SCRATCH_INNER;
  for (let i = 0; i < length; ++i) storeF8(inner, i, 0);
  for (let most = FIRST_VISITED; ; most = min(MOST_VISITED, MORE_VISITED * most)) {
    for (let i = 0; i < length; ++i) {
      if (!isPending(loadF8(inner, i))) continue;
      if (isAborted(ctx) || isExhausted(ctx)) return Infinity;
      measureAtom(ctx, list, load<i32>(at4(atoms, i * step)), most, at8(values, i), at8(inner, i));
    }
    memory.copy(sorted, values, <usize>length << 3);
    sort(sorted, length);
    const quartile = quartileOf(sorted, length);
    const above = loadF8(sorted, min(<i32>(0.25 * <f64>(length - 1)) + 1, length - 1));
    // Others decide nothing, whatever their v_i.
    let decisive: f64 = 0;
    if (most < MOST_VISITED) decisive = quartile < Infinity ? max(MOST_VOLUME * quartile, above) : Infinity;
    let pending = 0;
    for (let i = 0; i < length; ++i) {
      const value = loadF8(inner, i);
      if (!isPending(value)) continue;
      if (-value < decisive) pending += 1;
      else storeF8(inner, i, Infinity);
    }
    if (pending > 0) continue;
    if (!(loadF8(sorted, 0) > 0)) return 0;
    return quartile < Infinity ? innerVolume(inner, length, quartile) : Infinity;
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

  findSample(ctx, scratch + SCRATCH_SAMPLED);
  if (whole && n > SAMPLE) {
    const probed = measureSample(ctx, scratch, PROBE, SAMPLE / PROBE);
    if (abs(mean - probed) < 0.5 * AGREEMENT * probed) return unit;
  }
  const v = measureSample(ctx, scratch, 1, min(n, SAMPLE));
  if (!(v > 0 && v < Infinity)) return 0;
  return whole && abs(mean - v) < AGREEMENT * v ? unit : Math.cbrt(v);
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
