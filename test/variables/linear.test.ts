import { describe, expect, it } from "vitest";
import { PhasewireError } from "../../src/errors/index.js";
import {
  type LinearVariable,
  resolveVariables,
  type VariableInput,
  variableSeed,
  variableValues,
} from "../../src/variables/index.js";

const classCount = 3;
const logits = [0.3, -1.2, 0.8, 2.5, 0.1, -0.4, -3, -2.5, 1.5, 0, 0, 0];

/** A forward pass's numbers from its logits, in plain double precision. */
function evaluate(matrix: readonly number[]): {
  values(variables: LinearVariable[]): number[];
  input: VariableInput;
} {
  let logDensity = 0;
  const probabilities: number[] = [];
  for (let row = 0; row < matrix.length; row += classCount) {
    const exps = matrix.slice(row, row + classCount).map(Math.exp);
    const sum = exps.reduce((a, b) => a + b);
    logDensity += Math.log(sum);
    probabilities.push(...exps.map((value) => value / sum));
  }
  // Double arrays in the place of single ones: the finite differences below need their precision.
  const input = {
    classCount,
    logits: Float64Array.from(matrix),
    probabilities: Float64Array.from(probabilities),
    logDensity,
  } as unknown as VariableInput;
  return { values: (variables) => variableValues(variables, input), input };
}

const each: [string, LinearVariable][] = [
  ["fraction", { kind: "fraction", class: 2 }],
  ["logDensity", { kind: "logDensity" }],
  ["meanLogit", { kind: "meanLogit", class: 1 }],
  ["logitDifference", { kind: "logitDifference", class: 0, minus: 2 }],
];

function differences(variables: LinearVariable[], coefficients: number[]): number[] {
  const energy = (matrix: number[]): number =>
    evaluate(matrix)
      .values(variables)
      .reduce((sum, value, index) => sum + coefficients[index]! * value, 0);
  const step = 1e-5;
  return logits.map((_, at) => {
    const moved = (by: number): number[] => logits.map((value, index) => (index === at ? value + by : value));
    return (energy(moved(step)) - energy(moved(-step))) / (2 * step);
  });
}

function expectClose(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  const worst = expected.reduce((most, value, index) => Math.max(most, Math.abs(found[index]! - value)), 0);
  if (!(worst <= 1e-6)) throw new Error(`differs by ${worst}`);
}

describe("linear variables", () => {
  it.each(each)("%s: the seed is the derivative of the value", (_, variable) => {
    expectClose(variableSeed([variable], [1], evaluate(logits).input), differences([variable], [1]));
  });

  it("add up with their coefficients", () => {
    const variables = each.map(([, variable]) => variable);
    const coefficients = [1.5, -0.25, 3, -2];
    expectClose(
      variableSeed(variables, coefficients, evaluate(logits).input),
      differences(variables, coefficients),
    );
  });

  it("have the values that their definitions give", () => {
    const { values, input } = evaluate(logits);
    expectClose(values([{ kind: "meanLogit", class: 1 }]), [(-1.2 + 0.1 - 2.5 + 0) / 4]);
    expectClose(values([{ kind: "logitDifference", class: 0, minus: 2 }]), [(-0.5 + 2.9 - 4.5 + 0) / 4]);
    const all = [0, 1, 2].map((index) => ({ kind: "fraction" as const, class: index }));
    expectClose([values(all).reduce((a, b) => a + b)], [1]);
    expect(values([{ kind: "logDensity" }])).toEqual([input.logDensity]);
  });
});

describe("class names", () => {
  const classes = [
    { name: "disordered", aliases: [] },
    { name: "diamond", aliases: ["ice-Ic"] },
  ];

  it("are found by name and alias", () => {
    expect(
      resolveVariables(
        [{ kind: "logDensity" }, { kind: "logitDifference", class: "ice-Ic", minus: "disordered" }],
        classes,
      ),
    ).toEqual([{ kind: "logDensity" }, { kind: "logitDifference", class: 1, minus: 0 }]);
  });

  it("that the model lacks are refused with the key's name", () => {
    const refused = (): unknown =>
      resolveVariables([{ kind: "logDensity" }, { kind: "fraction", class: "omega" }], classes);
    expect(refused).toThrow(PhasewireError);
    expect(refused).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", field: "variables[1].class", value: "omega" }),
    );
  });
});
