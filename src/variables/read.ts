/**
 * Reads variables as docs/variables.md declares them out of JSON, MessagePack or what a program passed. Keys and
 * values that the page does not have are refused by name: `variables[0].select.region.width`. Classes, species,
 * ids and cells are checked where model and frame are known.
 */
import { limits } from "../contract/limits.js";
import type { Variable } from "./declare.js";
import { Grammar } from "./grammar.js";

/** Variables in one list, those inside others included. */
export const mostVariables: number = limits.variables.most;

/**
 * @param json a list of variables; entries that are `{kind: "custom"}` with a function are taken as they are
 * @param field of the list, for errors
 * @param most variables, those inside others included
 * @throws PhasewireError `BAD_OPTION` that names the key at fault
 */
export function readVariables(json: unknown, field = "variables", most = mostVariables): Variable[] {
  return new Grammar(most).list(json, field) as Variable[];
}
