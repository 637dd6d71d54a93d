import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { variables as table } from "../../src/contract/variables.js";
import { PhasewireError } from "../../src/errors/index.js";
import {
  evaluateVariables,
  readVariables,
  resolveVariables,
  type Variable,
  type VariableEvaluation,
  variableNames,
} from "../../src/variables/index.js";
import { expectClose } from "../core/support.js";
import { plainValue, type System } from "./plain.js";

interface Golden {
  readonly classes: readonly string[];
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  readonly systems: readonly System[];
  readonly cases: readonly {
    readonly system: number;
    readonly variable: Variable;
    readonly value: number;
    readonly seed?: number[][];
    readonly gradient?: number[][] | null;
    readonly virial?: number[][];
    readonly logLengthScale?: number;
  }[];
  readonly names: readonly { readonly variables: unknown; readonly names: readonly string[] }[];
  readonly unreadable: readonly { readonly variables: unknown; readonly field: string }[];
  readonly unusable: readonly {
    readonly system: number;
    readonly variable: unknown;
    readonly code: string;
    readonly field: string;
  }[];
}

const golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url), "utf8")) as Golden;
const known = golden.classes.map((name) => ({ name, aliases: golden.aliases[name] ?? [] }));
const numberOf = (name: string): number =>
  known.findIndex((one) => one.name === name || one.aliases.includes(name));

function evaluate({ logits, positions, cell, ...rest }: System, variable: unknown): VariableEvaluation {
  const resolved = resolveVariables(readVariables([variable]), known);
  return evaluateVariables(resolved, {
    ...rest,
    classCount: golden.classes.length,
    logits: Float64Array.from(logits.flat()),
    positions: Float64Array.from(positions.flat()),
    cell: cell === null ? null : Float64Array.from(cell.flat()),
  });
}

/** Returns the derivative at 0 by the central five-point rule. */
function slope(f: (x: number) => number, step: number): number {
  return (f(-2 * step) - 8 * f(-step) + 8 * f(step) - f(2 * step)) / (12 * step);
}

/** Returns the matrix with x added to one element. */
function moved(matrix: readonly (readonly number[])[], row: number, column: number, x: number): number[][] {
  return matrix.map((line, r) => line.map((value, c) => (r === row && c === column ? value + x : value)));
}

function strained(matrix: readonly (readonly number[])[], a: number, b: number, x: number): number[][] {
  // r (1 + eps) with eps_ab = x
  return matrix.map((row) => row.map((value, i) => (i === b ? value + x * row[a]! : value)));
}

/** Returns whether the logit at this index is exactly that of the ideal phase. */
function atIdeal({ logits, logWeights, idealLogits }: System, at: number): boolean {
  const c = at % logWeights.length;
  return logits.flat()[at]! - logWeights[c]! === idealLogits[c];
}

const cases = golden.cases.map((one) => ({
  ...one,
  title: `${JSON.stringify(one.variable).slice(0, 150)} of "${golden.systems[one.system]!.name}"`,
}));

describe("the golden file", () => {
  it.each(cases)("agrees with the library: $title", (one) => {
    const evaluation = evaluate(golden.systems[one.system]!, one.variable);
    expectClose("value", evaluation.values, [one.value], 1e-13);
    if (one.seed === undefined) return;
    const { seed, gradient, virial, logLengthScale } = evaluation.derivatives([1]);
    expectClose("seed", seed, one.seed.flat(), 1e-13);
    expect(gradient === null).toBe(one.gradient === null);
    if (gradient !== null) expectClose("gradient", gradient, one.gradient!.flat(), 1e-13);
    expectClose("virial", virial, one.virial!.flat(), 1e-13);
    expectClose("dV/dlog a0", [logLengthScale], [one.logLengthScale!], 1e-13);
  });

  it.each(cases)("agrees with the definitions and their central differences: $title", (one) => {
    const system = golden.systems[one.system]!;
    const value = (changed: Partial<System>): number =>
      plainValue(one.variable, { ...system, ...changed }, numberOf);
    // In the plain form, sums of exponentials of 40 lose digits.
    expectClose("value", [one.value], [value({})], 1e-10, 1e-3);
    if (one.seed === undefined) return;
    const { logits, positions, cell, lengthScale } = system;
    const seed = logits.flatMap((row, atom) =>
      row.map((_, c) => slope((x) => value({ logits: moved(logits, atom, c, x) }), 1e-3)),
    );
    // Near its ideal phase a distance grows as u^1.5, for which differences fail; its slope is 0 there.
    const checked = seed.map((difference, at) =>
      one.variable.kind === "distance" && atIdeal(system, at) ? 0 : difference,
    );
    expectClose("seed", one.seed.flat(), checked, 1e-8, 1e-3);
    // The errors of differences are those of the last digits of the values.
    const floor = 1e-3 + Math.abs(one.value);
    const gradient = positions.flatMap((row, atom) =>
      row.map((_, i) => slope((x) => value({ positions: moved(positions, atom, i, x) }), 1e-3)),
    );
    expectClose("gradient", one.gradient?.flat() ?? gradient.map(() => 0), gradient, 1e-8, floor);
    const virial = [0, 1, 2].flatMap((b) =>
      [0, 1, 2].map(
        (a) =>
          -slope(
            (x) =>
              value({
                positions: strained(positions, a, b, x),
                cell: cell === null ? null : strained(cell, a, b, x),
              }),
            1e-4,
          ),
      ),
    );
    expectClose("virial", one.virial!.flat(), virial, 1e-7, 10 * floor);
    const logLengthScale = slope((x) => value({ lengthScale: lengthScale * Math.exp(x) }), 1e-3);
    expectClose("dV/dlog a0", [one.logLengthScale!], [logLengthScale], 1e-9, floor);
  });

  it("has cases of every kind, and derivatives of regions", () => {
    const kinds = new Set(golden.cases.map(({ variable }) => variable.kind));
    expect([...kinds].sort()).toEqual(Object.keys(table.kinds).sort());
    const moving = golden.cases.filter(({ gradient }) => gradient?.flat().some((g) => Math.abs(g) > 0.01));
    expect(moving.length).toBeGreaterThan(8);
  });

  it.each(golden.names)("names $names", ({ variables, names }) => {
    expect(variableNames(readVariables(variables))).toEqual(names);
  });

  it.each(golden.unreadable)("has a list that is refused for $field", ({ variables, field }) => {
    expectRefusal(() => readVariables(variables), "BAD_OPTION", field);
  });

  it.each(golden.unusable)("has a variable that is refused for $field: $code", (one) => {
    expectRefusal(() => evaluate(golden.systems[one.system]!, one.variable), one.code, one.field);
  });

  it.each(cases.filter(({ seed }) => seed === undefined))(
    "has no derivatives at a sharp edge: $title",
    (one) => {
      const evaluation = evaluate(golden.systems[one.system]!, one.variable);
      expectRefusal(() => evaluation.derivatives([1]), "BAD_OPTION", "variables[0].select.region.width");
    },
  );
});

function expectRefusal(action: () => unknown, code: string, field: string): void {
  expect(action).toThrow(PhasewireError);
  expect(action).toThrow(expect.objectContaining({ code, field }));
}
