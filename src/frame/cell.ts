/**
 * Cells of frames that are periodic along all, some or none of their axes.
 *
 * Shifts along a non-periodic axis do not exist, so its vector has no physical meaning; files have zeros
 * there as often as a box length. `completeCell` gives such an axis a direction independent of the others.
 */
import { limits } from "../contract/limits.js";
import { type PhasewireError, refusal } from "../errors/index.js";
import type { Periodic } from "./frame.js";
import { wrongShape } from "./validate.js";

type Vector = [number, number, number];

/**
 * Makes the cell for the core: finite, and with a volume.
 *
 * @param cell 9 numbers, rows are the vectors, or null
 * @returns null if no axis is periodic; else 9 numbers in which the vectors of periodic axes are untouched. A
 *   left-handed cell stays left-handed.
 * @throws PhasewireError `SHAPE_MISMATCH`, `NON_FINITE_CELL`, `MISSING_CELL`, `SINGULAR_CELL`
 */
export function completeCell(cell: Float64Array | null, periodic: Periodic): Float64Array | null {
  const periodicAxes = [0, 1, 2].filter((axis) => periodic[axis]);
  if (cell === null) {
    if (periodicAxes.length === 0) return null;
    throw missingCell(periodic);
  }
  if (cell.length !== 9) throw wrongShape("cellShape", cell.length);
  const wrong = cell.findIndex((component) => !Number.isFinite(component));
  if (wrong >= 0) {
    const place = { axis: "xyz"[wrong % 3]!, vector: "abc"[Math.floor(wrong / 3)]! };
    throw refusal("cellNotFinite", { ...place, number: cell[wrong]! }, { value: cell });
  }
  if (periodicAxes.length === 0) return null;

  const rows: Vector[] = [0, 1, 2].map((axis) => [cell[3 * axis]!, cell[3 * axis + 1]!, cell[3 * axis + 2]!]);
  if (!(relativeSpan(periodicAxes.map((axis) => rows[axis]!)) > limits.frame.flatCell)) {
    throw flatCell(cell, periodic);
  }
  if (relativeSpan(rows) > limits.frame.flatCell) return cell;
  return Float64Array.from(replaceFreeAxes(rows, periodicAxes).flat());
}

/** The error for a periodic frame without a cell. */
export function missingCell(periodic: Periodic): PhasewireError {
  return refusal("missingCell", { axes: namesOf(periodic) });
}

/** The error for a cell whose periodic vectors span no volume. */
export function flatCell(cell: ArrayLike<number>, periodic: Periodic): PhasewireError {
  const extent = ["length", "area", "volume"][periodic.filter(Boolean).length - 1]!;
  return refusal("flatCell", { extent, axes: namesOf(periodic) }, { value: Array.from(cell) });
}

function namesOf(periodic: Periodic): string {
  return [..."abc"].filter((_, axis) => periodic[axis]).join(", ");
}

/**
 * The vectors along non-periodic axes replaced by unit vectors perpendicular to all others, in right-handed
 * order.
 */
function replaceFreeAxes(rows: Vector[], periodicAxes: number[]): Vector[] {
  if (periodicAxes.length === 2) {
    const free = 3 - periodicAxes[0]! - periodicAxes[1]!;
    const [next, afterNext] = [(free + 1) % 3, (free + 2) % 3];
    return rows.map((row, axis) => (axis === free ? normalised(cross(rows[next]!, rows[afterNext]!)) : row));
  }
  const kept = periodicAxes[0]!;
  const along = normalised(rows[kept]!);
  // The Cartesian axis least parallel to the kept vector gives the best-conditioned cross product.
  const least = along.reduce(
    (best, part, axis) => (Math.abs(part) < Math.abs(along[best]!) ? axis : best),
    0,
  );
  const helper: Vector = [0, 0, 0];
  helper[least] = 1;
  const first = normalised(cross(along, helper));
  const completed = [...rows];
  completed[(kept + 1) % 3] = first;
  completed[(kept + 2) % 3] = cross(along, first);
  return completed;
}

/**
 * |determinant|, area or length of up to three vectors over the product of their lengths; 0 or NaN if one
 * vanishes.
 */
function relativeSpan(vectors: Vector[]): number {
  if (vectors.some((vector) => !(length(vector) > 0))) return 0;
  const [a, b, c] = vectors.map(normalised);
  if (a === undefined) return 0;
  if (b === undefined) return 1;
  const normal = cross(a, b);
  if (c === undefined) return length(normal);
  return Math.abs(normal[0] * c[0] + normal[1] * c[1] + normal[2] * c[2]);
}

function cross(u: Vector, v: Vector): Vector {
  return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
}

function length(vector: Vector): number {
  return Math.hypot(vector[0], vector[1], vector[2]);
}

function normalised(vector: Vector): Vector {
  const norm = length(vector);
  return [vector[0] / norm, vector[1] / norm, vector[2] / norm];
}
