// One set-up at a time in a working copy. Two starts at once wait for each other, so that neither overwrites
// the other.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const patienceMs = 20 * 60_000;
const pollMs = 300;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Create `file` with the id of this process in it. Returns false if it exists already. */
function claim(file) {
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** The process id in `file`, or null if there is no such file or its owner has not written the id yet. */
function readOwner(file) {
  try {
    return Number(fs.readFileSync(file, "utf8")) || null;
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Remove the lock of a dead owner. Only the process that claims `file.heir-PID` (PID is the dead owner) may
 * do so. It checks the owner again, since a second heir with outdated information must not remove the lock of
 * the first heir.
 */
function removeAfterDeath(file, owner) {
  const heir = `${file}.heir-${owner}`;
  if (!claim(heir)) return;
  if (readOwner(file) === owner) fs.rmSync(file);
  fs.rmSync(heir);
}

/**
 * Hold `file` as a lock while `work` runs.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @param {(owner: number) => void} onWait called once if another live process holds the lock
 * @returns {Promise<T>} what `work` returns
 */
export async function withLock(file, work, onWait) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const start = Date.now();
  let reported = false;
  while (!claim(file)) {
    const owner = readOwner(file);
    if (owner !== null && !isAlive(owner)) {
      removeAfterDeath(file, owner);
    } else if (owner !== null && !reported) {
      onWait(owner);
      reported = true;
    }
    if (Date.now() - start > patienceMs) {
      throw new Error(
        `another set-up (process ${owner}) has held ${file} for ${patienceMs / 60_000} minutes. ` +
          `If no set-up of this working copy is running, delete ${path.dirname(file)} and start again.`,
      );
    }
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    if (readOwner(file) === process.pid) fs.rmSync(file);
  }
}
