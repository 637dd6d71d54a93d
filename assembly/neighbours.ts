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
  ADDRESS_COMPACTION,
  ADDRESS_CURSOR,
  ADDRESS_LIST_COUNT,
  ADDRESS_LIST_IMAGE,
  ADDRESS_LIST_LINK,
  ADDRESS_LIST_START,
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
  COUNT_CURSOR_MARK,
  COUNT_ERROR_ATOM,
  COUNT_ERROR_OTHER,
  COUNT_FEATURES,
  COUNT_LIST_CAPACITY,
  COUNT_LIST_MEAN,
  COUNT_LIST_NEEDED,
  COUNT_LIST_REUSED,
  COUNT_LIST_STATE,
  COUNT_PAIR_CAPACITY,
  COUNT_PAIR_TROUBLE,
  COUNT_PAIRS_NEEDED,
  COUNT_PERIODIC,
  COUNT_REFERENCE_CAPACITY,
  COUNT_REFERENCE_NEEDED,
  COUNT_REVERSE_READY,
  COUNT_SPECIES_USED,
  COUNT_WORKERS,
  FEATURE_GRADIENT,
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
  VALUE_GRID_UNIT,
  VALUE_LENGTH_SCALE,
  VALUE_LENGTH_SCALE_GIVEN,
  VALUE_LIST_SKIN,
} from "./layout";
import { formLengthScale } from "./lengthscale";
import {
  beginLists,
  imagesAlong,
  LISTS_HOLD,
  LISTS_MADE,
  LISTS_NONE,
  MOST_IMAGES,
  packImages,
  renewLists,
  wantedSkin,
} from "./lists";
import { at4, at8, copyVectors, count, loadF8, region, storeF8, value } from "./memory";
import {
  CANDIDATES,
  MOST_RUNS,
  PACKED_STRIDE,
  ROW_STRIDE,
  RUN_BYTES,
  SCRATCH_BYTES,
  SCRATCH_CANDIDATES,
  SCRATCH_LISTED,
  SCRATCH_NEAR,
  SCRATCH_PAIRS,
  SCRATCH_RUNS,
  SCRATCH_UNIT_X,
} from "./scratch";

/** Atoms closer than this, in units of a0, are refused. */
const COINCIDENT: f64 = 0.05;
/** Cells a little wider than needed, so that rounding of a cell index cannot lose a pair. */
const MARGIN: f64 = 1.00001;

/** Bits of COUNT_PAIR_TROUBLE, above those of a row's length. */
const TROUBLE_COINCIDENT: i32 = 1 << 16;
const TROUBLE_DENSE: i32 = 1 << 17;
const TROUBLE: i32 = TROUBLE_COINCIDENT | TROUBLE_DENSE;
/** Some atom has no list. */
const TROUBLE_UNLISTED: i32 = 1 << 18;

/** The list at hand: places of the images and of the count behind the links. */
const LISTED_IMAGE: i32 = CANDIDATES * 4;
const LISTED_COUNT: i32 = 2 * LISTED_IMAGE;

/** The candidates at hand: places of y, z, atom and run behind x, and of where the next batch begins. */
const PACKED_NEXT: i32 = 5 * PACKED_STRIDE;

/** The row at hand in the scratch memory: places of y, z and link behind x. */
const ROW_Y: i32 = ROW_STRIDE;
const ROW_Z: i32 = 2 * ROW_STRIDE;
const ROW_LINK: i32 = 3 * ROW_STRIDE;

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
  if (count(ctx, COUNT_CURSOR_MARK) == 0) clearCursors(ctx);
  let status = checkPositions(ctx);
  if (status != STATUS_OK) return status;
  status = formBasis(ctx);
  if (status != STATUS_OK) return status;
  const given = value(ctx, VALUE_LENGTH_SCALE_GIVEN);
  // Squares and reciprocals of the length scale are formed, so it must stay away from the ends of the range.
  if (given != 0 && !(given > 1e-100 && given < 1e100)) return STATUS_BAD_LENGTH_SCALE;
  const skin = wantedSkin(ctx);
  if (skin > 0 && reuseLists(ctx, given)) return STATUS_OK;
  store<i32>(ctx + COUNT_LIST_REUSED, 0);
  store<i32>(ctx + COUNT_LIST_STATE, LISTS_NONE);
  const reach = (value(ctx, VALUE_CUTOFF) + skin) * MARGIN;
  const extents = region(ctx, ADDRESS_SCRATCH) + SCRATCH_UNIT_X;
  findOrigin(ctx, extents);
  const lengthScale = given != 0 ? given : formLengthScale(ctx, extents, reach);
  store<f64>(ctx + VALUE_LENGTH_SCALE, lengthScale);
  if (!(lengthScale > 0)) return STATUS_NO_LENGTH_SCALE;
  const distance = reach * lengthScale;
  // The estimate may have left the atoms sorted just so.
  const mean = given == 0 && value(ctx, VALUE_GRID_UNIT) == lengthScale;
  // Cells one cutoff wide: three of them in a row are one run of contiguous atoms. Narrower ones were measured to be slower.
  if (!mean) status = sortAtoms(ctx, extents, distance, distance, lengthScale);
  if (status == STATUS_OK && skin > 0) {
    beginLists(ctx, skin);
    store<i32>(ctx + COUNT_LIST_MEAN, mean ? 1 : 0);
  }
  if (status != STATUS_SINGULAR_CELL || count(ctx, COUNT_PERIODIC) != 7) return status;
  // So many images are the length scale's fault if they are full of neighbours, the cell's if they lie far apart.
  const sphere = (4.0 / 3.0) * Math.PI * distance * distance * distance;
  if (!((sphere / basisVolume(ctx)) * <f64>count(ctx, COUNT_ATOMS) > <f64>ROW_CAPACITY)) return status;
  store<i32>(ctx + COUNT_ERROR_ATOM, 0);
  return STATUS_TOO_DENSE;
}

/**
 * Runs: what a search from one cell visits, atoms that are contiguous in the sorted order and belong to one image. A record holds i32 first
 * atom, i32 end, i32 image (packImages), and f64 x, y, z of the image's shift.
 */
const RUN_END: i32 = 4;
const RUN_IMAGE: i32 = 8;
const RUN_X: i32 = 16;
const RUN_Y: i32 = 24;
const RUN_Z: i32 = 32;

/** packImages, or -1 for images too far away for a list. */
function imageCode(a: i32, b: i32, c: i32): i32 {
  if (max(abs(a), max(abs(b), abs(c))) > MOST_IMAGES) return -1;
  return packImages(a, b, c);
}

/**
 * Writes the runs around the cell `key`, those of lower atoms first, beginning with the cell number `cursor` of those visited; returns how many
 * they are, and in `next` (i32) the number to go on with, -1 after the last. In a dense grid the cells of one image along the last axis are
 * contiguous and make one run.
 */
function collectRuns(ctx: usize, runs: usize, key: i64, cursor: i32, next: usize): i32 {
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const dense = count(ctx, GRID_DENSE);
  const basis = ctx + GRID_BASIS;
  const n0 = count(ctx, GRID_CELLS);
  const n1 = count(ctx, GRID_CELLS + 4);
  const n2 = count(ctx, GRID_CELLS + 8);
  const reach2 = count(ctx, GRID_REACH + 8);
  const across1 = 2 * count(ctx, GRID_REACH + 4) + 1;
  const across2 = 2 * reach2 + 1;
  const first0 = keyIndex(key, 0) - count(ctx, GRID_REACH);
  const first1 = keyIndex(key, 1) - count(ctx, GRID_REACH + 4);
  const first2 = keyIndex(key, 2) - reach2;
  const all = (2 * count(ctx, GRID_REACH) + 1) * across1 * across2;
  let found = 0;
  while (cursor < all && found < MOST_RUNS) {
    const row = cursor / across2;
    const a = first0 + row / across1;
    const b = first1 + (row % across1);
    const c = first2 + (cursor % across2);
    const t0 = floorDivide(a, n0);
    const t1 = floorDivide(b, n1);
    if ((t0 != 0 && !isPeriodic(ctx, 0)) || (t1 != 0 && !isPeriodic(ctx, 1))) {
      cursor = (row + 1) * across2;
      continue;
    }
    const t2 = floorDivide(c, n2);
    const last = dense ? min(first2 + across2 - 1, (t2 + 1) * n2 - 1) : c;
    cursor += last - c + 1;
    if (t2 != 0 && !isPeriodic(ctx, 2)) continue;
    const slot = findSlot(ctx, a - t0 * n0, b - t1 * n1, c - t2 * n2);
    if (slot < 0) continue;
    const from = load<i32>(at4(slotStart, slot));
    const to = load<i32>(at4(slotStart, slot + (last - c) + 1));
    if (from == to) continue;
    let run = runs + found * RUN_BYTES;
    while (run > runs && load<i32>(run - RUN_BYTES) > from) {
      copyVectors(run, run - RUN_BYTES, RUN_BYTES);
      run -= RUN_BYTES;
    }
    store<i32>(run, from);
    store<i32>(run, to, RUN_END);
    store<i32>(run, imageCode(t0, t1, t2), RUN_IMAGE);
    store<f64>(run, <f64>t0 * loadF8(basis, 0) + <f64>t1 * loadF8(basis, 3) + <f64>t2 * loadF8(basis, 6), RUN_X);
    store<f64>(run, <f64>t0 * loadF8(basis, 1) + <f64>t1 * loadF8(basis, 4) + <f64>t2 * loadF8(basis, 7), RUN_Y);
    store<f64>(run, <f64>t0 * loadF8(basis, 2) + <f64>t1 * loadF8(basis, 5) + <f64>t2 * loadF8(basis, 8), RUN_Z);
    found += 1;
  }
  store<i32>(next, cursor < all ? cursor : -1);
  return found;
}

/**
 * Packs the atoms of `runCount` runs, from atom `from` of the run at `run` on, one after the other: x, y, z (f32, units of a0, shifted), the atom
 * and the offset of its run (i32), CANDIDATES each and filled up with atoms far away. Returns how many they are; where the next batch begins stands
 * behind them: i32 address of the run (0: nothing is left), i32 atom.
 */
function packRuns(ctx: usize, packed: usize, runs: usize, runCount: i32, run: usize, from: i32): i32 {
  const stride = <usize>(count(ctx, COUNT_ATOMS) + 8) << 2;
  const localX = region(ctx, ADDRESS_LOCAL);
  const localY = localX + stride;
  const localZ = localY + stride;
  const inverseScale: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const lanes = i32x4(0, 1, 2, 3);
  const end = runs + runCount * RUN_BYTES;
  const last = packed + (CANDIDATES << 2);
  let to = packed;
  for (; run < end; run += RUN_BYTES) {
    const stop = load<i32>(run, RUN_END);
    if (from < 0) from = load<i32>(run);
    const x = f32x4.splat(<f32>(load<f64>(run, RUN_X) * inverseScale));
    const y = f32x4.splat(<f32>(load<f64>(run, RUN_Y) * inverseScale));
    const z = f32x4.splat(<f32>(load<f64>(run, RUN_Z) * inverseScale));
    const offset = i32x4.splat(<i32>(run - runs));
    const until = min(stop, from + <i32>((last - to) >> 2));
    // The last vector may go beyond the run: the next one, or the filling, overwrites that.
    for (let j = from; j < until; j += 4) {
      v128.store(to, f32x4.add(v128.load(at4(localX, j)), x));
      v128.store(to, f32x4.add(v128.load(at4(localY, j)), y), PACKED_STRIDE);
      v128.store(to, f32x4.add(v128.load(at4(localZ, j)), z), 2 * PACKED_STRIDE);
      v128.store(to, i32x4.add(i32x4.splat(j), lanes), 3 * PACKED_STRIDE);
      v128.store(to, offset, 4 * PACKED_STRIDE);
      to += 16;
    }
    to -= (((until - from + 3) & ~3) - (until - from)) << 2;
    if (until < stop) {
      from = until;
      break;
    }
    from = -1;
  }
  v128.store(to, f32x4.splat(1e30));
  store<i32>(packed, run < end ? <i32>run : 0, PACKED_NEXT);
  store<i32>(packed, from, PACKED_NEXT + 4);
  return <i32>((to - packed) >> 2);
}

/**
 * Writes the pair vector from (wx, wy, wz) to sorted atom j, shifted by (sx, sy, sz), to the place `row` of the row at hand, whether it is a pair or not;
 * returns its square, units of a0.
 */
// @ts-ignore: decorator
@inline
function formPair(row: usize, wrapped: usize, j: i32, wx: f64, wy: f64, wz: f64, sx: f64, sy: f64, sz: f64, inverse: f64): f64 {
  const there = at8(wrapped, 3 * j);
  const x = (load<f64>(there) - wx + sx) * inverse;
  const y = (load<f64>(there, 8) - wy + sy) * inverse;
  const z = (load<f64>(there, 16) - wz + sz) * inverse;
  store<f32>(row, <f32>x);
  store<f32>(row, <f32>y, ROW_Y);
  store<f32>(row, <f32>z, ROW_Z);
  return x * x + y * y + z * z;
}

/**
 * Which of the candidates (i32, their numbers among the packed, from `near` to `end`) are pairs of sorted atom s, in f64: they are added to its row,
 * which is `length` long (with the bits of its troubles); returns what that becomes. With a skin, those within it are added to `listed`, too, an i32
 * count behind link and image of each; the count goes beyond CANDIDATES, or far beyond, where they are no list.
 */
function acceptPairs(
  ctx: usize,
  rows: usize,
  length: i32,
  near: usize,
  end: usize,
  s: i32,
  packed: usize,
  runs: usize,
  listed: usize,
  skin: f64,
): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const species = region(ctx, ADDRESS_SORTED_SPECIES);
  const here = at8(wrapped, 3 * s);
  const wx = load<f64>(here);
  const wy = load<f64>(here, 8);
  const wz = load<f64>(here, 16);
  const inverse: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const limit = cutoff * cutoff;
  const listLimit = skin > 0 ? (cutoff + skin) * (cutoff + skin) : 0;
  const ownSpecies = load<i32>(at4(species, s));
  const tellSpecies = count(ctx, COUNT_SPECIES_USED);
  const still = packImages(0, 0, 0);
  let listedCount = load<i32>(listed, LISTED_COUNT);
  let trouble = length & TROUBLE;
  let row = rows + (<usize>(length & ~TROUBLE) << 2);
  for (let at = near; at < end; at += 4) {
    const candidate = at4(packed, load<i32>(at));
    const j = load<i32>(candidate, 3 * PACKED_STRIDE);
    const run = runs + load<i32>(candidate, 4 * PACKED_STRIDE);
    const image = load<i32>(run, RUN_IMAGE);
    if (j == s && image == still) continue;
    const squared = formPair(
      row,
      wrapped,
      j,
      wx,
      wy,
      wz,
      load<f64>(run, RUN_X),
      load<f64>(run, RUN_Y),
      load<f64>(run, RUN_Z),
      inverse,
    );
    const kind = tellSpecies && load<i32>(at4(species, j)) != ownSpecies ? 1 : 0;
    if (squared < listLimit) {
      if (listedCount < CANDIDATES) {
        store<i32>(at4(listed, listedCount), 2 * j + kind);
        store<i32>(at4(listed, listedCount), image, LISTED_IMAGE);
      }
      listedCount += image < 0 ? CANDIDATES + 1 : 1;
    }
    if (!(squared < limit)) continue;
    if (squared < COINCIDENT * COINCIDENT) trouble |= TROUBLE_COINCIDENT;
    if (row == rows + ROW_CAPACITY * 4) {
      trouble |= TROUBLE_DENSE;
      continue;
    }
    store<i32>(row, 2 * j + kind, ROW_LINK);
    row += 4;
  }
  store<i32>(listed, listedCount, LISTED_COUNT);
  return <i32>((row - rows) >> 2) | trouble;
}

/** The row of sorted atom s from its list; its length, with the bits of its troubles. */
function rowFromList(ctx: usize, rows: usize, s: i32): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const here = at8(wrapped, 3 * s);
  const wx = load<f64>(here);
  const wy = load<f64>(here, 8);
  const wz = load<f64>(here, 16);
  const inverse: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const limit = cutoff * cutoff;
  const basis = ctx + GRID_BASIS;
  const start = load<i32>(at4(region(ctx, ADDRESS_LIST_START), s));
  const stop = start + load<i32>(at4(region(ctx, ADDRESS_LIST_COUNT), s));
  const links = region(ctx, ADDRESS_LIST_LINK);
  const images = region(ctx, ADDRESS_LIST_IMAGE);
  let trouble = 0;
  let row = rows;
  let image = packImages(0, 0, 0);
  let sx: f64 = 0;
  let sy: f64 = 0;
  let sz: f64 = 0;
  for (let p = start; p < stop; ++p) {
    const link = load<i32>(at4(links, p));
    const next = load<i32>(at4(images, p));
    if (next != image) {
      image = next;
      const a = <f64>imagesAlong(image, 0);
      const b = <f64>imagesAlong(image, 1);
      const c = <f64>imagesAlong(image, 2);
      sx = a * loadF8(basis, 0) + b * loadF8(basis, 3) + c * loadF8(basis, 6);
      sy = a * loadF8(basis, 1) + b * loadF8(basis, 4) + c * loadF8(basis, 7);
      sz = a * loadF8(basis, 2) + b * loadF8(basis, 5) + c * loadF8(basis, 8);
    }
    const squared = formPair(row, wrapped, link >> 1, wx, wy, wz, sx, sy, sz, inverse);
    if (!(squared < limit)) continue;
    if (squared < COINCIDENT * COINCIDENT) trouble |= TROUBLE_COINCIDENT;
    if (row == rows + ROW_CAPACITY * 4) {
      trouble |= TROUBLE_DENSE;
      continue;
    }
    store<i32>(row, link, ROW_LINK);
    row += 4;
  }
  return <i32>((row - rows) >> 2) | trouble;
}

/** Keeps the list of sorted atom s, `listed` as acceptPairs left it, where there is room. */
function keepList(ctx: usize, s: i32, listed: usize): void {
  const length = load<i32>(listed, LISTED_COUNT);
  if (length > CANDIDATES) {
    // Never true again, so that finishPairs finds no room.
    atomic.or<i32>(ctx + COUNT_PAIR_TROUBLE, TROUBLE_UNLISTED);
    return;
  }
  const padded = (length + 3) & ~3;
  const start = atomic.add<i32>(ctx + COUNT_LIST_NEEDED, padded);
  store<i32>(at4(region(ctx, ADDRESS_LIST_START), s), start);
  store<i32>(at4(region(ctx, ADDRESS_LIST_COUNT), s), length);
  if (start < 0 || start > count(ctx, COUNT_LIST_CAPACITY) - padded) return;
  copyVectors(at4(region(ctx, ADDRESS_LIST_LINK), start), listed, padded << 2);
  copyVectors(at4(region(ctx, ADDRESS_LIST_IMAGE), start), listed + LISTED_IMAGE, padded << 2);
}

/** The numbers of those of the `packed` candidates that are within the root of `limit` of (x, y, z), into `list` (i32); returns its end. */
function selectNear(packed: usize, candidates: i32, list: usize, compaction: usize, x: f32, y: f32, z: f32, limit: f32): usize {
  const x4 = f32x4.splat(x);
  const y4 = f32x4.splat(y);
  const z4 = f32x4.splat(z);
  const limit4 = f32x4.splat(limit);
  for (let i = 0; i < candidates; i += 4) {
    const at = at4(packed, i);
    const dx = f32x4.sub(v128.load(at), x4);
    const dy = f32x4.sub(v128.load(at, PACKED_STRIDE), y4);
    const dz = f32x4.sub(v128.load(at, 2 * PACKED_STRIDE), z4);
    const squared = f32x4.add(f32x4.add(f32x4.mul(dx, dx), f32x4.mul(dy, dy)), f32x4.mul(dz, dz));
    const mask = i32x4.bitmask(f32x4.lt(squared, limit4));
    v128.store(list, i32x4.add(i32x4.splat(i), v128.load(compaction + (mask << 4))));
    list += popcnt(mask) << 2;
  }
  return list;
}

/** ADDRESS_COMPACTION: for each set of lanes, as bits, the numbers of those lanes one after the other. */
export function prepareCompaction(table: usize): void {
  for (let mask = 0; mask < 16; ++mask) {
    let found = 0;
    for (let lane = 0; lane < 4; ++lane) {
      if (mask & (1 << lane)) {
        store<i32>(at4(table, 4 * mask + found), lane);
        found += 1;
      }
    }
  }
}

/** Largest |x| + |y| + |z| of the shifts of runs. */
function largestShift(runs: usize, runCount: i32): f64 {
  let largest: f64 = 0;
  for (let run = runs; run < runs + runCount * RUN_BYTES; run += RUN_BYTES) {
    largest = max(largest, abs(load<f64>(run, RUN_X)) + abs(load<f64>(run, RUN_Y)) + abs(load<f64>(run, RUN_Z)));
  }
  return largest;
}

/** Whether the lists of a load before hold: then the length scale is that given or, where theirs was, that of the mean volume. */
function reuseLists(ctx: usize, given: f64): bool {
  if (count(ctx, COUNT_LIST_STATE) != LISTS_HOLD) return false;
  let lengthScale = given;
  if (given == 0) {
    if (!count(ctx, COUNT_LIST_MEAN) || count(ctx, COUNT_PERIODIC) != 7) return false;
    lengthScale = Math.cbrt(basisVolume(ctx) / <f64>count(ctx, COUNT_ATOMS));
  }
  if (!renewLists(ctx, lengthScale)) return false;
  store<f64>(ctx + VALUE_LENGTH_SCALE, lengthScale);
  store<i32>(ctx + COUNT_LIST_REUSED, 1);
  return true;
}

/** Rows of the sorted atoms [begin, end). Rows that do not fit are only counted. */
export function findPairs(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = region(ctx, ADDRESS_SCRATCH) + worker * SCRATCH_BYTES;
  const near = scratch + SCRATCH_NEAR;
  const listed = scratch + SCRATCH_LISTED;
  const runs = scratch + SCRATCH_RUNS;
  const next = runs + MOST_RUNS * RUN_BYTES;
  const packed = scratch + SCRATCH_CANDIDATES;
  const compaction = region(ctx, ADDRESS_COMPACTION);
  const rows = scratch + SCRATCH_PAIRS;
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const cells = region(ctx, ADDRESS_ATOM_CELL);
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const pairX = region(ctx, ADDRESS_PAIR_X);
  const pairY = region(ctx, ADDRESS_PAIR_Y);
  const pairZ = region(ctx, ADDRESS_PAIR_Z);
  const pairLink = region(ctx, ADDRESS_PAIR_LINK);
  const capacity = count(ctx, COUNT_PAIR_CAPACITY);
  const inverseScale: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const beyond = <f32>(2 * cutoff);
  const reused = count(ctx, COUNT_LIST_REUSED);
  const skin = !reused && count(ctx, COUNT_LIST_STATE) == LISTS_MADE ? value(ctx, VALUE_LIST_SKIN) : 0;
  // All that this cell visits is packed, or it is -1.
  let packedKey: i64 = -1;
  let runCount = 0;
  let candidates = 0;
  let shift: f64 = 0;

  for (let s = begin; s < end; ++s) {
    let length = 0;
    if (reused) length = rowFromList(ctx, rows, s);
    else {
      const key = load<i64>(at8(cells, s));
      const here = at8(wrapped, 3 * s);
      const x = load<f64>(here) * inverseScale;
      const y = load<f64>(here, 8) * inverseScale;
      const z = load<f64>(here, 16) * inverseScale;
      if (key != packedKey) {
        runCount = collectRuns(ctx, runs, key, 0, next);
        candidates = packRuns(ctx, packed, runs, runCount, runs, -1);
        shift = largestShift(runs, runCount) * inverseScale;
        packedKey = key;
      }
      store<i32>(listed, 0, LISTED_COUNT);
      while (true) {
        // Rounding of the f32 positions and shifts: candidates this much beyond the cutoff are looked at in f64.
        const slack = (abs(x) + abs(y) + abs(z) + shift + 3 * (cutoff + skin)) * 5e-7;
        const limit = <f32>((cutoff + skin + slack) * (cutoff + skin + slack) * (1 + 1e-6));
        const found = selectNear(packed, candidates, near, compaction, <f32>x, <f32>y, <f32>z, limit);
        length = acceptPairs(ctx, rows, length, near, found, s, packed, runs, listed, skin);
        const run = <usize>load<i32>(packed, PACKED_NEXT);
        const cursor = load<i32>(next);
        if (run == 0 && cursor < 0) break;
        if (run) candidates = packRuns(ctx, packed, runs, runCount, run, load<i32>(packed, PACKED_NEXT + 4));
        else {
          runCount = collectRuns(ctx, runs, key, cursor, next);
          candidates = packRuns(ctx, packed, runs, runCount, runs, -1);
          shift = largestShift(runs, runCount) * inverseScale;
        }
        // The first ones are gone, so the next atom of this cell begins anew.
        packedKey = -1;
      }
      if (skin > 0) keepList(ctx, s, listed);
    }
    const trouble = length & TROUBLE;
    length &= ~TROUBLE;

    if (trouble) atomic.or<i32>(ctx + COUNT_PAIR_TROUBLE, trouble);
    const padded = (length + 3) & ~3;
    for (let k = length; k < padded; ++k) {
      const filler = at4(rows, k);
      store<f32>(filler, beyond);
      store<f32>(filler, 0, ROW_Y);
      store<f32>(filler, 0, ROW_Z);
      store<i32>(filler, 2 * s, ROW_LINK);
    }
    const start = atomic.add<i32>(ctx + COUNT_PAIRS_NEEDED, padded);
    store<i32>(at4(pairStart, s), start);
    store<i32>(at4(pairCount, s), length);
    // Counts of a frame too large for i32 wrap; a sum below zero is too much as well.
    if (start < 0 || start > capacity - padded) continue;
    const bytes = padded << 2;
    copyVectors(at4(pairX, start), rows, bytes);
    copyVectors(at4(pairY, start), rows + ROW_Y, bytes);
    copyVectors(at4(pairZ, start), rows + ROW_Z, bytes);
    copyVectors(at4(pairLink, start), rows + ROW_LINK, bytes);
  }
}

/** The verdict on a pair search, once all workers have finished it. */
export function finishPairs(ctx: usize): i32 {
  const trouble = count(ctx, COUNT_PAIR_TROUBLE);
  const n = count(ctx, COUNT_ATOMS);
  if (count(ctx, COUNT_LIST_STATE) == LISTS_MADE) {
    const listed = count(ctx, COUNT_LIST_NEEDED);
    const hold = !(trouble & TROUBLE_UNLISTED) && listed >= 0 && listed <= count(ctx, COUNT_LIST_CAPACITY);
    store<i32>(ctx + COUNT_LIST_STATE, hold ? LISTS_HOLD : LISTS_NONE);
  }
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

/** Whether pair q leads back along pair p of sorted atom s; the link says it all where no two images of an atom have a common neighbour. */
// @ts-ignore: decorator
@inline
function leadsBack(links: usize, xs: usize, ys: usize, zs: usize, q: i32, p: i32, s: i32, single: bool): bool {
  if (load<i32>(at4(links, q)) != 2 * s + (load<i32>(at4(links, p)) & 1)) return false;
  if (single) return true;
  return (
    load<f32>(at4(xs, q)) == -load<f32>(at4(xs, p)) &&
    load<f32>(at4(ys, q)) == -load<f32>(at4(ys, p)) &&
    load<f32>(at4(zs, q)) == -load<f32>(at4(zs, p))
  );
}

/** No mark that was there before counts, in a memory that may have held anything. */
function clearCursors(ctx: usize): void {
  const workers = count(ctx, COUNT_FEATURES) & FEATURE_GRADIENT ? count(ctx, COUNT_WORKERS) : 0;
  memory.fill(region(ctx, ADDRESS_CURSOR), 0, (<usize>count(ctx, COUNT_ATOMS) << 3) * <usize>workers);
  store<i32>(ctx + COUNT_CURSOR_MARK, 1);
}

/** Pairs of the row from `start` of `length` that link to atoms before sorted atom s. */
function pairsBefore(links: usize, start: i32, length: i32, s: i32): i32 {
  let before = 0;
  for (let p = start; p < start + length; ++p) before += i32(load<i32>(at4(links, p)) < 2 * s);
  return before;
}

/**
 * PAIR_REVERSE of the rows [begin, end): the place, in the row of the neighbour, of the pair that leads back. It links to this atom, is of
 * the same kind, and has the opposite vector.
 *
 * Rows are in the order of their atoms, unless several images of one atom are neighbours. So atoms taken in order find their ways back in order: a
 * cursor for each neighbour, in ADDRESS_CURSOR beside the mark of this call, says which is next. What it points to is checked; where it is
 * not the way back, as with images, the row is searched.
 */
export function reversePairs(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const links = region(ctx, ADDRESS_PAIR_LINK);
  const xs = region(ctx, ADDRESS_PAIR_X);
  const ys = region(ctx, ADDRESS_PAIR_Y);
  const zs = region(ctx, ADDRESS_PAIR_Z);
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const reverse = region(ctx, ADDRESS_PAIR_REVERSE);
  const cursors = at8(region(ctx, ADDRESS_CURSOR), worker * count(ctx, COUNT_ATOMS));
  const reach = 2 * value(ctx, VALUE_CUTOFF) * value(ctx, VALUE_LENGTH_SCALE) * MARGIN;
  let single = true;
  for (let axis = 0; axis < 3; ++axis) single = single && !(isPeriodic(ctx, axis) && basisHeight(ctx, axis) < reach);
  const mark = atomic.add<i32>(ctx + COUNT_CURSOR_MARK, 1);
  for (let s = begin; s < end; ++s) {
    const start = load<i32>(at4(pairStart, s));
    const stop = start + load<i32>(at4(pairCount, s));
    for (let p = start; p < stop; ++p) {
      const j = load<i32>(at4(links, p)) >> 1;
      const cursor = at8(cursors, j);
      const row = load<i32>(at4(pairStart, j));
      let q = row;
      if (load<i32>(cursor, 4) == mark) q = load<i32>(cursor);
      else {
        q += pairsBefore(links, row, load<i32>(at4(pairCount, j)), begin);
        store<i32>(cursor, mark, 4);
      }
      store<i32>(cursor, q + 1);
      if (!leadsBack(links, xs, ys, zs, q, p, s, single)) {
        const rowEnd = row + load<i32>(at4(pairCount, j));
        for (q = row; !leadsBack(links, xs, ys, zs, q, p, s, single); ++q) {
          // There is a way back, or the search is broken.
          if (q >= rowEnd) unreachable();
        }
      }
      store<i32>(at4(reverse, p), q);
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
