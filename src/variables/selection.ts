/** Which atoms a variable looks at: the product of the factors of its selection. */
import { PhasewireError } from "../errors/index.js";
import type { Selection } from "./declare.js";
import type { VariableFrame } from "./frame.js";
import { type RegionWeights, regionWeights } from "./regions.js";

/** Most species or ids that a message names. */
const mostListed = 8;

/** The weights of a selection. N atoms. */
export interface SelectionWeights {
  /** N, w_a. */
  readonly weights: Float64Array;
  /** Adds factor_a dw_a/dr_a and its virial; null if the weights do not depend on positions. */
  readonly pull: RegionWeights["pull"] | null;
}

/**
 * @param field of the selection, for errors
 * @throws PhasewireError `EMPTY_SELECTION` for an id or species that no atom has, and what `regionWeights` throws
 */
export function selectionWeights(
  selection: Selection | undefined,
  frame: VariableFrame,
  field: string,
): SelectionWeights {
  const { ids, species, region } = selection ?? {};
  const weights = new Float64Array(frame.atomCount).fill(1);
  if (ids !== undefined) keepIds(weights, ids, frame, `${field}.ids`);
  if (species !== undefined) keepSpecies(weights, species, frame, `${field}.species`);
  if (region === undefined) return { weights, pull: null };
  const found = regionWeights(region, frame, `${field}.region`);
  const kept = weights.slice();
  for (let atom = 0; atom < weights.length; atom++) weights[atom]! *= found.weights[atom]!;
  return {
    weights,
    pull(factors, gradient, virial) {
      found.pull(
        factors.map((factor, atom) => factor * kept[atom]!),
        gradient,
        virial,
      );
    },
  };
}

function keepIds(
  weights: Float64Array,
  wanted: readonly number[],
  { ids }: VariableFrame,
  field: string,
): void {
  const missing = new Set(wanted);
  const chosen = new Set(wanted);
  for (let atom = 0; atom < weights.length; atom++) {
    const id = ids === null ? atom : ids[atom]!;
    if (chosen.has(id)) missing.delete(id);
    else weights[atom] = 0;
  }
  if (missing.size === 0) return;
  throw empty(
    field,
    [...missing],
    `${field} names ${listed([...missing])}, but no atom has ${missing.size > 1 ? "these ids" : "this id"}`,
    ids === null
      ? `The frame has no ids, so its ${weights.length} atoms are numbered from 0.`
      : "Give ids that atoms of the frame have.",
  );
}

function keepSpecies(
  weights: Float64Array,
  wanted: readonly (string | number)[],
  { species, speciesNames }: VariableFrame,
  field: string,
): void {
  /** What an atom's species answers to: its name, and its number. */
  const names = (atom: number): (string | number)[] => {
    const own = species?.[atom];
    if (own === undefined) return [];
    if (typeof own === "string") return [own, Number(own)];
    const name = speciesNames?.[own];
    return name === undefined ? [own] : [own, name];
  };
  const missing = new Set(wanted);
  const chosen = new Set(wanted);
  const present = new Set<string | number>();
  for (let atom = 0; atom < weights.length; atom++) {
    const own = names(atom);
    const found = own.filter((name) => chosen.has(name));
    if (found.length === 0) weights[atom] = 0;
    for (const name of found) missing.delete(name);
    const shown = own.find((name) => typeof name === "string") ?? own[0];
    if (shown !== undefined) present.add(shown);
  }
  if (missing.size === 0) return;
  throw empty(
    field,
    [...missing],
    `${field} names ${listed([...missing])}, but no atom is ${missing.size > 1 ? "one of them" : "that"}`,
    present.size > 0
      ? `Select among the species of the frame: ${listed([...present])}.`
      : "The frame has no species, so none can be selected: leave the selection out.",
  );
}

function listed(items: readonly (string | number)[]): string {
  return `${items.slice(0, mostListed).join(", ")}${items.length > mostListed ? ", .." : ""}`;
}

function empty(
  field: string,
  value: readonly (string | number)[],
  message: string,
  remedy: string,
): PhasewireError {
  return new PhasewireError("EMPTY_SELECTION", { field, value, message, remedy });
}
