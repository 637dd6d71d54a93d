/**
 * The shape of a model: the sizes that determine the shapes of its tensors (models/FORMAT.md), and their
 * values that the core accepts.
 */
import { model as table } from "../contract/model.js";

export interface ModelShape {
  /** C, with class 0. */
  readonly classCount: number;
  /** P, radial basis functions. */
  readonly basisCount: number;
  /** K, density channels. */
  readonly channels: number;
  /** L, highest degree of the harmonics. */
  readonly lmax: number;
  /** The degree that is left out: 5 if L is 6, or 0 for none. */
  readonly skippedDegree: number;
  /** V, width of the first layer of network 1. */
  readonly innerWidth: number;
  /** H, hidden numbers h_a per atom. */
  readonly hiddenWidth: number;
  /** M, the number of them that enter the messages, from the first on. */
  readonly messageWidth: number;
  /** U, width of the last hidden layer. */
  readonly outerWidth: number;
  /** T, width of the network that decides whether denoised surroundings are known; 0 for none. */
  readonly knownWidth: number;
}

type SizeName = keyof ModelShape;

export type TensorName = keyof typeof table.tensors;

interface Size {
  readonly least: number;
  /** A number, or the name of the size that bounds this one. */
  readonly most: number | SizeName;
  readonly step: number;
  readonly usual?: number;
  /** Values above the least one require that another size has this value. */
  readonly only?: { readonly size: SizeName; readonly is: number };
}

const sizeTable: Readonly<Record<SizeName, Size>> = table.sizes;

/** The sizes in the order in which they are checked. */
const sizes = Object.entries(sizeTable) as readonly [SizeName, Size][];

/** Sizes that a file or a caller may omit, and their default values. */
export const usualShape = Object.fromEntries(
  sizes.flatMap(([name, { usual }]) => (usual === undefined ? [] : [[name, usual]])),
) as Omit<ModelShape, "classCount" | "basisCount">;

/** Returns the first invalid size and the values it may have; null if the shape is valid. */
export function findBadSize(shape: ModelShape): { key: SizeName; expected: string } | null {
  for (const [key, entry] of sizes) {
    const { least, step } = entry;
    const { most, depends } = largest(entry, shape);
    const size = shape[key];
    if (Number.isInteger(size) && size >= least && size <= most && size % step === 0) continue;
    const kind = step === 1 ? "a whole number" : `a multiple of ${step}`;
    return { key, expected: `${kind} from ${least} to ${most}${depends}` };
  }
  return null;
}

/** Returns the largest value of a size, and a remark if it depends on another size. */
function largest({ least, most, only }: Size, shape: ModelShape): { most: number; depends: string } {
  if (typeof most !== "number") return { most: shape[most], depends: ` (${most})` };
  if (only === undefined) return { most, depends: "" };
  const depends = ` (${most} only if ${only.size} is ${only.is})`;
  return { most: shape[only.size] === only.is ? most : least, depends };
}

/** Returns D, the number of degrees of the harmonics, including 0. */
export function degreeCount({ lmax, skippedDegree }: ModelShape): number {
  return lmax + (skippedDegree === 0 ? 1 : 0);
}

/** Returns I, the number of invariants per atom: B_ql of every degree, and the densities A_k00. */
export function invariantCount(shape: ModelShape): number {
  return shape.channels * (degreeCount(shape) + 1);
}

/** Returns the shape of each tensor of a model, output x input. */
export function tensorShapes(shape: ModelShape): Partial<Record<TensorName, number[]>> {
  const known: Readonly<Record<string, number>> = {
    ...shape,
    degrees: degreeCount(shape),
    invariants: invariantCount(shape),
  };
  const size = (term: string | number): number => (typeof term === "number" ? term : known[term]!);
  const shapes = Object.entries(table.tensors).map(([name, extents]): [string, number[]] => [
    name,
    extents.map((terms: readonly (string | number)[]) =>
      terms.reduce<number>((sum, term) => sum + size(term), 0),
    ),
  ]);
  // A model without a part has no tensors for it.
  return Object.fromEntries(shapes.filter(([, extents]) => !extents.includes(0)));
}
