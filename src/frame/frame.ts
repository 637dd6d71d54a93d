/**
 * A frame: the atoms at one moment, as given by a file or a simulation.
 *
 * Convention for cells: row i of the 3 x 3 matrix is cell vector i, so the vectors lie one after the other in
 * `cell`. Lengths are in the simulation's unit throughout.
 */

/** One per-atom column of any width, row-major: atom by atom. */
export type Column =
  | { readonly kind: "real"; readonly width: number; readonly data: Float64Array }
  | { readonly kind: "integer"; readonly width: number; readonly data: Float64Array }
  | { readonly kind: "logical"; readonly width: number; readonly data: boolean[] }
  | { readonly kind: "string"; readonly width: number; readonly data: string[] };

/** A value that describes a frame as a whole. */
export type InfoValue = string | number | boolean | readonly number[] | readonly boolean[];

/** Which of the three axes are periodic. */
export type Periodic = readonly [boolean, boolean, boolean];

export interface Frame {
  /** N x 3, row-major. */
  readonly positions: Float64Array;
  /** 9 numbers, rows are the cell vectors; null for a cluster. May be left-handed. */
  readonly cell: Float64Array | null;
  readonly periodic: Periodic;
  /** One name per atom; null if all atoms count as one species. */
  readonly species: readonly string[] | null;
  /** N, the simulation's own atom numbers, by which variables select; absent or null if there are none. */
  readonly ids?: ArrayLike<number> | null;
  /** Key-value pairs of the frame, in order. */
  readonly info: Readonly<Record<string, InfoValue>>;
  /** Further per-atom columns by name, in order. */
  readonly arrays: Readonly<Record<string, Column>>;
}

/** The parts of a frame for `createFrame`, which also takes plain arrays. */
export interface FrameParts {
  positions: ArrayLike<number>;
  cell?: ArrayLike<number> | null;
  periodic?: Periodic;
  species?: readonly string[] | null;
  ids?: ArrayLike<number> | null;
  info?: Readonly<Record<string, InfoValue>>;
  arrays?: Readonly<Record<string, Column>>;
}

/**
 * Makes a frame from its parts; missing parts are empty. Every axis is periodic if a cell is given and
 * `periodic` is not, as in extended XYZ. This does not validate: `validateFrame` does.
 */
export function createFrame(parts: FrameParts): Frame {
  const cell = parts.cell ?? null;
  return {
    positions: Float64Array.from(parts.positions),
    cell: cell === null ? null : Float64Array.from(cell),
    periodic: parts.periodic ?? (cell === null ? [false, false, false] : [true, true, true]),
    species: parts.species ?? null,
    ...(parts.ids ? { ids: Float64Array.from(parts.ids) } : {}),
    info: parts.info ?? {},
    arrays: parts.arrays ?? {},
  };
}

/** Number of atoms; not an integer if the positions are not N x 3, which `validateFrame` refuses. */
export function atomCount(frame: Frame): number {
  return frame.positions.length / 3;
}
