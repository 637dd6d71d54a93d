/**
 * The atoms of a frame for the core's variables. They are copied into the memory of a core part by part, or
 * stay where a forward pass has put them.
 */
import { type CoreContext, type EvaluatedFrame, roomForSeed } from "../core/index.js";
import type { VariableFrame } from "./frame.js";
import type { Needs } from "./program.js";

/** Numbers in the seed of one part, so that it fits into a cache. */
const numbersAtOnce = 2 ** 16;

/** The atoms of one frame, for one evaluation. */
export interface Atoms {
  /** The context of variables. */
  readonly context: CoreContext;
  /** Most atoms of one part. */
  readonly atOnce: number;
  /** Regions that layoutVariables must place (PLACE_*), except those of derivatives. */
  readonly places: number;
  /** Address of room for the seed; null if layoutVariables must place it. */
  readonly seed: number | null;
  /** Sets addresses and arrays that all parts share. Called after the layout. */
  attach(): void;
  /** Hands atoms [begin, end) to the core. */
  take(begin: number, end: number): void;
}

/**
 * Makes the atoms for one evaluation.
 *
 * @param species N numbers; null if there are none or they are not needed
 */
export type AtomsOf = (frame: VariableFrame, needs: Needs, species: Int32Array | null) => Atoms;

/** Copies ids and species of one part, for both kinds of atoms. */
function takeNamed(
  context: CoreContext,
  needs: Needs,
  { ids }: VariableFrame,
  species: Int32Array | null,
  begin: number,
  end: number,
): void {
  if (needs.ids && ids !== null) copy(ids, context.doubles("VARIABLES_IDS", end - begin), begin);
  if (species !== null) copy(species, context.integers("VARIABLES_SPECIES", end - begin), begin);
}

/** Returns the regions of ids and species. */
function namedPlaces(
  { core }: CoreContext,
  needs: Needs,
  { ids }: VariableFrame,
  species: Int32Array | null,
): number {
  return (
    (needs.ids && ids !== null ? core.PLACE_IDS.value : 0) | (species !== null ? core.PLACE_SPECIES.value : 0)
  );
}

/** Copies atoms into the memory of a core, one part at a time. */
export function copiedAtoms(context: CoreContext): AtomsOf {
  return (frame, needs, species) => {
    const { core } = context;
    const { logits, classCount, atomCount, positions, idealLogits, logWeights } = frame;
    const isSingle = logits instanceof Float32Array;
    return {
      context,
      atOnce: Math.max(1, Math.min(atomCount, Math.ceil(numbersAtOnce / classCount))),
      places:
        (isSingle ? core.PLACE_LOGITS_SINGLE.value : core.PLACE_LOGITS_DOUBLE.value) |
        (needs.ideal ? core.PLACE_MODEL.value : 0) |
        (needs.positions ? core.PLACE_POSITIONS.value : 0) |
        namedPlaces(context, needs, frame, species),
      seed: null,
      attach() {
        if (!needs.ideal) return;
        context.doubles("VARIABLES_IDEAL_LOGITS", classCount).set(idealLogits);
        context.doubles("VARIABLES_LOG_WEIGHTS", classCount).set(logWeights ?? new Float64Array(classCount));
      },
      take(begin, end) {
        const length = (end - begin) * classCount;
        const rows = isSingle
          ? context.singles("VARIABLES_LOGITS", length)
          : context.doubles("VARIABLES_LOGITS", length);
        rows.set(logits.subarray(begin * classCount, end * classCount));
        if (needs.positions) {
          copy(positions, context.doubles("VARIABLES_POSITIONS", 3 * (end - begin)), 3 * begin);
        }
        takeNamed(context, needs, frame, species, begin, end);
      },
    };
  };
}

/** Leaves logits and positions of an evaluated frame in place in the core's memory. */
export function evaluatedAtoms(evaluatedFrame: EvaluatedFrame): AtomsOf {
  return (frame, needs, species) => {
    const { context: evaluated, end } = evaluatedFrame;
    const context = evaluated.forVariables(end);
    const { atomCount, classCount } = frame;
    return {
      context,
      atOnce: atomCount,
      places: namedPlaces(context, needs, frame, species),
      seed: roomForSeed(evaluatedFrame, atomCount * classCount),
      attach() {
        context.setRegion("VARIABLES_LOGITS", evaluated.region("LOGITS"));
        context.setRegion("VARIABLES_POSITIONS", evaluated.region("POSITIONS"));
        context.setRegion("VARIABLES_IDEAL_LOGITS", evaluated.region("IDEAL_LOGITS"));
        context.setRegion("VARIABLES_LOG_WEIGHTS", evaluated.region("LOG_PRIOR"));
      },
      take: (begin, end) => takeNamed(context, needs, frame, species, begin, end),
    };
  };
}

function copy(from: ArrayLike<number>, to: Float64Array | Int32Array, begin: number): void {
  if (ArrayBuffer.isView(from)) to.set((from as Float64Array).subarray(begin, begin + to.length));
  else for (let place = 0; place < to.length; place++) to[place] = from[begin + place]!;
}
