// npm run contract: write the files that are generated from the tables of contract/. A test compares them.
import fs from "node:fs";
import path from "node:path";
import { generated } from "./lib/contract.mjs";
import { inRoot } from "./lib/paths.mjs";

for (const [file, text] of Object.entries(generated())) {
  fs.mkdirSync(path.dirname(inRoot(file)), { recursive: true });
  fs.writeFileSync(inRoot(file), text);
}
