/** From a message to the frame that the core takes, checked for everything that can be wrong with its values. */
import type { CoreFrame } from "../../src/core/types.js";
import { completeCell, validateFrame } from "../../src/frame/index.js";
import type { Analyse } from "./wire.js";

/**
 * @throws PhasewireError `NON_FINITE_POSITIONS`, `NON_FINITE_CELL`, `MISSING_CELL`, `SINGULAR_CELL`
 */
export function frameOf(message: Analyse): CoreFrame {
  const { periodic, lengthScale, ignoreSpecies } = message;
  const positions =
    message.positions instanceof Float64Array ? message.positions : Float64Array.from(message.positions);
  validateFrame({ positions, cell: message.cell, periodic, species: null, info: {}, arrays: {} });
  const frame: CoreFrame = {
    positions,
    cell: completeCell(message.cell, periodic),
    periodic,
    species: ignoreSpecies ? null : message.species,
  };
  return lengthScale === null ? frame : { ...frame, lengthScale };
}
