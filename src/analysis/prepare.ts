import { species } from "../contract/species.js";
import type { CoreFrame } from "../core/types.js";
import { refusal } from "../errors/index.js";
import { completeCell, type Frame, numberSpecies, selectAtoms, validateFrame } from "../frame/index.js";
import { findWaterOxygens, oxygenOfWater } from "./water.js";

/** How the atoms of a frame are looked at. */
export interface FrameOptions {
  /** Treat all atoms as one species. Without it, equal names are equal species; a frame without names has one species. */
  readonly ignoreSpecies?: boolean;
  /** a0 in the length unit of the positions; estimated from the frame if absent. */
  readonly lengthScale?: number;
  /**
   * Species whose atoms are analysed, as if the others were not there; `"all"`: all atoms. If absent, the oxygens of a
   * frame that is water (src/analysis/water.ts) and whose species are not ignored, else all atoms.
   */
  readonly select?: string | readonly string[];
}

const { all } = species;

/** Whether a selection asks for all atoms, those of water too. */
export function selectsAll(select: string | readonly string[] | undefined): boolean {
  return select === all || (Array.isArray(select) && select.length === 1 && select[0] === all);
}

/** What the core gets, and which atoms of the frame those are. */
export interface PreparedFrame {
  readonly core: CoreFrame;
  /** Indices into the frame, ascending; null if all atoms take part. */
  readonly selection: Uint32Array | null;
  /** Which atoms those are, in words: the names selected, or `oxygen of water`; null if all take part. */
  readonly selected: string | null;
  /** Whether they are the oxygens of water, recognised or selected. */
  readonly water: boolean;
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
  const { selection, selected, water } = chooseAtoms(frame, options);
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
    selected,
    water,
  };
}

function chooseAtoms(
  { species }: Frame,
  { select, ignoreSpecies }: FrameOptions,
): Omit<PreparedFrame, "core"> {
  const oxygens = findWaterOxygens(species);
  if (selectsAll(select) || (select === undefined && (ignoreSpecies || oxygens === null))) {
    return { selection: null, selected: null, water: false };
  }
  if (select === undefined) return { selection: oxygens, selected: oxygenOfWater, water: true };
  const wanted = typeof select === "string" ? [select] : select;
  const selection = selectAtoms(species, wanted);
  return { selection, selected: wanted.join(", "), water: oxygens !== null && equal(selection, oxygens) };
}

function equal(first: Uint32Array, second: Uint32Array): boolean {
  return first.length === second.length && first.every((atom, index) => atom === second[index]);
}

/**
 * Refuses a length scale that is no positive finite number.
 *
 * @throws PhasewireError `BAD_LENGTH_SCALE`
 */
export function validateLengthScale(lengthScale: number): void {
  if (typeof lengthScale === "number" && Number.isFinite(lengthScale) && lengthScale > 0) return;
  throw refusal("badLengthScale", { number: Number(lengthScale) }, { value: lengthScale });
}

function takeRows(source: Float64Array, rows: Uint32Array, width: number): Float64Array {
  const taken = new Float64Array(rows.length * width);
  rows.forEach((row, index) => {
    taken.set(source.subarray(row * width, (row + 1) * width), index * width);
  });
  return taken;
}
