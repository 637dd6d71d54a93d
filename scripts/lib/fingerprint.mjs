// Checks whether a product is still up to date with its sources.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { inRoot, root } from "./paths.mjs";

/** Files below `folder` (relative to the root) whose names end with one of `endings`, sorted. */
export function filesBelow(folder, endings) {
  const start = inRoot(folder);
  if (!fs.existsSync(start)) return [];
  return fs
    .readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    .filter((file) => !file.split(path.sep).includes("node_modules"))
    .sort();
}

/**
 * SHA-256 of `facts` and of the names and contents of `files` (relative to the root). A missing file counts
 * as missing.
 */
export function fingerprint(files, facts = []) {
  const hash = createHash("sha256");
  for (const fact of facts) hash.update(`fact\0${fact}\0`);
  for (const file of files) {
    hash.update(`file\0${file}\0`);
    hash.update(
      fs.existsSync(inRoot(file))
        ? createHash("sha256")
            .update(fs.readFileSync(inRoot(file)))
            .digest()
        : "missing",
    );
  }
  return hash.digest("hex");
}

// The stamp lies inside the product, so deleting the product also deletes the claim that it is fresh.
export const isFresh = (stamp, print) => fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === print;

export function markFresh(stamp, print) {
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  fs.writeFileSync(stamp, print);
}
