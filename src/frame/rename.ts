/** Species that get other names before anything else looks at them, so that several can become one. */
import { limits } from "../contract/limits.js";
import { refusal, show } from "../errors/index.js";
import type { Frame } from "./frame.js";
import { namesSpecies } from "./species.js";

/** From names of species to those that they get: `{ Ni: "A", Co: "A" }` makes nickel and cobalt one. */
export type SpeciesMap = Readonly<Record<string, string>>;

/**
 * The frame with the new names. Species that are not named keep theirs.
 *
 * @throws PhasewireError `BAD_OPTION` if the map is empty or not a map, or if it names a species that no atom
 *   has, or gives one a name that does not name a species
 */
export function renameSpecies<F extends Pick<Frame, "species">>(frame: F, map: SpeciesMap | undefined): F {
  if (map === undefined) return frame;
  const entries = typeof map === "object" && map !== null && !Array.isArray(map) ? Object.entries(map) : [];
  if (entries.length === 0) throw refusal("speciesMap", { found: show(map) }, { value: map });
  const present = new Set(frame.species);
  for (const [name, found] of entries) {
    if (!namesSpecies(found)) throw refusal("speciesMapName", { name, found: show(found) }, { value: found });
    if (present.has(name)) continue;
    const known = [...present].slice(0, limits.names.mostSpeciesListed).join(", ");
    const remedy =
      known === "" ? "The frame names no species: omit the map." : `The species of the frame are ${known}.`;
    throw refusal("speciesMapUnknown", { name }, { value: name, remedy });
  }
  const names = new Map(entries);
  return { ...frame, species: frame.species!.map((name) => names.get(name) ?? name) };
}
