/** The golden messages of the protocol, as pieces to damage. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/package.js";

/** The parts of each message of bridge/golden, good and bad ones. */
export function goldenMessages(): Buffer[][] {
  const folder = join(packageRoot(), "bridge", "golden");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".bin"))
    .sort()
    .map((name) => split(readFileSync(join(folder, name))))
    .filter((parts) => parts.length > 0);
}

function split(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 4, left = bytes.readUInt32LE(0); left > 0; left--) {
    const length = bytes.readUInt32LE(at);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}
