/**
 * Types of the core's host: what goes in, what comes out, shapes and units.
 *
 * N = atoms, C = classes, and the letters of shape.ts. Arrays are row-major and belong to the caller: the core copies on the way in and out.
 */
import type { BuildChoice } from "./build.js";
import type { CoreContext } from "./context.js";
import type { CoreHost } from "./host.js";
import type { ModelShape, TensorName } from "./shape.js";

/** Shape, constants and tensors of a model, as models/FORMAT.md describes them (float32, row-major, output x input). */
export interface CoreModel extends ModelShape {
  /** Lengths in units of a0. */
  readonly cutoff: number;
  readonly basisFirst: number;
  readonly basisLast: number;
  readonly basisWidth: number;
  readonly epsilon: number;
  readonly logitLength: number;
  /** Logit of each class on its own prototype, C numbers. */
  readonly idealLogits: ArrayLike<number>;
  readonly tensors: CoreTensors;
}

/** The weights; `tensorShapes` (shape.ts) says which shape each has. */
export type CoreTensors = Readonly<Record<TensorName, Float32Array>>;

/** Atoms of one moment. Lengths in the simulation's unit, whatever it is. */
export interface CoreFrame {
  /** 3N: x y z of atom 0, of atom 1, ... Atoms may lie outside the cell. */
  readonly positions: Float64Array;
  /** 9 numbers, rows are the cell vectors (left-handed ones are fine); null for a cluster. */
  readonly cell: Float64Array | null;
  readonly periodic: readonly [boolean, boolean, boolean];
  /** N numbers of which only equality counts; null to treat all atoms as one species. */
  readonly species: Int32Array | null;
  /** a0 in the simulation's unit; absent to have it estimated. */
  readonly lengthScale?: number;
}

/** Where the core takes the arrays of a frame of N atoms from: views of its memory. */
export interface FrameRoom {
  /** 3N */
  readonly positions: Float64Array;
  /** N */
  readonly species: Int32Array;
}

/** What will be asked of a frame. */
export interface LoadOptions {
  /** Whether passes that form gradients will follow (denoising, too); true if absent. Without them a frame takes less memory and a forward pass is faster. */
  readonly gradients?: boolean;
  /**
   * Whether logits and probabilities of every class are wanted; true if absent. Without them, which goes with `gradients: false` alone, a frame takes 8
   * bytes an atom and class less, and those arrays are empty.
   */
  readonly perClass?: boolean;
  /** What errors call an atom, where the frame is a part of a larger one; its place if absent. */
  readonly atomNumber?: (atom: number) => number;
}

/** What becomes of the arrays of a forward pass. */
export interface PassOptions {
  /**
   * `copies` (the default) belong to the caller; `views` of the core's memory cost nothing and hold until its next call. Most of what a
   * copy costs is N x C arrays that few callers look at: with `atoms`, they are empty and the others copies.
   */
  readonly arrays?: "copies" | "views" | "atoms";
}

/** What becomes of the arrays of a batch: its memory is used again at once, so there are no views. */
export interface BatchOptions {
  readonly arrays?: "copies" | "atoms";
}

/** Results of a forward pass, in the order of the atoms given. */
export interface ForwardResult {
  /** N x C, log-weights of the prior included. */
  readonly logits: Float32Array;
  /** N x C, softmax over all classes. */
  readonly probabilities: Float32Array;
  /** N, class of the largest logit; class 0 is `disordered`. */
  readonly labels: Uint16Array;
  /** N, probability of the label. */
  readonly confidence: Float32Array;
  /** N, best minus second-best logit. */
  readonly margin: Float32Array;
  /** N, log of the sum of exp(logit) over the classes. */
  readonly atomLogDensity: Float32Array;
  /** N, distance to the ideal phase of the label (of the best crystalline class where the label is 0), simulation length unit; the prior does not enter. */
  readonly distance: Float32Array;
  /** Sum of atomLogDensity, accumulated in double precision. */
  readonly logDensity: number;
  /** a0 in use, simulation length unit. */
  readonly lengthScale: number;
}

/** A frame as it lies in the core's memory. */
export interface LoadedFrame {
  readonly context: CoreContext;
  /** First address behind the regions of the frame. */
  readonly end: number;
}

/** A frame whose forward pass stands. */
export interface EvaluatedFrame extends LoadedFrame {
  /** Whether backward passes may follow. */
  readonly hasGradients: boolean;
}

/** Derivatives of L = sum over a, c of seed_ac times a change of logits_ac. */
export interface BackwardResult {
  /** 3N, dL/dr in the unit of L over length; forces of an energy L are minus this. */
  readonly gradient: Float64Array;
  /** 9, docs/maths.md "Gradients": minus the sum over pairs of (dL/dx) (x) x, in the unit of L. */
  readonly virial: Float64Array;
}

export interface ScoreResult {
  readonly logDensity: number;
  /** 3N, gradient of logDensity, 1/length. */
  readonly score: Float64Array;
  /** 9, of L = logDensity. */
  readonly virial: Float64Array;
}

/** How long to denoise: a number of gradient evaluations, or until the largest step is below 0.01 a0 (at most 64). */
export type DenoiseOptions = { readonly steps: number } | { readonly untilConverged: true };

/** What denoising leaves: the frame it ended in, and the analysis of that frame. */
export interface DenoiseResult extends ForwardResult {
  /** 3N, denoised positions (not wrapped: an atom stays near the image it was given at). */
  readonly positions: Float64Array;
  /** 3N, denoised minus given positions. */
  readonly displacement: Float64Array;
  /** Gradient evaluations used. */
  readonly steps: number;
  readonly converged: boolean;
  /** logDensity of the frame given. */
  readonly initialLogDensity: number;
  /** N, labels of the frame given. In `labels` an atom that is disordered here stays so. */
  readonly rawLabels: Uint16Array;
}

/** How the core runs. */
export interface CoreOptions {
  /** Worker threads, a positive integer; if absent, as many as the process was given cores, but for `spareCores`, at least 1 and at most 16. */
  readonly threads?: number;
  /** Cores left alone where `threads` is absent, such as for a simulation beside; 0 if absent. */
  readonly spareCores?: number;
  /** The build of the core; `auto`, the fastest that the host accepts, if absent. */
  readonly build?: BuildChoice;
  /**
   * Skin of the neighbour lists, units of a0; 0 if absent. With one, frames of one run share lists of candidates for as long as no atom has moved by
   * half of it: their search is much cheaper, the results are the same. A frame that begins new lists costs more, so it pays for frames that follow each other.
   */
  readonly skin?: number;
  /** The place to run in; Node if absent. */
  readonly host?: CoreHost;
}
