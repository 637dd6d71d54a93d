/**
 * Water is recognised by its composition. The species of a frame are those of water if every name is one of those below (in
 * upper or lower case), there are exactly two hydrogens for each oxygen, and no, one or two massless sites for each oxygen.
 *
 * Positions play no part, so frames of one run never differ in which atoms are looked at, whatever molecules do meanwhile. Any
 * other species, such as the ions of salt water, leaves it to the user to say what is to be looked at.
 */

type Part = "oxygen" | "hydrogen" | "site";

/** Names of elements, and those that force fields of water give to atoms and to sites that carry nothing but a charge. */
const parts: ReadonlyMap<string, Part> = new Map<string, Part>([
  ...["O", "OW", "OH2"].map((name) => [name, "oxygen"] as const),
  ...["H", "D", "HW", "HW1", "HW2", "H1", "H2"].map((name) => [name, "hydrogen"] as const),
  ...["M", "MW", "EP", "EPW", "LP", "LP1", "LP2", "X"].map((name) => [name, "site"] as const),
]);

/** Most massless sites of a molecule: the two lone pairs of five-site models. */
const mostSites = 2;

/** What a selection of the oxygens of water is called. */
export const oxygenOfWater = "oxygen of water";

/**
 * The oxygen atoms of a frame that is water.
 *
 * @param species one name an atom; null if the frame names none
 * @returns indices in ascending order; null if the frame is not water
 */
export function findWaterOxygens(species: readonly string[] | null): Uint32Array | null {
  if (species === null) return null;
  const partOfName = new Map<string, Part | undefined>();
  const counts = { oxygen: 0, hydrogen: 0, site: 0 };
  const oxygens: number[] = [];
  for (const [atom, name] of species.entries()) {
    if (!partOfName.has(name)) partOfName.set(name, parts.get(String(name).toUpperCase()));
    const part = partOfName.get(name);
    if (part === undefined) return null;
    counts[part] += 1;
    if (part === "oxygen") oxygens.push(atom);
  }
  const { oxygen, hydrogen, site } = counts;
  const isWater = oxygen > 0 && hydrogen === 2 * oxygen && site % oxygen === 0 && site <= mostSites * oxygen;
  return isWater ? Uint32Array.from(oxygens) : null;
}
