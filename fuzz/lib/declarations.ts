/** Random declarations of variables (docs/variables.md), most of which are valid. */
import { limits } from "../../src/contract/limits.js";
import type { Tree } from "./packer.js";
import type { Random } from "./random.js";

/** Names that declarations may refer to. */
export interface Names {
  readonly classes: readonly string[];
  readonly species: readonly (string | number)[];
  readonly atoms: number;
}

type Declaration = { [key: string]: Tree };

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/** A list of one to three declarations. */
export function declarations(random: Random, names: Names): Declaration[] {
  return Array.from({ length: random.between(1, 3) }, () => declaration(random, names, 1));
}

function declaration(random: Random, names: Names, level: number): Declaration {
  const number = (least: number, most: number): number => rounded(least + (most - least) * random.unit());
  const inner = (): Declaration => declaration(random, names, level + 1);
  const list = (): Declaration[] => Array.from({ length: random.between(1, 3) }, inner);
  const nestable = level < limits.variables.deepest ? 1 : 0;
  return random.choose<Declaration>([
    [6, () => mean(random, names)],
    [
      nestable,
      () => ({
        kind: "sum",
        terms: list().map((variable) => ({ weight: number(-3, 3), variable })),
        ...(random.chance(0.5) ? { constant: number(-2, 2) } : {}),
      }),
    ],
    [
      nestable,
      () => ({
        kind: random.pick(["smoothMin", "smoothMax"]),
        variables: list(),
        sharpness: number(0.1, 4),
      }),
    ],
    [nestable, () => ({ kind: "switch", variable: inner(), centre: number(-2, 2), width: number(0.1, 3) })],
  ]);
}

function mean(random: Random, names: Names): Declaration {
  const number = (least: number, most: number): number => rounded(least + (most - least) * random.unit());
  const name = (): string => random.pick(names.classes);
  const quantity = random.choose<Declaration>([
    [2, () => ({ kind: "fraction", class: name() })],
    [1, () => ({ kind: "fraction", classes: [...new Set([name(), name()])] })],
    [1, () => ({ kind: "meanLogit", class: name() })],
    [1, () => ({ kind: "logitDifference", class: name(), minus: name() })],
    [1, () => ({ kind: "distance", class: name() })],
    [1, () => ({ kind: "logDensity" })],
  ]);
  const region = (): Declaration =>
    random.chance(0.5)
      ? { axis: random.below(3), from: number(-1, 0.4), to: number(0.41, 1), width: number(0, 0.3) }
      : {
          centre: [number(0, 1), number(0, 1), number(0, 1)],
          radius: number(0, 4),
          width: number(0, 2),
        };
  const select = (): Declaration => {
    const chosen: Declaration = {};
    if (random.chance(0.4)) {
      chosen.ids = [
        ...new Set(Array.from({ length: random.between(1, 5) }, () => random.below(names.atoms))),
      ];
    }
    if (random.chance(0.3) && names.species.length > 0) chosen.species = [random.pick(names.species)];
    if (random.chance(0.4) || Object.keys(chosen).length === 0) chosen.region = region();
    return chosen;
  };
  return {
    ...quantity,
    ...(random.chance(0.3) ? { reduce: random.pick(["mean", "sum"]) } : {}),
    ...(random.chance(0.3) ? { switch: { centre: number(-1, 1), width: number(0.05, 1) } } : {}),
    ...(random.chance(0.3) ? { select: select() } : {}),
    ...(random.chance(0.1) ? { name: `v${random.below(100)}` } : {}),
  };
}
