/**
 * Random declarations on random systems: the core's values agree with the plain definitions, and one seed for
 * all variables agrees with one per variable.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { PhasewireError } from "../../src/errors/index.js";
import {
  evaluateVariables,
  readVariables,
  resolveVariables,
  type Variable,
} from "../../src/variables/index.js";
import { expectClose, randomNumbers } from "../core/support.js";
import { plainValue, type System } from "./plain.js";

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });

const systems = fc
  .record({
    seed: fc.nat(),
    atomCount: fc.integer({ min: 1, max: 70 }),
    classCount: fc.integer({ min: 2, max: 12 }),
    spread: fc.constantFrom(1, 4, 12),
    periodic: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
    hasSpecies: fc.boolean(),
    hasNames: fc.boolean(),
    hasIds: fc.boolean(),
  })
  .map(({ seed, atomCount, classCount, spread, periodic, hasSpecies, hasNames, hasIds }): System => {
    const random = randomNumbers(seed);
    const list = <Item>(length: number, item: (index: number) => Item): Item[] =>
      Array.from({ length }, (_, i) => item(i));
    return {
      name: `seed ${seed}`,
      logits: list(atomCount, () => list(classCount, () => Math.fround(spread * (2 * random() - 1)))),
      logWeights: list(classCount, () => random() - 0.5),
      idealLogits: list(classCount, () => 8 * random()),
      logitLength: 0.0625,
      lengthScale: 2 + random(),
      positions: list(atomCount, () => list(3, () => 14 * random() - 4)),
      cell: list(3, (row) => list(3, (i) => 2 * random() - 1 + (i === row ? (row === 1 ? -7 : 7) : 0))),
      periodic,
      species: hasSpecies ? list(atomCount, (atom) => atom % 3) : null,
      speciesNames: hasSpecies && hasNames ? ["Cu", "Zn", "Al"] : null,
      ids: hasIds ? list(atomCount, (atom) => 1000 - 3 * atom) : null,
    };
  });

const steps = fc.record({ centre: number(-2, 2), width: number(0.05, 2) });
const regions = fc.oneof(
  fc.record({
    axis: fc.constantFrom(0, 1, 2),
    from: number(-1, 1),
    length: number(0, 0.4),
    width: number(0, 0.29),
  }),
  fc.record({
    centre: fc.tuple(number(-0.5, 1.5), number(-0.5, 1.5), number(-0.5, 1.5)),
    ...{ radius: number(0, 1), width: number(0, 1.4) },
  }),
);
const selections = fc.record(
  { ids: fc.uniqueArray(fc.nat(69), { minLength: 1 }), species: fc.boolean(), region: regions },
  { requiredKeys: [] },
);
const classes = fc.nat(11);
const means = fc
  .tuple(
    fc.oneof(
      fc.record({ kind: fc.constantFrom("fraction", "meanLogit", "distance"), class: classes }),
      fc.record({
        kind: fc.constant("fraction"),
        classes: fc.uniqueArray(classes, { minLength: 1, maxLength: 4 }),
      }),
      fc.record({ kind: fc.constant("logitDifference"), class: classes, minus: classes }),
      fc.record({ kind: fc.constant("logDensity") }),
    ),
    fc.record(
      { reduce: fc.constantFrom("mean", "sum"), switch: steps, select: selections },
      { requiredKeys: [] },
    ),
  )
  .map(([quantity, options]) => ({ ...quantity, ...options }));
const variables = fc.letrec((tie) => ({
  any: fc.oneof({ maxDepth: 3 }, { weight: 4, arbitrary: means }, tie("sum"), tie("extremum"), tie("switch")),
  sum: fc.record({
    ...{ kind: fc.constant("sum"), constant: number(-2, 2) },
    terms: fc.array(fc.record({ weight: number(-3, 3), variable: tie("any") }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
  extremum: fc.record({
    ...{ kind: fc.constantFrom("smoothMin", "smoothMax"), sharpness: number(0.1, 2) },
    variables: fc.array(tie("any"), { minLength: 1, maxLength: 3 }),
  }),
  switch: fc.record({
    kind: fc.constant("switch"),
    variable: tie("any"),
    centre: number(-2, 2),
    width: number(0.2, 3),
  }),
})).any;

/** Fits a random declaration to a system: its classes, ids and species. */
function declare(json: unknown, system: System): unknown {
  if (Array.isArray(json)) return json.map((item) => declare(item, system));
  if (typeof json !== "object" || json === null) return json;
  const { logWeights, ids, positions, species, speciesNames } = system;
  const className = (k: number): string => `c${k % logWeights.length}`;
  const changed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    if (key === "class" || key === "minus") changed[key] = className(value);
    else if (key === "classes") changed[key] = [...new Set((value as number[]).map(className))];
    else if (key === "ids") {
      changed[key] = (value as number[]).map((at) => ids?.[at % positions.length] ?? at % positions.length);
    } else if (key === "species") {
      if (species !== null)
        changed[key] = [value ? (speciesNames?.[species[0]!] ?? species[0]!) : species[0]!];
    } else if (key === "length") changed.to = (json as { from: number }).from + value;
    else changed[key] = declare(value, system);
  }
  if ("select" in changed && Object.keys(changed.select as object).length === 0) delete changed.select;
  return changed;
}

it("values agree with the definitions, and derivatives add up", () => {
  let [compared, refused] = [0, 0];
  fc.assert(
    fc.property(systems, fc.array(variables, { minLength: 1, maxLength: 3 }), (system, json) => {
      const classNames = system.logWeights.map((_, k) => ({ name: `c${k}`, aliases: [] }));
      const declared = readVariables(json.map((one) => declare(one, system)));
      const resolved = resolveVariables(declared, classNames);
      const { logits, positions, cell, ...rest } = system;
      const evaluate = (list: typeof resolved) =>
        evaluateVariables(list, {
          ...rest,
          classCount: classNames.length,
          logits: Float32Array.from(logits.flat()),
          positions: Float64Array.from(positions.flat()),
          cell: cell!.flat(),
        });
      let evaluation: ReturnType<typeof evaluate>;
      try {
        evaluation = evaluate(resolved);
      } catch (thrown) {
        // An empty selection, or a region that meets its image. Other tests check which is refused.
        if (!(thrown instanceof PhasewireError) || thrown.code === "INTERNAL") throw thrown;
        refused += 1;
        return;
      }
      const plain = declared.map((one: Variable) => plainValue(one, system, (name) => Number(name.slice(1))));
      // In the plain form, exponentials of sums and sums of exponentials lose digits.
      expectClose("values", evaluation.values, plain, 1e-9, 1);
      const isSharp = JSON.stringify(declared).includes('"width":0}');
      if (isSharp) return;
      const weights = declared.map((_, index) => 1.5 - index);
      const all = evaluation.derivatives(weights);
      const sum = new Float64Array(all.seed.length);
      resolved.forEach((one, index) => {
        const { seed } = evaluate([one]).derivatives([weights[index]!]);
        for (let at = 0; at < sum.length; at++) sum[at]! += seed[at]!;
      });
      expectClose("seed", all.seed, sum, 1e-12, 1e-3);
      compared += 1;
    }),
    { numRuns: 200 },
  );
  // The generators must not make only declarations that are refused.
  expect(compared, `${refused} were refused`).toBeGreaterThan(30);
});
