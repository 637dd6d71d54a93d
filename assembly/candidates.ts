/**
 * Candidates of the neighbour search. The atoms around a cell are packed once, and each atom of the
 * cell tests them in f32.
 */
import {
  ADDRESS_LOCAL,
  ADDRESS_SLOT_START,
  COUNT_ATOMS,
  COUNT_GRID_CELLS,
  COUNT_GRID_DENSE,
  COUNT_GRID_REACH,
  VALUE_GRID_BASIS,
  VALUE_LENGTH_SCALE,
} from "./abi";
import { findSlot, floorDivide, isPeriodic, keyIndex } from "./cells";
import { MOST_IMAGES, packImages } from "./lists";
import { at4, copyVectors, count, countAt, loadF8, region, value } from "./memory";
import { CANDIDATES, MOST_RUNS, PACKED_STRIDE, RUN_BYTES } from "./scratch";

/**
 * Offset, from x of the packed candidates, of the place where the next batch begins. In between are
 * y, z, atom and run, PACKED_STRIDE apart.
 */
export const PACKED_NEXT: i32 = 5 * PACKED_STRIDE;

/**
 * Runs: contiguous atoms in the sorted order that belong to one image, as a search from one cell
 * visits them. A record holds i32 first atom, i32 end, i32 image (packImages), and f64 x, y, z of
 * the image's shift.
 */
const RUN_END: i32 = 4;
export const RUN_IMAGE: i32 = 8;
export const RUN_X: i32 = 16;
export const RUN_Y: i32 = 24;
export const RUN_Z: i32 = 32;

/** packImages, or -1 if an image is too far away for a list. */
function imageCode(a: i32, b: i32, c: i32): i32 {
  if (max(abs(a), max(abs(b), abs(c))) > MOST_IMAGES) return -1;
  return packImages(a, b, c);
}

/**
 * Writes the runs around the cell `key`, lower atoms first. Begins with number `cursor` of the
 * visited cells. Returns the number of runs; `next` (i32) receives the number of the cell to
 * continue with, or -1 after the last.
 *
 * In a dense grid the cells of one image along the last axis are contiguous and make one run.
 */
export function collectRuns(ctx: usize, runs: usize, key: i64, cursor: i32, next: usize): i32 {
  const slotStart = region(ctx, ADDRESS_SLOT_START);
  const dense = count(ctx, COUNT_GRID_DENSE);
  const basis = ctx + VALUE_GRID_BASIS;
  const n0 = countAt(ctx, COUNT_GRID_CELLS, 0);
  const n1 = countAt(ctx, COUNT_GRID_CELLS, 1);
  const n2 = countAt(ctx, COUNT_GRID_CELLS, 2);
  const reach2 = countAt(ctx, COUNT_GRID_REACH, 2);
  const across1 = 2 * countAt(ctx, COUNT_GRID_REACH, 1) + 1;
  const across2 = 2 * reach2 + 1;
  const first0 = keyIndex(key, 0) - countAt(ctx, COUNT_GRID_REACH, 0);
  const first1 = keyIndex(key, 1) - countAt(ctx, COUNT_GRID_REACH, 1);
  const first2 = keyIndex(key, 2) - reach2;
  const all = (2 * countAt(ctx, COUNT_GRID_REACH, 0) + 1) * across1 * across2;
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
 * Packs the atoms of `runCount` runs one after the other, beginning with atom `from` of the run at
 * `run`: x, y, z (f32, units of a0, shifted), the atom and the offset of its run (i32), CANDIDATES
 * each. The rest of the last vector holds atoms far away.
 *
 * Returns the number of candidates. At PACKED_NEXT it leaves where the next batch begins: i32
 * address of the run (0: nothing is left), i32 atom.
 */
export function packRuns(ctx: usize, packed: usize, runs: usize, runCount: i32, run: usize, from: i32): i32 {
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
    // The last vector may extend beyond the run. The next one, or the filling, overwrites the
    // excess.
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
 * Selects those of the `packed` candidates whose squared distance from (x, y, z) is below `limit`.
 * Writes their numbers to `list` (i32) and returns its end.
 */
export function selectNear(packed: usize, candidates: i32, list: usize, compaction: usize, x: f32, y: f32, z: f32, limit: f32): usize {
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

/** The number of candidates that selectNear selects. */
export function countNear(packed: usize, candidates: i32, x: f32, y: f32, z: f32, limit: f32): i32 {
  const x4 = f32x4.splat(x);
  const y4 = f32x4.splat(y);
  const z4 = f32x4.splat(z);
  const limit4 = f32x4.splat(limit);
  // A lane is -1 where the candidate is near.
  let found = i32x4.splat(0);
  for (let i = 0; i < candidates; i += 4) {
    const at = at4(packed, i);
    const dx = f32x4.sub(v128.load(at), x4);
    const dy = f32x4.sub(v128.load(at, PACKED_STRIDE), y4);
    const dz = f32x4.sub(v128.load(at, 2 * PACKED_STRIDE), z4);
    const squared = f32x4.add(f32x4.add(f32x4.mul(dx, dx), f32x4.mul(dy, dy)), f32x4.mul(dz, dz));
    found = i32x4.add(found, f32x4.lt(squared, limit4));
  }
  return -(
    i32x4.extract_lane(found, 0) +
    i32x4.extract_lane(found, 1) +
    i32x4.extract_lane(found, 2) +
    i32x4.extract_lane(found, 3)
  );
}

/**
 * ADDRESS_COMPACTION: for each set of lanes, given as bits, the numbers of those lanes in order.
 */
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

/** Largest |x| + |y| + |z| over the shifts of the runs. */
export function largestShift(runs: usize, runCount: i32): f64 {
  let largest: f64 = 0;
  for (let run = runs; run < runs + runCount * RUN_BYTES; run += RUN_BYTES) {
    largest = max(largest, abs(load<f64>(run, RUN_X)) + abs(load<f64>(run, RUN_Y)) + abs(load<f64>(run, RUN_Z)));
  }
  return largest;
}
