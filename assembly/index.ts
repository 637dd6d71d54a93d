/** Everything that a host can call or read; docs/core-abi.md describes its use. */
export * from "./abi";
export {
  CHANNEL_STEP,
  degreeAt,
  degreeCount,
  firstHarmonic,
  groupBytes,
  harmonicCount,
  invariantCount,
  MAX_BASIS,
  MAX_CHANNELS,
  MAX_CLASSES,
  MAX_HIDDEN,
  MAX_INNER,
  MAX_KNOWN,
  MAX_LMAX,
  MAX_OUTER,
  MIN_LMAX,
  OUTER_STEP,
  paddedClasses,
  WIDTH_STEP,
} from "./shape";
export { hasTables, heapBase, layoutFrame, layoutModel, layoutReference, slotCapacity } from "./layout";
export * from "./variables/abi";
export * from "./variables/program";
export { prepareModel } from "./model";
export { setPrior } from "./prior";
export { estimateLengthScale } from "./lengthscale";
export { binAtoms } from "./bin";
export { findPairs, finishPairs } from "./neighbours";
export { referencePairs } from "./reference-pairs";
export { loadFrame } from "./load";
export { finishForward, forward, forwardDensity, forwardLogits } from "./forward";
export { backward, backwardDensity, backwardLogits, finishBackward, gatherGradient, score } from "./backward";
export { seedLogDensity } from "./readout";
export { knownReference } from "./known";
export {
  advanceDenoise,
  denoise,
  denoiseFor,
  DENOISE_DONE,
  DENOISE_LOAD,
  DENOISE_SCORE,
  seedDenoise,
  startDenoise,
} from "./denoise";
export { groupSpecies } from "./contacts";
export { forgetFrames } from "./forget";
export { backwardReference, forwardReference, readReference, seedReference } from "./reference";
export { exponentials } from "./vector";
export { splatNumbers } from "./product";
export { layoutVariables } from "./variables/layout";
export { evaluateVariables, finishVariables, startVariables, sumVariables } from "./variables/evaluate";
export { pullAtoms, pullVariables, startPull } from "./variables/pull";
export { combineDerivatives, scaleSeed } from "./variables/derivatives";
export { exponentials2 } from "./variables/exponential";
