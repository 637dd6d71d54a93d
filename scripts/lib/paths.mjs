// Paths in a working copy. All other scripts take them from here.
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Absolute path of something in the working copy. */
export const inRoot = (...parts) => path.join(root, ...parts);

const windows = process.platform === "win32";

export const venv = inRoot(".venv");

/** An executable of the virtual environment, for example `python` or `ruff`. */
export const venvBin = (name) =>
  windows ? path.join(venv, "Scripts", `${name}.exe`) : path.join(venv, "bin", name);

/**
 * JavaScript files of commands in npm packages. They run with `process.execPath`, so that no shell is needed.
 */
export const npmTool = {
  asc: inRoot("node_modules", "assemblyscript", "bin", "asc.js"),
  biome: inRoot("node_modules", "@biomejs", "biome", "bin", "biome"),
  tsc: inRoot("node_modules", "typescript", "bin", "tsc"),
  vitest: inRoot("node_modules", "vitest", "vitest.mjs"),
};

/** Folder for the lock and log of the set-up, and for reports and caches of the checks. */
export const stateFolder = inRoot(".setup");
