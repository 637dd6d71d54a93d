/** Turns an analysis into the messages that report it. */
import { protocol } from "../../src/contract/protocol.js";
import { PhasewireError } from "../../src/errors/index.js";
import type { Analysis } from "./analyser.js";
import { readArray } from "./wire/codec.js";
import type {
  Analyse,
  ErrorMessage,
  ObservedField,
  ResultField,
  ResultScalars,
  WireArray,
} from "./wire/wire.js";

/** Values of a result besides the analysis. */
export interface ResultContext {
  run: string;
  classes: readonly string[];
  dropped: number;
  seconds: number;
  waitedSeconds: number;
}

/** The scalars of a result. */
export function resultScalars(frame: Analyse, analysis: Analysis, context: ResultContext): ResultScalars {
  const { labels, margin, bias, denoised, logDensity, lengthScale } = analysis;
  const atomCount = labels.length;
  const counts = histogram(labels, context.classes.length);
  const scalars: ResultScalars = {
    run: context.run,
    mode: frame.mode,
    step: frame.step,
    observables: frame.observables,
    atomCount,
    lengthScale,
    fractions: Object.fromEntries(
      context.classes
        .map((name, index) => [name, counts[index]! / atomCount] as const)
        .filter(([, fraction]) => fraction > 0),
    ),
    logDensity,
    meanLogDensityPerAtom: logDensity / atomCount,
    meanMargin: mean(margin),
    dropped: context.dropped,
    seconds: context.seconds,
    waitedSeconds: context.waitedSeconds,
  };
  if (frame.time !== null) scalars.time = frame.time;
  if (frame.selection !== null) scalars.selection = frame.selection;
  if (denoised !== undefined) {
    scalars.denoising = { steps: denoised.steps, meanDisplacement: denoised.meanDisplacement };
  }
  if (bias !== undefined) {
    scalars.values = bias.values;
    scalars.energy = bias.energy;
  }
  assertFinite(scalars);
  return scalars;
}

/**
 * Counts each label. Plain loops here and below: iterators and callbacks cost many times as much per atom.
 */
function histogram(labels: Uint16Array, classCount: number): Uint32Array {
  const counts = new Uint32Array(classCount);
  for (let atom = 0; atom < labels.length; atom++) counts[labels[atom]!]!++;
  return counts;
}

function mean(values: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]!;
  return sum / values.length;
}

/** Checks that no number is NaN: a header must not have one, and a client must not take it for an answer. */
function assertFinite({ logDensity, meanMargin, lengthScale, values, energy }: ResultScalars): void {
  for (const [name, value] of Object.entries({ logDensity, meanMargin, lengthScale, energy: energy ?? 0 })) {
    if (!Number.isFinite(value)) throw notFinite(name, value);
  }
  const wrong = values?.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) throw notFinite("values", wrong);
}

function notFinite(field: string, value: number): PhasewireError {
  return new PhasewireError("INTERNAL", { field, value, message: `the analysis gave ${value} for ${field}` });
}

/** The arrays that a client requested, in its order. */
export function resultArrays(
  fields: readonly ResultField[],
  analysis: Analysis,
  classCount: number,
): Map<string, WireArray> {
  const extents = { atoms: analysis.labels.length, classes: classCount };
  const array = (field: ResultField): WireArray | undefined => {
    const data = field === "denoised" ? analysis.denoised?.positions : analysis[field];
    const { dtype, shape } = protocol.fields[field];
    const sizes = shape.map((extent) => (typeof extent === "number" ? extent : extents[extent]));
    return data && ({ dtype, shape: sizes, data } as WireArray);
  };
  return new Map(
    fields.map((field) => {
      const found = array(field);
      if (found !== undefined) return [field, found];
      throw new PhasewireError("INTERNAL", { field, message: `the analysis has no ${field}` });
    }),
  );
}

/**
 * The arrays that a watcher requested and that the frame and its analysis have.
 *
 * @throws PhasewireError `SHARED_MEMORY` if the frame's own arrays can no longer be read
 */
export function observedArrays(
  fields: readonly ObservedField[],
  frame: Analyse,
  analysis: Analysis,
): Map<string, WireArray> {
  const atomCount = analysis.labels.length;
  const arrays = new Map<string, WireArray>();
  for (const field of fields) {
    switch (field) {
      case "labels":
        arrays.set(field, { dtype: "u16", shape: [atomCount], data: analysis.labels });
        break;
      case "positions":
        arrays.set(field, {
          dtype: "f32",
          shape: [atomCount, 3],
          data: Float32Array.from(readArray(frame.positions).data),
        });
        break;
      case "cell":
        if (frame.cell !== null) arrays.set(field, readArray(frame.cell));
        break;
      case "species":
        if (frame.species !== null) arrays.set(field, readArray(frame.species));
        break;
      default:
        arrays.set(field, { dtype: "f32", shape: [atomCount], data: analysis[field] });
    }
  }
  return arrays;
}

/** Longest text of an error, in characters, so that every reply stays far below the longest header. */
const longestText = 1000;
const longestValue = 128;

/** An error as a message. The caller adds the keys of the frame. */
export function errorMessage(error: PhasewireError, sequence: number | null): ErrorMessage {
  const { field, value, message, ...rest } = error.toJSON();
  return {
    type: "error",
    sequence,
    ...rest,
    field: shortValue(field),
    value: Array.isArray(value) ? value.map(shortValue) : shortValue(value),
    message: shorten(message, longestText),
  };
}

function shortValue<T>(value: T): T | string {
  return typeof value === "string" ? shorten(value, longestValue) : value;
}

function shorten(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}
