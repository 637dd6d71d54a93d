/** Numbers of the species of a frame, and of the names in a selection. */

/** Species in the form that the core takes. */
export interface FrameSpecies {
  /** N; null if the frame has none. */
  readonly numbers: Int32Array | null;
  /** Returns the numbers of all species with this name or number. */
  numbersOf(name: string | number): readonly number[];
  /** Returns the names of the species in order of first appearance; numbers for species without a name. */
  present(): readonly (string | number)[];
}

/**
 * Numbers the species of a frame.
 *
 * @param species N names or numbers; null if all atoms are of one species
 * @param names names of species 0, 1, ... if `species` holds numbers
 */
export function frameSpecies(
  species: ArrayLike<string | number> | null,
  names: readonly string[] | null,
): FrameSpecies {
  if (species === null) return { numbers: null, numbersOf: () => [], present: () => [] };
  if (species instanceof Int32Array) return numberedSpecies(species, names);
  const distinct = [...new Set(Array.from(species))];
  const numberOf = new Map(distinct.map((own, number) => [own, number]));
  return {
    numbers: Int32Array.from(species, (own) => numberOf.get(own)!),
    numbersOf: (name) =>
      [...distinct.keys()].filter((number) => answers(distinct[number]!, names).includes(name)),
    present: () => distinct.map((own) => shown(own, names)),
  };
}

function numberedSpecies(species: Int32Array, names: readonly string[] | null): FrameSpecies {
  return {
    numbers: species,
    numbersOf: (name) =>
      typeof name === "number"
        ? [name]
        : [...(names ?? []).keys()].filter((number) => names![number] === name),
    present: () => [...new Set(species)].map((own) => shown(own, names)),
  };
}

/** Returns the name and the number of a species, if it has them. */
function answers(own: string | number, names: readonly string[] | null): (string | number)[] {
  if (typeof own === "string") return [own, Number(own)];
  const name = names?.[own];
  return name === undefined ? [own] : [own, name];
}

function shown(own: string | number, names: readonly string[] | null): string | number {
  return answers(own, names).find((name) => typeof name === "string") ?? own;
}
