/** Small structures to attack with: the golden ones of the models. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/package.js";

export interface Structure {
  readonly name: string;
  /** Name of the model that the logits are of. */
  readonly model: string;
  readonly lengthScale: number;
  readonly cell: readonly (readonly number[])[] | null;
  readonly periodic: readonly [boolean, boolean, boolean];
  readonly species: readonly number[];
  readonly positions: readonly (readonly number[])[];
  readonly logits: readonly (readonly number[])[];
}

/** The structures of models/golden. */
export function goldenStructures(): readonly Structure[] {
  const folder = join(packageRoot(), "models", "golden");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Structure);
}
