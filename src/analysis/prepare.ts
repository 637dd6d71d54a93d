import type { CoreFrame } from "../core/types.js";
import { PhasewireError } from "../errors/index.js";
import { completeCell, type Frame, numberSpecies, selectAtoms, validateFrame } from "../frame/index.js";

/** How the atoms of a frame are looked at. */
export interface FrameOptions {
  /** Treat all atoms as one species. Without it, equal names are equal species; a frame without names has one species. */
  readonly ignoreSpecies?: boolean;
  /** a0 in the length unit of the positions; estimated from the frame if absent. */
  readonly lengthScale?: number;
  /** Species whose atoms are analysed, as if the others were not there; all if absent. */
  readonly select?: string | readonly string[];
}

/** What the core gets, and which atoms of the frame those are. */
export interface PreparedFrame {
  readonly core: CoreFrame;
  /** Indices into the frame, ascending; null if all atoms take part. */
  readonly selection: Uint32Array | null;
}

/**
 * Checks a frame in full and makes what the core computes with.
 *
 * @throws PhasewireError `EMPTY_FRAME`, `SHAPE_MISMATCH`, `NON_FINITE_POSITIONS`, `NON_FINITE_CELL`, `MISSING_CELL`,
 *   `SINGULAR_CELL`, `BAD_LENGTH_SCALE`, `EMPTY_SELECTION`, `UNKNOWN_SPECIES`
 */
export function prepareFrame(frame: Frame, options: FrameOptions = {}): PreparedFrame {
  validateFrame(frame);
  const cell = completeCell(frame.cell, frame.periodic);
  const { lengthScale } = options;
  if (lengthScale !== undefined) validateLengthScale(lengthScale);
  const selection =
    options.select === undefined
      ? null
      : selectAtoms(frame.species, typeof options.select === "string" ? [options.select] : options.select);
  const names =
    selection === null || frame.species === null
      ? frame.species
      : Array.from(selection, (atom) => frame.species![atom]!);
  return {
    core: {
      positions: selection === null ? frame.positions : takeRows(frame.positions, selection, 3),
      cell,
      periodic: frame.periodic,
      species: options.ignoreSpecies ? null : numberSpecies(names),
      ...(lengthScale === undefined ? {} : { lengthScale }),
    },
    selection,
  };
}

/**
 * Refuses a length scale that is no positive finite number.
 *
 * @throws PhasewireError `BAD_LENGTH_SCALE`
 */
export function validateLengthScale(lengthScale: number): void {
  if (typeof lengthScale === "number" && Number.isFinite(lengthScale) && lengthScale > 0) return;
  throw new PhasewireError("BAD_LENGTH_SCALE", {
    message: `the length scale is ${lengthScale}; a positive number is needed`,
    field: "lengthScale",
    value: lengthScale,
  });
}

function takeRows(source: Float64Array, rows: Uint32Array, width: number): Float64Array {
  const taken = new Float64Array(rows.length * width);
  rows.forEach((row, index) => {
    taken.set(source.subarray(row * width, (row + 1) * width), index * width);
  });
  return taken;
}
