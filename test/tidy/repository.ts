import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The working copy's root folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Text of a file, by its path from the root. */
export const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

/** Files that git tracks or would track, by their paths from the root with `/`. */
export const trackedFiles: readonly string[] = execFileSync(
  "git",
  ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
  { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 },
)
  .split("\0")
  .filter((file) => file !== "");
