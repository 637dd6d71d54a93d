/**
 * Declarations of variables: the schema of docs/variables.md, which Python, the command line and the protocol
 * share.
 */
import type { CustomVariable } from "./custom.js";

/** f(q) = 1 / (1 + exp(-(q - centre) / width)), in the unit of q. */
export interface SwitchOptions {
  readonly centre: number;
  /** Above 0. */
  readonly width: number;
}

/** Atoms between two planes at fractions of cell vector `axis`. */
export interface Slab {
  readonly axis: 0 | 1 | 2;
  readonly from: number;
  readonly to: number;
  /** Width of the edge beyond `from` and `to`; 0 for a sharp edge, which has no derivative. */
  readonly width: number;
}

/** Atoms around a point in fractional coordinates. Lengths are in the simulation's unit. */
export interface Ball {
  readonly centre: readonly [number, number, number];
  readonly radius: number;
  /** Width of the edge beyond `radius`; 0 for a sharp edge, which has no derivative. */
  readonly width: number;
}

export type Region = Slab | Ball;

/** A selection of atoms. The weight of an atom is the product of the factors of all keys. */
export interface Selection {
  readonly ids?: readonly number[];
  /** Names or numbers of species. */
  readonly species?: readonly (string | number)[];
  readonly region?: Region;
}

/** The key that every variable may have. */
interface Named {
  /** Its name in files of results; by default it consists of its kind and classes. */
  readonly name?: string;
}

/** The keys of variables that are a mean or a sum over atoms. */
export interface MeanOptions extends Named {
  /** `mean` by default, but `sum` for `logDensity`. */
  readonly reduce?: "mean" | "sum";
  readonly switch?: SwitchOptions;
  readonly select?: Selection;
}

/** A mean or a sum over atoms of a function of their logits. */
export type MeanVariable = MeanOptions &
  (
    | { readonly kind: "fraction" | "meanLogit" | "distance"; readonly class: string }
    | { readonly kind: "fraction"; readonly classes: readonly string[] }
    | { readonly kind: "logitDifference"; readonly class: string; readonly minus: string }
    | { readonly kind: "logDensity" }
  );

/** A function of other variables. */
export type CompositeVariable = Named &
  (
    | { readonly kind: "sum"; readonly terms: readonly Term[]; readonly constant?: number }
    | {
        readonly kind: "smoothMin" | "smoothMax";
        readonly variables: readonly Variable[];
        readonly sharpness: number;
      }
    | {
        readonly kind: "switch";
        readonly variable: Variable;
        readonly centre: number;
        readonly width: number;
      }
  );

export interface Term {
  readonly weight: number;
  readonly variable: Variable;
}

/** An order parameter. Its classes are names. */
export type Variable = MeanVariable | CompositeVariable | CustomVariable;

export type VariableKind = Variable["kind"];
