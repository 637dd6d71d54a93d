import { PhasewireError } from "../errors/index.js";
import { atomCount, type Frame } from "./frame.js";

/**
 * Refuses a frame that cannot be analysed: shapes first, then values. The cell is checked by `completeCell`,
 * the species by `numberSpecies`, because only these know which axes and atoms take part.
 *
 * @throws PhasewireError `EMPTY_FRAME`, `SHAPE_MISMATCH`, `NON_FINITE_POSITIONS`
 */
export function validateFrame(frame: Frame): void {
  if (frame.positions.length === 0) {
    throw new PhasewireError("EMPTY_FRAME", { message: "the frame holds no atoms", field: "positions" });
  }
  validateShapes(frame);
  const wrong = firstNonFinite(frame.positions);
  if (wrong >= 0) {
    throw new PhasewireError("NON_FINITE_POSITIONS", {
      message: `coordinate ${"xyz"[wrong % 3]} of atom ${Math.floor(wrong / 3)} is ${frame.positions[wrong]}`,
      field: "positions",
      value: frame.positions[wrong],
    });
  }
}

/**
 * Refuses a frame whose arrays have different numbers of atoms.
 *
 * @throws PhasewireError `SHAPE_MISMATCH`
 */
export function validateShapes(frame: Frame): void {
  const count = atomCount(frame);
  if (!Number.isInteger(count)) {
    throw new PhasewireError("SHAPE_MISMATCH", {
      message: `there are ${frame.positions.length} coordinates, which is not a multiple of 3`,
      field: "positions",
      value: frame.positions.length,
    });
  }
  if (frame.periodic.length !== 3) {
    throw new PhasewireError("SHAPE_MISMATCH", {
      message: `periodic has ${frame.periodic.length} values; one for each of the 3 axes is needed`,
      field: "periodic",
      value: [...frame.periodic],
    });
  }
  if (frame.species !== null && frame.species.length !== count) {
    throw new PhasewireError("SHAPE_MISMATCH", {
      message: `there are ${frame.species.length} species for ${count} atoms`,
      field: "species",
      value: frame.species.length,
    });
  }
  if (frame.ids && frame.ids.length !== count) {
    throw new PhasewireError("SHAPE_MISMATCH", {
      message: `there are ${frame.ids.length} ids for ${count} atoms`,
      field: "ids",
      value: frame.ids.length,
    });
  }
  for (const [name, column] of Object.entries(frame.arrays)) {
    if (column.data.length !== count * column.width) {
      throw new PhasewireError("SHAPE_MISMATCH", {
        message: `column ${name} has ${column.data.length} values; ${count} atoms x ${column.width} are needed`,
        field: `arrays.${name}`,
        value: column.data.length,
      });
    }
  }
}

/**
 * Index of the first NaN or infinity; -1 if there is none. A plain loop: a callback per coordinate costs
 * several times as much.
 */
function firstNonFinite(values: Float64Array): number {
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index])) return index;
  }
  return -1;
}
