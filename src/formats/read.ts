/** Frames of structure files of any format in the table. */
import type { Frame } from "../frame/index.js";
import { FileSource } from "./source.js";
import { formatToRead } from "./table.js";

export interface ReadOptions {
  /** Name of the format. By default it is found from the name and the first bytes of the file. */
  format?: string | undefined;
}

/**
 * The frames of a file, one after the other; the file may be compressed with gzip, and may be a pipe. Only
 * one frame is held in memory at a time. Values are read as they stand: NaN coordinates arrive as NaN.
 *
 * @throws PhasewireError `FILE_ACCESS` if the file cannot be read; `FILE_FORMAT`, with the place in the file,
 *   if it is malformed, ends too early or holds no frame, or if its format is not known; `TOO_LARGE` if a
 *   frame announces more than 100 million atoms; `BAD_OPTION` if no format has the name that is given
 */
export async function* readFrames(
  path: string,
  options: ReadOptions = {},
): AsyncGenerator<Frame, void, undefined> {
  const source = new FileSource(path);
  try {
    const format = await formatToRead(source, options.format);
    yield* format.read(source);
  } finally {
    await source.close();
  }
}
