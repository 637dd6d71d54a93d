/** A cell from outside: fractional coordinates, heights, nearest images. Rows of H are the cell vectors. */
import { limits } from "../contract/limits.js";
import { PhasewireError } from "../errors/index.js";

type Vector = [number, number, number];

export interface CellGeometry {
  /** Above 0, whichever handedness the cell has. */
  readonly volume: number;
  /** 9 numbers: row i is the reciprocal vector g_i, so that s_i = r . g_i. */
  readonly reciprocal: Float64Array;
  /** Distances between opposite faces, in the order of the axes. */
  readonly heights: Vector;
  toCartesian(fractions: readonly [number, number, number]): Vector;
  /**
   * The vector less whole cell vectors of the periodic axes, as rounding its fractional coordinates gives
   * them.
   */
  nearestImage(x: number, y: number, z: number, periodic: readonly [boolean, boolean, boolean]): Vector;
}

/**
 * @param cell 9 numbers
 * @param field what the cell is needed for
 * @throws PhasewireError `SINGULAR_CELL` if its three vectors span no volume, whichever axes are periodic
 */
export function cellGeometry(cell: ArrayLike<number>, field: string): CellGeometry {
  const rows = rowsOf(cell);
  const normals = [0, 1, 2].map((axis) => cross(rows[(axis + 1) % 3]!, rows[(axis + 2) % 3]!));
  const volume = dot(rows[0]!, normals[0]!);
  if (!spansVolume(cell)) {
    throw new PhasewireError("SINGULAR_CELL", {
      field: "cell",
      value: Array.from(cell),
      message: `the three cell vectors span no volume, so ${field} cannot be measured in fractional coordinates`,
      remedy: "Give all three cell vectors, including those of axes that are not periodic.",
    });
  }
  const reciprocal = Float64Array.from(normals.flat(), (component) => component / volume);
  const heights = normals.map((normal) => Math.abs(volume) / Math.hypot(...normal)) as Vector;
  const toCartesian = (fractions: readonly [number, number, number]): Vector =>
    [0, 1, 2].map((i) => rows.reduce((sum, row, axis) => sum + fractions[axis]! * row[i]!, 0)) as Vector;
  return {
    volume: Math.abs(volume),
    reciprocal,
    heights,
    toCartesian,
    nearestImage(x, y, z, periodic) {
      const image: Vector = [x, y, z];
      for (let axis = 0; axis < 3; axis++) {
        if (!periodic[axis]) continue;
        const [gx, gy, gz] = [reciprocal[3 * axis]!, reciprocal[3 * axis + 1]!, reciprocal[3 * axis + 2]!];
        // Whole vectors of one axis leave the fractional coordinates along the others as they are.
        const shift = Math.round(x * gx + y * gy + z * gz);
        for (let i = 0; i < 3; i++) image[i]! -= shift * rows[axis]![i]!;
      }
      return image;
    },
  };
}

/** Whether the three vectors of a cell span a volume, whichever axes are periodic. */
export function spansVolume(cell: ArrayLike<number>): boolean {
  const rows = rowsOf(cell);
  const [a, b, c] = rows as [Vector, Vector, Vector];
  const edges = rows.reduce((product, row) => product * Math.hypot(...row), 1);
  return Math.abs(dot(a, cross(b, c))) > limits.frame.flatCell * edges;
}

function rowsOf(cell: ArrayLike<number>): Vector[] {
  return [0, 3, 6].map((at) => [cell[at]!, cell[at + 1]!, cell[at + 2]!]);
}

function cross(u: Vector, v: Vector): Vector {
  return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
}

function dot(u: Vector, v: Vector): number {
  return u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
}
