export { type ClassNames, type ClassWeights, classWeights, findClass } from "./classes.js";
export { loadModel, type Manifest, type ManifestEntry, readManifest } from "./locate.js";
export { type Model, type PhaseClass, parseModel } from "./model.js";
