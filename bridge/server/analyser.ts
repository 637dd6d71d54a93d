/** The interface between the server and an analyser of frames. */
import type { Analyse, ModelInfo, ResultField } from "./wire/wire.js";

const gradientFields: ReadonlySet<ResultField> = new Set(["score", "forces", "virial"]);

/**
 * Whether a request needs a backward pass of the frame as sent. Most in mode monitor do not, and need less
 * memory and time. A client in mode bias may send a seed for its frame later, to get forces.
 */
export function needsGradient({ fields, mode, seed }: Analyse): boolean {
  return mode === "bias" || seed !== null || fields.some((field) => gradientFields.has(field));
}

/**
 * A frame of N atoms. The analyser chooses the memory into which its arrays are copied. Lengths in the
 * simulation's unit.
 */
export interface FrameSource {
  readonly atomCount: number;
  /** 9 numbers, rows are the cell vectors; null for a cluster. */
  readonly cell: Float64Array | null;
  readonly periodic: readonly [boolean, boolean, boolean];
  /** a0; undefined: estimate. */
  readonly lengthScale: number | undefined;
  /** Whether species count. */
  readonly hasSpecies: boolean;
  /** The cell as sent, in which regions are measured; null if there was none. */
  readonly box: Float64Array | null;
  /** Names of species 0, 1 and so on; null if they have none. */
  readonly speciesNames: readonly string[] | null;
  /**
   * Copies the arrays and checks them.
   *
   * @param positions 3N numbers to fill
   * @param species N numbers to fill if `hasSpecies`, else null
   * @throws PhasewireError if the values cannot be analysed
   */
  read(positions: Float64Array, species: Int32Array | null): void;
  /** N, also if they do not count; null if there are none. */
  readSpecies(): Int32Array | null;
  /** N, the simulation's ids of the atoms; null if there are none. */
  readIds(): Int32Array | null;
}

/**
 * The analysis of one frame: all requested results, in the units of bridge/PROTOCOL.md. N atoms, C classes.
 * Its arrays can belong to the analyser; they are valid until the next call.
 */
export interface Analysis {
  /** a0 used, in the simulation's length unit. */
  lengthScale: number;
  /** N class numbers. */
  labels: Uint16Array;
  /** N each. */
  confidence: Float32Array;
  margin: Float32Array;
  distance: Float32Array;
  /** N x C each. */
  probabilities: Float32Array;
  logits: Float32Array;
  /** logP of the frame as sent. */
  logDensity: number;
  /** Present if denoising was requested; positions N x 3. */
  denoised?: { positions: Float64Array; steps: number; meanDisplacement: number };
  /** d logP / d r, N x 3; present if the field score was requested. */
  score?: Float64Array;
  /** Present if variables were given. */
  bias?: BiasAnalysis;
  /**
   * -dE/dr, N x 3, and the virial, 3 x 3, of the variables or of a seed; present if a field requested them.
   */
  forces?: Float64Array;
  virial?: Float64Array;
}

/** The variables of a frame and their energy E = sum of coefficient x value. */
export interface BiasAnalysis {
  values: number[];
  energy: number;
}

/**
 * Analyses frames, one at a time. The server calls `analyse` again only after the last promise has settled.
 */
export interface FrameAnalyser {
  readonly model: ModelInfo;
  readonly threads: number;
  /**
   * @param frame the atoms
   * @param request the requested results
   * @param weights of the C classes, as `classWeights` gives them; null for equal ones
   * @param signal ends the analysis soon, with `ABORTED`
   * @throws PhasewireError for a frame that cannot be analysed, `ABORTED`, `OVER_BUDGET`; any other error is
   *   a fault of the server
   */
  analyse(
    frame: FrameSource,
    request: Analyse,
    weights: Float64Array | null,
    signal?: AbortSignal,
  ): Promise<Analysis>;
  /** Starts another one with the same model and settings, which runs at the same time. */
  beside?(): Promise<FrameAnalyser>;
  close(): Promise<void>;
}
