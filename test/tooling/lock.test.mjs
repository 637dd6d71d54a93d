import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withLock } from "../../scripts/lib/lock.mjs";

let folder;
let lock;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "phasewire-lock-"));
  lock = path.join(folder, "state", "lock");
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const neverCalled = () => {
  throw new Error("no other process holds the lock");
};

// Appends "in" and "out" around a pause: if two processes were inside at once, the pairs would interleave.
const worker = (log) => `
  import { appendFileSync } from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  import { withLock } from ${JSON.stringify(new URL("../../scripts/lib/lock.mjs", import.meta.url).href)};
  await withLock(${JSON.stringify(lock)}, async () => {
    appendFileSync(${JSON.stringify(log)}, "in\\n");
    await sleep(50);
    appendFileSync(${JSON.stringify(log)}, "out\\n");
  }, () => {});
`;

/** The id of a process that has ended. */
const deadProcess = () => String(spawnSync(process.execPath, ["--eval", ""]).pid);

describe("withLock", () => {
  it("returns the result, and releases the lock", async () => {
    expect(await withLock(lock, async () => fs.readFileSync(lock, "utf8"), neverCalled)).toBe(
      String(process.pid),
    );
    expect(fs.existsSync(lock)).toBe(false);
  });

  it("releases the lock when the work fails", async () => {
    const work = async () => {
      throw new Error("no");
    };
    await expect(withLock(lock, work, neverCalled)).rejects.toThrow("no");
    expect(fs.existsSync(lock)).toBe(false);
  });

  it("takes over from an owner that died", async () => {
    fs.mkdirSync(path.dirname(lock));
    fs.writeFileSync(lock, deadProcess());
    expect(await withLock(lock, async () => "mine", neverCalled)).toBe("mine");
    expect(fs.readdirSync(path.dirname(lock))).toEqual([]);
  });

  it("lets one process in at a time, even if all find the lock of a dead one", async () => {
    fs.mkdirSync(path.dirname(lock));
    fs.writeFileSync(lock, deadProcess());
    const log = path.join(folder, "log");
    const run = () =>
      new Promise((resolve) =>
        spawn(process.execPath, ["--input-type=module", "--eval", worker(log)], { stdio: "inherit" }).on(
          "close",
          resolve,
        ),
      );
    expect(await Promise.all([run(), run(), run()])).toEqual([0, 0, 0]);
    expect(fs.readFileSync(log, "utf8")).toBe("in\nout\n".repeat(3));
  });
});
