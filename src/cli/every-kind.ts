/** Variables of every kind and with every option, to check gradients by. */
import type { Variable } from "../variables/index.js";

/** What the frame has that they select by. */
export interface Selectable {
  /** Two classes of the model. */
  readonly first: string;
  readonly second: string;
  readonly ids: readonly number[];
  readonly species: readonly (string | number)[];
  /** Where regions are put; null without a cell. */
  readonly region: {
    /** Near some atoms, in fractional coordinates. */
    readonly centre: readonly [number, number, number];
    /** The radius at which a ball ends: at most half of the least height of the cell over its periodic axes. */
    readonly reach: number;
  } | null;
}

export function everyKind({ first, second, ids, species, region }: Selectable): Variable[] {
  const fraction: Variable = { kind: "fraction", class: first };
  const distance: Variable = { kind: "distance", class: second };
  const everywhere: Variable[] = [
    fraction,
    { kind: "fraction", classes: [first, second], reduce: "sum" },
    { kind: "meanLogit", class: first },
    { kind: "logitDifference", class: first, minus: second },
    distance,
    { kind: "distance", class: first, switch: { centre: 0.4, width: 0.2 } },
    { kind: "logDensity" },
    { kind: "logDensity", reduce: "mean", switch: { centre: 2, width: 1 } },
    { kind: "meanLogit", class: second, select: { ids } },
    { kind: "meanLogit", class: second, reduce: "sum", select: { species } },
    {
      kind: "sum",
      terms: [
        { weight: 2, variable: distance },
        { weight: -1, variable: fraction },
      ],
    },
    { kind: "smoothMin", variables: [fraction, { kind: "fraction", class: second }], sharpness: 4 },
    { kind: "smoothMax", variables: [distance, { kind: "distance", class: first }], sharpness: 3 },
    { kind: "switch", variable: { kind: "meanLogit", class: first }, centre: 0, width: 2 },
  ];
  if (region === null) return everywhere;
  const { centre, reach } = region;
  const slab = { axis: 0, from: centre[0] - 0.15, to: centre[0] + 0.15, width: 0.25 } as const;
  const ball = { centre, radius: 0.2 * reach, width: 0.8 * reach };
  return [
    ...everywhere,
    { kind: "meanLogit", class: first, select: { region: slab } },
    { kind: "logDensity", select: { region: slab } },
    { ...distance, select: { region: ball } },
    { kind: "meanLogit", class: second, reduce: "sum", select: { region: ball, species } },
    {
      kind: "switch",
      centre: 1,
      width: 2,
      variable: {
        kind: "sum",
        terms: [
          {
            weight: 1,
            variable: { kind: "logitDifference", class: first, minus: second, select: { region: ball } },
          },
          { weight: 1, variable: { kind: "distance", class: first, select: { region: slab } } },
        ],
      },
    },
  ];
}

/** Whether forces of a variable may have a sum, because a region holds it in place. */
export function hasRegion(variable: Variable): boolean {
  return JSON.stringify(variable).includes('"region"');
}
