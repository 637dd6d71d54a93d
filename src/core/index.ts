/** The compiled core behind a typed interface: neighbours, logits, gradients, denoising. */
export { coreAlone } from "./alone.js";
export { type BuildChoice, buildChoices, type CoreBuild } from "./build.js";
export { abortedError, type CallLimits, checkBudget } from "./call-limits.js";
export type { CoreContext } from "./context.js";
export { coresGiven } from "./cores.js";
export type { CoreExports } from "./exports.js";
export type { CoreHost } from "./host.js";
export { PhaseCore } from "./phase-core.js";
export { backwardReference, forwardReference, type ReferenceResult } from "./reference.js";
export { roomForSeed } from "./seed-room.js";
export { findBadSize, type ModelShape, tensorShapes, usualShape } from "./shape.js";
export type {
  BackwardResult,
  BatchOptions,
  CoreFrame,
  CoreModel,
  CoreOptions,
  CoreTensors,
  DenoiseOptions,
  DenoiseResult,
  EvaluatedFrame,
  ForwardResult,
  FrameRoom,
  LoadedFrame,
  LoadOptions,
  PassOptions,
  ScoreResult,
} from "./types.js";
