/** The folder of a user's sockets and tokens, which client and server find by the same rules. */
import { chmodSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { protocol } from "../../../src/contract/protocol.js";
import { refusal } from "../../../src/errors/index.js";

const { folder: name, folderOfUser, loopback, runtimeVariable, socket, systemFolder } = protocol.access;

/** Bits of a mode that let others write, and that let them do anything. */
const writableByOthers = 0o022;
const openToOthers = 0o077;

/** Whether this system has Unix sockets and file permissions. */
const hasUsers = process.platform !== "win32";

/** The folder for this user, which need not exist. */
export function runtimeFolder(): string {
  if (!hasUsers) return join(process.env.LOCALAPPDATA ?? homedir(), name);
  const user = String(process.getuid!());
  const given = process.env[runtimeVariable];
  const bases = [...(given ? [given] : []), systemFolder.replace("{user}", user)];
  const base = bases.find(isOwnFolder);
  return base === undefined ? join(tmpdir(), folderOfUser.replace("{user}", user)) : join(base, name);
}

/**
 * Makes the folder if necessary.
 *
 * @throws PhasewireError `ACCESS_DENIED` if others may enter it
 */
export function makeRuntimeFolder(): string {
  const folder = runtimeFolder();
  try {
    mkdirSync(folder, { mode: 0o700 });
    // The mask of the process may have taken rights away.
    chmodSync(folder, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw refusal("folderOfOthers", { folder }, { value: folder });
    }
  }
  checkRuntimeFolder(folder);
  return folder;
}

/** @throws PhasewireError `ACCESS_DENIED` if the folder exists, and others may enter it */
export function checkRuntimeFolder(folder: string): void {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined || !hasUsers) return;
  const isPrivate = found.isDirectory() && isOwn(found.uid) && (found.mode & openToOthers) === 0;
  if (!isPrivate) throw refusal("folderOfOthers", { folder }, { value: folder });
}

/** Address of a server that gets none: a Unix socket of this user, or the loopback interface without them. */
export function usualEndpoint(): string {
  return hasUsers ? `ipc://${join(runtimeFolder(), socket)}` : loopback;
}

/** Whether a file of this owner is this user's. */
export function isOwn(uid: number): boolean {
  return !hasUsers || uid === process.getuid!();
}

/** Whether a folder can hold a private one: only this user may write there. */
function isOwnFolder(path: string): boolean {
  if (!isAbsolute(path)) return false;
  try {
    const found = statSync(path);
    return found.isDirectory() && isOwn(found.uid) && (found.mode & writableByOthers) === 0;
  } catch {
    return false;
  }
}
