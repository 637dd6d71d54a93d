export { type ClassNames, type ClassWeights, classWeights, findClass, logWeights } from "./classes.js";
export { loadModel, type Manifest, type ManifestEntry, readManifest } from "./locate.js";
export { type Model, type PhaseClass, parseModel } from "./model.js";
