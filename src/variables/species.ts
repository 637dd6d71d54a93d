/** Species of a frame by number, and the numbers for each name in a selection. */

/** Species as the core takes them. */
export interface FrameSpecies {
  /** N; null if the frame has none. */
  readonly numbers: Int32Array | null;
  /** The numbers of all species with this name or number. */
  numbersOf(name: string | number): readonly number[];
  /** Names of the species, in order of first appearance; numbers for those without a name. */
  present(): readonly (string | number)[];
}

/**
 * @param species N names or numbers; null if all atoms are of one species
 * @param names of species 0, 1, .. where `species` holds numbers
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

/** Name and number of a species, as far as it has them. */
function answers(own: string | number, names: readonly string[] | null): (string | number)[] {
  if (typeof own === "string") return [own, Number(own)];
  const name = names?.[own];
  return name === undefined ? [own] : [own, name];
}

function shown(own: string | number, names: readonly string[] | null): string | number {
  return answers(own, names).find((name) => typeof name === "string") ?? own;
}
