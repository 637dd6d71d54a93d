/**
 * The matrix product of densities, networks and their adjoints, in register tiles of 4 rows x 8
 * columns:
 *
 *     out[row][column] = initial[row][column] + sum_d left[row][d] right[d][column]
 *
 *     out      f32, `outStride` bytes from row to row, 16-byte aligned; overwritten
 *     initial  f32, `initialStride` bytes from row to row (0: one row for all); may be out itself;
 *              address 0 stands for zeros
 *     left     f32, `leftRow` bytes from row to row, `leftStep` bytes from d to d + 1; one of
 *              the two is 4
 *     right    f32, `rightStride` bytes from d to d + 1, columns contiguous, 16-byte aligned
 *     rows     multiple of 4; columns multiple of 8
 *
 * The sum runs over d in order for any tile, so a result does not depend on its place in a tile.
 * Eight accumulators, two columns, a broadcast and four vectors of `left` fit into sixteen
 * registers.
 */
import { madd4 } from "./vector";

/**
 * Whether numbers of `left` reach all lanes from vectors. A global of the instance, without data in
 * memory.
 */
let fromVectors: bool = false;

/**
 * Sets how `product` copies numbers to all lanes: 0, each from memory; 1, out of vectors of four.
 * Results are the same to the last bit; the faster one depends on the engine: V8 makes one
 * instruction of v128.load32_splat, Cranelift three.
 */
export function splatNumbers(flag: i32): void {
  fromVectors = flag != 0;
}

/** One lane of a vector in all lanes. */
// @ts-ignore: decorator
@inline
function lane0(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
function lane1(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 1, 1, 1, 1);
}

// @ts-ignore: decorator
@inline
function lane2(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 2, 2, 2, 2);
}

// @ts-ignore: decorator
@inline
function lane3(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 3, 3, 3, 3);
}

/** The product, with each number of `left` loaded into all lanes. */
function multiplyNumbers(
  out: usize,
  outStride: i32,
  initial: usize,
  initialStride: i32,
  left: usize,
  leftRow: i32,
  leftStep: i32,
  right: usize,
  rightStride: i32,
  rows: i32,
  columns: i32,
  depth: i32,
): void {
  for (let row = 0; row < rows; row += 4) {
    for (let column = 0; column < columns; column += 8) {
      const shift = <usize>column << 2;
      let a00 = f32x4.splat(0);
      let a01 = a00;
      let a10 = a00;
      let a11 = a00;
      let a20 = a00;
      let a21 = a00;
      let a30 = a00;
      let a31 = a00;
      if (initial) {
        const i0 = initial + row * initialStride + shift;
        const i1 = i0 + initialStride;
        const i2 = i1 + initialStride;
        const i3 = i2 + initialStride;
        a00 = v128.load(i0);
        a01 = v128.load(i0, 16);
        a10 = v128.load(i1);
        a11 = v128.load(i1, 16);
        a20 = v128.load(i2);
        a21 = v128.load(i2, 16);
        a30 = v128.load(i3);
        a31 = v128.load(i3, 16);
      }
      let l0 = left + row * leftRow;
      let l1 = l0 + leftRow;
      let l2 = l1 + leftRow;
      let l3 = l2 + leftRow;
      let r = right + shift;
      for (let d = 0; d < depth; ++d) {
        const r0 = v128.load(r);
        const r1 = v128.load(r, 16);
        const s0 = v128.load32_splat(l0);
        a00 = madd4(s0, r0, a00);
        a01 = madd4(s0, r1, a01);
        const s1 = v128.load32_splat(l1);
        a10 = madd4(s1, r0, a10);
        a11 = madd4(s1, r1, a11);
        const s2 = v128.load32_splat(l2);
        a20 = madd4(s2, r0, a20);
        a21 = madd4(s2, r1, a21);
        const s3 = v128.load32_splat(l3);
        a30 = madd4(s3, r0, a30);
        a31 = madd4(s3, r1, a31);
        l0 += leftStep;
        l1 += leftStep;
        l2 += leftStep;
        l3 += leftStep;
        r += rightStride;
      }
      const o0 = out + row * outStride + shift;
      const o1 = o0 + outStride;
      const o2 = o1 + outStride;
      const o3 = o2 + outStride;
      v128.store(o0, a00);
      v128.store(o0, a01, 16);
      v128.store(o1, a10);
      v128.store(o1, a11, 16);
      v128.store(o2, a20);
      v128.store(o2, a21, 16);
      v128.store(o3, a30);
      v128.store(o3, a31, 16);
    }
  }
}

/** The product from vectors of four numbers of a row of `left`. */
function multiplyRows(
  out: usize,
  outStride: i32,
  initial: usize,
  initialStride: i32,
  left: usize,
  leftRow: i32,
  right: usize,
  rightStride: i32,
  rows: i32,
  columns: i32,
  depth: i32,
): void {
  for (let row = 0; row < rows; row += 4) {
    for (let column = 0; column < columns; column += 8) {
      const shift = <usize>column << 2;
      let a00 = f32x4.splat(0);
      let a01 = a00;
      let a10 = a00;
      let a11 = a00;
      let a20 = a00;
      let a21 = a00;
      let a30 = a00;
      let a31 = a00;
      if (initial) {
        const i0 = initial + row * initialStride + shift;
        const i1 = i0 + initialStride;
        const i2 = i1 + initialStride;
        const i3 = i2 + initialStride;
        a00 = v128.load(i0);
        a01 = v128.load(i0, 16);
        a10 = v128.load(i1);
        a11 = v128.load(i1, 16);
        a20 = v128.load(i2);
        a21 = v128.load(i2, 16);
        a30 = v128.load(i3);
        a31 = v128.load(i3, 16);
      }
      let l0 = left + row * leftRow;
      let l1 = l0 + leftRow;
      let l2 = l1 + leftRow;
      let l3 = l2 + leftRow;
      let r = right + shift;
      let r0: v128;
      let r1: v128;
      let s: v128;
      let d = 0;
      for (; d + 4 <= depth; d += 4) {
        const v0 = v128.load(l0);
        const v1 = v128.load(l1);
        const v2 = v128.load(l2);
        const v3 = v128.load(l3);
        r0 = v128.load(r);
        r1 = v128.load(r, 16);
        s = lane0(v0);
        a00 = madd4(s, r0, a00);
        a01 = madd4(s, r1, a01);
        s = lane0(v1);
        a10 = madd4(s, r0, a10);
        a11 = madd4(s, r1, a11);
        s = lane0(v2);
        a20 = madd4(s, r0, a20);
        a21 = madd4(s, r1, a21);
        s = lane0(v3);
        a30 = madd4(s, r0, a30);
        a31 = madd4(s, r1, a31);
        r += rightStride;
        r0 = v128.load(r);
        r1 = v128.load(r, 16);
        s = lane1(v0);
        a00 = madd4(s, r0, a00);
        a01 = madd4(s, r1, a01);
        s = lane1(v1);
        a10 = madd4(s, r0, a10);
        a11 = madd4(s, r1, a11);
        s = lane1(v2);
        a20 = madd4(s, r0, a20);
        a21 = madd4(s, r1, a21);
        s = lane1(v3);
        a30 = madd4(s, r0, a30);
        a31 = madd4(s, r1, a31);
        r += rightStride;
        r0 = v128.load(r);
        r1 = v128.load(r, 16);
        s = lane2(v0);
        a00 = madd4(s, r0, a00);
        a01 = madd4(s, r1, a01);
        s = lane2(v1);
        a10 = madd4(s, r0, a10);
        a11 = madd4(s, r1, a11);
        s = lane2(v2);
        a20 = madd4(s, r0, a20);
        a21 = madd4(s, r1, a21);
        s = lane2(v3);
        a30 = madd4(s, r0, a30);
        a31 = madd4(s, r1, a31);
        r += rightStride;
        r0 = v128.load(r);
        r1 = v128.load(r, 16);
        s = lane3(v0);
        a00 = madd4(s, r0, a00);
        a01 = madd4(s, r1, a01);
        s = lane3(v1);
        a10 = madd4(s, r0, a10);
        a11 = madd4(s, r1, a11);
        s = lane3(v2);
        a20 = madd4(s, r0, a20);
        a21 = madd4(s, r1, a21);
        s = lane3(v3);
        a30 = madd4(s, r0, a30);
        a31 = madd4(s, r1, a31);
        r += rightStride;
        l0 += 16;
        l1 += 16;
        l2 += 16;
        l3 += 16;
      }
      for (; d < depth; ++d) {
        r0 = v128.load(r);
        r1 = v128.load(r, 16);
        s = v128.load32_splat(l0);
        a00 = madd4(s, r0, a00);
        a01 = madd4(s, r1, a01);
        s = v128.load32_splat(l1);
        a10 = madd4(s, r0, a10);
        a11 = madd4(s, r1, a11);
        s = v128.load32_splat(l2);
        a20 = madd4(s, r0, a20);
        a21 = madd4(s, r1, a21);
        s = v128.load32_splat(l3);
        a30 = madd4(s, r0, a30);
        a31 = madd4(s, r1, a31);
        l0 += 4;
        l1 += 4;
        l2 += 4;
        l3 += 4;
        r += rightStride;
      }
      const o0 = out + row * outStride + shift;
      const o1 = o0 + outStride;
      const o2 = o1 + outStride;
      const o3 = o2 + outStride;
      v128.store(o0, a00);
      v128.store(o0, a01, 16);
      v128.store(o1, a10);
      v128.store(o1, a11, 16);
      v128.store(o2, a20);
      v128.store(o2, a21, 16);
      v128.store(o3, a30);
      v128.store(o3, a31, 16);
    }
  }
}

/** The product from vectors of one number of each of four rows of `left`. */
function multiplyColumns(
  out: usize,
  outStride: i32,
  initial: usize,
  initialStride: i32,
  left: usize,
  leftStep: i32,
  right: usize,
  rightStride: i32,
  rows: i32,
  columns: i32,
  depth: i32,
): void {
  for (let row = 0; row < rows; row += 4) {
    for (let column = 0; column < columns; column += 8) {
      const shift = <usize>column << 2;
      let a00 = f32x4.splat(0);
      let a01 = a00;
      let a10 = a00;
      let a11 = a00;
      let a20 = a00;
      let a21 = a00;
      let a30 = a00;
      let a31 = a00;
      if (initial) {
        const i0 = initial + row * initialStride + shift;
        const i1 = i0 + initialStride;
        const i2 = i1 + initialStride;
        const i3 = i2 + initialStride;
        a00 = v128.load(i0);
        a01 = v128.load(i0, 16);
        a10 = v128.load(i1);
        a11 = v128.load(i1, 16);
        a20 = v128.load(i2);
        a21 = v128.load(i2, 16);
        a30 = v128.load(i3);
        a31 = v128.load(i3, 16);
      }
      let l = left + (<usize>row << 2);
      let r = right + shift;
      for (let d = 0; d < depth; ++d) {
        const v = v128.load(l);
        const r0 = v128.load(r);
        const r1 = v128.load(r, 16);
        const s0 = lane0(v);
        a00 = madd4(s0, r0, a00);
        a01 = madd4(s0, r1, a01);
        const s1 = lane1(v);
        a10 = madd4(s1, r0, a10);
        a11 = madd4(s1, r1, a11);
        const s2 = lane2(v);
        a20 = madd4(s2, r0, a20);
        a21 = madd4(s2, r1, a21);
        const s3 = lane3(v);
        a30 = madd4(s3, r0, a30);
        a31 = madd4(s3, r1, a31);
        l += leftStep;
        r += rightStride;
      }
      const o0 = out + row * outStride + shift;
      const o1 = o0 + outStride;
      const o2 = o1 + outStride;
      const o3 = o2 + outStride;
      v128.store(o0, a00);
      v128.store(o0, a01, 16);
      v128.store(o1, a10);
      v128.store(o1, a11, 16);
      v128.store(o2, a20);
      v128.store(o2, a21, 16);
      v128.store(o3, a30);
      v128.store(o3, a31, 16);
    }
  }
}

/** The product (see the head of this file) in the way that suits the engine. */
export function product(
  out: usize,
  outStride: i32,
  initial: usize,
  initialStride: i32,
  left: usize,
  leftRow: i32,
  leftStep: i32,
  right: usize,
  rightStride: i32,
  rows: i32,
  columns: i32,
  depth: i32,
): void {
  if (!fromVectors) {
    multiplyNumbers(out, outStride, initial, initialStride, left, leftRow, leftStep, right, rightStride, rows, columns, depth);
  } else if (leftStep == 4) {
    multiplyRows(out, outStride, initial, initialStride, left, leftRow, right, rightStride, rows, columns, depth);
  } else {
    multiplyColumns(out, outStride, initial, initialStride, left, leftStep, right, rightStride, rows, columns, depth);
  }
}
