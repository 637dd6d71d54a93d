import { PhasewireError, refusal } from "../errors/index.js";
import { atomCount, type Frame } from "./frame.js";

/**
 * Refuses a frame that cannot be analysed: shapes first, then values. The cell is checked by `completeCell`,
 * the species by `numberSpecies`, because only these know which axes and atoms take part.
 *
 * @throws PhasewireError `EMPTY_FRAME`, `SHAPE_MISMATCH`, `NON_FINITE_POSITIONS`
 */
export function validateFrame(frame: Frame): void {
  if (frame.positions.length === 0) throw refusal("emptyFrame", {});
  validateShapes(frame);
  const wrong = firstNonFinite(frame.positions);
  if (wrong < 0) return;
  const number = frame.positions[wrong]!;
  const place = { axis: "xyz"[wrong % 3]!, atom: Math.floor(wrong / 3) };
  throw refusal("positionNotFinite", { ...place, number }, { value: number });
}

/**
 * Refuses a frame whose arrays have different numbers of atoms.
 *
 * @throws PhasewireError `SHAPE_MISMATCH`
 */
export function validateShapes(frame: Frame): void {
  const count = atomCount(frame);
  const { positions, periodic, species, ids } = frame;
  if (!Number.isInteger(count)) throw wrongShape("positionsShape", positions.length);
  if (periodic.length !== 3) {
    throw refusal("periodicShape", { found: `[${periodic.join(", ")}]` }, { value: [...periodic] });
  }
  if (species !== null && species.length !== count) throw wrongCount("species", species.length, count);
  if (ids && ids.length !== count) throw wrongCount("ids", ids.length, count);
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

/** The error for an array of `found` numbers. */
export function wrongShape(reason: "positionsShape" | "cellShape", found: number): PhasewireError {
  return refusal(reason, { found: `${found} numbers` }, { value: found });
}

/** The error for an array without one entry per atom. */
export function wrongCount(array: string, found: number, atoms: number): PhasewireError {
  return refusal("countOfAtoms", { array, found: `${found} entries`, atoms }, { value: found });
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
