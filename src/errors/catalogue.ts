/**
 * Every error of the software, with its meaning and its remedy.
 *
 * The codes are part of the public interface: they are the same in TypeScript, in Python, in the command
 * line's JSON and on the wire (bridge/PROTOCOL.md). All of them come from contract/errors.json, which
 * docs/errors.md shows.
 */
import { errors } from "../contract/errors.js";

/** The meaning of a code, and the default remedy of its errors. */
export interface CatalogueEntry {
  readonly meaning: string;
  readonly remedy: string;
}

/** The name of an error. */
export type ErrorCode = keyof typeof errors.codes;

/** The table of all errors, by code. */
export const errorCatalogue: Readonly<Record<ErrorCode, CatalogueEntry>> = errors.codes;
