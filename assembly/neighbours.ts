/**
 * Neighbours within the cutoff.
 *
 *     r_ij = (w_j - w_i) + S B,  x_ij = r_ij / a0,  pairs with |x_ij| < r_c, own images (j = i, S not 0) included
 *
 * w are wrapped positions, S the whole cells between them, B as in cells.ts. Each of the operations changes only its sign when i and j are
 * exchanged, so x_ji = -x_ij to the last bit. Vectors are formed in f64 and stored as f32.
 *
 * Pairs are stored as rows: those of sorted atom s are PAIR_START[s] .. PAIR_START[s] + PAIR_COUNT[s] - 1 in every
 * ADDRESS_PAIR_* array; a row starts at a multiple of 4 and is filled up to one with pairs beyond the cutoff. Where a row lies depends on which
 * worker came first, what it holds does not.
 */
import {
  basisHeight,
  basisVolume,
  checkPositions,
  findOrigin,
  findSlot,
  floorDivide,
  formBasis,
  GRID_BASIS,
  GRID_CELLS,
  GRID_DENSE,
  GRID_REACH,
  isPeriodic,
  keyIndex,
  sortAtoms,
} from "./cells";
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_LOCAL,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_REVERSE,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_POSITIONS,
  ADDRESS_REFERENCE_LINK,
  ADDRESS_REFERENCE_START,
  ADDRESS_REFERENCE_VECTOR,
  ADDRESS_SCRATCH,
  ADDRESS_SLOT_START,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_SPECIES,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_ERROR_ATOM,
  COUNT_ERROR_OTHER,
  COUNT_PAIR_CAPACITY,
  COUNT_PAIR_TROUBLE,
  COUNT_PAIRS_NEEDED,
  COUNT_PERIODIC,
  COUNT_REFERENCE_CAPACITY,
  COUNT_REFERENCE_NEEDED,
  COUNT_REVERSE_READY,
  COUNT_SPECIES_USED,
  ROW_CAPACITY,
  STATUS_BAD_LENGTH_SCALE,
  STATUS_COINCIDENT_ATOMS,
  STATUS_NO_LENGTH_SCALE,
  STATUS_OK,
  STATUS_PAIR_OVERFLOW,
  STATUS_REFERENCE_OVERFLOW,
  STATUS_SINGULAR_CELL,
  STATUS_TOO_DENSE,
  VALUE_CUTOFF,
  VALUE_ERROR_DISTANCE,
  VALUE_LENGTH_SCALE,
  VALUE_LENGTH_SCALE_GIVEN,
} from "./layout";
import { formLengthScale } from "./lengthscale";
import { at4, at8, count, loadF8, region, storeF8, value } from "./memory";
import { CANDIDATES, SCRATCH_BYTES, SCRATCH_CANDIDATES, SCRATCH_PAIRS, SCRATCH_UNIT_X } from "./scratch";

/** Atoms closer than this, in units of a0, are refused. */
const COINCIDENT: f64 = 0.05;
/** Cells a little wider than needed, so that rounding of a cell index cannot lose a pair. */
const MARGIN: f64 = 1.00001;

/** Bits of COUNT_PAIR_TROUBLE. */
const TROUBLE_COINCIDENT: i32 = 1;
const TROUBLE_DENSE: i32 = 2;

/**
 * Checks the frame, settles the length scale and sorts the atoms into cells. One thread.
 */
export function binAtoms(ctx: usize): i32 {
  store<i32>(ctx + COUNT_ERROR_ATOM, -1);
  store<i32>(ctx + COUNT_ERROR_OTHER, -1);
  store<f64>(ctx + VALUE_ERROR_DISTANCE, 0);
  store<i32>(ctx + COUNT_PAIRS_NEEDED, 0);
  store<i32>(ctx + COUNT_PAIR_TROUBLE, 0);
  store<i32>(ctx + COUNT_REVERSE_READY, 0);
  let status = checkPositions(ctx);
  if (status != STATUS_OK) return status;
  status = formBasis(ctx);
  if (status != STATUS_OK) return status;
  const given = value(ctx, VALUE_LENGTH_SCALE_GIVEN);
  // Squares and reciprocals of the length scale are formed, so it must stay away from the ends of the range.
  if (given != 0 && !(given > 1e-100 && given < 1e100)) return STATUS_BAD_LENGTH_SCALE;
  const extents = region(ctx, ADDRESS_SCRATCH) + SCRATCH_UNIT_X;
  findOrigin(ctx, extents);
  const lengthScale = given != 0 ? given : formLengthScale(ctx, extents);
  store<f64>(ctx + VALUE_LENGTH_SCALE, lengthScale);
  if (!(lengthScale > 0)) return STATUS_NO_LENGTH_SCALE;
  const distance = value(ctx, VALUE_CUTOFF) * lengthScale * MARGIN;
  // Cells one cutoff wide: three of them in a row are one run of contiguous atoms. Narrower ones were measured to be slower.
  status = sortAtoms(ctx, extents, distance, distance, lengthScale);
  if (status != STATUS_SINGULAR_CELL || count(ctx, COUNT_PERIODIC) != 7) return status;
  // So many images are the length scale's fault if they are full of neighbours, the cell's if they lie far apart.
  const sphere = (4.0 / 3.0) * Math.PI * distance * distance * distance;
  if (!((sphere / basisVolume(ctx)) * <f64>count(ctx, COUNT_ATOMS) > <f64>ROW_CAPACITY)) return status;
  store<i32>(ctx + COUNT_ERROR_ATOM, 0);
  return STATUS_TOO_DENSE;
}

/** Rows of the sorted atoms [begin, end). Rows that do not fit are only counted. */
export function findPairs(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = region(ctx, ADDRESS_SCRATCH) + worker * SCRATCH_BYTES;
  const list = scratch + SCRATCH_CANDIDATES;
  const rowX = scratch + SCRATCH_PAIRS;
  const rowY = rowX + ROW_CAPACITY * 4;
  const rowZ = rowY + ROW_CAPACITY * 4;
  const rowLink = rowZ + ROW_CAPACITY * 4;
  const n = count(ctx, COUNT_ATOMS);
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const localX = region(ctx, ADDRESS_LOCAL);
  const localY = localX + (<usize>(n + 8) << 2);
  const localZ = localY + (<usize>(n + 8) << 2);
  const species = region(ctx, ADDRESS_SORTED_SPECIES);
  const cells = region(ctx, ADDRESS_ATOM_CELL);
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const pairX = region(ctx, ADDRESS_PAIR_X);
  const pairY = region(ctx, ADDRESS_PAIR_Y);
  const pairZ = region(ctx, ADDRESS_PAIR_Z);
  const pairLink = region(ctx, ADDRESS_PAIR_LINK);
  const capacity = count(ctx, COUNT_PAIR_CAPACITY);
  const tellSpecies = count(ctx, COUNT_SPECIES_USED);
  const dense = count(ctx, GRID_DENSE);
  const basis = ctx + GRID_BASIS;
  const inverseScale: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const limit = cutoff * cutoff;
  const beyond = <f32>(2 * cutoff);
  const n0 = count(ctx, GRID_CELLS);
  const n1 = count(ctx, GRID_CELLS + 4);
  const n2 = count(ctx, GRID_CELLS + 8);
  const reach0 = count(ctx, GRID_REACH);
  const reach1 = count(ctx, GRID_REACH + 4);
  const reach2 = count(ctx, GRID_REACH + 8);
  const periodic0 = isPeriodic(ctx, 0);
  const periodic1 = isPeriodic(ctx, 1);
  const periodic2 = isPeriodic(ctx, 2);

  for (let s = begin; s < end; ++s) {
    const key = load<i64>(at8(cells, s));
    const home0 = keyIndex(key, 0);
    const home1 = keyIndex(key, 1);
    const home2 = keyIndex(key, 2);
    const here = at8(wrapped, 3 * s);
    const wx = load<f64>(here);
    const wy = load<f64>(here, 8);
    const wz = load<f64>(here, 16);
    const ownSpecies = load<i32>(at4(species, s));
    let length = 0;
    let trouble = 0;

    for (let a = home0 - reach0; a <= home0 + reach0; ++a) {
      const t0 = floorDivide(a, n0);
      if (t0 != 0 && !periodic0) continue;
      for (let b = home1 - reach1; b <= home1 + reach1; ++b) {
        const t1 = floorDivide(b, n1);
        if (t1 != 0 && !periodic1) continue;
        // Along the last axis, the cells of one image are contiguous in a dense grid and make one run.
        let c = home2 - reach2;
        while (c <= home2 + reach2) {
          const t2 = floorDivide(c, n2);
          const first = c;
          const last = dense ? min(home2 + reach2, (t2 + 1) * n2 - 1) : c;
          c = last + 1;
          if (t2 != 0 && !periodic2) continue;
          const slot = findSlot(ctx, a - t0 * n0, b - t1 * n1, first - t2 * n2);
          if (slot < 0) continue;
          let from = load<i32>(at4(slotStart, slot));
          const to = load<i32>(at4(slotStart, slot + (last - first) + 1));
          if (from == to) continue;
          const sx = <f64>t0 * loadF8(basis, 0) + <f64>t1 * loadF8(basis, 3) + <f64>t2 * loadF8(basis, 6);
          const sy = <f64>t0 * loadF8(basis, 1) + <f64>t1 * loadF8(basis, 4) + <f64>t2 * loadF8(basis, 7);
          const sz = <f64>t0 * loadF8(basis, 2) + <f64>t1 * loadF8(basis, 5) + <f64>t2 * loadF8(basis, 8);
          const still = t0 == 0 && t1 == 0 && t2 == 0;
          const hx = (wx - sx) * inverseScale;
          const hy = (wy - sy) * inverseScale;
          const hz = (wz - sz) * inverseScale;
          // Rounding of both f32 ends: candidates this much beyond the cutoff are looked at in f64.
          const slack = (abs(hx) + abs(hy) + abs(hz) + 3 * cutoff) * 5e-7;
          const reachSquared = f32x4.splat(<f32>((cutoff + slack) * (cutoff + slack) * (1 + 1e-6)));
          const x4 = f32x4.splat(<f32>hx);
          const y4 = f32x4.splat(<f32>hy);
          const z4 = f32x4.splat(<f32>hz);
          while (from < to) {
            const until = min(to, from + CANDIDATES);
            let found = list;
            for (let j = from; j < until; j += 4) {
              const dx = f32x4.sub(v128.load(at4(localX, j)), x4);
              const dy = f32x4.sub(v128.load(at4(localY, j)), y4);
              const dz = f32x4.sub(v128.load(at4(localZ, j)), z4);
              const squared = f32x4.add(f32x4.add(f32x4.mul(dx, dx), f32x4.mul(dy, dy)), f32x4.mul(dz, dz));
              let mask = i32x4.bitmask(f32x4.lt(squared, reachSquared));
              if (j + 4 > until) mask &= (1 << (until - j)) - 1;
              store<i32>(found, j);
              found += (mask & 1) << 2;
              store<i32>(found, j + 1);
              found += (mask & 2) << 1;
              store<i32>(found, j + 2);
              found += mask & 4;
              store<i32>(found, j + 3);
              found += (mask & 8) >> 1;
            }
            from = until;
            for (let at = list; at < found; at += 4) {
              const j = load<i32>(at);
              if (still && j == s) continue;
              const there = at8(wrapped, 3 * j);
              const x = (load<f64>(there) - wx + sx) * inverseScale;
              const y = (load<f64>(there, 8) - wy + sy) * inverseScale;
              const z = (load<f64>(there, 16) - wz + sz) * inverseScale;
              const squared = x * x + y * y + z * z;
              if (!(squared < limit)) continue;
              if (squared < COINCIDENT * COINCIDENT) trouble |= TROUBLE_COINCIDENT;
              if (length == ROW_CAPACITY) {
                trouble |= TROUBLE_DENSE;
                continue;
              }
              const kind = tellSpecies && load<i32>(at4(species, j)) != ownSpecies ? 1 : 0;
              const offset = <usize>length << 2;
              store<f32>(rowX + offset, <f32>x);
              store<f32>(rowY + offset, <f32>y);
              store<f32>(rowZ + offset, <f32>z);
              store<i32>(rowLink + offset, 2 * j + kind);
              length += 1;
            }
          }
        }
      }
    }

    if (trouble) atomic.or<i32>(ctx + COUNT_PAIR_TROUBLE, trouble);
    const padded = (length + 3) & ~3;
    for (let k = length; k < padded; ++k) {
      const offset = <usize>k << 2;
      store<f32>(rowX + offset, beyond);
      store<f32>(rowY + offset, 0);
      store<f32>(rowZ + offset, 0);
      store<i32>(rowLink + offset, 2 * s);
    }
    const start = atomic.add<i32>(ctx + COUNT_PAIRS_NEEDED, padded);
    store<i32>(at4(pairStart, s), start);
    store<i32>(at4(pairCount, s), length);
    // Counts of a frame too large for i32 wrap; a sum below zero is too much as well.
    if (start < 0 || start > capacity - padded) continue;
    const bytes = <usize>padded << 2;
    memory.copy(at4(pairX, start), rowX, bytes);
    memory.copy(at4(pairY, start), rowY, bytes);
    memory.copy(at4(pairZ, start), rowZ, bytes);
    memory.copy(at4(pairLink, start), rowLink, bytes);
  }
}

/** The verdict on a pair search, once all workers have finished it. */
export function finishPairs(ctx: usize): i32 {
  const trouble = count(ctx, COUNT_PAIR_TROUBLE);
  const n = count(ctx, COUNT_ATOMS);
  if (trouble & TROUBLE_DENSE) {
    const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
    const order = region(ctx, ADDRESS_ORDER);
    let first = i32.MAX_VALUE;
    for (let s = 0; s < n; ++s) {
      if (load<i32>(at4(pairCount, s)) == ROW_CAPACITY) first = min(first, load<i32>(at4(order, s)));
    }
    store<i32>(ctx + COUNT_ERROR_ATOM, first);
    return STATUS_TOO_DENSE;
  }
  const needed = count(ctx, COUNT_PAIRS_NEEDED);
  if (needed < 0 || needed > count(ctx, COUNT_PAIR_CAPACITY)) return STATUS_PAIR_OVERFLOW;
  if (trouble & TROUBLE_COINCIDENT) {
    nameClosest(ctx);
    return STATUS_COINCIDENT_ATOMS;
  }
  return STATUS_OK;
}

/** Writes the closest pair (ties: lowest atoms) into the error fields. */
function nameClosest(ctx: usize): void {
  const order = region(ctx, ADDRESS_ORDER);
  const n = count(ctx, COUNT_ATOMS);
  let least: f32 = Infinity;
  let atom = -1;
  let other = -1;
  for (let s = 0; s < n; ++s) {
    const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
    const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
    const here = load<i32>(at4(order, s));
    for (let p = start; p < start + length; ++p) {
      const x = load<f32>(at4(region(ctx, ADDRESS_PAIR_X), p));
      const y = load<f32>(at4(region(ctx, ADDRESS_PAIR_Y), p));
      const z = load<f32>(at4(region(ctx, ADDRESS_PAIR_Z), p));
      const squared = x * x + y * y + z * z;
      const there = load<i32>(at4(order, load<i32>(at4(region(ctx, ADDRESS_PAIR_LINK), p)) >> 1));
      if (there < here) continue;
      if (squared < least || (squared == least && (here < atom || (here == atom && there < other)))) {
        least = squared;
        atom = here;
        other = there;
      }
    }
  }
  store<i32>(ctx + COUNT_ERROR_ATOM, atom);
  store<i32>(ctx + COUNT_ERROR_OTHER, other);
  store<f64>(ctx + VALUE_ERROR_DISTANCE, Math.sqrt(<f64>least) * value(ctx, VALUE_LENGTH_SCALE));
}

/** Place in the row of sorted atom `row` of the pair with the link and the vector given. There is one, or the search is broken. */
function findPair(ctx: usize, row: i32, link: i32, x: f32, y: f32, z: f32): i32 {
  const links = region(ctx, ADDRESS_PAIR_LINK);
  const wanted = i32x4.splat(link);
  let p = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), row));
  const end = p + load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), row));
  for (; p < end; p += 4) {
    let mask = i32x4.bitmask(i32x4.eq(v128.load(at4(links, p)), wanted));
    while (mask) {
      const found = p + ctz(mask);
      if (
        load<f32>(at4(region(ctx, ADDRESS_PAIR_X), found)) == x &&
        load<f32>(at4(region(ctx, ADDRESS_PAIR_Y), found)) == y &&
        load<f32>(at4(region(ctx, ADDRESS_PAIR_Z), found)) == z
      ) {
        return found;
      }
      mask &= mask - 1;
    }
  }
  return unreachable();
}

/**
 * PAIR_REVERSE of the rows [begin, end): the place, in the row of the neighbour, of the pair that leads back. It links to this atom, is of
 * the same kind, and has the opposite vector.
 */
export function reversePairs(ctx: usize, begin: i32, end: i32): void {
  const links = region(ctx, ADDRESS_PAIR_LINK);
  const reverse = region(ctx, ADDRESS_PAIR_REVERSE);
  for (let s = begin; s < end; ++s) {
    const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
    const stop = start + load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
    for (let p = start; p < stop; ++p) {
      const link = load<i32>(at4(links, p));
      const x = -load<f32>(at4(region(ctx, ADDRESS_PAIR_X), p));
      const y = -load<f32>(at4(region(ctx, ADDRESS_PAIR_Y), p));
      const z = -load<f32>(at4(region(ctx, ADDRESS_PAIR_Z), p));
      store<i32>(at4(reverse, p), findPair(ctx, link >> 1, 2 * s + (link & 1), x, y, z));
    }
  }
}

/**
 * The reference's pairs in f64 and in the order given, by brute force over all atoms and images; after binAtoms, which settles basis and
 * length scale. Rows: REFERENCE_START[i] .. REFERENCE_START[i + 1] - 1.
 */
export function referencePairs(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  const capacity = count(ctx, COUNT_REFERENCE_CAPACITY);
  const positions = region(ctx, ADDRESS_POSITIONS);
  const species = region(ctx, ADDRESS_SPECIES);
  const tellSpecies = count(ctx, COUNT_SPECIES_USED);
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  const links = region(ctx, ADDRESS_REFERENCE_LINK);
  const vectors = region(ctx, ADDRESS_REFERENCE_VECTOR);
  const basis = ctx + GRID_BASIS;
  const lengthScale = value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF) * lengthScale;
  let length = 0;
  for (let i = 0; i < n; ++i) {
    store<i32>(at4(starts, i), length);
    for (let j = 0; j < n; ++j) {
      const dx = loadF8(positions, 3 * j) - loadF8(positions, 3 * i);
      const dy = loadF8(positions, 3 * j + 1) - loadF8(positions, 3 * i + 1);
      const dz = loadF8(positions, 3 * j + 2) - loadF8(positions, 3 * i + 2);
      const low0 = imageBound(ctx, 0, dx, dy, dz, -cutoff);
      const high0 = imageBound(ctx, 0, dx, dy, dz, cutoff);
      const low1 = imageBound(ctx, 1, dx, dy, dz, -cutoff);
      const high1 = imageBound(ctx, 1, dx, dy, dz, cutoff);
      const low2 = imageBound(ctx, 2, dx, dy, dz, -cutoff);
      const high2 = imageBound(ctx, 2, dx, dy, dz, cutoff);
      for (let a = low0; a <= high0; ++a) {
        for (let b = low1; b <= high1; ++b) {
          for (let c = low2; c <= high2; ++c) {
            if (i == j && a == 0 && b == 0 && c == 0) continue;
            const x = dx + <f64>a * loadF8(basis, 0) + <f64>b * loadF8(basis, 3) + <f64>c * loadF8(basis, 6);
            const y = dy + <f64>a * loadF8(basis, 1) + <f64>b * loadF8(basis, 4) + <f64>c * loadF8(basis, 7);
            const z = dz + <f64>a * loadF8(basis, 2) + <f64>b * loadF8(basis, 5) + <f64>c * loadF8(basis, 8);
            if (!(x * x + y * y + z * z < cutoff * cutoff)) continue;
            if (length < capacity) {
              const kind = tellSpecies && load<i32>(at4(species, j)) != load<i32>(at4(species, i)) ? 1 : 0;
              store<i32>(at4(links, length), 2 * j + kind);
              storeF8(vectors, 3 * length, x / lengthScale);
              storeF8(vectors, 3 * length + 1, y / lengthScale);
              storeF8(vectors, 3 * length + 2, z / lengthScale);
            }
            length += 1;
          }
        }
      }
    }
  }
  store<i32>(at4(starts, n), length);
  store<i32>(ctx + COUNT_REFERENCE_NEEDED, length);
  return length <= capacity ? STATUS_OK : STATUS_REFERENCE_OVERFLOW;
}

/** First (cutoff < 0) or last (cutoff > 0) image along an axis whose plane is within the cutoff of the vector's start. */
function imageBound(ctx: usize, axis: i32, x: f64, y: f64, z: f64, cutoff: f64): i32 {
  if (!isPeriodic(ctx, axis)) return 0;
  const inverse = ctx + GRID_BASIS + 72;
  const f = x * loadF8(inverse, axis) + y * loadF8(inverse, 3 + axis) + z * loadF8(inverse, 6 + axis);
  const bound = -f + cutoff / basisHeight(ctx, axis);
  return cutoff > 0 ? <i32>Math.ceil(bound) : <i32>Math.floor(bound);
}
