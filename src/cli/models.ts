import type { Command } from "commander";
import { PhasewireError } from "../errors/index.js";
import { loadModel, type ManifestEntry, type Model, type PhaseClass, readManifest } from "../model/index.js";
import { classTable, findClasses } from "./class-table.js";
import { type CliIo, exitCodes, writeText } from "./io.js";

interface ModelsOptions {
  classes?: boolean;
  tier?: string;
  search?: string;
  json?: boolean;
}

/**
 * Bounds of the table's width, which is that of the terminal; without a terminal the table has the largest
 * width.
 */
const [narrowest, widest] = [80, 120];

/** `phasewire models`: the models that ship, and their classes. */
export function addModelsCommand(program: Command, io: CliIo, finish: (exitCode: number) => void): void {
  program
    .command("models")
    .description("list the models, or the classes of one of them")
    .option("--classes", "list the classes of a model with all their names, instead of the models")
    .option(
      "--tier <name>",
      "list the classes of this model, one that `phasewire models` lists; default: the default model",
    )
    .option(
      "--search <text>",
      "only classes with this text in one of their names, such as `fluorite` or `L12`",
    )
    .option("--json", "print a JSON array of classes, or one JSON object per model, each on one line")
    .action(async (options: ModelsOptions) => {
      const asksForClasses = options.classes || options.tier !== undefined || options.search !== undefined;
      await writeText(io.stdout, asksForClasses ? await classes(options, io) : await models(options));
      finish(exitCodes.success);
    });
}

async function models({ json }: ModelsOptions): Promise<string> {
  const manifest = await readManifest();
  const lines = manifest.models.map((entry) => {
    const isDefault = entry.name === manifest.default;
    return json ? JSON.stringify({ ...entry, default: isDefault }) : describe(entry, isDefault);
  });
  return lines.map((line) => `${line}\n`).join("");
}

function describe({ name, classCount, description }: ManifestEntry, isDefault: boolean): string {
  return `${name}${isDefault ? " (default)" : ""}  ${classCount} classes  ${description}`;
}

async function classes({ tier, search = "", json }: ModelsOptions, io: CliIo): Promise<string> {
  const model = await loadTier(tier);
  const found = findClasses(model.classes, search);
  if (json) return `[${found.map((phase) => `\n${JSON.stringify(entry(phase, model))}`).join(",")}\n]\n`;
  const head = `${model.name}: ${model.classCount} classes`;
  if (found.length === 0) return `${head}, none has ${JSON.stringify(search)} in a name\n`;
  const { columns = widest } = io.stdout;
  const table = classTable(found, Math.min(widest, Math.max(narrowest, columns)));
  return `${head}${search === "" ? "" : `, found ${found.length}`}\n\n${table}\n`;
}

/** The shipped model of a tier. */
async function loadTier(tier: string | undefined): Promise<Model> {
  const { models: shipped } = await readManifest();
  if (tier !== undefined && !shipped.some(({ name }) => name === tier)) {
    throw new PhasewireError("MODEL_NOT_FOUND", {
      message: `tier ${JSON.stringify(tier)} does not ship; there are: ${shipped.map(({ name }) => name).join(", ")}`,
      field: "tier",
      value: tier,
      remedy: "Give one of these names, or omit --tier for the default model.",
    });
  }
  return loadModel(tier);
}

/** A class for JSON. */
function entry(phase: PhaseClass, { name: model, classes: all }: Model): Record<string, unknown> {
  const { name, aliases, prototype, strukturbericht, pearson, aflow, spaceGroup, water } = phase;
  const number = all.indexOf(phase);
  return { name, aliases, prototype, strukturbericht, pearson, aflow, spaceGroup, water, model, number };
}
