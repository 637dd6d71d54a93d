/** Preparation of frames for the core: checks, and the choice of atoms. */
import { species as table } from "../contract/species.js";
import type { CoreFrame } from "../core/types.js";
import { refusal } from "../errors/index.js";
import {
  completeCell,
  type Frame,
  numberSpecies,
  renameSpecies,
  type SpeciesMap,
  selectAtoms,
  validateFrame,
} from "../frame/index.js";
import { findWaterOxygens, oxygenOfWater } from "./water.js";

/** The atoms of a frame to analyse, and how. */
export interface FrameOptions {
  /**
   * Other names for species, before anything else looks at them: `{ Ni: "A", Co: "A" }` makes nickel and
   * cobalt one species, so that (Ni,Co)3Al is `L1_2`. `select`, water and variables see the new names.
   */
  readonly speciesMap?: SpeciesMap;
  /**
   * Treat all atoms as one species. By default each name is a species, and a frame without names has one
   * species.
   */
  readonly ignoreSpecies?: boolean;
  /** a0 in the length unit of the positions; estimated from the frame by default. */
  readonly lengthScale?: number;
  /**
   * Species whose atoms are analysed, as if there were no others; `"all"` means all atoms. By default these
   * are the oxygens of a frame that is water (src/analysis/water.ts) and whose species are not ignored, else
   * all atoms.
   */
  readonly select?: string | readonly string[];
}

const { all } = table;

/** Returns whether a selection means all atoms, even for water. */
export function selectsAll(select: string | readonly string[] | undefined): boolean {
  return select === all || (Array.isArray(select) && select.length === 1 && select[0] === all);
}

/** A frame for the core, and which atoms of the original frame it holds. */
export interface PreparedFrame {
  readonly core: CoreFrame;
  /** Indices into the frame, ascending; null if all atoms take part. */
  readonly selection: Uint32Array | null;
  /** Those atoms in words: the selected names, or `oxygen of water`; null if all take part. */
  readonly selected: string | null;
  /** Whether they are the oxygens of water, recognised or selected. */
  readonly water: boolean;
  /** Names of their species, renamed if there is a `speciesMap`; null if the frame has none. */
  readonly species: readonly string[] | null;
}

/**
 * Checks a frame in full and prepares it for the core.
 *
 * @throws PhasewireError `EMPTY_FRAME`, `SHAPE_MISMATCH`, `NON_FINITE_POSITIONS`, `NON_FINITE_CELL`,
 *   `MISSING_CELL`, `SINGULAR_CELL`, `BAD_LENGTH_SCALE`, `EMPTY_SELECTION`, `UNKNOWN_SPECIES`; `BAD_OPTION`
 *   for a species map that does not fit
 */
export function prepareFrame(frame: Frame, options: FrameOptions = {}): PreparedFrame {
  validateFrame(frame);
  const cell = completeCell(frame.cell, frame.periodic);
  const { lengthScale } = options;
  if (lengthScale !== undefined) validateLengthScale(lengthScale);
  const renamed = renameSpecies(frame, options.speciesMap);
  const { selection, selected, water } = chooseAtoms(renamed, options);
  const species =
    selection === null || renamed.species === null
      ? renamed.species
      : Array.from(selection, (atom) => renamed.species![atom]!);
  return {
    core: {
      positions: selection === null ? frame.positions : takeRows(frame.positions, selection, 3),
      cell,
      periodic: frame.periodic,
      species: options.ignoreSpecies ? null : numberSpecies(species),
      ...(lengthScale === undefined ? {} : { lengthScale }),
    },
    selection,
    selected,
    water,
    species,
  };
}

function chooseAtoms(
  { species }: Pick<Frame, "species">,
  { select, ignoreSpecies }: FrameOptions,
): Omit<PreparedFrame, "core" | "species"> {
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
 * Refuses a length scale that is not a positive finite number.
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
