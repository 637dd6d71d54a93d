/**
 * Densities (docs/maths.md, "Densities").
 *
 *     A[lm][k] = sum_j R_k(r_j) C_lm(u_j) / nu_lm            49 x 16 an atom, f32, nu as in harmonics.ts
 *
 * Kernel: CHUNK neighbours at a time are a product of a 48 x n and an n x 16 matrix; lm = 0 is the sum of R.
 * Adjoint: dR[j][k] = sum_lm dA[lm][k] C[lm][j], dC[lm][j] = sum_k dA[lm][k] R[j][k]; then down to the pair vectors.
 */
import { ADDRESS_HARMONICS } from "./layout";
import { harmonicsBackward, harmonicsForward, harmonicsReference, harmonicsReferenceBackward } from "./harmonics";
import { addF8, at8, loadF8, region } from "./memory";
import { product } from "./product";
import {
  chunkGeometry,
  radialBackward,
  radialForward,
  radialReference,
  radialReferenceSlope,
  radialSlopes,
  turnRadial,
} from "./radial";
import {
  CHUNK,
  CHUNK_BYTES,
  SCRATCH_HARMONICS,
  SCRATCH_HARMONICS_ADJOINT,
  SCRATCH_LENGTH_ADJOINT,
  SCRATCH_RADIAL,
  SCRATCH_RADIAL_ADJOINT,
  SCRATCH_RADIAL_TURNED,
} from "./scratch";

/**
 * A (49 x 16, overwritten) and the message weights (f32, one a pair) of a row of `length` pairs at x, y, z, link, whose
 * arrays are filled up to a multiple of 4 with pairs beyond the cutoff.
 */
export function densityForward(
  ctx: usize,
  scratch: usize,
  density: usize,
  weights: usize,
  x: usize,
  y: usize,
  z: usize,
  link: usize,
  length: i32,
): void {
  const constants = region(ctx, ADDRESS_HARMONICS);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  if (length == 0) memory.fill(density, 0, 49 * 64);
  for (let first = 0; first < length; first += CHUNK) {
    const n = min(CHUNK, length - first);
    const n4 = (n + 3) & ~3;
    const o = <usize>first << 2;
    chunkGeometry(ctx, scratch, x + o, y + o, z + o, link + o, n4);
    radialForward(ctx, scratch, weights + o, n4);
    harmonicsForward(constants, scratch, n4);
    for (let j = 0; j < n; ++j) {
      const radial = scratch + SCRATCH_RADIAL + (<usize>j << 6);
      s0 = f32x4.add(s0, v128.load(radial));
      s1 = f32x4.add(s1, v128.load(radial, 16));
      s2 = f32x4.add(s2, v128.load(radial, 32));
      s3 = f32x4.add(s3, v128.load(radial, 48));
    }
    const rows = density + 64;
    const before: usize = first ? rows : 0;
    product(rows, 64, before, 64, scratch + SCRATCH_HARMONICS, CHUNK_BYTES, 4, scratch + SCRATCH_RADIAL, 64, 48, 16, n);
  }
  v128.store(density, s0);
  v128.store(density, s1, 16);
  v128.store(density, s2, 32);
  v128.store(density, s3, 48);
}

/**
 * dL/dx of a row of pairs (gx, gy, gz f32, overwritten; what stands for pairs beyond the cutoff is zero) from dA (49 x 16) and the adjoints
 * of the message weights (dw, f32). `weights` receives the weights themselves once more.
 */
export function densityBackward(
  ctx: usize,
  scratch: usize,
  gx: usize,
  gy: usize,
  gz: usize,
  weights: usize,
  densityAdjoint: usize,
  dw: usize,
  x: usize,
  y: usize,
  z: usize,
  link: usize,
  length: i32,
): void {
  const constants = region(ctx, ADDRESS_HARMONICS);
  const rows = densityAdjoint + 64;
  for (let first = 0; first < length; first += CHUNK) {
    const n4 = (min(CHUNK, length - first) + 3) & ~3;
    const n8 = (n4 + 7) & ~7;
    const o = <usize>first << 2;
    chunkGeometry(ctx, scratch, x + o, y + o, z + o, link + o, n4);
    radialForward(ctx, scratch, weights + o, n4);
    radialSlopes(ctx, scratch, n4);
    harmonicsForward(constants, scratch, n4);
    turnRadial(scratch, n4);
    const dR = scratch + SCRATCH_RADIAL_ADJOINT;
    product(dR, 64, densityAdjoint, 0, scratch + SCRATCH_HARMONICS, 4, CHUNK_BYTES, rows, 64, n4, 16, 48);
    const dC = scratch + SCRATCH_HARMONICS_ADJOINT;
    // Columns from n4 to n8 hold leftovers that nothing reads.
    product(dC, CHUNK_BYTES, 0, 0, rows, 64, 4, scratch + SCRATCH_RADIAL_TURNED, CHUNK_BYTES, 48, n8, 16);
    memory.fill(scratch + SCRATCH_LENGTH_ADJOINT, 0, <usize>n4 << 2);
    radialBackward(scratch, dw + o, n4);
    harmonicsBackward(constants, scratch, gx + o, gy + o, gz + o, n4);
  }
}

/** A (f64 49 x 16, with the norms: C itself, not C / nu) of `length` pairs: vectors f64 x 3, links i32. */
export function densityReference(
  ctx: usize,
  density: usize,
  vectors: usize,
  links: usize,
  length: i32,
  scratch: usize,
): void {
  memory.fill(density, 0, 784 * 8);
  for (let p = 0; p < length; ++p) {
    const x = loadF8(vectors, 3 * p);
    const y = loadF8(vectors, 3 * p + 1);
    const z = loadF8(vectors, 3 * p + 2);
    const r = Math.sqrt(x * x + y * y + z * z);
    const kind = load<i32>(links + (<usize>p << 2)) & 1;
    harmonicsReference(scratch, x / r, y / r, z / r);
    for (let k = 0; k < 16; ++k) {
      const radial = radialReference(ctx, kind, k, r);
      for (let lm = 0; lm < 49; ++lm) addF8(density, 16 * lm + k, radial * loadF8(scratch, lm));
    }
  }
}

/** gradient (f64 3) += dL/dx of one pair from dA (f64 49 x 16) and the adjoint dw of its message weight. */
export function densityReferenceBackward(
  ctx: usize,
  gradient: usize,
  densityAdjoint: usize,
  dw: f64,
  vector: usize,
  kind: i32,
  scratch: usize,
): void {
  const x = loadF8(vector, 0);
  const y = loadF8(vector, 1);
  const z = loadF8(vector, 2);
  const r = Math.sqrt(x * x + y * y + z * z);
  const harmonics = scratch;
  const dC = at8(scratch, 49);
  harmonicsReference(harmonics, x / r, y / r, z / r);
  memory.fill(dC, 0, 49 * 8);
  let dr = dw * radialReferenceSlope(ctx, kind, 16, r);
  for (let k = 0; k < 16; ++k) {
    const radial = radialReference(ctx, kind, k, r);
    let dR: f64 = 0;
    for (let lm = 0; lm < 49; ++lm) {
      const dA = loadF8(densityAdjoint, 16 * lm + k);
      dR += dA * loadF8(harmonics, lm);
      addF8(dC, lm, dA * radial);
    }
    dr += dR * radialReferenceSlope(ctx, kind, k, r);
  }
  harmonicsReferenceBackward(gradient, dC, x / r, y / r, z / r, r);
  addF8(gradient, 0, (dr * x) / r);
  addF8(gradient, 1, (dr * y) / r);
  addF8(gradient, 2, (dr * z) / r);
}
