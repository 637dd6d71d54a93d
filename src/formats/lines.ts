/** Lines of a text file, one after the other and with their numbers. */
import { PhasewireError } from "../errors/index.js";
import type { FrameSource } from "./format.js";

/**
 * Longest line accepted, in UTF-16 units: a longer one is not text of a format we read, and would fill the
 * memory.
 */
const longestLine = 1 << 20;

/**
 * Reads a file line by line. A line ends with a line feed; a carriage return before it is left to the caller,
 * for whom it is white space.
 */
export class LineReader {
  /** Name of the file. */
  readonly path: string;
  /** Number of the line that `next` returned last, from 1. */
  lineNumber = 0;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private readonly decoder = new TextDecoder("utf-8");
  private lines: string[] = [];
  private position = 0;
  private rest = "";
  private ended = false;

  constructor(source: FrameSource) {
    this.path = source.path;
    this.chunks = source[Symbol.asyncIterator]();
  }

  /**
   * The next line without its end, or null at the end of the file.
   *
   * @throws PhasewireError `FILE_ACCESS` if the file cannot be read, `FILE_FORMAT` if its compression is
   *   damaged
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

  /** A `FILE_FORMAT` error at the line that was read last. */
  error(
    message: string,
    details: { value?: unknown; remedy?: string; line?: number; cause?: unknown } = {},
  ): PhasewireError {
    const { line = this.lineNumber, value, ...others } = details;
    return new PhasewireError("FILE_FORMAT", {
      message: `${this.path}, line ${line}: ${message}`,
      field: `${this.path}:${line}`,
      ...(value === undefined ? {} : { value }),
      ...others,
    });
  }

  private async fill(): Promise<void> {
    let chunk: IteratorResult<Uint8Array>;
    try {
      chunk = await this.chunks.next();
    } catch (thrown) {
      this.ended = true;
      throw this.located(thrown);
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
          remedy: "Check that the file is a text file, and not of another format.",
        });
      }
    }
    this.position = 0;
  }

  /** Damaged data of the file under the line where it shows. */
  private located(thrown: unknown): unknown {
    if (!(thrown instanceof PhasewireError) || thrown.code !== "FILE_FORMAT") return thrown;
    return this.error(thrown.message.replace(`${this.path}: `, ""), {
      line: this.lineNumber + 1,
      remedy: thrown.remedy,
      cause: thrown.cause,
    });
  }
}
