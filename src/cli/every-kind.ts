/** Variables of every kind and with every option, for checking gradients. */
import type { Variable } from "../variables/index.js";

/** Properties of the frame by which variables select. */
export interface Selectable {
  /** Two classes of the model. */
  readonly first: string;
  readonly second: string;
  readonly ids: readonly number[];
  /** null if all atoms have one species without a name. */
  readonly species: readonly (string | number)[] | null;
  /** Place for regions; null without a cell. */
  readonly region: {
    /** Near some atoms, in fractional coordinates. */
    readonly centre: readonly [number, number, number];
    /**
     * The radius at which a ball ends: at most half of the least height of the cell over its periodic axes.
     */
    readonly reach: number;
  } | null;
}

export function everyKind({ first, second, ids, species, region }: Selectable): Variable[] {
  const fraction: Variable = { kind: "fraction", class: first };
  const distance: Variable = { kind: "distance", class: second };
  const everywhere: Variable[] = [
    fraction,
    { name: "fraction.sum", kind: "fraction", classes: [first, second], reduce: "sum" },
    { kind: "meanLogit", class: first },
    { kind: "logitDifference", class: first, minus: second },
    distance,
    { name: "distance.switch", kind: "distance", class: first, switch: { centre: 0.4, width: 0.2 } },
    { kind: "logDensity" },
    { name: "logDensity.switch", kind: "logDensity", reduce: "mean", switch: { centre: 2, width: 1 } },
    { name: "meanLogit.ids", kind: "meanLogit", class: second, select: { ids } },
    ...(species === null
      ? []
      : [
          {
            name: "meanLogit.species",
            kind: "meanLogit",
            class: second,
            reduce: "sum",
            select: { species },
          } as const,
        ]),
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
    { name: "meanLogit.slab", kind: "meanLogit", class: first, select: { region: slab } },
    { name: "logDensity.slab", kind: "logDensity", select: { region: slab } },
    { ...distance, name: "distance.ball", select: { region: ball } },
    {
      name: "meanLogit.ball.ids",
      kind: "meanLogit",
      class: second,
      reduce: "sum",
      select: { region: ball, ids },
    },
    {
      name: "switch.regions",
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
