/**
 * Dense layers (docs/maths.md, "Networks and messages").
 *
 *     z = W x + c,   silu(z) = z / (1 + exp(-z))
 *     silu'(z) = s (1 + z (1 - s)),   s = 1 / (1 + exp(-z))
 *
 * Kernel: four atoms at a time, activations are f32 rows, one per atom. The model file stores
 * weights as output x input. They are transposed to input x output for the values (`turn`), and
 * used as stored for the adjoint dx = W^T dz.
 */
import { at4, loadF4, loadF8, storeF8, addF8 } from "./memory";
import { product } from "./product";
import { madd4, sigmoid4 } from "./vector";

/**
 * to[input][output] = from[output][input]. Rows of `to` have `width` >= outputs numbers and are
 * filled up with zeros.
 */
export function turn(to: usize, from: usize, outputs: i32, inputs: i32, width: i32): void {
  for (let input = 0; input < inputs; ++input) {
    for (let output = 0; output < width; ++output) {
      store<f32>(at4(to, input * width + output), output < outputs ? loadF4(from, output * inputs + input) : 0);
    }
  }
}

/**
 * out (4 x outputs, overwritten) = x (4 x inputs) W^T + c; `turned` is W transposed, `bias` is c.
 */
export function layerForward(out: usize, x: usize, turned: usize, bias: usize, outputs: i32, inputs: i32): void {
  product(out, outputs << 2, bias, 0, x, inputs << 2, 4, turned, outputs << 2, 4, outputs, inputs);
}

/** dx (4 x inputs, overwritten) = dz (4 x outputs) W; `weight` is W as stored. */
export function layerBackward(dx: usize, dz: usize, weight: usize, outputs: i32, inputs: i32): void {
  product(dx, inputs << 2, 0, 0, dz, outputs << 2, 4, weight, inputs << 2, 4, inputs, outputs);
}

/** out = silu(z), and z becomes silu'(z); `length` numbers, a multiple of 4. */
export function siluForward(out: usize, z: usize, length: i32): void {
  const one = f32x4.splat(1);
  const bytes = <usize>length << 2;
  for (let o: usize = 0; o < bytes; o += 16) {
    const v = v128.load(z + o);
    const s = sigmoid4(v);
    const value = f32x4.mul(v, s);
    v128.store(out + o, value);
    // s (1 + z (1 - s)) = s + silu (1 - s)
    v128.store(z + o, madd4(value, f32x4.sub(one, s), s));
  }
}

/**
 * da becomes dz = da silu'(z), with `slope` from siluForward; `length` numbers, a multiple of 4.
 */
export function siluBackward(da: usize, slope: usize, length: i32): void {
  const bytes = <usize>length << 2;
  for (let o: usize = 0; o < bytes; o += 16) {
    v128.store(da + o, f32x4.mul(v128.load(da + o), v128.load(slope + o)));
  }
}

/** z (f64 outputs) = W x + c with f32 weights and x in f64. */
export function layerReference(z: usize, x: usize, weight: usize, bias: usize, outputs: i32, inputs: i32): void {
  for (let output = 0; output < outputs; ++output) {
    let sum = <f64>loadF4(bias, output);
    for (let input = 0; input < inputs; ++input) {
      sum += <f64>loadF4(weight, output * inputs + input) * loadF8(x, input);
    }
    storeF8(z, output, sum);
  }
}

/** dx (f64 inputs, overwritten) = W^T dz. */
export function layerReferenceBackward(dx: usize, dz: usize, weight: usize, outputs: i32, inputs: i32): void {
  memory.fill(dx, 0, <usize>inputs << 3);
  for (let output = 0; output < outputs; ++output) {
    const adjoint = loadF8(dz, output);
    for (let input = 0; input < inputs; ++input) {
      addF8(dx, input, adjoint * <f64>loadF4(weight, output * inputs + input));
    }
  }
}

/** a = silu(z), f64. */
export function siluReference(a: usize, z: usize, length: i32): void {
  for (let i = 0; i < length; ++i) storeF8(a, i, loadF8(z, i) / (1 + Math.exp(-loadF8(z, i))));
}

/** da becomes dz = da silu'(z), f64. */
export function siluReferenceBackward(da: usize, z: usize, length: i32): void {
  for (let i = 0; i < length; ++i) {
    const v = loadF8(z, i);
    const s = 1 / (1 + Math.exp(-v));
    storeF8(da, i, loadF8(da, i) * s * (1 + v * (1 - s)));
  }
}
