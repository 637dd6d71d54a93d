import type { Command } from "commander";
import { loadModel, type ManifestEntry, type PhaseClass, readManifest } from "../model/index.js";
import { type CliIo, exitCodes, writeText } from "./io.js";

interface ModelsOptions {
  classes?: boolean;
  json?: boolean;
}

/** `phasewire models`: which models ship, and what they know. */
export function addModelsCommand(program: Command, io: CliIo, finish: (exitCode: number) => void): void {
  program
    .command("models")
    .description("list the models")
    .option("--classes", "list the phases that each model knows, with their other names and prototypes")
    .option("--json", "print one JSON object a model on a line")
    .action(async (options: ModelsOptions) => {
      const manifest = await readManifest();
      for (const entry of manifest.models) {
        const isDefault = entry.name === manifest.default;
        const classes = options.classes ? (await loadModel(entry.name)).classes : undefined;
        const text = options.json
          ? JSON.stringify({ ...entry, default: isDefault, ...(classes === undefined ? {} : { classes }) })
          : describe(entry, isDefault, classes);
        await writeText(io.stdout, `${text}\n`);
      }
      finish(exitCodes.success);
    });
}

function describe(
  entry: ManifestEntry,
  isDefault: boolean,
  classes: readonly PhaseClass[] | undefined,
): string {
  const head = `${entry.name}${isDefault ? " (default)" : ""}  ${entry.classCount} classes  ${entry.description}`;
  const lines = (classes ?? []).map(
    ({ name, aliases, prototype, spaceGroup }) =>
      `  ${name}${aliases.length > 0 ? `, also ${aliases.join(", ")}` : ""}` +
      (spaceGroup === null ? "" : `: ${prototype ?? name}, space group ${spaceGroup}`),
  );
  return [head, ...lines].join("\n");
}
