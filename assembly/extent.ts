/**
 * The volume per atom of a cluster, a wire or a slab, from the extent of its atoms (docs/maths.md,
 * "Length scale").
 *
 *     C = mean of (y - m) (y - m)^T, the positions y projected along the periodic directions
 *     clusters   V = 0.85 (4/3) pi sqrt(125 det(C + c u^2))     the ellipsoid of these moments
 *     wires      V = 0.95 4 pi sqrt(det(C + c u^2)) L           the elliptic cylinder
 *     slabs      V = sqrt(12 (C + c u^2)) A                     the layer
 *     u = (V / N)^(1/3),   c = 0.0787: an atom fills a cell of edge u with that variance
 *
 * V stands on both sides; iteration finds its one solution. The factors are means over shapes: an
 * ellipsoid with the moments of a cube, an octahedron or a rod is larger than these.
 *
 * An axis is open if it is not periodic, or if it is and the atoms leave a gap that is longer than
 * the cutoff: then no atom has neighbours across it. Of the sets of axes with such gaps, the
 * largest counts whose own length scale agrees with that.
 */
import {
  ADDRESS_POSITIONS,
  COUNT_ATOMS,
  COUNT_PERIODIC,
  VALUE_GRID_BASIS,
  VALUE_GRID_INVERSE,
} from "./abi";
import { basisHeight, isPeriodic } from "./cells";
import { at8, count, loadF8, region, storeF8 } from "./memory";
import {
  EXTENT_CENTRE,
  EXTENT_COVARIANCE,
  EXTENT_GAP,
  EXTENT_INTERVALS,
  EXTENT_MARKS,
  EXTENT_PROJECTOR,
  EXTENT_START,
} from "./scratch";

/** Variance of a cell of unit volume along any direction, as for the cells of bcc and fcc. */
const CELL_VARIANCE: f64 = 0.0787;
const FILLED_ELLIPSOID: f64 = 0.85;
const FILLED_CYLINDER: f64 = 0.95;
const MOST_ITERATIONS: i32 = 400;

/**
 * Finds the open axes of the frame and writes the gaps, the centre and the projector for them to
 * `extent` (EXTENT_* of scratch.ts). Returns a bit per open axis. `reach` is the cutoff, units of
 * a0.
 */
export function findOpenAxes(ctx: usize, extent: usize, reach: f64): i32 {
  const periodic = count(ctx, COUNT_PERIODIC);
  for (let axis = 0; axis < 3; ++axis) if (isPeriodic(ctx, axis)) findGap(ctx, extent, axis);
  // One atom and its images are a lattice, however wide.
  for (let size = count(ctx, COUNT_ATOMS) > 1 ? 3 : 0; size > 0; --size) {
    for (let set = 7; set > 0; --set) {
      if ((set & ~periodic) != 0 || popcnt(set) != size) continue;
      const open = (~periodic & 7) | set;
      formMoments(ctx, extent, open);
      if (hasGaps(ctx, extent, set, reach * Math.cbrt(extentVolume(ctx, extent, open)))) return open;
    }
  }
  const open = ~periodic & 7;
  if (open) formMoments(ctx, extent, open);
  return open;
}

/** Whether the gaps along all axes of a set are longer than `distance`. */
function hasGaps(ctx: usize, extent: usize, set: i32, distance: f64): bool {
  for (let axis = 0; axis < 3; ++axis) {
    if ((set >> axis) & 1 && !(loadF8(extent + EXTENT_GAP, axis) * basisHeight(ctx, axis) > distance)) return false;
  }
  return true;
}

/** Coordinate of position `r` along an axis of B; periodic ones count from the end of the gap. */
function along(ctx: usize, extent: usize, axis: i32, r: usize): f64 {
  const inverse = ctx + VALUE_GRID_INVERSE;
  const f = load<f64>(r) * loadF8(inverse, axis) + load<f64>(r, 8) * loadF8(inverse, 3 + axis) + load<f64>(r, 16) * loadF8(inverse, 6 + axis);
  if (!isPeriodic(ctx, axis)) return f;
  const inside = f - loadF8(extent + EXTENT_START, axis);
  return inside - Math.floor(inside);
}

/** The longest gap along a periodic axis, as a share of the cell, and where it ends. */
function findGap(ctx: usize, extent: usize, axis: i32): void {
  const marks = extent + EXTENT_MARKS;
  const positions = region(ctx, ADDRESS_POSITIONS);
  const n = count(ctx, COUNT_ATOMS);
  storeF8(extent + EXTENT_START, axis, 0);
  memory.fill(marks, 0, EXTENT_INTERVALS);
  for (let i = 0; i < n; ++i) {
    const f = along(ctx, extent, axis, at8(positions, 3 * i));
    store<u8>(marks + <usize>min(<i32>(f * <f64>EXTENT_INTERVALS), EXTENT_INTERVALS - 1), 1);
  }
  let longest = 0;
  let end = 0;
  let run = 0;
  // Twice around, so that a gap across the border is whole.
  for (let at = 0; at < 2 * EXTENT_INTERVALS; ++at) {
    if (!load<u8>(marks + <usize>(at % EXTENT_INTERVALS))) run += 1;
    else {
      if (run > longest) {
        longest = run;
        end = at % EXTENT_INTERVALS;
      }
      run = 0;
    }
  }
  storeF8(extent + EXTENT_GAP, axis, <f64>longest / <f64>EXTENT_INTERVALS);
  // In the middle of the gap, so that no rounding moves an atom to the other end.
  storeF8(extent + EXTENT_START, axis, (<f64>end - 0.5 * <f64>longest) / <f64>EXTENT_INTERVALS);
}

/** Writes the projector along the axes that are not open, the mean and the moments. */
function formMoments(ctx: usize, extent: usize, open: i32): void {
  const centre = extent + EXTENT_CENTRE;
  const covariance = extent + EXTENT_COVARIANCE;
  const positions = region(ctx, ADDRESS_POSITIONS);
  const n = count(ctx, COUNT_ATOMS);
  formProjector(ctx, extent + EXTENT_PROJECTOR, open);
  // Relative to the first atom, so that a cluster far from the origin loses no digits.
  place(ctx, extent, open, positions);
  const ox = loadF8(centre, 3);
  const oy = loadF8(centre, 4);
  const oz = loadF8(centre, 5);
  let sx: f64 = 0;
  let sy: f64 = 0;
  let sz: f64 = 0;
  let xx: f64 = 0;
  let xy: f64 = 0;
  let xz: f64 = 0;
  let yy: f64 = 0;
  let yz: f64 = 0;
  let zz: f64 = 0;
  for (let i = 1; i < n; ++i) {
    place(ctx, extent, open, at8(positions, 3 * i));
    const x = loadF8(centre, 3) - ox;
    const y = loadF8(centre, 4) - oy;
    const z = loadF8(centre, 5) - oz;
    sx += x;
    sy += y;
    sz += z;
    xx += x * x;
    xy += x * y;
    xz += x * z;
    yy += y * y;
    yz += y * z;
    zz += z * z;
  }
  const share: f64 = 1 / <f64>n;
  const mx = sx * share;
  const my = sy * share;
  const mz = sz * share;
  storeF8(centre, 0, ox + mx);
  storeF8(centre, 1, oy + my);
  storeF8(centre, 2, oz + mz);
  storeMoment(covariance, 0, 0, xx * share - mx * mx);
  storeMoment(covariance, 0, 1, xy * share - mx * my);
  storeMoment(covariance, 0, 2, xz * share - mx * mz);
  storeMoment(covariance, 1, 1, yy * share - my * my);
  storeMoment(covariance, 1, 2, yz * share - my * mz);
  storeMoment(covariance, 2, 2, zz * share - mz * mz);
}

function storeMoment(covariance: usize, i: i32, k: i32, moment: f64): void {
  storeF8(covariance, 3 * i + k, moment);
  storeF8(covariance, 3 * k + i, moment);
}

/** Writes the projected position `r`, with atoms on the same side of each gap, after the centre. */
function place(ctx: usize, extent: usize, open: i32, r: usize): void {
  const projector = extent + EXTENT_PROJECTOR;
  const to = extent + EXTENT_CENTRE + 3 * 8;
  const basis = ctx + VALUE_GRID_BASIS;
  let x: f64 = 0;
  let y: f64 = 0;
  let z: f64 = 0;
  for (let axis = 0; axis < 3; ++axis) {
    if (!((open >> axis) & 1)) continue;
    const f = along(ctx, extent, axis, r);
    x += f * loadF8(basis, 3 * axis);
    y += f * loadF8(basis, 3 * axis + 1);
    z += f * loadF8(basis, 3 * axis + 2);
  }
  for (let k = 0; k < 3; ++k) {
    storeF8(to, k, loadF8(projector, 3 * k) * x + loadF8(projector, 3 * k + 1) * y + loadF8(projector, 3 * k + 2) * z);
  }
}

/** P, the projector onto the directions orthogonal to the vectors of the axes that are not open. */
function formProjector(ctx: usize, projector: usize, open: i32): void {
  for (let i = 0; i < 9; ++i) storeF8(projector, i, i % 4 == 0 ? 1 : 0);
  const basis = ctx + VALUE_GRID_BASIS;
  for (let axis = 0; axis < 3; ++axis) {
    if ((open >> axis) & 1) continue;
    // Gram and Schmidt: what P leaves of this vector is removed from P.
    let x: f64 = 0;
    let y: f64 = 0;
    let z: f64 = 0;
    for (let k = 0; k < 3; ++k) {
      const component = loadF8(basis, 3 * axis + k);
      x += loadF8(projector, k) * component;
      y += loadF8(projector, 3 + k) * component;
      z += loadF8(projector, 6 + k) * component;
    }
    const squared = x * x + y * y + z * z;
    if (!(squared > 0)) continue;
    removeDirection(projector, x, y, z, squared);
  }
}

function removeDirection(projector: usize, x: f64, y: f64, z: f64, squared: f64): void {
  for (let i = 0; i < 3; ++i) {
    const own = i == 0 ? x : i == 1 ? y : z;
    for (let k = 0; k < 3; ++k) {
      const other = k == 0 ? x : k == 1 ? y : z;
      storeF8(projector, 3 * i + k, loadF8(projector, 3 * i + k) - (own * other) / squared);
    }
  }
}

/** V / N of the moments for this set of open axes. */
export function extentVolume(ctx: usize, extent: usize, open: i32): f64 {
  const dimensions = popcnt(open);
  const n = <f64>count(ctx, COUNT_ATOMS);
  const periods = periodicMeasure(ctx, open);
  const covariance = extent + EXTENT_COVARIANCE;
  const spread = Math.sqrt(loadF8(covariance, 0) + loadF8(covariance, 4) + loadF8(covariance, 8));
  const period = dimensions == 3 ? 0 : dimensions == 2 ? periods : Math.sqrt(periods);
  if (!(spread + period > 0)) return 0;
  // From above: the map is concave, so the steps never pass the solution.
  let v: f64 = 100 * (spread + period) * (spread + period) * (spread + period);
  while (solid(extent, dimensions, v, periods) / n > v) v *= 8;
  for (let iteration = 0; iteration < MOST_ITERATIONS; ++iteration) {
    const next = solid(extent, dimensions, v, periods) / n;
    if (!(next < v)) break;
    v = next;
  }
  return v;
}

/** V of the solid with the moments C + c v^(2/3). */
function solid(extent: usize, dimensions: i32, v: f64, periods: f64): f64 {
  const projector = extent + EXTENT_PROJECTOR;
  const covariance = extent + EXTENT_COVARIANCE;
  const variance = CELL_VARIANCE * Math.cbrt(v * v);
  // Along the periodic directions, where C and P vanish, the matrix is 1.
  const a = filled(covariance, projector, 0, variance);
  const b = filled(covariance, projector, 1, variance);
  const c = filled(covariance, projector, 2, variance);
  const d = filled(covariance, projector, 4, variance);
  const e = filled(covariance, projector, 5, variance);
  const f = filled(covariance, projector, 8, variance);
  const determinant = max(0, a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d));
  if (dimensions == 3) return FILLED_ELLIPSOID * (4.0 / 3.0) * Math.PI * Math.sqrt(125 * determinant);
  if (dimensions == 2) return FILLED_CYLINDER * 4 * Math.PI * Math.sqrt(determinant) * periods;
  return Math.sqrt(12 * determinant) * periods;
}

/** Item i of C + variance P + (1 - P). */
function filled(covariance: usize, projector: usize, i: i32, variance: f64): f64 {
  const p = loadF8(projector, i);
  return loadF8(covariance, i) + variance * p + ((i % 4 == 0 ? 1 : 0) - p);
}

/** 1, the length, or the area of the periods along the axes that are not open. */
function periodicMeasure(ctx: usize, open: i32): f64 {
  const basis = ctx + VALUE_GRID_BASIS;
  let first = -1;
  let second = -1;
  for (let axis = 0; axis < 3; ++axis) {
    if ((open >> axis) & 1) continue;
    if (first < 0) first = axis;
    else second = axis;
  }
  if (first < 0) return 1;
  const a = at8(basis, 3 * first);
  if (second < 0) return Math.sqrt(squareOf(load<f64>(a), load<f64>(a, 8), load<f64>(a, 16)));
  const b = at8(basis, 3 * second);
  return Math.sqrt(
    squareOf(
      load<f64>(a, 8) * load<f64>(b, 16) - load<f64>(a, 16) * load<f64>(b, 8),
      load<f64>(a, 16) * load<f64>(b) - load<f64>(a) * load<f64>(b, 16),
      load<f64>(a) * load<f64>(b, 8) - load<f64>(a, 8) * load<f64>(b),
    ),
  );
}

// @ts-ignore: decorator
@inline
function squareOf(x: f64, y: f64, z: f64): f64 {
  return x * x + y * y + z * z;
}

/** Square of the distance of an atom (order given) from the centre, along the open directions. */
export function fromCentre(ctx: usize, extent: usize, open: i32, atom: i32): f64 {
  const centre = extent + EXTENT_CENTRE;
  place(ctx, extent, open, at8(region(ctx, ADDRESS_POSITIONS), 3 * atom));
  return squareOf(
    loadF8(centre, 3) - loadF8(centre, 0),
    loadF8(centre, 4) - loadF8(centre, 1),
    loadF8(centre, 5) - loadF8(centre, 2),
  );
}

/** The shortest distance of two atoms of a frame whose axes are all open. For a few atoms. */
export function leastSpacing(ctx: usize, extent: usize): f64 {
  const n = count(ctx, COUNT_ATOMS);
  const positions = region(ctx, ADDRESS_POSITIONS);
  const centre = extent + EXTENT_CENTRE;
  let least: f64 = Infinity;
  for (let i = 0; i < n; ++i) {
    place(ctx, extent, 7, at8(positions, 3 * i));
    const x = loadF8(centre, 3);
    const y = loadF8(centre, 4);
    const z = loadF8(centre, 5);
    for (let j = 0; j < i; ++j) {
      place(ctx, extent, 7, at8(positions, 3 * j));
      least = min(least, squareOf(loadF8(centre, 3) - x, loadF8(centre, 4) - y, loadF8(centre, 5) - z));
    }
  }
  return Math.sqrt(least);
}
