// Copy the compiled core, the models and the tables of contract/ into the package data of the Python package.
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "./lib/paths.mjs";

const target = inRoot("python", "src", "phasewire", "data");

const manifest = JSON.parse(fs.readFileSync(inRoot("models", "manifest.json"), "utf8"));
// Refusals are for tests.
const tables = fs
  .readdirSync(inRoot("contract"))
  .filter((name) => name.endsWith(".json") && name !== "refusals.json");
/** Source files by their paths below the target. */
const sources = new Map([
  ["phasewire.wasm", inRoot("build", "phasewire.wasm")],
  ["phasewire-relaxed.wasm", inRoot("build", "phasewire-relaxed.wasm")],
  ["manifest.json", inRoot("models", "manifest.json")],
  ...manifest.models.map(({ file }) => [file, inRoot("models", file)]),
  ...tables.map((name) => [path.join("contract", name), inRoot("contract", name)]),
]);

for (const [name, source] of sources) {
  const file = path.join(target, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  // The file is written under another name first, so that a running program never reads half of it.
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
  fs.copyFileSync(source, draft);
  fs.renameSync(draft, file);
}
for (const old of fs.readdirSync(target, { recursive: true })) {
  const isOurs = old.endsWith(".safetensors") || path.dirname(old) === "contract";
  if (isOurs && !sources.has(old)) fs.rmSync(path.join(target, old));
}
