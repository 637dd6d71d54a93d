import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fingerprint, isFresh, markFresh } from "../../scripts/lib/fingerprint.mjs";
import { root } from "../../scripts/lib/paths.mjs";

let folder;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "phasewire-print-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

it("changes with contents, with facts, and when a file appears", () => {
  const file = path.relative(root, path.join(folder, "a"));
  const missing = fingerprint([file]);
  fs.writeFileSync(path.join(folder, "a"), "1");
  const first = fingerprint([file]);
  expect(fingerprint([file])).toBe(first);
  expect(first).not.toBe(missing);
  expect(fingerprint([file], ["fact"])).not.toBe(first);
  fs.writeFileSync(path.join(folder, "a"), "2");
  expect(fingerprint([file])).not.toBe(first);
});

it("is fresh only under the stamp that was made", () => {
  const stamp = path.join(folder, "product", "stamp");
  expect(isFresh(stamp, "x")).toBe(false);
  markFresh(stamp, "x");
  expect(isFresh(stamp, "x")).toBe(true);
  expect(isFresh(stamp, "y")).toBe(false);
});
