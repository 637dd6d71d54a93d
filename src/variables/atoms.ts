/** Where the core finds the atoms that variables are evaluated on: copied into its memory in parts, or as they lie there after a forward pass. */
import { type CoreContext, type EvaluatedFrame, roomForSeed } from "../core/index.js";
import type { VariableFrame } from "./frame.js";
import type { Needs } from "./program.js";

/** Numbers of a seed that are worked on at once: what a cache holds. */
const numbersAtOnce = 2 ** 16;

/** Atoms of one frame, as the core gets at them. */
export interface Atoms {
  /** The context of variables. */
  readonly context: CoreContext;
  /** Most atoms that are handed over at a time. */
  readonly atOnce: number;
  /** What layoutVariables has to place (PLACE_*), derivatives apart. */
  readonly places: number;
  /** Where the seed of all atoms may lie; null to have it placed. */
  readonly seed: number | null;
  /** Says where the arrays of the model and of all atoms lie, once the regions are laid out. */
  attach(): void;
  /** Hands over atoms [begin, end). */
  take(begin: number, end: number): void;
}

/** Finds them for one evaluation: a frame, what is asked of it, and species by number if that is among it and there are any. */
export type AtomsOf = (frame: VariableFrame, needs: Needs, species: Int32Array | null) => Atoms;

/** What is copied of each part, whichever way the logits come. */
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

/** PLACE_* of the same. */
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

/** Atoms that are copied into the memory of a core, a part at a time. */
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

/** The atoms of a frame whose forward pass stands in the core: logits and positions stay where they are. */
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
