/** Structure files of any format in the table, written frame by frame, plain or gzip. */
import { once } from "node:events";
import type { Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { PhasewireError } from "../errors/index.js";
import type { Frame } from "../frame/index.js";
import { writeAccessError } from "./access.js";
import { formatFrame } from "./extxyz/writer.js";
import type { FrameEncoder } from "./format.js";
import { Replacement } from "./replace.js";
import { formatToWrite, isCompressed } from "./table.js";

export interface WriteOptions {
  /** Name of the format. By default it is found from the name of the file. */
  format?: string | undefined;
}

/** Writes one frame to a stream in extended XYZ, and waits until the stream takes more. */
export async function writeFrame(sink: Writable, frame: Frame): Promise<void> {
  await writePieces(sink, formatFrame(frame));
}

async function writePieces(sink: Writable, pieces: Iterable<string | Uint8Array>): Promise<void> {
  for (const piece of pieces) {
    if (!sink.write(piece)) await once(sink, "drain");
  }
}

/**
 * A file that frames are appended to. With `close` it replaces an existing file, if it has a frame and could
 * be written to its end; otherwise the existing file stays as it was. Until then the frames are in a file
 * whose name has the ending `.part-` and eight digits.
 */
export class FrameWriter {
  private hasFrame = false;

  private constructor(
    readonly path: string,
    private readonly encoder: FrameEncoder,
    private readonly file: Replacement,
    private readonly sink: Writable,
    private readonly stored: Promise<void>,
  ) {
    // A failure is reported by the next write or by close; until then it must not count as unhandled.
    stored.catch(() => undefined);
  }

  /**
   * Opens a file in the format of its extension, extended XYZ if it has none. A name that ends in `.gz` is
   * compressed.
   *
   * @throws PhasewireError `BAD_OPTION` if no format is known for the name; `FILE_ACCESS` if the file cannot
   *   be opened
   */
  static async open(path: string, options: WriteOptions = {}): Promise<FrameWriter> {
    const encoder = formatToWrite(path, options.format).createEncoder();
    let file: Replacement;
    try {
      file = await Replacement.open(path);
    } catch (thrown) {
      throw writeAccessError(path, thrown);
    }
    if (!isCompressed(path)) {
      return new FrameWriter(path, encoder, file, file.stream, named(path, finished(file.stream)));
    }
    const gzip = createGzip();
    return new FrameWriter(path, encoder, file, gzip, named(path, pipeline(gzip, file.stream)));
  }

  /**
   * Appends a frame; frames are written in the order of the calls if each is awaited.
   *
   * @throws PhasewireError `FILE_ACCESS` if the file cannot be written; `SHAPE_MISMATCH` or `BAD_OPTION` if
   *   the format cannot hold the frame
   */
  async write(frame: Frame): Promise<void> {
    await this.put(this.encoder.encode(frame));
    this.hasFrame = true;
  }

  /**
   * Writes what is still buffered, closes the file, and gives it its name. May be called once.
   *
   * @throws PhasewireError `FILE_ACCESS` if the file could not be written
   */
  async close(): Promise<void> {
    try {
      try {
        if (this.encoder.end !== undefined) await this.put(this.encoder.end());
      } finally {
        this.sink.end();
      }
      await this.stored;
    } catch (thrown) {
      await this.file.discard();
      throw thrown;
    }
    if (this.hasFrame) await named(this.path, this.file.keep());
    else await this.file.discard();
  }

  private async put(pieces: Iterable<string | Uint8Array>): Promise<void> {
    try {
      await Promise.race([writePieces(this.sink, pieces), this.stored]);
    } catch (thrown) {
      throw thrown instanceof PhasewireError ? thrown : writeAccessError(this.path, thrown);
    }
  }
}

function named(path: string, stored: Promise<void>): Promise<void> {
  return stored.catch((thrown) => {
    throw writeAccessError(path, thrown);
  });
}
