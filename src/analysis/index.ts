export {
  type AnalyseOptions,
  Analyser,
  type AnalyserInfo,
  type AnalyserOptions,
  createAnalyser,
  type Denoising,
  type FrameAnalysis,
} from "./analyser.js";
export { denoisedFrame, labelFrame, notAnalysed } from "./annotate.js";
export type { EnergyAnalysis, EvaluateOptions } from "./energy.js";
export type { Hint, HintCode } from "./hints.js";
export type { EnergyOfValues } from "./pass.js";
export {
  type FrameOptions,
  type PreparedFrame,
  prepareFrame,
  selectsAll,
  validateLengthScale,
} from "./prepare.js";
export { findWaterOxygens, oxygenOfWater } from "./water.js";
