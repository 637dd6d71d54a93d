/**
 * Radial functions (docs/maths.md, "Radial functions").
 *
 *     R^t_k(r) = f(r) sum_p W^t_kp exp(-(r - c_p)^2 / (2 w^2)),   f(r) = (1 - (r/r_c)^6)^3
 *
 * k = 0 to K - 1 are density channels, k = K is the message weight; t is the kind of the pair; r is
 * in units of a0.
 *
 * Kernel: cubic Hermite interpolation between TABLE_INTERVALS + 1 nodes. prepareModel measures its
 * largest error over all channels, relative to the largest value (VALUE_TABLE_ERROR: about 2e-9 for
 * a model with a basis width of 0.2, far below the rounding of f32). A table row has K + 4 values,
 * then K + 4 slopes times the distance between nodes, f32. With t in [0, 1) inside an interval:
 *
 *     R  = v0 (1 + 2t)(1 - t)^2 + s0 t (1 - t)^2 + v1 t^2 (3 - 2t) + s1 t^2 (t - 1)
 *     R' = (v0 6t(t - 1) + s0 (1 - t)(1 - 3t) + v1 6t(1 - t) + s1 t(3t - 2)) / step
 *
 * Chunk arrays (scratch.ts): SCRATCH_RADIAL n x K and SCRATCH_RADIAL_SLOPE n x K; overwritten. Rows
 * beyond the cutoff are exactly zero.
 *
 * The inner functions need K at compile time, so that offsets in a row become constants of the
 * code. They take a type T whose size in bytes is K: i64 or v128.
 */
import {
  ADDRESS_RADIAL_MIX,
  ADDRESS_TABLE,
  COUNT_BASIS,
  COUNT_CHANNELS,
  VALUE_BASIS_FIRST,
  VALUE_BASIS_LAST,
  VALUE_BASIS_WIDTH,
  VALUE_CUTOFF,
  VALUE_TABLE_ERROR,
} from "./abi";
import { at4, count, loadF4, region, value } from "./memory";
import {
  CHUNK_BYTES,
  SCRATCH_BLEND,
  SCRATCH_INVERSE,
  SCRATCH_LENGTH_ADJOINT,
  SCRATCH_PLACE,
  SCRATCH_RADIAL,
  SCRATCH_RADIAL_ADJOINT,
  SCRATCH_RADIAL_SLOPE,
  SCRATCH_RADIAL_TURNED,
  SCRATCH_ROW,
  SCRATCH_UNIT_X,
  SCRATCH_UNIT_Y,
  SCRATCH_UNIT_Z,
  SCRATCH_WEIGHT_SLOPE,
} from "./scratch";
import { TABLE_INTERVALS, tableBytes, tableColumns, tableKindBytes, tableRowBytes } from "./tables";
import { madd4, sums4 } from "./vector";

/**
 * Rows of SCRATCH_BLEND, named by the number that each multiplies. The same four for the slopes
 * follow.
 */
const BLEND_V0: i32 = 0;
const BLEND_S0: i32 = BLEND_V0 + CHUNK_BYTES;
const BLEND_V1: i32 = BLEND_S0 + CHUNK_BYTES;
const BLEND_S1: i32 = BLEND_V1 + CHUNK_BYTES;
const BLEND_SLOPES: i32 = BLEND_S1 + CHUNK_BYTES;

/** R^kind_channel(r), closed form. */
export function radialReference(ctx: usize, kind: i32, channel: i32, r: f64): f64 {
  const cutoff = value(ctx, VALUE_CUTOFF);
  if (!(r < cutoff)) return 0;
  const x2 = (r / cutoff) * (r / cutoff);
  const g = 1 - x2 * x2 * x2;
  return g * g * g * basisSum(ctx, kind, channel, r);
}

/** dR/dr, closed form. */
export function radialReferenceSlope(ctx: usize, kind: i32, channel: i32, r: f64): f64 {
  const cutoff = value(ctx, VALUE_CUTOFF);
  if (!(r < cutoff)) return 0;
  const x2 = (r / cutoff) * (r / cutoff);
  const g = 1 - x2 * x2 * x2;
  const slope = ((-18 * x2 * x2) / (cutoff * cutoff)) * r * g * g;
  return slope * basisSum(ctx, kind, channel, r) + g * g * g * basisSumSlope(ctx, kind, channel, r);
}

function basisCentre(ctx: usize, p: i32): f64 {
  const first = value(ctx, VALUE_BASIS_FIRST);
  return first + (<f64>p * (value(ctx, VALUE_BASIS_LAST) - first)) / <f64>(count(ctx, COUNT_BASIS) - 1);
}

function basisSum(ctx: usize, kind: i32, channel: i32, r: f64): f64 {
  const basisCount = count(ctx, COUNT_BASIS);
  const width = value(ctx, VALUE_BASIS_WIDTH);
  const mix = at4(region(ctx, ADDRESS_RADIAL_MIX), ((count(ctx, COUNT_CHANNELS) + 1) * kind + channel) * basisCount);
  let sum: f64 = 0;
  for (let p = 0; p < basisCount; ++p) {
    const d = (r - basisCentre(ctx, p)) / width;
    sum += <f64>loadF4(mix, p) * Math.exp(-0.5 * d * d);
  }
  return sum;
}

function basisSumSlope(ctx: usize, kind: i32, channel: i32, r: f64): f64 {
  const basisCount = count(ctx, COUNT_BASIS);
  const width = value(ctx, VALUE_BASIS_WIDTH);
  const mix = at4(region(ctx, ADDRESS_RADIAL_MIX), ((count(ctx, COUNT_CHANNELS) + 1) * kind + channel) * basisCount);
  let sum: f64 = 0;
  for (let p = 0; p < basisCount; ++p) {
    const d = (r - basisCentre(ctx, p)) / width;
    sum -= ((<f64>loadF4(mix, p) * d) / width) * Math.exp(-0.5 * d * d);
  }
  return sum;
}

/** Fills the table and measures its error halfway between the nodes. */
export function prepareRadial(ctx: usize): void {
  const table = region(ctx, ADDRESS_TABLE);
  const step = value(ctx, VALUE_CUTOFF) / <f64>TABLE_INTERVALS;
  const channels = count(ctx, COUNT_CHANNELS);
  memory.fill(table, 0, tableBytes(channels));
  let worst: f64 = 0;
  let largest: f64 = 0;
  for (let kind = 0; kind < 2; ++kind) {
    for (let channel = 0; channel <= channels; ++channel) {
      let value0: f64 = 0;
      let slope0: f64 = 0;
      for (let node = 0; node <= TABLE_INTERVALS; ++node) {
        const r = <f64>node * step;
        // At the cutoff itself value and slope are zero, regardless of rounding.
        const value1 = node < TABLE_INTERVALS ? radialReference(ctx, kind, channel, r) : 0;
        const slope1 = node < TABLE_INTERVALS ? radialReferenceSlope(ctx, kind, channel, r) * step : 0;
        const row = table + kind * tableKindBytes(channels) + node * tableRowBytes(channels);
        store<f32>(at4(row, channel), <f32>value1);
        store<f32>(at4(row, channel + tableColumns(channels)), <f32>slope1);
        largest = max(largest, abs(value1));
        if (node > 0) {
          const middle = 0.5 * (value0 + value1) + 0.125 * (slope0 - slope1);
          worst = max(worst, abs(middle - radialReference(ctx, kind, channel, r - 0.5 * step)));
        }
        value0 = value1;
        slope0 = slope1;
      }
    }
  }
  store<f64>(ctx + VALUE_TABLE_ERROR, largest > 0 ? worst / largest : 0);
}

/**
 * Lengths and unit vectors of the pairs x, y, z (f32, units of a0), and their places in the table
 * of their kind (link & 1). `n4` pairs, a multiple of 4. Fills SCRATCH_UNIT_*, SCRATCH_INVERSE,
 * SCRATCH_ROW, SCRATCH_PLACE and the first half of SCRATCH_BLEND.
 */
export function chunkGeometry(ctx: usize, scratch: usize, x: usize, y: usize, z: usize, link: usize, n4: i32): void {
  const step = value(ctx, VALUE_CUTOFF) / <f64>TABLE_INTERVALS;
  const perStep = f32x4.splat(<f32>(1 / step));
  const rowBytes = i32x4.splat(tableRowBytes(count(ctx, COUNT_CHANNELS)));
  const kindBytes = i32x4.splat(tableKindBytes(count(ctx, COUNT_CHANNELS)));
  const one = f32x4.splat(1);
  const three = f32x4.splat(3);
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const dx = v128.load(x + o);
    const dy = v128.load(y + o);
    const dz = v128.load(z + o);
    const r = f32x4.sqrt(f32x4.add(f32x4.add(f32x4.mul(dx, dx), f32x4.mul(dy, dy)), f32x4.mul(dz, dz)));
    const inverse = f32x4.div(one, r);
    v128.store(scratch + SCRATCH_UNIT_X + o, f32x4.mul(dx, inverse));
    v128.store(scratch + SCRATCH_UNIT_Y + o, f32x4.mul(dy, inverse));
    v128.store(scratch + SCRATCH_UNIT_Z + o, f32x4.mul(dz, inverse));
    v128.store(scratch + SCRATCH_INVERSE + o, inverse);
    const position = f32x4.mul(r, perStep);
    // The table has two rows of zeros beyond the cutoff, so any t works there.
    const node = i32x4.min_s(i32x4.trunc_sat_f32x4_s(position), i32x4.splat(TABLE_INTERVALS + 1));
    const t = f32x4.sub(position, f32x4.convert_i32x4_s(node));
    const kind = v128.and(v128.load(link + o), i32x4.splat(1));
    v128.store(
      scratch + SCRATCH_ROW + o,
      i32x4.add(i32x4.mul(node, rowBytes), i32x4.mul(kind, kindBytes)),
    );
    const u = f32x4.sub(one, t);
    const uu = f32x4.mul(u, u);
    const tt = f32x4.mul(t, t);
    const tu = f32x4.mul(t, u);
    const blend = scratch + SCRATCH_BLEND + o;
    v128.store(blend, f32x4.mul(f32x4.add(one, f32x4.add(t, t)), uu), BLEND_V0);
    v128.store(blend, f32x4.mul(t, uu), BLEND_S0);
    v128.store(blend, f32x4.mul(tt, f32x4.sub(three, f32x4.add(t, t))), BLEND_V1);
    v128.store(blend, f32x4.neg(f32x4.mul(t, tu)), BLEND_S1);
    v128.store(scratch + o, t, SCRATCH_PLACE);
  }
}

/**
 * The Hermite weights of slopes (SCRATCH_BLEND, from BLEND_SLOPES on) of `n4` pairs. Call after
 * chunkGeometry.
 */
function slopeWeights(ctx: usize, scratch: usize, n4: i32): void {
  const step = value(ctx, VALUE_CUTOFF) / <f64>TABLE_INTERVALS;
  const perStep = f32x4.splat(<f32>(1 / step));
  const one = f32x4.splat(1);
  const two = f32x4.splat(2);
  const three = f32x4.splat(3);
  const six = f32x4.splat(6);
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const t = v128.load(scratch + o, SCRATCH_PLACE);
    const u = f32x4.sub(one, t);
    const bend = f32x4.mul(f32x4.mul(six, f32x4.mul(t, u)), perStep);
    const blend = scratch + SCRATCH_BLEND + o;
    v128.store(blend, f32x4.neg(bend), BLEND_SLOPES + BLEND_V0);
    v128.store(blend, f32x4.mul(f32x4.mul(u, f32x4.sub(one, f32x4.mul(three, t))), perStep), BLEND_SLOPES + BLEND_S0);
    v128.store(blend, bend, BLEND_SLOPES + BLEND_V1);
    v128.store(blend, f32x4.mul(f32x4.mul(t, f32x4.sub(f32x4.mul(three, t), two)), perStep), BLEND_SLOPES + BLEND_S1);
  }
}

/**
 * Four channels between two rows of the table, from `here` in the first row. v0, s0, v1 and s1 are
 * half a row of 4 (K + 4) bytes apart.
 */
// @ts-ignore: decorator
@inline
function blend4<T>(here: usize, b0: v128, b1: v128, b2: v128, b3: v128): v128 {
  return madd4(
    v128.load(here, 3 * 4 * (sizeof<T>() + 4)),
    b3,
    madd4(
      v128.load(here, 2 * 4 * (sizeof<T>() + 4)),
      b2,
      madd4(v128.load(here, 4 * (sizeof<T>() + 4)), b1, f32x4.mul(v128.load(here), b0)),
    ),
  );
}

/**
 * Interpolates K channels (n4 x K into `out`) and the message weight (f32 n4 into `weights`) of
 * every pair, by four rows of Hermite weights.
 */
// @ts-ignore: decorator
@inline
function interpolate<T>(table: usize, scratch: usize, weightsOfRows: usize, out: usize, weights: usize, n4: i32): void {
  for (let j = 0; j < n4; ++j) {
    const o = <usize>j << 2;
    const row = table + load<i32>(scratch + SCRATCH_ROW + o);
    const blend = weightsOfRows + o;
    const b0 = v128.load32_splat(blend, BLEND_V0);
    const b1 = v128.load32_splat(blend, BLEND_S0);
    const b2 = v128.load32_splat(blend, BLEND_V1);
    const b3 = v128.load32_splat(blend, BLEND_S1);
    const to = out + <usize>j * (4 * sizeof<T>());
    v128.store(to, blend4<T>(row, b0, b1, b2, b3));
    v128.store(to, blend4<T>(row + 16, b0, b1, b2, b3), 16);
    if (sizeof<T>() == 16) {
      v128.store(to, blend4<T>(row + 32, b0, b1, b2, b3), 32);
      v128.store(to, blend4<T>(row + 48, b0, b1, b2, b3), 48);
    }
    v128.store32_lane(weights + o, blend4<T>(row + 4 * sizeof<T>(), b0, b1, b2, b3), 0);
  }
}

/**
 * R of `n4` pairs into SCRATCH_RADIAL, the message weights into `weights` (f32 n4). Call after
 * chunkGeometry.
 */
export function radialForward(ctx: usize, scratch: usize, weights: usize, n4: i32): void {
  const table = region(ctx, ADDRESS_TABLE);
  const blend = scratch + SCRATCH_BLEND;
  const out = scratch + SCRATCH_RADIAL;
  if (count(ctx, COUNT_CHANNELS) == 8) interpolate<i64>(table, scratch, blend, out, weights, n4);
  else interpolate<v128>(table, scratch, blend, out, weights, n4);
}

/**
 * dR/dr of `n4` pairs into SCRATCH_RADIAL_SLOPE, that of the message weights into
 * SCRATCH_WEIGHT_SLOPE.
 */
export function radialSlopes(ctx: usize, scratch: usize, n4: i32): void {
  const table = region(ctx, ADDRESS_TABLE);
  const blend = scratch + SCRATCH_BLEND + BLEND_SLOPES;
  const out = scratch + SCRATCH_RADIAL_SLOPE;
  const weights = scratch + SCRATCH_WEIGHT_SLOPE;
  slopeWeights(ctx, scratch, n4);
  if (count(ctx, COUNT_CHANNELS) == 8) interpolate<i64>(table, scratch, blend, out, weights, n4);
  else interpolate<v128>(table, scratch, blend, out, weights, n4);
}

/**
 * dL/dr of `n4` pairs: SCRATCH_LENGTH_ADJOINT[j] += sum_k dR[j][k] R'[j][k] + dw[j] w'[j]. The sum
 * over k has a fixed order. dw: f32 n4.
 */
export function radialBackward(ctx: usize, scratch: usize, dw: usize, n4: i32): void {
  if (count(ctx, COUNT_CHANNELS) == 8) lengthAdjoints<i64>(scratch, dw, n4);
  else lengthAdjoints<v128>(scratch, dw, n4);
}

// @ts-ignore: decorator
@inline
function lengthAdjoints<T>(scratch: usize, dw: usize, n4: i32): void {
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const sum = sums4(
      slopeProduct<T>(scratch, j),
      slopeProduct<T>(scratch, j + 1),
      slopeProduct<T>(scratch, j + 2),
      slopeProduct<T>(scratch, j + 3),
    );
    const out = scratch + SCRATCH_LENGTH_ADJOINT + o;
    const message = madd4(v128.load(dw + o), v128.load(scratch + SCRATCH_WEIGHT_SLOPE + o), v128.load(out));
    v128.store(out, f32x4.add(message, sum));
  }
}

/** R' . dR of one pair, in four partial sums. */
// @ts-ignore: decorator
@inline
function slopeProduct<T>(scratch: usize, j: i32): v128 {
  const slope = scratch + SCRATCH_RADIAL_SLOPE + <usize>j * (4 * sizeof<T>());
  const adjoint = scratch + SCRATCH_RADIAL_ADJOINT + <usize>j * (4 * sizeof<T>());
  const low = madd4(v128.load(slope, 16), v128.load(adjoint, 16), f32x4.mul(v128.load(slope), v128.load(adjoint)));
  if (sizeof<T>() == 8) return low;
  return madd4(
    v128.load(slope, 48),
    v128.load(adjoint, 48),
    madd4(v128.load(slope, 32), v128.load(adjoint, 32), low),
  );
}

/** Transposes SCRATCH_RADIAL (n4 x K) into SCRATCH_RADIAL_TURNED (K x CHUNK). */
export function turnRadial(scratch: usize, channels: i32, n4: i32): void {
  const stride = <usize>channels << 2;
  for (let j = 0; j < n4; j += 4) {
    const from = scratch + SCRATCH_RADIAL + <usize>j * stride;
    const to = scratch + SCRATCH_RADIAL_TURNED + (<usize>j << 2);
    for (let k = 0; k < channels; k += 4) {
      const o = from + (<usize>k << 2);
      const s0 = v128.load(o);
      const s1 = v128.load(o + stride);
      const s2 = v128.load(o + 2 * stride);
      const s3 = v128.load(o + 3 * stride);
      const low01 = v128.shuffle<f32>(s0, s1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(s0, s1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(s2, s3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(s2, s3, 2, 6, 3, 7);
      const t = to + k * CHUNK_BYTES;
      v128.store(t, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
      v128.store(t, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), CHUNK_BYTES);
      v128.store(t, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 2 * CHUNK_BYTES);
      v128.store(t, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 3 * CHUNK_BYTES);
    }
  }
}
