/**
 * The double-precision reference, for the gradient check and for tests: scalar formulas, and neighbours by
 * brute force. It is slow. Its regions begin where those of the frame end.
 */
import type { BackwardResult, LoadedFrame } from "./types.js";

/** Results of the reference, in the order of the given atoms. */
export interface ReferenceResult {
  readonly lengthScale: number;
  readonly logDensity: number;
  /** N */
  readonly neighbourCounts: Int32Array;
  /** N x (L + 1)^2 x K (lm, k) */
  readonly densities: Float64Array;
  /** N x I */
  readonly invariants: Float64Array;
  /** N x H */
  readonly hidden: Float64Array;
  /** N x M */
  readonly messages: Float64Array;
  /** N x C */
  readonly logits: Float64Array;
  /** N, log-odds that the surroundings are those of a class; empty if the model does not ask for them. */
  readonly known: Float64Array;
}

/**
 * Evaluates the loaded frame: `forwardReference(core.loadedFrame())`.
 *
 * @throws PhasewireError `TOO_LARGE`
 */
export function forwardReference(frame: LoadedFrame): ReferenceResult {
  const logDensity = evaluate(frame);
  const { context } = frame;
  const { core, address } = context;
  const atomCount = context.count("ATOMS");
  const starts = context.integers("REFERENCE_START", atomCount + 1);
  const rows = (name: string, width: number) =>
    context.doubles(`REFERENCE_${name}`, width * atomCount).slice();
  const asksKnown = context.count("KNOWN") > 0;
  if (asksKnown) core.knownReference(address);
  return {
    lengthScale: context.value("LENGTH_SCALE"),
    logDensity,
    neighbourCounts: Int32Array.from({ length: atomCount }, (_, atom) => starts[atom + 1]! - starts[atom]!),
    densities: rows("DENSITY", core.harmonicCount(address) * context.count("CHANNELS")),
    invariants: rows("INVARIANTS", core.invariantCount(address)),
    hidden: rows("HIDDEN", context.count("HIDDEN")),
    messages: rows("MESSAGES", context.count("MESSAGE")),
    logits: rows("LOGITS", context.count("CLASSES")),
    known: rows("KNOWN", asksKnown ? 1 : 0),
  };
}

/**
 * Returns gradient and virial of the loaded frame.
 *
 * @param seed N x C, dL/dl_ac; by default the seed of the log density
 * @throws PhasewireError `TOO_LARGE`
 */
export function backwardReference(frame: LoadedFrame, seed?: Float64Array): BackwardResult {
  evaluate(frame);
  const { context } = frame;
  const { core, address } = context;
  if (seed === undefined) core.seedReference(address);
  else context.doubles("REFERENCE_SEED", context.count("ATOMS") * context.count("CLASSES")).set(seed);
  core.backwardReference(address);
  return {
    gradient: context.doubles("REFERENCE_GRADIENT", 3 * context.count("ATOMS")).slice(),
    virial: context.values("VIRIAL", 9).slice(),
  };
}

/** Lays the reference out and evaluates it; returns logP. */
function evaluate({ context, end }: LoadedFrame): number {
  const { core, address } = context;
  for (let capacity = 0; ; capacity = context.count("REFERENCE_NEEDED")) {
    context.reserve(core.layoutReference(address, end, capacity), "frame");
    if (core.referencePairs(address) === core.STATUS_OK.value) return core.forwardReference(address);
  }
}
