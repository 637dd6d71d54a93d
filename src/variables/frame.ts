/** The input of variables: the atoms of one frame and their logits. */
import type { LogitTables } from "./tables.js";

/** The input with N atoms and C classes; lengths in the simulation's unit; symbols as in docs/maths.md. */
export interface VariableInput {
  readonly classCount: number;
  /** N x C, log-weights of the prior included. */
  readonly logits: Float32Array | Float64Array;
  /** C, the log-weights that the prior has added to the logits; null for equal weights of 1. */
  readonly logWeights: ArrayLike<number> | null;
  /** C, the logit of each class on its own prototype, without prior. */
  readonly idealLogits: ArrayLike<number>;
  /** s, units of a0. */
  readonly logitLength: number;
  /** a0. */
  readonly lengthScale: number;
  /** N x 3; they need not lie within the cell. */
  readonly positions: Float64Array;
  /** 9 numbers, rows are the cell vectors; null if there is none. */
  readonly cell: ArrayLike<number> | null;
  readonly periodic: readonly [boolean, boolean, boolean];
  /** N names or numbers; null if all atoms are of one species. */
  readonly species: ArrayLike<string | number> | null;
  /** Names of species 0, 1, ... if `species` holds numbers. */
  readonly speciesNames?: readonly string[] | null;
  /** N, the simulation's ids of the atoms; null stands for numbers from 0. */
  readonly ids: ArrayLike<number> | null;
}

/** The same with tables that several variables share, so that they are computed once. */
export interface VariableFrame extends VariableInput {
  readonly atomCount: number;
  readonly tables: LogitTables;
}
