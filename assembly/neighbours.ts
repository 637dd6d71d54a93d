/**
 * Neighbours within the cutoff.
 *
 *     r_ij = (w_j - w_i) + S B,   x_ij = r_ij / a0
 *     pairs with |x_ij| < r_c, own images (j = i, S not 0) included
 *
 * w are wrapped positions, S the whole cells between them, B as in cells.ts. Exchanging i and j
 * only changes the sign of each operation, so x_ji = -x_ij to the last bit. Vectors are computed in
 * f64 and stored as f32.
 *
 * The search ends with the first sorted atom that has more than ROW_CAPACITY neighbours, and with
 * more pairs than any memory holds. All sorted atoms before that first one were searched, so it is
 * the same one for any number of workers.
 *
 * Pairs are stored as rows. The row of sorted atom s is PAIR_COUNT[s] entries from PAIR_START[s] on
 * in every ADDRESS_PAIR_* array. A row begins at a multiple of 4 and is filled up to a multiple of
 * 4 with pairs beyond the cutoff. The place of a row depends on which worker came first, but its
 * contents do not.
 */
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_COMPACTION,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_SCRATCH,
  ADDRESS_WRAPPED,
  COUNT_ATOMS,
  COUNT_DENSE_ROW,
  COUNT_ERROR_ATOM,
  COUNT_ERROR_OTHER,
  COUNT_FEATURES,
  COUNT_LIST_CAPACITY,
  COUNT_LIST_NEEDED,
  COUNT_LIST_REUSED,
  COUNT_LIST_STATE,
  COUNT_PAIR_CAPACITY,
  COUNT_PAIR_TESTS,
  COUNT_PAIR_TROUBLE,
  COUNT_PAIRS_NEEDED,
  FEATURE_GRADIENT,
  ROW_CAPACITY,
  STATUS_ABORTED,
  STATUS_COINCIDENT_ATOMS,
  STATUS_OK,
  STATUS_PAIR_OVERFLOW,
  STATUS_TOO_DENSE,
  VALUE_CUTOFF,
  VALUE_ERROR_DISTANCE,
  VALUE_LENGTH_SCALE,
  VALUE_LIST_SKIN,
} from "./abi";
import { collectRuns, countNear, largestShift, PACKED_NEXT, packRuns, selectNear } from "./candidates";
import { LISTS_HOLD, LISTS_MADE, LISTS_NONE } from "./lists";
import { at4, at8, copyVectors, count, region, value } from "./memory";
import {
  acceptPairs,
  keepList,
  LISTED_COUNT,
  ROW_LINK,
  ROW_Y,
  ROW_Z,
  rowFromList,
  TROUBLE,
  TROUBLE_COINCIDENT,
  TROUBLE_DENSE,
  TROUBLE_UNLISTED,
} from "./rows";
import {
  CANDIDATES,
  MOST_RUNS,
  RUN_BYTES,
  SCRATCH_BYTES,
  SCRATCH_CANDIDATES,
  SCRATCH_LISTED,
  SCRATCH_NEAR,
  SCRATCH_PAIRS,
  SCRATCH_RUNS,
} from "./scratch";
import { isAborted } from "./work";

/** Bytes of a pair, and those that gradients add. */
const PAIR_BYTES: i32 = 20;
const GRADIENT_BYTES: i32 = 20;

/** Most pairs that a memory of 4 GiB holds after the other regions. */
function mostPairs(ctx: usize): i32 {
  const bytes = count(ctx, COUNT_FEATURES) & FEATURE_GRADIENT ? PAIR_BYTES + GRADIENT_BYTES : PAIR_BYTES;
  return <i32>((u32.MAX_VALUE - <u32>region(ctx, ADDRESS_PAIR_X)) / <u32>bytes);
}

/**
 * Finds the rows of the sorted atoms [begin, end). After the first that does not fit, they are only
 * counted, by candidates that may lie beyond the cutoff by a rounding: the number is no lower. One
 * that may have too many pairs is formed all the same.
 */
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
  // The cell whose surroundings are all packed, or -1.
  let packedKey: i64 = -1;
  let runCount = 0;
  let candidates = 0;
  let shift: f64 = 0;
  const most = mostPairs(ctx);
  let tests = 0;

  for (let s = begin; s < end; ++s) {
    if (s > atomic.load<i32>(ctx + COUNT_DENSE_ROW) || isAborted(ctx)) break;
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
        const limit = nearLimit(x, y, z, shift, cutoff + skin);
        const found = selectNear(packed, candidates, near, compaction, <f32>x, <f32>y, <f32>z, limit);
        tests += 1;
        length = acceptPairs(ctx, rows, length, near, found, s, packed, runs, listed, skin);
        if (length & TROUBLE_DENSE) break;
        const run = <usize>load<i32>(packed, PACKED_NEXT);
        const cursor = load<i32>(next);
        if (run == 0 && cursor < 0) break;
        if (run) candidates = packRuns(ctx, packed, runs, runCount, run, load<i32>(packed, PACKED_NEXT + 4));
        else {
          runCount = collectRuns(ctx, runs, key, cursor, next);
          candidates = packRuns(ctx, packed, runs, runCount, runs, -1);
          shift = largestShift(runs, runCount) * inverseScale;
        }
        // The first batch is gone, so the next atom of this cell starts again.
        packedKey = -1;
      }
      if (skin > 0) keepList(ctx, s, listed);
    }
    const trouble = length & TROUBLE;
    length &= ~TROUBLE;

    if (trouble) atomic.or<i32>(ctx + COUNT_PAIR_TROUBLE, trouble);
    if (trouble & TROUBLE_DENSE) {
      lower(ctx + COUNT_DENSE_ROW, s);
      break;
    }
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
    // If a frame is too large for i32, its counts wrap: a negative sum is also too much.
    if (start < 0 || start > most) break;
    if (start > capacity - padded) {
      if (reused) continue;
      s = countRows(ctx, scratch, s + 1, end, most) - 1;
      packedKey = -1;
      continue;
    }
    const bytes = padded << 2;
    copyVectors(at4(pairX, start), rows, bytes);
    copyVectors(at4(pairY, start), rows + ROW_Y, bytes);
    copyVectors(at4(pairZ, start), rows + ROW_Z, bytes);
    copyVectors(at4(pairLink, start), rows + ROW_LINK, bytes);
  }
  atomic.add<i32>(ctx + COUNT_PAIR_TESTS, tests);
}

/**
 * Candidates of a square below this are tested in f64: those within `reach`, and a little beyond,
 * because the f32 positions and shifts are rounded.
 */
// @ts-ignore: decorator
@inline
function nearLimit(x: f64, y: f64, z: f64, shift: f64, reach: f64): f32 {
  const slack = (abs(x) + abs(y) + abs(z) + shift + 3 * reach) * 5e-7;
  return <f32>((reach + slack) * (reach + slack) * (1 + 1e-6));
}

/**
 * Counts the pairs of the sorted atoms [begin, end). Returns the first of them whose row must be
 * formed, because it may have too many pairs, or `end`.
 */
function countRows(ctx: usize, scratch: usize, begin: i32, end: i32, most: i32): i32 {
  const cells = region(ctx, ADDRESS_ATOM_CELL);
  let tests = 0;
  let s = begin;
  while (s < end && s <= atomic.load<i32>(ctx + COUNT_DENSE_ROW) && !isAborted(ctx)) {
    const stop = endOfCell(cells, s, end);
    tests += countPairs(ctx, scratch, s, stop);
    const dense = takeCounts(ctx, scratch, s, stop);
    s = dense < 0 ? stop : dense;
    if (atomic.load<i32>(ctx + COUNT_PAIRS_NEEDED) > most) s = end;
    if (dense >= 0) break;
  }
  atomic.add<i32>(ctx + COUNT_PAIR_TESTS, tests);
  return s;
}

/** The end of the atoms from s on that share its cell, as many as are counted at a time. */
function endOfCell(cells: usize, s: i32, end: i32): i32 {
  const key = load<i64>(at8(cells, s));
  const last = min(end, s + CANDIDATES);
  let stop = s + 1;
  while (stop < last && load<i64>(at8(cells, stop)) == key) stop += 1;
  return stop;
}

/**
 * Counts the candidates near each of the sorted atoms [first, stop) of one cell, themselves
 * included, into SCRATCH_LISTED. Returns the number of tests.
 */
function countPairs(ctx: usize, scratch: usize, first: i32, stop: i32): i32 {
  const counts = scratch + SCRATCH_LISTED;
  const runs = scratch + SCRATCH_RUNS;
  const next = runs + MOST_RUNS * RUN_BYTES;
  const packed = scratch + SCRATCH_CANDIDATES;
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const inverseScale: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const key = load<i64>(at8(region(ctx, ADDRESS_ATOM_CELL), first));
  memory.fill(counts, 0, <usize>(stop - first) << 2);
  let runCount = collectRuns(ctx, runs, key, 0, next);
  let candidates = packRuns(ctx, packed, runs, runCount, runs, -1);
  let tests = 0;
  while (true) {
    const shift = largestShift(runs, runCount) * inverseScale;
    for (let s = first; s < stop; ++s) {
      const here = at8(wrapped, 3 * s);
      const x = load<f64>(here) * inverseScale;
      const y = load<f64>(here, 8) * inverseScale;
      const z = load<f64>(here, 16) * inverseScale;
      const found = countNear(packed, candidates, <f32>x, <f32>y, <f32>z, nearLimit(x, y, z, shift, cutoff));
      const to = at4(counts, s - first);
      store<i32>(to, load<i32>(to) + found);
    }
    tests += stop - first;
    const run = <usize>load<i32>(packed, PACKED_NEXT);
    const cursor = load<i32>(next);
    if (run == 0 && cursor < 0) return tests;
    if (run) candidates = packRuns(ctx, packed, runs, runCount, run, load<i32>(packed, PACKED_NEXT + 4));
    else {
      runCount = collectRuns(ctx, runs, key, cursor, next);
      candidates = packRuns(ctx, packed, runs, runCount, runs, -1);
    }
  }
}

/**
 * Adds the counts of the atoms [first, stop) to COUNT_PAIRS_NEEDED, up to the first that may have
 * too many pairs. Returns that atom, or -1.
 */
function takeCounts(ctx: usize, scratch: usize, first: i32, stop: i32): i32 {
  let pairs = 0;
  let dense = -1;
  for (let s = first; s < stop && dense < 0; ++s) {
    // The atom itself is one of the candidates.
    const length = load<i32>(at4(scratch + SCRATCH_LISTED, s - first)) - 1;
    if (length > ROW_CAPACITY) dense = s;
    else pairs += (length + 3) & ~3;
  }
  atomic.add<i32>(ctx + COUNT_PAIRS_NEEDED, pairs);
  return dense;
}

/** Makes the number at an address `value` if it is larger, as one step for all workers. */
function lower(address: usize, value: i32): void {
  let before = atomic.load<i32>(address);
  while (value < before) {
    const found = atomic.cmpxchg<i32>(address, before, value);
    if (found == before) return;
    before = found;
  }
}

/** The status of a pair search. Call after all workers have finished it. */
export function finishPairs(ctx: usize): i32 {
  const trouble = count(ctx, COUNT_PAIR_TROUBLE);
  const needed = count(ctx, COUNT_PAIRS_NEEDED);
  const fits = needed >= 0 && needed <= count(ctx, COUNT_PAIR_CAPACITY);
  const complete = !isAborted(ctx) && !(trouble & TROUBLE_DENSE) && fits;
  if (count(ctx, COUNT_LIST_STATE) == LISTS_MADE) {
    const listed = count(ctx, COUNT_LIST_NEEDED);
    const fit = !(trouble & TROUBLE_UNLISTED) && listed >= 0 && listed <= count(ctx, COUNT_LIST_CAPACITY);
    store<i32>(ctx + COUNT_LIST_STATE, complete && fit ? LISTS_HOLD : LISTS_NONE);
  }
  if (isAborted(ctx)) return STATUS_ABORTED;
  if (trouble & TROUBLE_DENSE) {
    const row = count(ctx, COUNT_DENSE_ROW);
    store<i32>(ctx + COUNT_ERROR_ATOM, load<i32>(at4(region(ctx, ADDRESS_ORDER), row)));
    return STATUS_TOO_DENSE;
  }
  if (!fits) return STATUS_PAIR_OVERFLOW;
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
