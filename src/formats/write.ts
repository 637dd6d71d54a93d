/** Structure files of any format in the table, written frame by frame, plain or gzip. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { PhasewireError } from "../errors/index.js";
import type { Frame } from "../frame/index.js";
import { writeAccessError } from "./access.js";
import { formatFrame } from "./extxyz/writer.js";
import type { FrameEncoder } from "./format.js";
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
 * A file that frames are appended to. An existing file is replaced. Frames that were written stay readable
 * whatever happens later, provided that `close` is called.
 */
export class FrameWriter {
  private constructor(
    readonly path: string,
    private readonly encoder: FrameEncoder,
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
    const file = createWriteStream(path);
    try {
      await once(file, "open");
    } catch (thrown) {
      throw writeAccessError(path, thrown);
    }
    if (!isCompressed(path)) return new FrameWriter(path, encoder, file, named(path, finished(file)));
    const gzip = createGzip();
    return new FrameWriter(path, encoder, gzip, named(path, pipeline(gzip, file)));
  }

  /**
   * Appends a frame; frames are written in the order of the calls if each is awaited.
   *
   * @throws PhasewireError `FILE_ACCESS` if the file cannot be written; `SHAPE_MISMATCH` or `BAD_OPTION` if
   *   the format cannot hold the frame
   */
  async write(frame: Frame): Promise<void> {
    await this.put(this.encoder.encode(frame));
  }

  /** Writes what is still buffered and closes the file. */
  async close(): Promise<void> {
    try {
      if (this.encoder.end !== undefined) await this.put(this.encoder.end());
    } finally {
      this.sink.end();
    }
    await this.stored;
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
