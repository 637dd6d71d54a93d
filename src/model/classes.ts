/**
 * Finding classes by their names, and the weights that users give them (docs/maths.md, "Prior over classes").
 */
import { limits } from "../contract/limits.js";
import { refusal, show } from "../errors/index.js";

/** Names of a class. */
export interface ClassNames {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Names that it shares with others. They do not find the class, but it is suggested for them. */
  readonly prototype?: string | null;
  readonly strukturbericht?: string | null;
  readonly pearson?: string | null;
  readonly aflow?: string | null;
}

/**
 * The allowed classes, by name or alias: a list, or a map from names to weights w >= 0. Listed classes have
 * weight 1. A class that is not named, or has weight 0, is left out. Only `disordered` has weight 1 unless it
 * is named.
 */
export type ClassWeights = readonly string[] | Readonly<Record<string, number>>;

/**
 * The number of a class.
 *
 * @param field the input that has the name, for the error
 * @throws PhasewireError `BAD_OPTION` that suggests similar names
 */
export function findClass(name: string, classes: readonly ClassNames[], field: string): number {
  const found = classes.findIndex((known) => known.name === name || known.aliases.includes(name));
  if (found >= 0) return found;
  const near = suggestions(name, classes);
  const all =
    classes.length > limits.names.mostClassesListed
      ? "`phasewire models --search TEXT` finds classes by all their names."
      : `The classes are ${classes.map((known) => known.name).join(", ")}.`;
  const remedy = near.length > 0 ? `Did you mean ${near.join(" or ")}? ${all}` : all;
  throw refusal("unknownClass", { field, name: show(name) }, { value: name, remedy });
}

/**
 * The weight of every class of a model.
 *
 * @returns C weights by class number; at least one crystalline class has one above 0
 * @throws PhasewireError `BAD_OPTION` for a name that is unknown or given twice, a weight that is negative or
 *   not finite, or if no crystalline class is left
 */
export function classWeights(given: ClassWeights, classes: readonly ClassNames[]): Float64Array {
  const weights = new Float64Array(classes.length);
  weights[0] = 1;
  const named = new Set<number>();
  for (const [name, weight] of entries(given)) {
    const found = findClass(name, classes, "classes");
    if (named.has(found)) {
      const own = classes[found]!.name;
      const also = own === name ? "" : `, as ${name} too`;
      throw refusal("classTwice", { name: own, also }, { value: name });
    }
    if (typeof weight !== "number" || !(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      const shown = typeof weight === "number" ? weight : JSON.stringify(weight);
      throw refusal("classWeight", { name, found: shown }, { value: weight });
    }
    named.add(found);
    weights[found] = weight;
  }
  if (!weights.subarray(1).some((weight) => weight > 0)) {
    const value = [...named].map((index) => classes[index]!.name);
    throw refusal("noCrystallineClass", {}, { value });
  }
  return weights;
}

/**
 * Addends to the logits: the logarithms of weights, and -1000 for 0, as in the core (docs/maths.md, "Prior
 * over classes").
 */
export function logWeights(weights: Float64Array): Float64Array {
  return weights.map((weight) => (weight > 0 ? Math.log(weight) : limits.core.leftOut));
}

function entries(given: ClassWeights): (readonly [string, unknown])[] {
  if (Array.isArray(given)) {
    const wrong = given.find((name) => typeof name !== "string");
    if (wrong === undefined) return given.map((name: string) => [name, 1] as const);
  } else if (typeof given === "object" && given !== null) return Object.entries(given);
  throw refusal("classList", {}, { value: given });
}

/** Names and aliases that resemble a name, the most similar first. */
function suggestions(name: string, classes: readonly ClassNames[]): string[] {
  // The comparison takes time in proportion to the length of both names, and names come from peers, too.
  if (name.length > limits.message.longestName) return [];
  const wanted = plain(name);
  const ranked = classes.flatMap((known) => {
    const names = [known.name, ...known.aliases].map((own) => ({ own, rank: rank(wanted, plain(own)) }));
    const shared = [known.prototype, known.strukturbericht, known.pearson, known.aflow];
    if (shared.some((other) => typeof other === "string" && plain(other) === wanted)) {
      names.push({ own: known.name, rank: 0 });
    }
    const best = names.reduce((a, b) => (b.rank < a.rank ? b : a));
    return best.rank < Number.POSITIVE_INFINITY ? [best] : [];
  });
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, limits.names.mostClassesSuggested)
    .map(({ own }) => own);
}

/** A name without differences in spelling: `L12`, `l1_2` and `L1_2` are the same. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/** Distance of a name from the requested one: 0 if equal, infinite if they have too little in common. */
function rank(wanted: string, candidate: string): number {
  const distance = editDistance(wanted, candidate);
  if (distance <= Math.max(1, wanted.length / 3)) return distance;
  return wanted.length > 2 && candidate.includes(wanted) ? distance : Number.POSITIVE_INFINITY;
}

/**
 * Smallest number of insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
 */
function editDistance(a: string, b: string): number {
  let [before, row] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, swapped, row[j]! + 1, next[j - 1]! + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
