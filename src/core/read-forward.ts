/** Reads the results of a forward pass from the core's memory. */
import type { CoreContext } from "./context.js";
import type { ForwardResult, PassOptions } from "./types.js";

/** @param classCount 0 if the frame has no room for logits and probabilities */
export function readForward(
  context: CoreContext,
  atomCount: number,
  classCount: number,
  { arrays = "copies" }: PassOptions,
): ForwardResult {
  const table = arrays === "atoms" ? 0 : atomCount * classCount;
  const views = {
    logits: context.singles("LOGITS", table),
    probabilities: context.singles("PROBABILITIES", table),
    labels: context.shorts("LABELS", atomCount),
    confidence: context.singles("CONFIDENCE", atomCount),
    margin: context.singles("MARGIN", atomCount),
    atomLogDensity: context.singles("ATOM_LOG_DENSITY", atomCount),
    distance: context.singles("DISTANCE", atomCount),
    logDensity: context.value("LOG_DENSITY"),
    lengthScale: context.value("LENGTH_SCALE"),
  };
  if (arrays === "views") return views;
  return {
    ...views,
    logits: views.logits.slice(),
    probabilities: views.probabilities.slice(),
    labels: views.labels.slice(),
    confidence: views.confidence.slice(),
    margin: views.margin.slice(),
    atomLogDensity: views.atomLogDensity.slice(),
    distance: views.distance.slice(),
  };
}
