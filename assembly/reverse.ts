/** The pair seen from its other end. */
import {
  ADDRESS_CURSOR,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_REVERSE,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  COUNT_ATOMS,
  COUNT_CURSOR_MARK,
  COUNT_FEATURES,
  COUNT_WORKERS,
  FEATURE_GRADIENT,
  VALUE_CUTOFF,
  VALUE_LENGTH_SCALE,
} from "./abi";
import { basisHeight, isPeriodic, MARGIN } from "./cells";
import { at4, at8, count, region, value } from "./memory";
import { isAborted } from "./work";

/**
 * Whether pair q leads back along pair p of sorted atom s. The link is enough if no two images of
 * an atom have a common neighbour (`single`).
 */
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

/** Invalidates all earlier marks, because the memory can contain anything. */
export function clearCursors(ctx: usize): void {
  const workers = count(ctx, COUNT_FEATURES) & FEATURE_GRADIENT ? count(ctx, COUNT_WORKERS) : 0;
  memory.fill(region(ctx, ADDRESS_CURSOR), 0, (<usize>count(ctx, COUNT_ATOMS) << 3) * <usize>workers);
  store<i32>(ctx + COUNT_CURSOR_MARK, 1);
}

/** Number of pairs in the row of `length` from `start` that link to atoms before sorted atom s. */
function pairsBefore(links: usize, start: i32, length: i32, s: i32): i32 {
  let before = 0;
  for (let p = start; p < start + length; ++p) before += i32(load<i32>(at4(links, p)) < 2 * s);
  return before;
}

/**
 * PAIR_REVERSE of the rows [begin, end): the place, in the row of the neighbour, of the pair that
 * leads back. That pair links to this atom, is of the same kind, and has the opposite vector.
 *
 * Rows are in the order of their atoms, unless several images of one atom are neighbours. So atoms
 * taken in order find their ways back in order. A cursor for each neighbour, stored in
 * ADDRESS_CURSOR with the mark of this call, gives the next one. Each is checked; if it does not
 * lead back, as with images, the row is searched.
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
    if (isAborted(ctx)) return;
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
          // Every pair has a way back. Without one, the search has a bug.
          if (q >= rowEnd) unreachable();
        }
      }
      store<i32>(at4(reverse, p), q);
    }
  }
}
