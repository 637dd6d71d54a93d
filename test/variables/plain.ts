/**
 * The definitions of docs/variables.md in their plainest form: only values, and all images are tried. Results
 * of the library are compared with these values and with their central differences.
 */
import type { Region, Selection, SwitchOptions, Variable } from "../../src/variables/index.js";

/** A system of the golden file. */
export interface System {
  readonly name: string;
  readonly logits: readonly (readonly number[])[];
  readonly logWeights: readonly number[];
  readonly idealLogits: readonly number[];
  readonly logitLength: number;
  readonly lengthScale: number;
  readonly positions: readonly (readonly number[])[];
  readonly cell: readonly (readonly number[])[] | null;
  readonly periodic: readonly [boolean, boolean, boolean];
  readonly species: readonly number[] | null;
  readonly speciesNames: readonly string[] | null;
  readonly ids: readonly number[] | null;
}

/** Returns the value of a variable. `numberOf` finds classes. */
export function plainValue(variable: Variable, system: System, numberOf: (name: string) => number): number {
  const value = (inner: Variable): number => plainValue(inner, system, numberOf);
  switch (variable.kind) {
    case "custom":
      throw new Error("a custom variable has no plain value");
    case "sum":
      return variable.terms.reduce(
        (sum, term) => sum + term.weight * value(term.variable),
        variable.constant ?? 0,
      );
    case "smoothMin":
    case "smoothMax": {
      const b = variable.kind === "smoothMin" ? -variable.sharpness : variable.sharpness;
      const values = variable.variables.map(value);
      const [first] = values as [number];
      return first + Math.log(mean(values.map((v) => Math.exp(b * (v - first))))) / b;
    }
    case "switch":
      return counted(value(variable.variable), variable);
  }
  const weights = system.positions.map((_, atom) => weightOf(atom, variable.select, system));
  const values = system.logits.map((logits) => {
    const q = quantity(variable, logits, system, numberOf);
    return variable.switch === undefined ? q : counted(q, variable.switch);
  });
  const sum = values.reduce((part, q, atom) => part + weights[atom]! * q, 0);
  const isSum = variable.reduce === "sum" || (variable.kind === "logDensity" && variable.reduce !== "mean");
  return isSum ? sum : sum / weights.reduce((part, w) => part + w, 0);
}

function quantity(
  variable: Variable,
  logits: readonly number[],
  system: System,
  numberOf: (name: string) => number,
): number {
  const total = logits.reduce((sum, l) => sum + Math.exp(l), 0);
  const probability = (name: string): number => Math.exp(logits[numberOf(name)]!) / total;
  switch (variable.kind) {
    case "fraction":
      return "class" in variable
        ? probability(variable.class)
        : variable.classes.reduce((sum, name) => sum + probability(name), 0);
    case "meanLogit":
      return logits[numberOf(variable.class)]!;
    case "logitDifference":
      return logits[numberOf(variable.class)]! - logits[numberOf(variable.minus)]!;
    case "distance": {
      const k = numberOf(variable.class);
      const u = system.idealLogits[k]! - (logits[k]! - system.logWeights[k]!);
      const h = u > 0 ? u ** 3 / (u ** 2 + 1 / 16) : 0;
      return system.lengthScale * system.logitLength * Math.sqrt(2 * h);
    }
    case "logDensity":
      return Math.log(total);
    default:
      throw new Error(`${variable.kind} is not a mean`);
  }
}

function weightOf(atom: number, select: Selection | undefined, system: System): number {
  const { ids, species, region } = select ?? {};
  if (ids !== undefined && !ids.includes(system.ids === null ? atom : system.ids[atom]!)) return 0;
  if (species !== undefined) {
    const number = system.species![atom]!;
    const name = system.speciesNames?.[number];
    if (!species.includes(number) && !(name !== undefined && species.includes(name))) return 0;
  }
  return region === undefined ? 1 : regionWeight(system.positions[atom]!, region, system);
}

function regionWeight(position: readonly number[], region: Region, system: System): number {
  const cell = system.cell!;
  const images = (axis: number): number[] => (system.periodic[axis] ? [-3, -2, -1, 0, 1, 2, 3] : [0]);
  if ("axis" in region) {
    const s = solve(cell, position)[region.axis]! - (region.from + region.to) / 2;
    const nearest = Math.min(...images(region.axis).map((n) => Math.abs(s + n)));
    return edge(nearest - (region.to - region.from) / 2, region.width);
  }
  const origin = combine(region.centre, cell);
  let nearest = Number.POSITIVE_INFINITY;
  for (const i of images(0)) {
    for (const j of images(1)) {
      for (const k of images(2)) {
        const shift = combine([i, j, k], cell);
        const d = [0, 1, 2].map((x) => position[x]! - origin[x]! + shift[x]!);
        nearest = Math.min(nearest, Math.hypot(...d));
      }
    }
  }
  return edge(nearest - region.radius, region.width);
}

function edge(outside: number, width: number): number {
  if (width === 0) return outside <= 0 ? 1 : 0;
  const x = Math.min(1, Math.max(0, 1 - outside / width));
  return 10 * x ** 3 - 15 * x ** 4 + 6 * x ** 5;
}

function counted(q: number, { centre, width }: SwitchOptions): number {
  return 1 / (1 + Math.exp(-(q - centre) / width));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Returns the sum of shares x rows. */
function combine(shares: readonly number[], rows: readonly (readonly number[])[]): number[] {
  return [0, 1, 2].map((i) => rows.reduce((sum, row, axis) => sum + shares[axis]! * row[i]!, 0));
}

/** Returns the shares of the rows that make up a vector, by Cramer's rule. */
function solve(rows: readonly (readonly number[])[], vector: readonly number[]): number[] {
  const whole = determinant(rows);
  return [0, 1, 2].map(
    (axis) => determinant(rows.map((row, index) => (index === axis ? vector : row))) / whole,
  );
}

function determinant([a, b, c]: readonly (readonly number[])[]): number {
  return (
    a![0]! * (b![1]! * c![2]! - b![2]! * c![1]!) -
    a![1]! * (b![0]! * c![2]! - b![2]! * c![0]!) +
    a![2]! * (b![0]! * c![1]! - b![1]! * c![0]!)
  );
}
