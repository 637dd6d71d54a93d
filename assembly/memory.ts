/** Address arithmetic: no other module turns an index into an offset. */

/** Address of item `i` of an array of 2-byte items. */
// @ts-ignore: decorator
@inline
export function at2(base: usize, i: i32): usize {
  return base + ((<usize>i) << 1);
}

/** Address of item `i` of an array of 4-byte items. */
// @ts-ignore: decorator
@inline
export function at4(base: usize, i: i32): usize {
  return base + ((<usize>i) << 2);
}

/** Address of item `i` of an array of 8-byte items. */
// @ts-ignore: decorator
@inline
export function at8(base: usize, i: i32): usize {
  return base + ((<usize>i) << 3);
}

// @ts-ignore: decorator
@inline
export function loadF4(base: usize, i: i32): f32 {
  return load<f32>(at4(base, i));
}

// @ts-ignore: decorator
@inline
export function loadF8(base: usize, i: i32): f64 {
  return load<f64>(at8(base, i));
}

// @ts-ignore: decorator
@inline
export function storeF8(base: usize, i: i32, value: f64): void {
  store<f64>(at8(base, i), value);
}

// @ts-ignore: decorator
@inline
export function addF8(base: usize, i: i32, value: f64): void {
  const address = at8(base, i);
  store<f64>(address, load<f64>(address) + value);
}

/** Address of the region that a field of the context names. */
// @ts-ignore: decorator
@inline
export function region(ctx: usize, field: i32): usize {
  return <usize>load<u32>(ctx + field);
}

// @ts-ignore: decorator
@inline
export function count(ctx: usize, field: i32): i32 {
  return load<i32>(ctx + field);
}

/** Number `i` of a field of several counts. */
// @ts-ignore: decorator
@inline
export function countAt(ctx: usize, field: i32, i: i32): i32 {
  return count(ctx, field + 4 * i);
}

// @ts-ignore: decorator
@inline
export function value(ctx: usize, field: i32): f64 {
  return load<f64>(ctx + field);
}

/** Copies `bytes`, a multiple of 16. For a few dozen bytes, a call of memory.copy takes longer. */
// @ts-ignore: decorator
@inline
export function copyVectors(to: usize, from: usize, bytes: i32): void {
  for (let o = 0; o < bytes; o += 16) v128.store(to + o, v128.load(from + o));
}

/** Zeroes `bytes`, a multiple of 16. */
// @ts-ignore: decorator
@inline
export function clearVectors(to: usize, bytes: i32): void {
  for (let o = 0; o < bytes; o += 16) v128.store(to + o, i64x2.splat(0));
}
