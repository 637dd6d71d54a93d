/** Species are names of any kind. The model only uses whether two atoms have the same one. */
import { limits } from "../contract/limits.js";
import { species as table } from "../contract/species.js";
import { refusal } from "../errors/index.js";

/** Names that mean "unknown": ASE writes X for atomic number 0, other programs a question mark. */
const unknownNames: ReadonlySet<string> = new Set(table.unknown);

/** Whether a value is the name of a known species. */
export function namesSpecies(name: unknown): name is string {
  return typeof name === "string" && !unknownNames.has(name.trim());
}

/**
 * Numbers the species in order of first appearance.
 *
 * @param species one name per atom; null if all atoms count as one species
 * @returns N integers, or null for one species
 * @throws PhasewireError `UNKNOWN_SPECIES` naming the first atom without a usable species
 */
export function numberSpecies(species: readonly string[] | null): Int32Array | null {
  if (species === null) return null;
  const numbers = new Map<string, number>();
  return Int32Array.from(species, (name, atom) => {
    if (!namesSpecies(name)) {
      throw refusal("unusableSpecies", { atom, name: JSON.stringify(name) }, { value: name });
    }
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  });
}

/**
 * The atoms of the selected species, in ascending order.
 *
 * @throws PhasewireError `EMPTY_SELECTION` if there are none, naming the species that the frame holds
 */
export function selectAtoms(species: readonly string[] | null, selected: readonly string[]): Uint32Array {
  const wanted = new Set(selected);
  const atoms: number[] = [];
  species?.forEach((name, atom) => {
    if (wanted.has(name)) atoms.push(atom);
  });
  if (atoms.length > 0) return Uint32Array.from(atoms);
  const present = [...new Set(species ?? [])].slice(0, limits.names.mostSpeciesListed);
  const remedy =
    present.length > 0
      ? `Select among the species of the frame: ${present.join(", ")}.`
      : "The frame names no species, so none can be selected: omit the selection.";
  const names = selected.join(" or ") || "(none given)";
  throw refusal("noSuchSpecies", { names }, { value: [...selected], remedy });
}
