/** Variables in a file: a JSON list as in docs/variables.md. */
import { readFile } from "node:fs/promises";
import { Option } from "commander";
import { PhasewireError } from "../errors/index.js";
import { readAccessError } from "../formats/access.js";
import { readVariables, type Variable } from "../variables/index.js";

/** `--variables` */
export function variablesOption(description: string): Option {
  return new Option("--variables <file>", description);
}

/**
 * @throws PhasewireError `FILE_ACCESS`, `FILE_FORMAT` if it is not JSON, `BAD_OPTION` with the key at fault
 */
export async function readVariablesFile(path: string): Promise<Variable[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    throw readAccessError(path, thrown);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new PhasewireError("FILE_FORMAT", {
      field: path,
      message: `${path} is not JSON: ${(cause as Error).message}`,
      remedy: 'Give a list of variables, such as [{"kind": "fraction", "class": "fcc"}].',
      cause,
    });
  }
  return readVariables(json);
}
