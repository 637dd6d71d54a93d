/**
 * Reads declarations of variables (docs/variables.md) from JSON, MessagePack or a program. A refusal names
 * the key that is unknown or has a bad value: `variables[0].select.region.width`. Classes, species, ids and
 * cells are checked later, when model and frame are known.
 */
import { limits } from "../contract/limits.js";
import type { Variable } from "./declare.js";
import { Grammar } from "./grammar.js";

/** Most variables in one list, inner ones included. */
export const mostVariables: number = limits.variables.most;

/**
 * Reads a list of variables.
 *
 * @param json the list; entries that are `{kind: "custom"}` with a function are returned unchanged
 * @param field name of the list, for errors
 * @param most the number of variables allowed, inner ones included
 * @throws PhasewireError `BAD_OPTION` that names the faulty key
 */
export function readVariables(json: unknown, field = "variables", most = mostVariables): Variable[] {
  return new Grammar(most).list(json, field) as Variable[];
}
