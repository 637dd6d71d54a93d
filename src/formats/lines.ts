/** Lines of a text file, plain or gzip, one after the other and with their numbers. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { PhasewireError } from "../errors/index.js";
import { readAccessError } from "./access.js";

/** Longest line accepted, in UTF-16 units: beyond it the file is no text of ours, and must not fill the memory. */
const longestLine = 1 << 20;

/**
 * Reads a file line by line. Compression is told from the first bytes, not from the name, so a pipe works too.
 * A line ends with a line feed; a carriage return before it is left to the caller, for whom it is white space.
 */
export class LineReader {
  /** Number of the line that `next` returned last, from 1. */
  lineNumber = 0;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private readonly decoder = new TextDecoder("utf-8");
  private lines: string[] = [];
  private position = 0;
  private rest = "";
  private ended = false;

  constructor(readonly path: string) {
    this.chunks = decompressed(createReadStream(path, { highWaterMark: 1 << 18 }));
  }

  /**
   * The next line without its end, or null at the end of the file.
   *
   * @throws PhasewireError `FILE_ACCESS` if the file cannot be read, `FILE_FORMAT` if its compression is damaged
   */
  async next(): Promise<string | null> {
    while (this.position === this.lines.length) {
      if (this.ended) return null;
      await this.fill();
    }
    this.lineNumber += 1;
    return this.lines[this.position++]!;
  }

  /** Closes the file; needed only if it was not read to its end. */
  async close(): Promise<void> {
    this.ended = true;
    await this.chunks.return?.();
  }

  /** An error at the line that was read last. */
  error(message: string, details: { value?: unknown; remedy?: string; line?: number } = {}): PhasewireError {
    const line = details.line ?? this.lineNumber;
    return new PhasewireError("FILE_FORMAT", {
      message: `${this.path}, line ${line}: ${message}`,
      field: `${this.path}:${line}`,
      ...(details.value === undefined ? {} : { value: details.value }),
      ...(details.remedy === undefined ? {} : { remedy: details.remedy }),
    });
  }

  private async fill(): Promise<void> {
    let chunk: IteratorResult<Uint8Array>;
    try {
      chunk = await this.chunks.next();
    } catch (thrown) {
      this.ended = true;
      throw this.readError(thrown);
    }
    if (chunk.done) {
      this.ended = true;
      const last = this.rest + this.decoder.decode();
      this.rest = "";
      this.lines = last === "" ? [] : [last];
    } else {
      this.lines = (this.rest + this.decoder.decode(chunk.value, { stream: true })).split("\n");
      this.rest = this.lines.pop()!;
      if (this.rest.length > longestLine) {
        throw this.error(`the line is longer than ${longestLine} characters`, {
          line: this.lineNumber + this.lines.length + 1,
          remedy: "Give a text file in extended XYZ format.",
        });
      }
    }
    this.position = 0;
  }

  private readError(thrown: unknown): PhasewireError {
    const code = (thrown as NodeJS.ErrnoException).code ?? "";
    if (code.startsWith("Z_")) {
      return this.error("the gzip data ends too early or is damaged", {
        line: this.lineNumber + 1,
        remedy: "Copy the file again; the frames before this line are good.",
      });
    }
    return readAccessError(this.path, thrown);
  }
}

async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) return;
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => chunks };
  }
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* whole();
    return;
  }
  const gunzip = createGunzip();
  // The loop below sees the same failure when it reads from the destroyed stream; here it would be unhandled.
  const pumped = pipeline(whole(), gunzip).catch(() => undefined);
  yield* gunzip;
  await pumped;
}
