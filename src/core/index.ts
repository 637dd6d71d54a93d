/** The compiled core behind a typed interface: neighbours, logits, gradients, denoising. */
export { PhaseCore } from "./phase-core.js";
export type {
  BackwardResult,
  CoreFrame,
  CoreModel,
  CoreOptions,
  CoreTensors,
  DenoiseOptions,
  DenoiseResult,
  ForwardResult,
  FrameRoom,
  NeighbourLists,
  PassOptions,
  ReferenceResult,
  ScoreResult,
} from "./types.js";
