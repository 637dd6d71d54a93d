/**
 * The shape of a model: the numbers that the shapes of its tensors follow from (models/FORMAT.md), and which of them the core takes.
 */
export interface ModelShape {
  /** C, with class 0. */
  readonly classCount: number;
  /** P, radial basis functions. */
  readonly basisCount: number;
  /** K, density channels. */
  readonly channels: number;
  /** L, highest degree of the harmonics. */
  readonly lmax: number;
  /** A degree that is left out, 5 of 6; 0: none. */
  readonly skippedDegree: number;
  /** V, width of the first layer of network 1. */
  readonly innerWidth: number;
  /** H, hidden numbers h_a of an atom. */
  readonly hiddenWidth: number;
  /** M, how many of them enter the messages, from the first on. */
  readonly messageWidth: number;
  /** U, width of the last hidden layer. */
  readonly outerWidth: number;
}

/** The shape where a file or a caller does not say. */
export const usualShape = {
  channels: 16,
  lmax: 6,
  skippedDegree: 0,
  innerWidth: 64,
  hiddenWidth: 32,
  messageWidth: 32,
  outerWidth: 64,
} as const satisfies Partial<ModelShape>;

interface Range {
  readonly least: number;
  readonly most: number;
  readonly step: number;
}

/** The numbers that each size may be, in the order in which they are checked. */
function ranges({ lmax, hiddenWidth }: ModelShape): Readonly<Record<keyof ModelShape, Range>> {
  return {
    classCount: { least: 2, most: 1023, step: 1 },
    basisCount: { least: 2, most: 64, step: 1 },
    channels: { least: 8, most: 16, step: 8 },
    lmax: { least: 2, most: 6, step: 1 },
    skippedDegree: { least: 0, most: lmax === 6 ? 5 : 0, step: 5 },
    innerWidth: { least: 8, most: 128, step: 8 },
    hiddenWidth: { least: 8, most: 64, step: 8 },
    messageWidth: { least: 8, most: hiddenWidth, step: 8 },
    outerWidth: { least: 16, most: 512, step: 16 },
  };
}

/** What decides the bound of a size that depends on another one. */
const bounds: Partial<Record<keyof ModelShape, string>> = {
  skippedDegree: " (5 only where lmax is 6)",
  messageWidth: " (hiddenWidth)",
};

/** The first size that no model may have, and what is possible instead; null if the shape is sound. */
export function findBadSize(shape: ModelShape): { key: keyof ModelShape; expected: string } | null {
  for (const [name, { least, most, step }] of Object.entries(ranges(shape))) {
    const key = name as keyof ModelShape;
    const size = shape[key];
    if (Number.isInteger(size) && size >= least && size <= most && size % step === 0) continue;
    const kind = step === 1 ? "a whole number" : `a multiple of ${step}`;
    return { key, expected: `${kind} from ${least} to ${most}${bounds[key] ?? ""}` };
  }
  return null;
}

/** D, degrees of the harmonics, 0 among them. */
export function degreeCount({ lmax, skippedDegree }: ModelShape): number {
  return lmax + (skippedDegree === 0 ? 1 : 0);
}

/** I, invariants of an atom: B_ql of every degree, and the densities A_k00. */
export function invariantCount(shape: ModelShape): number {
  return shape.channels * (degreeCount(shape) + 1);
}

export type TensorName =
  | "radial.mix"
  | "invariants.mix"
  | "standard.mean"
  | "standard.scale"
  | `network${1 | 2}.${"weight" | "bias"}${0 | 1}`;

/** Shape of each tensor, output x input. */
export function tensorShapes(shape: ModelShape): Record<TensorName, number[]> {
  const { classCount, basisCount, channels, innerWidth, hiddenWidth, messageWidth, outerWidth } = shape;
  const invariants = invariantCount(shape);
  return {
    "radial.mix": [2, channels + 1, basisCount],
    "invariants.mix": [degreeCount(shape), channels, channels],
    "standard.mean": [invariants],
    "standard.scale": [invariants],
    "network1.weight0": [innerWidth, invariants],
    "network1.bias0": [innerWidth],
    "network1.weight1": [hiddenWidth, innerWidth],
    "network1.bias1": [hiddenWidth],
    "network2.weight0": [outerWidth, hiddenWidth + messageWidth],
    "network2.bias0": [outerWidth],
    "network2.weight1": [classCount, outerWidth],
    "network2.bias1": [classCount],
  };
}
