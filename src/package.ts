/** Folder and version of this package, whether it runs from TypeScript sources or from dist/. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PhasewireError } from "./errors/index.js";

/** The folder that holds package.json: the nearest one above this file. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new PhasewireError("INTERNAL", {
        message: "package.json was not found above the library's files",
        field: "package.json",
        remedy: "Install the package as a whole.",
      });
    }
    folder = parent;
  }
  return folder;
}

/** The version in package.json. */
export function packageVersion(): string {
  const content = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as {
    version: string;
  };
  return content.version;
}
