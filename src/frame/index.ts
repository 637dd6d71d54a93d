export { completeCell } from "./cell.js";
export {
  atomCount,
  type Column,
  createFrame,
  type Frame,
  type FrameParts,
  type InfoValue,
  type Periodic,
} from "./frame.js";
export { numberSpecies, selectAtoms } from "./species.js";
export { validateFrame, validateShapes } from "./validate.js";
