/** Replaces the names of classes by their numbers in a model. */
import { refusal } from "../errors/index.js";
import { type ClassNames, findClass } from "../model/index.js";
import type { CustomVariable } from "./custom.js";
import type { MeanVariable, Selection, SwitchOptions, Variable } from "./declare.js";

/** A quantity per atom. Its classes are numbers. */
export type QuantityKey =
  | { readonly kind: "fraction"; readonly classes: readonly number[] }
  | { readonly kind: "meanLogit" | "distance"; readonly class: number }
  | { readonly kind: "logitDifference"; readonly class: number; readonly minus: number }
  | { readonly kind: "logDensity" };

/** A mean or a sum over atoms. */
export interface Mean {
  readonly key: QuantityKey;
  readonly reduce: "mean" | "sum";
  readonly switch: SwitchOptions | undefined;
  readonly select: Selection | undefined;
  /** Where the variable is declared, for errors. */
  readonly field: string;
}

/** A variable whose classes are numbers. */
export type ResolvedVariable =
  | ({ readonly kind: "mean" } & Mean)
  | {
      readonly kind: "sum";
      readonly constant: number;
      readonly terms: readonly { readonly weight: number; readonly variable: ResolvedVariable }[];
    }
  | {
      readonly kind: "extremum";
      /** Negative for a minimum. */
      readonly sharpness: number;
      readonly variables: readonly ResolvedVariable[];
    }
  | { readonly kind: "switch"; readonly variable: ResolvedVariable; readonly switch: SwitchOptions }
  | CustomVariable;

/**
 * Looks up the classes of variables.
 *
 * @param classes names and aliases in the order of class numbers
 * @param field name of the list, for errors
 * @throws PhasewireError `BAD_OPTION` that names the key, such as `variables[0].class`
 */
export function resolveVariables(
  variables: readonly Variable[],
  classes: readonly ClassNames[],
  field = "variables",
): ResolvedVariable[] {
  return variables.map((variable, index) => resolve(variable, classes, `${field}[${index}]`));
}

function resolve(variable: Variable, classes: readonly ClassNames[], field: string): ResolvedVariable {
  switch (variable.kind) {
    case "custom":
      return variable;
    case "sum":
      return {
        kind: "sum",
        constant: variable.constant ?? 0,
        terms: variable.terms.map(({ weight, variable: inner }, index) => ({
          weight,
          variable: resolve(inner, classes, `${field}.terms[${index}].variable`),
        })),
      };
    case "smoothMin":
    case "smoothMax":
      return {
        kind: "extremum",
        sharpness: variable.kind === "smoothMin" ? -variable.sharpness : variable.sharpness,
        variables: resolveVariables(variable.variables, classes, `${field}.variables`),
      };
    case "switch": {
      const { centre, width } = variable;
      const inner = resolve(variable.variable, classes, `${field}.variable`);
      return { kind: "switch", variable: inner, switch: { centre, width } };
    }
    default:
      return {
        kind: "mean",
        key: resolveKey(variable, classes, field),
        reduce: variable.reduce ?? (variable.kind === "logDensity" ? "sum" : "mean"),
        switch: variable.switch,
        select: variable.select,
        field,
      };
  }
}

function resolveKey(variable: MeanVariable, classes: readonly ClassNames[], field: string): QuantityKey {
  const find = (name: string, key: string): number => findClass(name, classes, `${field}.${key}`);
  switch (variable.kind) {
    case "logDensity":
      return { kind: "logDensity" };
    case "logitDifference":
      return {
        kind: variable.kind,
        class: find(variable.class, "class"),
        minus: find(variable.minus, "minus"),
      };
    case "fraction": {
      if ("class" in variable) return { kind: "fraction", classes: [find(variable.class, "class")] };
      const found = variable.classes.map((name, index) => find(name, `classes[${index}]`));
      refuseTwice(found, variable.classes, `${field}.classes`, classes);
      return { kind: "fraction", classes: found };
    }
    default:
      return { kind: variable.kind, class: find(variable.class, "class") };
  }
}

/**
 * Refuses a class that is listed twice, for instance by its name and by an alias, since it would count twice.
 */
function refuseTwice(
  found: readonly number[],
  names: readonly string[],
  field: string,
  classes: readonly ClassNames[],
): void {
  const again = found.findIndex((number, index) => found.indexOf(number) < index);
  if (again < 0) return;
  const [name, own] = [names[again]!, classes[found[again]!]!.name];
  const also = name === own ? "" : `, as ${name} too`;
  throw refusal("classTwice", { name: own, also }, { field: `${field}[${again}]`, value: name });
}
