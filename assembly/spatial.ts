/**
 * Whether the surroundings of an atom have three dimensions (docs/maths.md, "Surroundings of three
 * dimensions"). Crystals in the sense of the model do; molecules, chains and single layers do not.
 *
 *     T = sum over neighbours of x x^T,   flat if T - FLAT tr(T) 1 is not positive definite
 *     Surroundings of fewer than FEWEST neighbours, or flat ones, are not spatial.
 */
import {
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_REFERENCE_START,
  ADDRESS_REFERENCE_VECTOR,
} from "./abi";
import { at4, count, loadF8, region } from "./memory";

/** Fewest neighbours of an atom of a crystal: at the corners of crystallites there are more. */
const FEWEST: i32 = 8;
/** Largest share of the least moment of a layer, with its thermal motion. */
const FLAT: f64 = 0.08;

const LANES: v128 = i32x4(0, 1, 2, 3);

/** The sum of the lanes, in f64. */
// @ts-ignore: decorator
@inline
function sumLanes(v: v128): f64 {
  const sums = f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)));
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
}

/** Whether the surroundings of sorted atom s are spatial. */
export function isSpatial(ctx: usize, s: i32): bool {
  const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
  if (length < FEWEST) return false;
  const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
  const px = at4(region(ctx, ADDRESS_PAIR_X), start);
  const py = at4(region(ctx, ADDRESS_PAIR_Y), start);
  const pz = at4(region(ctx, ADDRESS_PAIR_Z), start);
  let xx4 = f32x4.splat(0);
  let xy4 = xx4;
  let xz4 = xx4;
  let yy4 = xx4;
  let yz4 = xx4;
  let zz4 = xx4;
  const whole = length & ~3;
  for (let p = 0; p < whole; p += 4) {
    const x = v128.load(at4(px, p));
    const y = v128.load(at4(py, p));
    const z = v128.load(at4(pz, p));
    xx4 = f32x4.add(xx4, f32x4.mul(x, x));
    xy4 = f32x4.add(xy4, f32x4.mul(x, y));
    xz4 = f32x4.add(xz4, f32x4.mul(x, z));
    yy4 = f32x4.add(yy4, f32x4.mul(y, y));
    yz4 = f32x4.add(yz4, f32x4.mul(y, z));
    zz4 = f32x4.add(zz4, f32x4.mul(z, z));
  }
  if (whole < length) {
    // The row is filled up with pairs beyond the cutoff along x: they are left out.
    const inside = i32x4.lt_s(LANES, i32x4.splat(length - whole));
    const x = v128.and(v128.load(at4(px, whole)), inside);
    const y = v128.and(v128.load(at4(py, whole)), inside);
    const z = v128.and(v128.load(at4(pz, whole)), inside);
    xx4 = f32x4.add(xx4, f32x4.mul(x, x));
    xy4 = f32x4.add(xy4, f32x4.mul(x, y));
    xz4 = f32x4.add(xz4, f32x4.mul(x, z));
    yy4 = f32x4.add(yy4, f32x4.mul(y, y));
    yz4 = f32x4.add(yz4, f32x4.mul(y, z));
    zz4 = f32x4.add(zz4, f32x4.mul(z, z));
  }
  return hasVolume(sumLanes(xx4), sumLanes(xy4), sumLanes(xz4), sumLanes(yy4), sumLanes(yz4), sumLanes(zz4));
}

/** The same for atom a of the reference. */
export function isSpatialReference(ctx: usize, a: i32): bool {
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  const vectors = region(ctx, ADDRESS_REFERENCE_VECTOR);
  const start = load<i32>(at4(starts, a));
  const length = load<i32>(at4(starts, a + 1)) - start;
  if (length < FEWEST) return false;
  let xx: f64 = 0;
  let xy: f64 = 0;
  let xz: f64 = 0;
  let yy: f64 = 0;
  let yz: f64 = 0;
  let zz: f64 = 0;
  for (let p = start; p < start + length; ++p) {
    const x = loadF8(vectors, 3 * p);
    const y = loadF8(vectors, 3 * p + 1);
    const z = loadF8(vectors, 3 * p + 2);
    xx += x * x;
    xy += x * y;
    xz += x * z;
    yy += y * y;
    yz += y * z;
    zz += z * z;
  }
  return hasVolume(xx, xy, xz, yy, yz, zz);
}

/** Whether the least moment of T is more than FLAT of its trace (Sylvester's criterion). */
function hasVolume(xx: f64, xy: f64, xz: f64, yy: f64, yz: f64, zz: f64): bool {
  const least = FLAT * (xx + yy + zz);
  const a = xx - least;
  const b = yy - least;
  const c = zz - least;
  const minor = a * b - xy * xy;
  return a > 0 && minor > 0 && a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz) > 0;
}
