/**
 * Types of the core's host: inputs and outputs, shapes and units.
 *
 * N = atoms, C = classes, and the letters of shape.ts. Arrays are row-major and belong to the caller: the
 * core copies them in and out.
 */
import type { BuildChoice } from "./build.js";
import type { CoreContext } from "./context.js";
import type { CoreHost } from "./host.js";
import type { ModelShape, TensorName } from "./shape.js";

/** Shape, constants and tensors of a model as in models/FORMAT.md (float32, row-major, output x input). */
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
  /**
   * Species that the prototype of each class has around each of its sites, C numbers from 1 to 8; 1 for all
   * if absent. An atom with fewer species around it cannot be named after the class.
   */
  readonly speciesCounts?: ArrayLike<number>;
  /** The class that counts only where it is surrounded by itself (`dhcp`); 0, or absent, for none. */
  readonly stackedClass?: number;
  readonly tensors: CoreTensors;
}

/** Tensors that a model without the network of known surroundings lacks. */
type OptionalTensor = Extract<TensorName, `known.${string}`>;

/** The weights, with the shapes of `tensorShapes` (shape.ts). */
export type CoreTensors = Readonly<Record<Exclude<TensorName, OptionalTensor>, Float32Array>> &
  Readonly<Partial<Record<OptionalTensor, Float32Array>>>;

/** Atoms at one moment. Lengths in the simulation's unit. */
export interface CoreFrame {
  /** 3N: x y z of atom 0, of atom 1, ... Atoms may lie outside the cell. */
  readonly positions: Float64Array;
  /** 9 numbers, rows are the cell vectors (left-handed cells are fine); null for a cluster. */
  readonly cell: Float64Array | null;
  readonly periodic: readonly [boolean, boolean, boolean];
  /** N numbers, of which only equality counts; null to treat all atoms as one species. */
  readonly species: Int32Array | null;
  /** a0 in the simulation's unit; estimated if absent. */
  readonly lengthScale?: number;
}

/** Views of the core's memory from which it takes the arrays of a frame of N atoms. */
export interface FrameRoom {
  /** 3N */
  readonly positions: Float64Array;
  /** N */
  readonly species: Int32Array;
}

/** Later use of a frame. */
export interface LoadOptions {
  /**
   * Whether passes with gradients will follow (also denoising); true if absent. Without them a frame takes
   * less memory and a forward pass is faster.
   */
  readonly gradients?: boolean;
  /**
   * Whether logits and probabilities of every class are needed; true if absent. Without them (only with
   * `gradients: false`), a frame takes 8 bytes less per atom and class, and those arrays are empty.
   */
  readonly perClass?: boolean;
  /** The number of an atom in errors, if the frame is part of a larger one; its index if absent. */
  readonly atomNumber?: (atom: number) => number;
}

/** Treatment of the arrays of a forward pass. */
export interface PassOptions {
  /**
   * `copies` (the default) belong to the caller. `views` of the core's memory cost nothing and are valid
   * until its next call. Most of the cost of copies is N x C arrays that few callers need: with `atoms` these
   * are empty, and the others are copies.
   */
  readonly arrays?: "copies" | "views" | "atoms";
}

/** Treatment of the arrays of a batch. Its memory is reused at once, so there are no views. */
export interface BatchOptions {
  readonly arrays?: "copies" | "atoms";
}

/** Results of a forward pass, in the order of the given atoms. */
export interface ForwardResult {
  /** N x C, log-weights of the prior included. */
  readonly logits: Float32Array;
  /** N x C, softmax over the classes that the atom can be named after (`speciesCounts`); 0 for others. */
  readonly probabilities: Float32Array;
  /** N, class of the largest logit among those that the atom can be named after; class 0 is `disordered`. */
  readonly labels: Uint16Array;
  /** N, probability of the label. */
  readonly confidence: Float32Array;
  /** N, best minus second-best logit of these classes. */
  readonly margin: Float32Array;
  /** N, log of the sum of exp(logit) over the classes. */
  readonly atomLogDensity: Float32Array;
  /**
   * N, distance to the ideal phase of the label (of the best crystalline class if the label is 0), simulation
   * length unit; independent of the prior.
   */
  readonly distance: Float32Array;
  /** Sum of atomLogDensity, accumulated in double precision. */
  readonly logDensity: number;
  /** a0 in use, simulation length unit. */
  readonly lengthScale: number;
}

/** A frame in the core's memory. */
export interface LoadedFrame {
  readonly context: CoreContext;
  /** First address after the regions of the frame. */
  readonly end: number;
}

/** A frame with a valid forward pass. */
export interface EvaluatedFrame extends LoadedFrame {
  /** Whether backward passes can follow. */
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

/**
 * How long to denoise: a number of gradient evaluations, or until the largest step is below 0.01 a0 (at most
 * 64).
 */
export type DenoiseOptions = { readonly steps: number } | { readonly untilConverged: true };

/** Result of denoising: the final frame and its analysis. */
export interface DenoiseResult extends ForwardResult {
  /** 3N, denoised positions (not wrapped: an atom stays near its given image). */
  readonly positions: Float64Array;
  /** 3N, denoised minus given positions. */
  readonly displacement: Float64Array;
  /** Gradient evaluations used. */
  readonly steps: number;
  readonly converged: boolean;
  /** logDensity of the given frame. */
  readonly initialLogDensity: number;
  /** N, labels of the given frame. In `labels` an atom that is disordered here stays so. */
  readonly rawLabels: Uint16Array;
}

/** Options of the core. */
export interface CoreOptions {
  /**
   * Worker threads, 1 to 256; if absent, one per core that the process may use except `spareCores`,
   * at least 1 and at most 16.
   */
  readonly threads?: number;
  /**
   * Cores to leave to others if `threads` is absent, such as to a simulation on the same machine; 0 if
   * absent.
   */
  readonly spareCores?: number;
  /** The build of the core; `auto`, the fastest that the host accepts, if absent. */
  readonly build?: BuildChoice;
  /**
   * Skin of the neighbour lists, units of a0; 0 if absent. With a skin, frames of one run share lists of
   * candidates until an atom has moved by half of it: the search is much cheaper, the results are the same. A
   * frame that makes new lists costs more, so a skin pays only for consecutive frames of a run.
   */
  readonly skin?: number;
  /**
   * Whether a core of one thread lets the event loop turn every few milliseconds, for messages that arrive
   * meanwhile. It then needs some per cent more time.
   */
  readonly shortTurns?: boolean;
  /** The environment to run in; Node if absent. */
  readonly host?: CoreHost;
}
