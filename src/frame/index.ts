export { completeCell, flatCell, missingCell } from "./cell.js";
export {
  atomCount,
  type Column,
  createFrame,
  type Frame,
  type FrameParts,
  type InfoValue,
  type Periodic,
} from "./frame.js";
export { renameSpecies, type SpeciesMap } from "./rename.js";
export { numberSpecies, selectAtoms } from "./species.js";
export { validateFrame, validateShapes, wrongCount, wrongShape } from "./validate.js";
