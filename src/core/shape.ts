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
function ranges({ hiddenWidth }: ModelShape): Readonly<Record<keyof ModelShape, Range>> {
  return {
    classCount: { least: 2, most: 1023, step: 1 },
    basisCount: { least: 2, most: 64, step: 1 },
    channels: { least: 8, most: 16, step: 8 },
    lmax: { least: 2, most: 6, step: 1 },
    innerWidth: { least: 8, most: 128, step: 8 },
    hiddenWidth: { least: 8, most: 64, step: 8 },
    messageWidth: { least: 8, most: hiddenWidth, step: 8 },
    outerWidth: { least: 16, most: 512, step: 16 },
  };
}

/** The first size that no model may have, and what is possible instead; null if the shape is sound. */
export function findBadSize(shape: ModelShape): { key: keyof ModelShape; expected: string } | null {
  for (const [name, { least, most, step }] of Object.entries(ranges(shape))) {
    const key = name as keyof ModelShape;
    const size = shape[key];
    if (Number.isInteger(size) && size >= least && size <= most && size % step === 0) continue;
    const kind = step === 1 ? "a whole number" : `a multiple of ${step}`;
    return {
      key,
      expected: `${kind} from ${least} to ${most}${key === "messageWidth" ? " (hiddenWidth)" : ""}`,
    };
  }
  return null;
}

/** I, invariants of an atom: B_ql of every degree, and the densities A_k00. */
export function invariantCount({ channels, lmax }: ModelShape): number {
  return channels * (lmax + 2);
}

/** Densities A_klm of an atom. */
export function densityCount({ channels, lmax }: ModelShape): number {
  return channels * (lmax + 1) ** 2;
}

export type TensorName =
  | "radial.mix"
  | "invariants.mix"
  | "standard.mean"
  | "standard.scale"
  | `network${1 | 2}.${"weight" | "bias"}${0 | 1}`;

/** Shape of each tensor, output x input. */
export function tensorShapes(shape: ModelShape): Record<TensorName, number[]> {
  const { classCount, basisCount, channels, lmax, innerWidth, hiddenWidth, messageWidth, outerWidth } = shape;
  const invariants = invariantCount(shape);
  return {
    "radial.mix": [2, channels + 1, basisCount],
    "invariants.mix": [lmax + 1, channels, channels],
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
