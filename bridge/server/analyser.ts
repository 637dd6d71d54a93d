/** What the server needs of whoever analyses frames. */
import type { CoreFrame } from "../../src/core/types.js";
import type { Analyse, ModelInfo } from "./wire.js";

/** The analysis of one frame: everything the frame was asked for, in the units of bridge/PROTOCOL.md. N atoms, C classes. */
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
  /** logP of the frame as it was sent. */
  logDensity: number;
  /** Present if denoising was asked for; positions N x 3. */
  denoised?: { positions: Float64Array; steps: number; meanDisplacement: number };
  /** d logP / d r, N x 3; present if the field score was asked for. */
  score?: Float64Array;
  /** Present if variables were given. */
  bias?: BiasAnalysis;
}

/** The variables of a frame and their energy E = sum of coefficient x value. */
export interface BiasAnalysis {
  values: number[];
  energy: number;
  /** -dE/dr, N x 3, and the virial, 3 x 3; present if a field asked for them. */
  forces?: Float64Array;
  virial?: Float64Array;
}

/** Analyses frames, one at a time. The server calls `analyse` again only when the last promise has settled. */
export interface FrameAnalyser {
  readonly model: ModelInfo;
  readonly threads: number;
  /**
   * @param frame the atoms, checked
   * @param request what is asked about them
   * @param weights of the C classes, as `classWeights` gives them; null for equal ones
   * @throws PhasewireError for a frame that cannot be analysed; anything else that is thrown is a fault of the server
   */
  analyse(frame: CoreFrame, request: Analyse, weights: Float64Array | null): Promise<Analysis>;
  close(): Promise<void>;
}
