/**
 * Densities (docs/maths.md, "Densities").
 *
 *     A[lm][k] = sum_j R_k(r_j) C_lm(u_j) / nu_lm       f32 Y x K per atom, nu as in harmonics.ts
 *
 * Kernel: for CHUNK neighbours at a time, A is the product of a (Y - 1) x n and an n x K matrix; lm
 * = 0 is the sum of R. The rows of one atom are 4 K numbers apart, because four atoms are
 * interleaved (invariants.ts). Rows past the last one fill a register tile; their values are not
 * used.
 *
 * Adjoint, followed by the pair vectors:
 *
 *     dR[j][k] = sum_lm dA[lm][k] C[lm][j]
 *     dC[lm][j] = sum_k dA[lm][k] R[j][k]
 */
import { ADDRESS_HARMONICS, COUNT_CHANNELS, COUNT_LMAX, COUNT_SKIPPED_DEGREE } from "./abi";
import { harmonicsBackward, harmonicsForward, harmonicsReference, harmonicsReferenceBackward } from "./harmonics";
import { addF8, at8, clearVectors, count, loadF8, region } from "./memory";
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
  SCRATCH_DENSITY_ADJOINT,
  SCRATCH_HARMONICS,
  SCRATCH_HARMONICS_ADJOINT,
  SCRATCH_LENGTH_ADJOINT,
  SCRATCH_RADIAL,
  SCRATCH_RADIAL_ADJOINT,
  SCRATCH_RADIAL_TURNED,
} from "./scratch";
import { harmonicCount } from "./shape";

/** Rows of harmonics from lm = 1 on, rounded up to whole register tiles. */
// @ts-ignore: decorator
@inline
function tileRows(ctx: usize): i32 {
  return (harmonicCount(ctx) + 2) & ~3;
}

/**
 * Zeroes the rows that fill register tiles after the harmonics and after the adjoints of densities.
 * Nothing reads their results, but old values could be denormal, and slow. Call once before
 * densityForward or densityBackward of many atoms.
 */
export function clearFillers(ctx: usize, scratch: usize): void {
  const rows = harmonicCount(ctx) - 1;
  const fillers = tileRows(ctx) - rows;
  const rowBytes = count(ctx, COUNT_CHANNELS) << 4;
  clearVectors(scratch + SCRATCH_HARMONICS + rows * CHUNK_BYTES, fillers * CHUNK_BYTES);
  clearVectors(scratch + SCRATCH_DENSITY_ADJOINT + (rows + 1) * rowBytes, fillers * rowBytes);
}

/** density[k] += sum_j R_k(r_j) over `n` neighbours of the chunk. */
function addRadial(density: usize, radial: usize, channels: i32, n: i32): void {
  const stride = <usize>channels << 2;
  for (let k: usize = 0; k < stride; k += 32) {
    let s0 = v128.load(density + k);
    let s1 = v128.load(density + k, 16);
    let from = radial + k;
    for (let j = 0; j < n; ++j) {
      s0 = f32x4.add(s0, v128.load(from));
      s1 = f32x4.add(s1, v128.load(from, 16));
      from += stride;
    }
    v128.store(density + k, s0);
    v128.store(density + k, s1, 16);
  }
}

/**
 * Computes A (rows lm of K numbers, 4 K apart, overwritten) and the message weights (f32, one per
 * pair) of a row of `length` pairs. The arrays x, y, z, link are filled up to a multiple of 4 with
 * pairs beyond the cutoff.
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
  const channels = count(ctx, COUNT_CHANNELS);
  const lmax = count(ctx, COUNT_LMAX);
  const skipped = count(ctx, COUNT_SKIPPED_DEGREE);
  const bytes = channels << 2;
  const rowBytes = channels << 4;
  const tiled = tileRows(ctx);
  const rows = density + rowBytes;
  clearVectors(density, bytes);
  if (length == 0) {
    for (let row = 0; row < tiled; ++row) clearVectors(rows + row * rowBytes, bytes);
  }
  for (let first = 0; first < length; first += CHUNK) {
    const n = min(CHUNK, length - first);
    const n4 = (n + 3) & ~3;
    const o = <usize>first << 2;
    chunkGeometry(ctx, scratch, x + o, y + o, z + o, link + o, n4);
    radialForward(ctx, scratch, weights + o, n4);
    harmonicsForward(constants, scratch, lmax, skipped, n4);
    const radial = scratch + SCRATCH_RADIAL;
    addRadial(density, radial, channels, n);
    const before: usize = first ? rows : 0;
    product(rows, rowBytes, before, rowBytes, scratch + SCRATCH_HARMONICS, CHUNK_BYTES, 4, radial, bytes, tiled, channels, n);
  }
}

/**
 * dL/dx of a row of pairs (f32 x 4 each, overwritten; zero for pairs beyond the cutoff) from dA
 * (rows as in densityForward) and the adjoints of the message weights (dw, f32). Writes the message
 * weights to `weights` once more.
 */
export function densityBackward(
  ctx: usize,
  scratch: usize,
  gradient: usize,
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
  const channels = count(ctx, COUNT_CHANNELS);
  const lmax = count(ctx, COUNT_LMAX);
  const skipped = count(ctx, COUNT_SKIPPED_DEGREE);
  const bytes = channels << 2;
  const rowBytes = channels << 4;
  const depth = harmonicCount(ctx) - 1;
  const tiled = tileRows(ctx);
  const rows = densityAdjoint + rowBytes;
  const harmonics = scratch + SCRATCH_HARMONICS;
  const dR = scratch + SCRATCH_RADIAL_ADJOINT;
  const dC = scratch + SCRATCH_HARMONICS_ADJOINT;
  const turned = scratch + SCRATCH_RADIAL_TURNED;
  for (let first = 0; first < length; first += CHUNK) {
    const n4 = (min(CHUNK, length - first) + 3) & ~3;
    const n8 = (n4 + 7) & ~7;
    const o = <usize>first << 2;
    chunkGeometry(ctx, scratch, x + o, y + o, z + o, link + o, n4);
    radialForward(ctx, scratch, weights + o, n4);
    radialSlopes(ctx, scratch, n4);
    harmonicsForward(constants, scratch, lmax, skipped, n4);
    turnRadial(scratch, channels, n4);
    product(dR, bytes, densityAdjoint, 0, harmonics, 4, CHUNK_BYTES, rows, rowBytes, n4, channels, depth);
    // Columns from n4 to n8 are not used.
    product(dC, CHUNK_BYTES, 0, 0, rows, rowBytes, 4, turned, CHUNK_BYTES, tiled, n8, channels);
    clearVectors(scratch + SCRATCH_LENGTH_ADJOINT, n4 << 2);
    radialBackward(ctx, scratch, dw + o, n4);
    harmonicsBackward(constants, scratch, lmax, skipped, gradient + (o << 2), n4);
  }
}

/**
 * A (f64 Y x K, with the norms: from C, not C / nu) of `length` pairs: vectors f64 x 3, links i32.
 */
export function densityReference(
  ctx: usize,
  density: usize,
  vectors: usize,
  links: usize,
  length: i32,
  scratch: usize,
): void {
  const channels = count(ctx, COUNT_CHANNELS);
  const harmonics = harmonicCount(ctx);
  memory.fill(density, 0, <usize>(harmonics * channels) << 3);
  for (let p = 0; p < length; ++p) {
    const x = loadF8(vectors, 3 * p);
    const y = loadF8(vectors, 3 * p + 1);
    const z = loadF8(vectors, 3 * p + 2);
    const r = Math.sqrt(x * x + y * y + z * z);
    const kind = load<i32>(links + (<usize>p << 2)) & 1;
    harmonicsReference(ctx, scratch, x / r, y / r, z / r);
    for (let k = 0; k < channels; ++k) {
      const radial = radialReference(ctx, kind, k, r);
      for (let lm = 0; lm < harmonics; ++lm) addF8(density, channels * lm + k, radial * loadF8(scratch, lm));
    }
  }
}

/**
 * gradient (f64 3) += dL/dx of one pair from dA (f64 Y x K) and the adjoint dw of its message
 * weight.
 */
export function densityReferenceBackward(
  ctx: usize,
  gradient: usize,
  densityAdjoint: usize,
  dw: f64,
  vector: usize,
  kind: i32,
  scratch: usize,
): void {
  const channels = count(ctx, COUNT_CHANNELS);
  const harmonicsCount = harmonicCount(ctx);
  const x = loadF8(vector, 0);
  const y = loadF8(vector, 1);
  const z = loadF8(vector, 2);
  const r = Math.sqrt(x * x + y * y + z * z);
  const harmonics = scratch;
  const dC = at8(scratch, harmonicsCount);
  harmonicsReference(ctx, harmonics, x / r, y / r, z / r);
  memory.fill(dC, 0, <usize>harmonicsCount << 3);
  let dr = dw * radialReferenceSlope(ctx, kind, channels, r);
  for (let k = 0; k < channels; ++k) {
    const radial = radialReference(ctx, kind, k, r);
    let dR: f64 = 0;
    for (let lm = 0; lm < harmonicsCount; ++lm) {
      const dA = loadF8(densityAdjoint, channels * lm + k);
      dR += dA * loadF8(harmonics, lm);
      addF8(dC, lm, dA * radial);
    }
    dr += dR * radialReferenceSlope(ctx, kind, k, r);
  }
  harmonicsReferenceBackward(ctx, gradient, dC, x / r, y / r, z / r, r);
  addF8(gradient, 0, (dr * x) / r);
  addF8(gradient, 1, (dr * y) / r);
  addF8(gradient, 2, (dr * z) / r);
}
