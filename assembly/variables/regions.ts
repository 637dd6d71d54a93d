/**
 * Regions: the factor of w_a by the place of an atom, and its derivative.
 *
 *     slab   w = S(1 - (|s~| - (to - from)/2) / edge)   s~ = s - (from + to)/2, nearest image
 *     ball   w = S(1 - (|d| - radius) / edge)           d from centre to atom, nearest image
 *     S(x) = x^3 (10 - 15 x + 6 x^2) between 0 and 1, constant outside; S'(x) = 30 x^2 (1 - x)^2
 *
 * Nearest images are found by rounding fractional coordinates. In a skewed cell that may miss the
 * nearest one, but not for an atom within the ball: radius and edge are at most half of the least
 * height of the cell, so the nearest image of such an atom is less than 1/2 from the centre along
 * each periodic axis.
 */
import {
  ADDRESS_VARIABLES_GRADIENT,
  ADDRESS_VARIABLES_POSITIONS,
  VALUE_VARIABLES_CELL,
  VALUE_VARIABLES_ERROR,
  VALUE_VARIABLES_LEAST_HEIGHT,
  VALUE_VARIABLES_ORIGIN,
  VALUE_VARIABLES_RECIPROCAL,
  VALUE_VARIABLES_VIRIAL,
} from "./abi";
import { REGION_SLACK } from "../contract";
import { addF8, at8, loadF8, region, storeF8, value } from "../memory";
import { isPeriodic } from "./geometry";
import {
  RECORD_AXIS,
  RECORD_CENTRE,
  RECORD_EDGE,
  RECORD_FROM,
  RECORD_MIDDLE,
  RECORD_RADIUS,
  RECORD_REGION,
  RECORD_TO,
  REGION_SLAB,
} from "./program";
import { SELECTION_SLOPE, SELECTION_WEIGHT, SELECTION_X, SELECTION_Y, SELECTION_Z } from "./scratch";


/** S(x) */
// @ts-ignore: decorator
@inline
function step(x: f64): f64 {
  return x <= 0 ? 0 : x >= 1 ? 1 : x * x * x * (10 - 15 * x + 6 * x * x);
}

/** S'(x) */
// @ts-ignore: decorator
@inline
function stepSlope(x: f64): f64 {
  return x <= 0 || x >= 1 ? 0 : 30 * x * x * (1 - x) * (1 - x);
}

/** a . b of the numbers from i on of one, from j on of the other. */
// @ts-ignore: decorator
@inline
function dot3(a: usize, i: i32, b: usize, j: i32): f64 {
  return (
    loadF8(a, i) * loadF8(b, j) + loadF8(a, i + 1) * loadF8(b, j + 1) + loadF8(a, i + 2) * loadF8(b, j + 2)
  );
}

/**
 * Finds the middle of the region; false, with the reach as the error's number, if it meets its own
 * image.
 */
export function prepareRegion(vctx: usize, record: usize): bool {
  const middle = record + RECORD_MIDDLE;
  const origin = vctx + VALUE_VARIABLES_ORIGIN;
  if (<i32>value(record, RECORD_REGION) == REGION_SLAB) {
    const axis = <i32>value(record, RECORD_AXIS);
    const from = value(record, RECORD_FROM);
    const to = value(record, RECORD_TO);
    storeF8(middle, 0, (from + to) / 2 + dot3(origin, 0, vctx + VALUE_VARIABLES_RECIPROCAL, 3 * axis));
    const reach = (to - from) / 2 + value(record, RECORD_EDGE);
    store<f64>(vctx + VALUE_VARIABLES_ERROR, reach);
    return !isPeriodic(vctx, axis) || reach <= 0.5 + REGION_SLACK;
  }
  for (let i = 0; i < 3; ++i) {
    let x = loadF8(origin, i);
    for (let axis = 0; axis < 3; ++axis) {
      x += loadF8(record + RECORD_CENTRE, axis) * loadF8(vctx + VALUE_VARIABLES_CELL, 3 * axis + i);
    }
    storeF8(middle, i, x);
  }
  const reach = value(record, RECORD_RADIUS) + value(record, RECORD_EDGE);
  store<f64>(vctx + VALUE_VARIABLES_ERROR, reach);
  return reach <= (0.5 + REGION_SLACK) * value(vctx, VALUE_VARIABLES_LEAST_HEIGHT);
}

/** Multiplies the weights of `length` atoms from `begin` by the region's; writes their slopes. */
export function weighRegion(vctx: usize, record: usize, selection: usize, begin: i32, length: i32): void {
  if (<i32>value(record, RECORD_REGION) == REGION_SLAB) weighSlab(vctx, record, selection, begin, length);
  else weighBall(vctx, record, selection, begin, length);
}

/** Writes weight and slope of an atom `x` outside the region, of the weight `kept` without it. */
// @ts-ignore: decorator
@inline
function putWeight(selection: usize, place: i32, kept: f64, x: f64, edge: f64, per: f64): void {
  if (edge == 0) {
    storeF8(selection + SELECTION_WEIGHT, place, x <= 0 ? kept : 0);
    storeF8(selection + SELECTION_SLOPE, place, 0);
    return;
  }
  const depth = 1 - x / edge;
  storeF8(selection + SELECTION_WEIGHT, place, kept * step(depth));
  const slope = stepSlope(depth);
  // At the centre of a ball the slope is 0, so no direction is needed there.
  storeF8(selection + SELECTION_SLOPE, place, slope == 0 ? 0 : (-kept * slope) / edge / per);
}

function weighSlab(vctx: usize, record: usize, selection: usize, begin: i32, length: i32): void {
  const axis = <i32>value(record, RECORD_AXIS);
  const wraps = isPeriodic(vctx, axis);
  const normal = vctx + VALUE_VARIABLES_RECIPROCAL + <usize>(24 * axis);
  const x = loadF8(normal, 0);
  const y = loadF8(normal, 1);
  const z = loadF8(normal, 2);
  const middle = value(record, RECORD_MIDDLE);
  const half = (value(record, RECORD_TO) - value(record, RECORD_FROM)) / 2;
  const edge = value(record, RECORD_EDGE);
  const positions = at8(region(vctx, ADDRESS_VARIABLES_POSITIONS), 3 * begin);
  for (let i = 0; i < length; ++i) {
    const kept = loadF8(selection + SELECTION_WEIGHT, i);
    const r = at8(positions, 3 * i);
    let s = loadF8(r, 0) * x + loadF8(r, 1) * y + loadF8(r, 2) * z - middle;
    if (wraps) s -= nearest(s);
    putWeight(selection, i, kept, Math.abs(s) - half, edge, s < 0 ? -1 : 1);
  }
}

function weighBall(vctx: usize, record: usize, selection: usize, begin: i32, length: i32): void {
  const middle = record + RECORD_MIDDLE;
  const cell = vctx + VALUE_VARIABLES_CELL;
  const reciprocal = vctx + VALUE_VARIABLES_RECIPROCAL;
  const radius = value(record, RECORD_RADIUS);
  const edge = value(record, RECORD_EDGE);
  const positions = at8(region(vctx, ADDRESS_VARIABLES_POSITIONS), 3 * begin);
  for (let i = 0; i < length; ++i) {
    const kept = loadF8(selection + SELECTION_WEIGHT, i);
    const r = at8(positions, 3 * i);
    const x = loadF8(r, 0) - loadF8(middle, 0);
    const y = loadF8(r, 1) - loadF8(middle, 1);
    const z = loadF8(r, 2) - loadF8(middle, 2);
    let dx = x;
    let dy = y;
    let dz = z;
    for (let axis = 0; axis < 3; ++axis) {
      if (!isPeriodic(vctx, axis)) continue;
      const normal = at8(reciprocal, 3 * axis);
      const vector = at8(cell, 3 * axis);
      // Whole vectors of one axis leave the fractional coordinates along the others as they are.
      const shift = nearest(x * loadF8(normal, 0) + y * loadF8(normal, 1) + z * loadF8(normal, 2));
      dx -= shift * loadF8(vector, 0);
      dy -= shift * loadF8(vector, 1);
      dz -= shift * loadF8(vector, 2);
    }
    const distance = Math.sqrt(dx * dx + dy * dy + dz * dz);
    putWeight(selection, i, kept, distance - radius, edge, distance);
    storeF8(selection + SELECTION_X, i, dx);
    storeF8(selection + SELECTION_Y, i, dy);
    storeF8(selection + SELECTION_Z, i, dz);
  }
}

/**
 * Adds to the gradient of the atom `place` of the block that begins with atom `begin`, and to the
 * virial, what follows from `derivative` = dE/dw_a.
 */
// @ts-ignore: decorator
@inline
export function pullRegion(
  vctx: usize,
  record: usize,
  selection: usize,
  begin: i32,
  place: i32,
  derivative: f64,
): void {
  const factor = derivative * loadF8(selection + SELECTION_SLOPE, place);
  if (factor == 0) return;
  const gradient = at8(region(vctx, ADDRESS_VARIABLES_GRADIENT), 3 * (begin + place));
  if (<i32>value(record, RECORD_REGION) == REGION_SLAB) {
    const normal = vctx + VALUE_VARIABLES_RECIPROCAL + <usize>(24 * <i32>value(record, RECORD_AXIS));
    for (let i = 0; i < 3; ++i) addF8(gradient, i, factor * loadF8(normal, i));
    return;
  }
  const virial = vctx + VALUE_VARIABLES_VIRIAL;
  const x = loadF8(selection + SELECTION_X, place);
  const y = loadF8(selection + SELECTION_Y, place);
  const z = loadF8(selection + SELECTION_Z, place);
  pullComponent(gradient, virial, 0, factor * x, x, y, z);
  pullComponent(gradient, virial, 1, factor * y, x, y, z);
  pullComponent(gradient, virial, 2, factor * z, x, y, z);
}

// @ts-ignore: decorator
@inline
function pullComponent(
  gradient: usize,
  virial: usize,
  i: i32,
  derivative: f64,
  x: f64,
  y: f64,
  z: f64,
): void {
  addF8(gradient, i, derivative);
  addF8(virial, 3 * i, -derivative * x);
  addF8(virial, 3 * i + 1, -derivative * y);
  addF8(virial, 3 * i + 2, -derivative * z);
}
