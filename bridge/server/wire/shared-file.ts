/**
 * Arrays handed over in a file in memory, for clients on the same host (bridge/PROTOCOL.md, section 4.1).
 *
 * The client makes the file and names it in its hello, together with its secret content, so that others
 * cannot make the server open files. Reads and writes are plain file operations at offsets: a file that was
 * cut short gives an error, while mapped memory would kill the process.
 */
import { timingSafeEqual } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { limits } from "../../../src/contract/limits.js";
import { protocol } from "../../../src/contract/protocol.js";
import { PhasewireError } from "../../../src/errors/index.js";
import type { SharedOffer } from "./wire.js";

/** A file's name holds the id of the process that made it, and no separators. */
const fileName = new RegExp(`^${protocol.sharedFile.name}$`);
const tokenText = new RegExp(`^${protocol.sharedFile.token}$`);

/** First bytes of a file, before its token; arrays come after `headBytes`. */
const { mark } = limits.shared;
export const { headBytes } = limits.shared;

/**
 * The folder of the files for both sides: the memory file system if there is one, else the folder for
 * temporary files.
 */
export function sharedFolder(): string | null {
  // Windows can neither remove an open file nor report its owner.
  if (process.platform === "win32") return null;
  return existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
}

/** Whether an offer's name and token have the required form. */
export function isSharedOffer({ file, token }: SharedOffer): boolean {
  return fileName.test(file) && tokenText.test(token);
}

/** A client's file, open until its session ends. */
export class SharedFile {
  private constructor(
    private descriptor: number | null,
    /** The process that made the file; null if it is not visible here, as from another container. */
    private readonly owner: number | null,
  ) {}

  /**
   * Opens the file of an offer. Returns null if it does not exist, is not a plain file that only this user
   * may open, or does not hold the token: then the client is on another machine, and sends its arrays in
   * messages.
   */
  static open(offer: SharedOffer, folder: string): SharedFile | null {
    const owner = fileName.exec(offer.file)?.[1];
    if (owner === undefined || !tokenText.test(offer.token)) return null;
    let descriptor: number;
    try {
      // O_NONBLOCK: a named pipe would block the server.
      const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;
      descriptor = openSync(join(folder, offer.file), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    } catch {
      return null;
    }
    try {
      if (isPrivate(descriptor) && holdsToken(descriptor, offer.token)) {
        return new SharedFile(descriptor, isAlive(Number(owner)) ? Number(owner) : null);
      }
    } catch {
      // A file that cannot be inspected counts as absent.
    }
    closeSync(descriptor);
    return null;
  }

  /**
   * Fills `target` from the file.
   *
   * @throws PhasewireError `SHARED_MEMORY` if the file does not reach that far, or was closed
   */
  read(target: Uint8Array, offset: number, field: string): void {
    let done = 0;
    while (done < target.byteLength) {
      const count = this.attempt(field, (descriptor) =>
        readSync(descriptor, target, done, target.byteLength - done, offset + done),
      );
      if (count === 0) throw unreadable(field, `ends before byte ${offset + target.byteLength}`);
      done += count;
    }
  }

  /**
   * Writes into the file, never beyond its end.
   *
   * @returns false if there is no room, or the file was closed
   */
  write(bytes: Uint8Array, offset: number): boolean {
    const { descriptor } = this;
    if (descriptor === null) return false;
    try {
      if (offset + bytes.byteLength > fstatSync(descriptor).size) return false;
      for (let done = 0; done < bytes.byteLength; ) {
        done += writeSync(descriptor, bytes, done, bytes.byteLength - done, offset + done);
      }
      return true;
    } catch {
      // The memory file system is full: the array goes in the message.
      return false;
    }
  }

  /** Whether the process that made the file has ended. */
  get isOrphaned(): boolean {
    return this.descriptor !== null && this.owner !== null && !isAlive(this.owner);
  }

  /** Closes the file; later reads fail, and later writes find no room. */
  close(): void {
    const { descriptor } = this;
    this.descriptor = null;
    if (descriptor !== null) closeSync(descriptor);
  }

  private attempt(field: string, action: (descriptor: number) => number): number {
    if (this.descriptor === null) throw unreadable(field, "was closed");
    try {
      return action(this.descriptor);
    } catch (cause) {
      throw unreadable(field, `cannot be read: ${(cause as Error).message}`, cause);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function isPrivate(descriptor: number): boolean {
  const stat = fstatSync(descriptor);
  return (
    stat.isFile() &&
    stat.uid === process.getuid?.() &&
    (stat.mode & 0o077) === 0 &&
    // A second name could belong to a file that was not meant for this server.
    stat.nlink === 1
  );
}

function holdsToken(descriptor: number, token: string): boolean {
  const expected = Buffer.from(mark + token, "latin1");
  const found = Buffer.alloc(expected.length);
  return readSync(descriptor, found, 0, found.length, 0) === found.length && timingSafeEqual(found, expected);
}

function unreadable(field: string, problem: string, cause?: unknown): PhasewireError {
  return new PhasewireError("SHARED_MEMORY", {
    field,
    message: `the shared file that holds ${field} ${problem}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
