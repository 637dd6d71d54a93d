import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The tests run the TypeScript sources, but the core that they load must have been built. */
export default function setup(): void {
  const core = fileURLToPath(new URL("../build/phasewire.wasm", import.meta.url));
  if (!existsSync(core)) {
    throw new Error("build/phasewire.wasm is missing: run `npm run setup` once, or `npm run build:core`.");
  }
}
