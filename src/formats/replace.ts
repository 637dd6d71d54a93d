/** Files that replace others only when they are complete. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { chmod, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * A stream into a file with another name in the same folder, `NAME.part-` and eight random digits, which gets
 * its own name with `keep`. Until then an existing file stays as it is. A process that is killed leaves the
 * other name.
 *
 * Anything but a plain file, such as a pipe or a device, is written at once.
 */
export class Replacement {
  private constructor(
    readonly stream: WriteStream,
    private readonly names: { readonly part: string; readonly final: string } | null,
  ) {}

  /** Opens the file; rejects with the error of the operating system. */
  static async open(path: string): Promise<Replacement> {
    const existing = await stat(path).catch(() => null);
    if (existing?.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
    if (existing !== null && !existing.isFile()) return new Replacement(await opened(path, "w"), null);
    // A link keeps pointing to the file that it names.
    const final = existing === null ? path : await realpath(path);
    const part = join(dirname(final), `${basename(final)}.part-${randomBytes(4).toString("hex")}`);
    const stream = await opened(part, "wx");
    if (existing !== null) await chmod(part, existing.mode & 0o777).catch(() => undefined);
    return new Replacement(stream, { part, final });
  }

  /** Gives the file its name. The stream has to be closed. */
  async keep(): Promise<void> {
    if (this.names !== null) await rename(this.names.part, this.names.final);
  }

  /** Removes the file. */
  async discard(): Promise<void> {
    if (this.names !== null) await rm(this.names.part, { force: true });
  }
}

async function opened(path: string, flags: "w" | "wx"): Promise<WriteStream> {
  // `flush`: the data are on disk before the name is changed.
  const stream = createWriteStream(path, { flags, flush: flags === "wx" });
  await once(stream, "open");
  return stream;
}
