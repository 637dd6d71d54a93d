/**
 * Messages (docs/maths.md, "Networks and messages").
 *
 *     n_a = sum_j w_aj h_j       the first M hidden numbers of the neighbours, over the pairs of a
 *
 * Adjoint: dh_j = sum_a w_aj dn_a. A pair has the same length and kind from either end, so w_aj =
 * w_ja. Atom j gathers dh_j over its own row exactly as a gathers n_a, so one kernel does both. And
 * dw_aj = dn_a . h_j.
 */
import { addF8, at4, at8, loadF8 } from "./memory";
import { madd4, sums4 } from "./vector";

/**
 * out (f32 `width`) += sum over a row of weight_p rows[link_p >> 1], in the order of the row.
 * `rows`: f32, `stride` bytes from one to the next. `width`: a multiple of 8.
 */
export function gatherRows(out: usize, weights: usize, links: usize, length: i32, rows: usize, stride: i32, width: i32): void {
  let column = 0;
  for (; column + 32 <= width; column += 32) {
    const to = at4(out, column);
    const columns = at4(rows, column);
    let s0 = v128.load(to);
    let s1 = v128.load(to, 16);
    let s2 = v128.load(to, 32);
    let s3 = v128.load(to, 48);
    let s4 = v128.load(to, 64);
    let s5 = v128.load(to, 80);
    let s6 = v128.load(to, 96);
    let s7 = v128.load(to, 112);
    for (let p = 0; p < length; ++p) {
      const w = v128.load32_splat(at4(weights, p));
      const from = columns + (load<i32>(at4(links, p)) >> 1) * stride;
      s0 = madd4(w, v128.load(from), s0);
      s1 = madd4(w, v128.load(from, 16), s1);
      s2 = madd4(w, v128.load(from, 32), s2);
      s3 = madd4(w, v128.load(from, 48), s3);
      s4 = madd4(w, v128.load(from, 64), s4);
      s5 = madd4(w, v128.load(from, 80), s5);
      s6 = madd4(w, v128.load(from, 96), s6);
      s7 = madd4(w, v128.load(from, 112), s7);
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
    v128.store(to, s4, 64);
    v128.store(to, s5, 80);
    v128.store(to, s6, 96);
    v128.store(to, s7, 112);
  }
  for (; column + 16 <= width; column += 16) {
    const to = at4(out, column);
    const columns = at4(rows, column);
    let s0 = v128.load(to);
    let s1 = v128.load(to, 16);
    let s2 = v128.load(to, 32);
    let s3 = v128.load(to, 48);
    for (let p = 0; p < length; ++p) {
      const w = v128.load32_splat(at4(weights, p));
      const from = columns + (load<i32>(at4(links, p)) >> 1) * stride;
      s0 = madd4(w, v128.load(from), s0);
      s1 = madd4(w, v128.load(from, 16), s1);
      s2 = madd4(w, v128.load(from, 32), s2);
      s3 = madd4(w, v128.load(from, 48), s3);
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  if (column == width) return;
  const to = at4(out, column);
  const columns = at4(rows, column);
  let s0 = v128.load(to);
  let s1 = v128.load(to, 16);
  for (let p = 0; p < length; ++p) {
    const w = v128.load32_splat(at4(weights, p));
    const from = columns + (load<i32>(at4(links, p)) >> 1) * stride;
    s0 = madd4(w, v128.load(from), s0);
    s1 = madd4(w, v128.load(from, 16), s1);
  }
  v128.store(to, s0);
  v128.store(to, s1, 16);
}

/**
 * Four partial sums of the dot product of `row` and `from` over `width` numbers, a multiple of 8.
 */
// @ts-ignore: decorator
@inline
function dot4(row: usize, from: usize, width: i32): v128 {
  let even = f32x4.splat(0);
  let odd = even;
  const bytes = <usize>width << 2;
  for (let o: usize = 0; o < bytes; o += 32) {
    even = madd4(v128.load(row + o), v128.load(from + o), even);
    odd = madd4(v128.load(row + o, 16), v128.load(from + o, 16), odd);
  }
  return f32x4.add(even, odd);
}

/**
 * dw (f32, overwritten) of a row of pairs that is filled up to a multiple of 4: row (f32 `width`) .
 * rows[link_p >> 1].
 */
export function weightAdjoints(dw: usize, row: usize, links: usize, length: i32, rows: usize, stride: i32, width: i32): void {
  for (let p = 0; p < length; p += 4) {
    const link = at4(links, p);
    const s0 = dot4(row, rows + (load<i32>(link) >> 1) * stride, width);
    const s1 = dot4(row, rows + (load<i32>(link, 4) >> 1) * stride, width);
    const s2 = dot4(row, rows + (load<i32>(link, 8) >> 1) * stride, width);
    const s3 = dot4(row, rows + (load<i32>(link, 12) >> 1) * stride, width);
    v128.store(at4(dw, p), sums4(s0, s1, s2, s3));
  }
}

/** out (f64 `width`) += weight rows[index] (f64, `stride` numbers from one to the next). */
export function addRowReference(out: usize, weight: f64, rows: usize, stride: i32, index: i32, width: i32): void {
  for (let i = 0; i < width; ++i) addF8(out, i, weight * loadF8(at8(rows, stride * index), i));
}

/** Dot product of two f64 rows of `width`. */
export function dotReference(a: usize, b: usize, width: i32): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < width; ++i) sum += loadF8(a, i) * loadF8(b, i);
  return sum;
}
