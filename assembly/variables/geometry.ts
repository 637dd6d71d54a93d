/**
 * The cell that regions are measured in. Rows of H are the cell vectors h_i, origin o.
 *
 *     g_i = h_j x h_k / V (i, j, k in a cycle),  s_i = (r - o) . g_i,  height_i = 1 / |g_i|
 */
import {
  COUNT_VARIABLES_PERIODIC,
  VALUE_VARIABLES_CELL,
  VALUE_VARIABLES_LEAST_HEIGHT,
  VALUE_VARIABLES_RECIPROCAL,
} from "./abi";
import { FLAT_CELL } from "../contract";
import { count, loadF8, storeF8 } from "../memory";

/** The component i of the cross product of rows j and k. */
// @ts-ignore: decorator
@inline
function cross(rows: usize, j: i32, k: i32, i: i32): f64 {
  const next = (i + 1) % 3;
  const last = (i + 2) % 3;
  return (
    loadF8(rows, 3 * j + next) * loadF8(rows, 3 * k + last) -
    loadF8(rows, 3 * j + last) * loadF8(rows, 3 * k + next)
  );
}

/** The length of row i. */
function lengthOf(rows: usize, i: i32): f64 {
  const x = loadF8(rows, 3 * i);
  const y = loadF8(rows, 3 * i + 1);
  const z = loadF8(rows, 3 * i + 2);
  return Math.sqrt(x * x + y * y + z * z);
}

/** Forms the reciprocal vectors and the least height; false if the cell spans no volume. */
export function prepareCell(vctx: usize): bool {
  const cell = vctx + VALUE_VARIABLES_CELL;
  const reciprocal = vctx + VALUE_VARIABLES_RECIPROCAL;
  let volume: f64 = 0;
  for (let i = 0; i < 3; ++i) volume += loadF8(cell, i) * cross(cell, 1, 2, i);
  const edges = lengthOf(cell, 0) * lengthOf(cell, 1) * lengthOf(cell, 2);
  if (!(Math.abs(volume) > FLAT_CELL * edges)) return false;
  let least: f64 = Infinity;
  for (let axis = 0; axis < 3; ++axis) {
    for (let i = 0; i < 3; ++i) {
      storeF8(reciprocal, 3 * axis + i, cross(cell, (axis + 1) % 3, (axis + 2) % 3, i) / volume);
    }
    if (isPeriodic(vctx, axis)) least = min(least, 1 / lengthOf(reciprocal, axis));
  }
  store<f64>(vctx + VALUE_VARIABLES_LEAST_HEIGHT, least);
  return true;
}

// @ts-ignore: decorator
@inline
export function isPeriodic(vctx: usize, axis: i32): bool {
  return ((count(vctx, COUNT_VARIABLES_PERIODIC) >> axis) & 1) == 1;
}
