/**
 * Messages (docs/maths.md, "Networks and messages").
 *
 *     n_a = sum_j w_aj h_j                         32 numbers an atom, over the pairs of a
 *
 * Adjoint: dh_j = sum_a w_aj dn_a. A pair has the same length and kind from either end, so w_aj = w_ja, and atom j gathers dh_j over its own
 * row just as a gathers n_a: one kernel for both. And dw_aj = dn_a . h_j.
 */
import { addF8, at4, at8, loadF8 } from "./memory";
import { sum4 } from "./vector";

/** out (f32 32) += sum over a row of weight_p rows[link_p >> 1] (f32 rows of 32), in the order of the row. */
export function gatherRows(out: usize, weights: usize, links: usize, length: i32, rows: usize): void {
  let s0 = v128.load(out);
  let s1 = v128.load(out, 16);
  let s2 = v128.load(out, 32);
  let s3 = v128.load(out, 48);
  let s4 = v128.load(out, 64);
  let s5 = v128.load(out, 80);
  let s6 = v128.load(out, 96);
  let s7 = v128.load(out, 112);
  for (let p = 0; p < length; ++p) {
    const w = v128.load32_splat(at4(weights, p));
    const from = rows + (<usize>(load<i32>(at4(links, p)) >> 1) << 7);
    s0 = f32x4.add(s0, f32x4.mul(w, v128.load(from)));
    s1 = f32x4.add(s1, f32x4.mul(w, v128.load(from, 16)));
    s2 = f32x4.add(s2, f32x4.mul(w, v128.load(from, 32)));
    s3 = f32x4.add(s3, f32x4.mul(w, v128.load(from, 48)));
    s4 = f32x4.add(s4, f32x4.mul(w, v128.load(from, 64)));
    s5 = f32x4.add(s5, f32x4.mul(w, v128.load(from, 80)));
    s6 = f32x4.add(s6, f32x4.mul(w, v128.load(from, 96)));
    s7 = f32x4.add(s7, f32x4.mul(w, v128.load(from, 112)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
  v128.store(out, s6, 96);
  v128.store(out, s7, 112);
}

/** dw (f32, overwritten) of a row: row (f32 32) . rows[link_p >> 1]. */
export function weightAdjoints(dw: usize, row: usize, links: usize, length: i32, rows: usize): void {
  const a0 = v128.load(row);
  const a1 = v128.load(row, 16);
  const a2 = v128.load(row, 32);
  const a3 = v128.load(row, 48);
  const a4 = v128.load(row, 64);
  const a5 = v128.load(row, 80);
  const a6 = v128.load(row, 96);
  const a7 = v128.load(row, 112);
  for (let p = 0; p < length; ++p) {
    const from = rows + (<usize>(load<i32>(at4(links, p)) >> 1) << 7);
    const low = f32x4.add(
      f32x4.add(f32x4.mul(a0, v128.load(from)), f32x4.mul(a1, v128.load(from, 16))),
      f32x4.add(f32x4.mul(a2, v128.load(from, 32)), f32x4.mul(a3, v128.load(from, 48))),
    );
    const high = f32x4.add(
      f32x4.add(f32x4.mul(a4, v128.load(from, 64)), f32x4.mul(a5, v128.load(from, 80))),
      f32x4.add(f32x4.mul(a6, v128.load(from, 96)), f32x4.mul(a7, v128.load(from, 112))),
    );
    store<f32>(at4(dw, p), sum4(f32x4.add(low, high)));
  }
}

/** out (f64 32) += weight rows[index] (f64 rows of 32). */
export function addRowReference(out: usize, weight: f64, rows: usize, index: i32): void {
  for (let i = 0; i < 32; ++i) addF8(out, i, weight * loadF8(at8(rows, 32 * index), i));
}

/** Dot product of two f64 rows of 32. */
export function dotReference(a: usize, b: usize): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < 32; ++i) sum += loadF8(a, i) * loadF8(b, i);
  return sum;
}
