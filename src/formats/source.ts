/** The bytes of a file, plain or gzip, which can be looked at before they are read. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { PhasewireError } from "../errors/index.js";
import { readAccessError } from "./access.js";
import type { FrameSource } from "./format.js";

/** A format is recognised by so many bytes at the latest. */
const mostOfStart = 512;

/**
 * Reads a file. Compression is recognised by the first bytes, not by the name, so a pipe works too.
 * A loop over it closes the file at its end and when it is left early; without a loop, `close` does.
 */
export class FileSource implements FrameSource {
  private readonly chunks: AsyncIterator<Uint8Array>;
  /** Bytes that `examine` has read and the iterator has not handed out yet. */
  private start: Uint8Array = new Uint8Array();

  constructor(readonly path: string) {
    this.chunks = decompressed(path);
  }

  /**
   * Calls a function with the start of the file, and with more of it until the function finds something, the
   * file ends or it was called with 512 bytes. The bytes are still handed out afterwards.
   *
   * @returns what was found, or null
   * @throws PhasewireError as the iterator does
   */
  async examine<Found>(look: (start: Uint8Array) => Found | null): Promise<Found | null> {
    let shown = 0;
    while (shown < mostOfStart) {
      const chunk = await this.nextChunk();
      if (chunk === null) return null;
      this.start = Buffer.concat([this.start, chunk]);
      shown = this.start.length;
      const found = look(this.start);
      if (found !== null) return found;
    }
    return null;
  }

  /** Whether no bytes were seen so far. After `examine` found nothing, the file is empty then. */
  get isEmpty(): boolean {
    return this.start.length === 0;
  }

  /**
   * @throws PhasewireError `FILE_ACCESS` if the file cannot be read, `FILE_FORMAT` if its compression is
   *   damaged
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (!this.isEmpty) yield this.start;
      for (let chunk = await this.nextChunk(); chunk !== null; chunk = await this.nextChunk()) yield chunk;
    } finally {
      await this.close();
    }
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private async nextChunk(): Promise<Uint8Array | null> {
    try {
      const chunk = await this.chunks.next();
      return chunk.done ? null : chunk.value;
    } catch (thrown) {
      throw this.readError(thrown);
    }
  }

  private readError(thrown: unknown): PhasewireError {
    const code = (thrown as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) return readAccessError(this.path, thrown);
    return new PhasewireError("FILE_FORMAT", {
      message: `${this.path}: the gzip data ends too early or is damaged`,
      field: this.path,
      remedy: "Copy the file again; the frames before the damage are good.",
      cause: thrown,
    });
  }
}

/** The bytes of a file. It is opened when the first are asked for. */
async function* decompressed(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = createReadStream(path, { highWaterMark: 1 << 18 })[Symbol.asyncIterator]();
  const start = await firstBytes(chunks);
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield start;
    yield* { [Symbol.asyncIterator]: () => chunks };
  }
  if (start[0] !== 0x1f || start[1] !== 0x8b) {
    if (start.length > 0) yield* whole();
    return;
  }
  const gunzip = createGunzip();
  // The loop below sees the same failure when it reads from the destroyed stream; here it would be unhandled.
  const pumped = pipeline(whole(), gunzip).catch(() => undefined);
  yield* gunzip;
  await pumped;
}

/** As many bytes as tell gzip from other data: a pipe may give them one by one. */
async function firstBytes(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let bytes: Uint8Array = new Uint8Array();
  while (bytes.length < 2) {
    const next = await chunks.next();
    if (next.done) break;
    bytes = bytes.length === 0 ? next.value : Buffer.concat([bytes, next.value]);
  }
  return bytes;
}
