/**
 * The matrix product of densities, networks and their adjoints, in register tiles of 4 rows x 8
 * columns:
 *
 *     out[row][column] = initial[row][column] + sum_d left[row][d] right[d][column]
 *
 *     out      f32, `outStride` bytes from row to row, 16-byte aligned; overwritten
 *     initial  f32, `initialStride` bytes from row to row (0: one row for all); may be out itself;
 *              address 0 stands for zeros
 *     left     f32, `leftRow` bytes from row to row, `leftStep` bytes from d to d + 1
 *     right    f32, `rightStride` bytes from d to d + 1, columns contiguous, 16-byte aligned
 *     rows     multiple of 4; columns multiple of 8
 *
 * The sum runs over d in order for any tile, so a result does not depend on its place in a tile.
 * The inner loop is not unrolled: eight accumulators, two columns and a broadcast fit into sixteen
 * registers.
 */
import { madd4 } from "./vector";

/**
 * Whether a number reaches all lanes as a number first, and not by the instruction for it. A global
 * of the instance, without data in memory.
 */
let byNumbers: bool = false;

/**
 * Sets the instruction by which `product` copies numbers to all lanes. Results are the same to the
 * last bit; the faster one depends on the engine: V8 makes one instruction of v128.load32_splat and
 * two of f32x4.splat(f32.load), Cranelift three and two.
 */
export function splatNumbers(flag: i32): void {
  byNumbers = flag != 0;
}

/** The number at an address in all lanes; T chooses the instruction. */
// @ts-ignore: decorator
@inline
function splat<T>(address: usize): v128 {
  return isFloat<T>() ? f32x4.splat(load<f32>(address)) : v128.load32_splat(address);
}

/** The product by the instruction that T chooses. */
function multiply<T>(
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
        const s0 = splat<T>(l0);
        a00 = madd4(s0, r0, a00);
        a01 = madd4(s0, r1, a01);
        const s1 = splat<T>(l1);
        a10 = madd4(s1, r0, a10);
        a11 = madd4(s1, r1, a11);
        const s2 = splat<T>(l2);
        a20 = madd4(s2, r0, a20);
        a21 = madd4(s2, r1, a21);
        const s3 = splat<T>(l3);
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

/** The product (see the head of this file) by the instruction that suits the engine. */
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
  if (byNumbers) {
    multiply<f32>(out, outStride, initial, initialStride, left, leftRow, leftStep, right, rightStride, rows, columns, depth);
  } else {
    multiply<i32>(out, outStride, initial, initialStride, left, leftRow, leftStep, right, rightStride, rows, columns, depth);
  }
}
