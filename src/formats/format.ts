/**
 * A file format, as the rest of the library sees it: one object, entered in the table of formats (table.ts).
 */
import type { Frame } from "../frame/index.js";

/**
 * A format of structure files.
 *
 * A format that only reads or only writes leaves the other function out. Formats do not deal with
 * compression: bytes arrive decompressed, and are compressed afterwards if the name of the file ends in
 * `.gz`.
 */
export interface FrameFormat {
  /** The name that `--format` takes: a short word in lower case, such as `extxyz`. */
  readonly name: string;
  /** The name that people use, such as `extended XYZ`. */
  readonly title: string;
  /** Endings of file names, in lower case and with their dots. The first is the one for new files. */
  readonly extensions: readonly string[];
  /**
   * Whether a file that begins with these bytes is certainly of this format. The function is called when the
   * name of the file does not decide. Leave it out if other formats begin alike.
   *
   * @param start the first bytes, at least one; the function is called again with more until a format is
   *   recognised
   */
  recognises?(start: Uint8Array): boolean;
  /**
   * The frames of a file, one after the other. Only one of them is in memory at a time. Values are read as
   * they stand: the analysis checks them.
   *
   * @throws PhasewireError `FILE_FORMAT` with the path and the place in the file if it is malformed, ends too
   *   early or holds no frame; `TOO_LARGE` if a frame announces more than can be read
   */
  read?(source: FrameSource): AsyncGenerator<Frame, void, undefined>;
  /** A writer for one file. */
  createEncoder?(): FrameEncoder;
}

/** The bytes of one file, decompressed. They can be read once. */
export interface FrameSource extends AsyncIterable<Uint8Array> {
  /** The name of the file, for messages. */
  readonly path: string;
}

/** Turns frames into the bytes of one file. It may keep what it needs from frame to frame. */
export interface FrameEncoder {
  /**
   * The next frame in pieces; text is written as UTF-8.
   *
   * @throws PhasewireError `BAD_OPTION` if the format cannot hold what the frame has. It is thrown before the
   *   first piece, so that no part of the frame is written.
   */
  encode(frame: Frame): Iterable<string | Uint8Array>;
  /** The end of the file, after the last frame. */
  end?(): Iterable<string | Uint8Array>;
}
