// Put the compiled core and the models where the Python package looks for them (its package data).
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "./lib/paths.mjs";

const target = inRoot("python", "src", "phasewire", "data");
fs.mkdirSync(target, { recursive: true });

const manifest = JSON.parse(fs.readFileSync(inRoot("models", "manifest.json"), "utf8"));
const sources = [
  inRoot("build", "phasewire.wasm"),
  inRoot("build", "phasewire-relaxed.wasm"),
  inRoot("models", "manifest.json"),
  ...manifest.models.map((model) => inRoot("models", model.file)),
];

for (const old of fs.readdirSync(target)) {
  if (old.endsWith(".safetensors") && !sources.some((source) => path.basename(source) === old)) {
    fs.rmSync(path.join(target, old));
  }
}
for (const source of sources) {
  // Written under another name first, so that a running program never reads half a file.
  const draft = path.join(target, `.${path.basename(source)}.${process.pid}`);
  fs.copyFileSync(source, draft);
  fs.renameSync(draft, path.join(target, path.basename(source)));
}
