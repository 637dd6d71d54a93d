/**
 * Phasewire's library: load a model, read frames, analyse and denoise them.
 *
 * ```ts
 * const analyser = await createAnalyser(await loadModel());
 * for await (const frame of readFrames("run.extxyz.gz")) {
 *   const { fractions } = await analyser.analyse(frame, { denoise: 8 });
 * }
 * await analyser.dispose();
 * ```
 */
export * from "./analysis/index.js";
export { type BuildChoice, type CallLimits, type CoreBuild, coresGiven } from "./core/index.js";
export {
  asPhasewireError,
  type CatalogueEntry,
  type ErrorCode,
  type ErrorDetails,
  type ErrorObject,
  errorCatalogue,
  PhasewireError,
} from "./errors/index.js";
export * from "./formats/index.js";
export {
  atomCount,
  type Column,
  createFrame,
  type Frame,
  type FrameParts,
  type InfoValue,
  type Periodic,
  type SpeciesMap,
} from "./frame/index.js";
export * from "./model/index.js";
export * from "./variables/index.js";
