/**
 * Regions: the weight w_a of each atom by its place, and its derivative.
 *
 *     slab   w = S(1 - (|s~| - (to - from)/2) / width)   s~ fractional coordinate minus (from + to)/2, nearest image
 *     ball   w = S(1 - (|d| - radius) / width)           d from the centre to the atom, nearest image
 *
 * Nearest images are found by rounding fractional coordinates. In a skewed cell that may miss the nearest one, but not of an atom within the ball: its
 * radius and width are at most half of the least height of the cell, so such an atom's nearest image is less than 1/2 from the centre along each periodic axis.
 */
import { PhasewireError } from "../errors/index.js";
import type { Ball, Region, Slab } from "./declare.js";
import type { VariableFrame } from "./frame.js";
import { type CellGeometry, cellGeometry } from "./geometry.js";
import { quintic } from "./switching.js";

/** What rounding of the user's numbers may add to a bound. */
const slack = 1e-9;

/** Weights of the atoms by a region. N atoms. */
export interface RegionWeights {
  /** N, from 0 to 1. */
  readonly weights: Float64Array;
  /**
   * Adds factor_a dw_a/dr_a to the gradient (N x 3), and what belongs to it to the virial.
   *
   * @throws PhasewireError `BAD_OPTION` if the edge is sharp
   */
  pull(factors: Float64Array, gradient: Float64Array, virial: Float64Array): void;
}

/**
 * @param field of the region, for errors
 * @throws PhasewireError `MISSING_CELL`, `SINGULAR_CELL`; `BAD_OPTION` if it would meet its own image
 */
export function regionWeights(region: Region, frame: VariableFrame, field: string): RegionWeights {
  const { cell, periodic } = frame;
  if (cell === null) {
    throw new PhasewireError("MISSING_CELL", {
      field,
      message: `${field} is measured in cell vectors, but the frame has no cell`,
      remedy: "Give the frame a cell; its axes need not be periodic.",
    });
  }
  const geometry = cellGeometry(cell, field);
  if ("axis" in region) {
    refuseWideSlab(region, periodic, field);
    return slabWeights(region, geometry, frame, field);
  }
  refuseWideBall(region, geometry, periodic, field);
  return ballWeights(region, geometry, frame, field);
}

function slabWeights(slab: Slab, geometry: CellGeometry, frame: VariableFrame, field: string): RegionWeights {
  const { axis, from, to, width } = slab;
  const { positions, periodic, atomCount } = frame;
  const normal = geometry.reciprocal.subarray(3 * axis, 3 * axis + 3);
  const [middle, half] = [(from + to) / 2, (to - from) / 2];
  const weights = new Float64Array(atomCount);
  /** dw/ds~ */
  const slopes = new Float64Array(atomCount);
  for (let atom = 0; atom < atomCount; atom++) {
    const at = 3 * atom;
    let s =
      positions[at]! * normal[0]! +
      positions[at + 1]! * normal[1]! +
      positions[at + 2]! * normal[2]! -
      middle;
    if (periodic[axis]) s -= Math.round(s);
    const { value, slope } = edge(Math.abs(s) - half, width);
    weights[atom] = value;
    slopes[atom] = s < 0 ? -slope : slope;
  }
  return {
    weights,
    pull(factors, gradient) {
      refuseSharp(width, field);
      for (let atom = 0; atom < atomCount; atom++) {
        const factor = factors[atom]! * slopes[atom]!;
        for (let i = 0; i < 3; i++) gradient[3 * atom + i]! += factor * normal[i]!;
      }
    },
  };
}

function ballWeights(ball: Ball, geometry: CellGeometry, frame: VariableFrame, field: string): RegionWeights {
  const { centre, radius, width } = ball;
  const { positions, atomCount } = frame;
  const origin = geometry.toCartesian(centre);
  const weights = new Float64Array(atomCount);
  /** (dw/d|d|) / |d| */
  const slopes = new Float64Array(atomCount);
  const vectors = new Float64Array(3 * atomCount);
  for (let atom = 0; atom < atomCount; atom++) {
    const at = 3 * atom;
    const [x, y, z] = geometry.nearestImage(
      positions[at]! - origin[0],
      positions[at + 1]! - origin[1],
      positions[at + 2]! - origin[2],
      frame.periodic,
    );
    const length = Math.hypot(x, y, z);
    const { value, slope } = edge(length - radius, width);
    weights[atom] = value;
    // At the centre S' is 0, so that no direction is needed there.
    slopes[atom] = slope === 0 ? 0 : slope / length;
    vectors[at] = x;
    vectors[at + 1] = y;
    vectors[at + 2] = z;
  }
  return {
    weights,
    pull(factors, gradient, virial) {
      refuseSharp(width, field);
      for (let atom = 0; atom < atomCount; atom++) {
        const factor = factors[atom]! * slopes[atom]!;
        if (factor === 0) continue;
        for (let i = 0; i < 3; i++) {
          const derivative = factor * vectors[3 * atom + i]!;
          gradient[3 * atom + i]! += derivative;
          for (let j = 0; j < 3; j++) virial[3 * i + j]! -= derivative * vectors[3 * atom + j]!;
        }
      }
    },
  };
}

/** w and dw/dx at a distance x outside the region. */
function edge(x: number, width: number): { value: number; slope: number } {
  if (width === 0) return { value: x <= 0 ? 1 : 0, slope: 0 };
  const { value, slope } = quintic(1 - x / width);
  return { value, slope: -slope / width };
}

function refuseSharp(width: number, field: string): void {
  if (width > 0) return;
  throw new PhasewireError("BAD_OPTION", {
    field: `${field}.width`,
    value: width,
    message: `${field}.width is 0; a region with a sharp edge has no forces`,
    remedy: "Give its edge a width, over which atoms come in smoothly.",
  });
}

function refuseWideSlab({ axis, from, to, width }: Slab, periodic: readonly boolean[], field: string): void {
  const reach = (to - from) / 2 + width;
  if (!periodic[axis] || reach <= 0.5 + slack) return;
  throw new PhasewireError("BAD_OPTION", {
    field: `${field}.width`,
    value: width,
    message: `${field} reaches ${reach} to either side of its middle; along a periodic axis at most 0.5 can be told from its images`,
    remedy: "Narrow the slab or its width, or leave the region out to take all atoms.",
  });
}

function refuseWideBall(
  { radius, width }: Ball,
  { heights }: CellGeometry,
  periodic: readonly boolean[],
  field: string,
): void {
  const least = Math.min(...heights.filter((_, axis) => periodic[axis]));
  if (radius + width <= (0.5 + slack) * least) return;
  throw new PhasewireError("BAD_OPTION", {
    field: `${field}.radius`,
    value: radius,
    message: `${field} reaches ${radius + width} from its centre; the cell is only ${least} high, and at most half of that can be told from its images`,
    remedy: "Make the ball smaller, or the cell larger.",
  });
}
