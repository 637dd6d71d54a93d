/**
 * Cells of frames that are periodic along all, some or none of their axes.
 *
 * Shifts along a non-periodic axis do not exist, so its vector has no physical meaning; files have zeros
 * there as often as a box length. `completeCell` gives such an axis a direction independent of the others.
 */
import { limits } from "../contract/limits.js";
import { PhasewireError } from "../errors/index.js";
import type { Periodic } from "./frame.js";

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
    throw new PhasewireError("MISSING_CELL", {
      message: `the frame is periodic along ${periodicAxes.map(axisName).join(", ")}, but has no cell`,
      field: "cell",
    });
  }
  if (cell.length !== 9) {
    throw new PhasewireError("SHAPE_MISMATCH", {
      message: `the cell has ${cell.length} numbers; 3 x 3 = 9 are needed`,
      field: "cell",
      value: cell.length,
    });
  }
  const wrong = cell.findIndex((component) => !Number.isFinite(component));
  if (wrong >= 0) {
    throw new PhasewireError("NON_FINITE_CELL", {
      message: `component ${"xyz"[wrong % 3]} of cell vector ${axisName(Math.floor(wrong / 3))} is ${cell[wrong]}`,
      field: "cell",
      value: cell,
    });
  }
  if (periodicAxes.length === 0) return null;

  const rows: Vector[] = [0, 1, 2].map((axis) => [cell[3 * axis]!, cell[3 * axis + 1]!, cell[3 * axis + 2]!]);
  if (!(relativeSpan(periodicAxes.map((axis) => rows[axis]!)) > limits.frame.flatCell)) {
    throw new PhasewireError("SINGULAR_CELL", {
      message: `the cell vectors of the periodic ${periodicAxes.length === 1 ? "axis" : "axes"} ${periodicAxes
        .map(axisName)
        .join(", ")} span no ${["length", "area", "volume"][periodicAxes.length - 1]}`,
      field: "cell",
      value: cell,
    });
  }
  if (relativeSpan(rows) > limits.frame.flatCell) return cell;
  return Float64Array.from(replaceFreeAxes(rows, periodicAxes).flat());
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

function axisName(axis: number): string {
  return "abc"[axis]!;
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
