/**
 * Finds models, and loads one by name or path.
 *
 * Shipped models are in the folder `models/` of the package. The environment variable PHASEWIRE_MODELS names
 * another folder with its own manifest.json.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PhasewireError, refusal, show } from "../errors/index.js";
import { packageRoot } from "../package.js";
import { type Model, parseModel } from "./model.js";

/** An entry of models/manifest.json. */
export interface ManifestEntry {
  readonly name: string;
  /** File name in the folder of the manifest. */
  readonly file: string;
  /** Hex SHA-256 of the whole file. */
  readonly sha256: string;
  readonly classCount: number;
  readonly description: string;
}

export interface Manifest {
  /** The folder of the manifest and its models. */
  readonly folder: string;
  /** Name of the default model. */
  readonly default: string;
  readonly models: readonly ManifestEntry[];
}

/**
 * Loads a model and checks its hash: for a shipped model against the manifest, then against its own metadata.
 *
 * @param nameOrPath a shipped model's name, or the path of a file (anything with a slash or ending in
 *   .safetensors); the default model if absent
 * @throws PhasewireError `MODEL_NOT_FOUND`, and the errors of `parseModel`
 */
export async function loadModel(nameOrPath?: string): Promise<Model> {
  if (nameOrPath !== undefined && isPath(nameOrPath)) {
    return parseModel(await readModelFile(nameOrPath, nameOrPath), nameOrPath);
  }
  const manifest = await readManifest();
  const name = nameOrPath ?? manifest.default;
  const entry = manifest.models.find((model) => model.name === name);
  if (entry === undefined) {
    const names = manifest.models.map((model) => model.name).join(", ") || "none";
    throw refusal("unknownModel", { name: show(name), names }, { value: name });
  }
  const path = join(manifest.folder, entry.file);
  const file = await readModelFile(path, name);
  const actual = createHash("sha256").update(file).digest("hex");
  if (actual !== entry.sha256) {
    const details = { source: entry.file, found: actual, stated: entry.sha256 };
    throw refusal("modelHash", details, { value: actual });
  }
  return parseModel(file, entry.file);
}

/**
 * The list of shipped models.
 *
 * @throws PhasewireError `MODEL_NOT_FOUND` if there is no manifest, `MODEL_FORMAT` if it is malformed
 */
export async function readManifest(folder: string = modelFolder()): Promise<Manifest> {
  const path = join(folder, "manifest.json");
  const text = (await readModelFile(path, path)).toString("utf8");
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = null;
  }
  if (!isManifest(content)) {
    throw new PhasewireError("MODEL_FORMAT", {
      message: `${path} is not a manifest of models`,
      field: path,
      remedy: "Restore the file; models/FORMAT.md describes its contents.",
    });
  }
  return { folder, default: content.default, models: content.models };
}

/** The folder of the manifest: PHASEWIRE_MODELS, or `models/` of this package. */
function modelFolder(): string {
  const chosen = process.env.PHASEWIRE_MODELS;
  if (chosen) return resolve(chosen);
  return join(packageRoot(), "models");
}

function isPath(nameOrPath: string): boolean {
  return /[\\/]/.test(nameOrPath) || nameOrPath.endsWith(".safetensors");
}

async function readModelFile(path: string, value: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw new PhasewireError("MODEL_NOT_FOUND", {
      message: `${path} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      field: "model",
      value,
      cause: thrown,
    });
  }
}

function isManifest(content: unknown): content is Omit<Manifest, "folder"> {
  if (typeof content !== "object" || content === null) return false;
  const { default: defaultName, models } = content as Record<string, unknown>;
  return Array.isArray(models) && models.every(isEntry) && models.some(({ name }) => name === defaultName);
}

function isEntry(entry: unknown): entry is ManifestEntry {
  if (typeof entry !== "object" || entry === null) return false;
  const { name, file, sha256, classCount, description } = entry as Record<string, unknown>;
  const isFileName = typeof file === "string" && !/[\\/]/.test(file);
  return (
    isFileName &&
    [name, sha256, description].every((text) => typeof text === "string") &&
    Number.isSafeInteger(classCount)
  );
}
