/**
 * Water is recognised by its composition. The species of a frame are those of water if every name is one of those below (in
 * upper or lower case), there are exactly two hydrogens for each oxygen, and no, one or two massless sites for each oxygen.
 *
 * Positions play no part, so frames of one run never differ in which atoms are looked at, whatever molecules do meanwhile. Any
 * other species, such as the ions of salt water, leaves it to the user to say what is to be looked at.
 */
import { species } from "../contract/species.js";

type Part = "oxygen" | "hydrogen" | "site";

const { oxygens: oxygenOfWater, mostSites } = species.water;

/** Names of elements, and names that force fields of water give to atoms and to sites that carry only a charge. */
const parts: ReadonlyMap<string, Part> = new Map(
  (["oxygen", "hydrogen", "site"] as const).flatMap((part) =>
    species.water[part].map((name) => [name, part] as const),
  ),
);

/** Description of a selection of the oxygens of water. */
export { oxygenOfWater };

/**
 * The oxygen atoms of a frame that is water.
 *
 * @param names one name an atom; null if the frame names none
 * @returns indices in ascending order; null if the frame is not water
 */
export function findWaterOxygens(names: readonly string[] | null): Uint32Array | null {
  if (names === null) return null;
  const partOfName = new Map<string, Part | undefined>();
  const counts = { oxygen: 0, hydrogen: 0, site: 0 };
  const oxygens: number[] = [];
  for (const [atom, name] of names.entries()) {
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
