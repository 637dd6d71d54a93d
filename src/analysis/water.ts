/**
 * Water is recognised by its composition. A frame is water if each species has one of the names of
 * contract/species.json (in upper or lower case), there are exactly two hydrogens per oxygen, and there are
 * zero, one or two massless sites per oxygen.
 *
 * Positions are not used, so all frames of a run have the same analysed atoms even if molecules break. With
 * any other species, such as the ions of salt water, the user has to select the atoms.
 */
import { species } from "../contract/species.js";

type Part = "oxygen" | "hydrogen" | "site";

const { oxygens: oxygenOfWater, mostSites } = species.water;

/**
 * Names of elements, and names that force fields of water use for atoms and for sites that carry only a
 * charge.
 */
const parts: ReadonlyMap<string, Part> = new Map(
  (["oxygen", "hydrogen", "site"] as const).flatMap((part) =>
    species.water[part].map((name) => [name, part] as const),
  ),
);

/** The description of a selection of water's oxygens. */
export { oxygenOfWater };

/**
 * Finds the oxygen atoms of a frame that is water.
 *
 * @param names one name per atom; null if the frame has no names
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
