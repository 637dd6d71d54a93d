/** Streams and signal of a command; tests give their own. */
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { PhasewireError } from "../errors/index.js";
import { writeAccessError } from "../formats/access.js";

export interface CliIo {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Set when the user interrupts: the current frame finishes, and files are closed. */
  readonly signal: AbortSignal;
}

/** Exit codes of the command line. */
export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/**
 * Writes results and waits until the stream takes more. Text is dropped once its reader is gone.
 *
 * @throws PhasewireError `FILE_ACCESS` if the stream cannot be written, for example because a disk is full
 */
export async function writeText(stream: Writable, text: string): Promise<void> {
  if (!stream.writable) return;
  try {
    if (!stream.write(text)) await once(stream, "drain");
  } catch (thrown) {
    if (!isWithoutReader(thrown)) throw outputError(thrown);
  }
}

/** Writes a note for the user; one that cannot be written is dropped. */
export async function writeNote(stream: Writable, text: string): Promise<void> {
  await writeText(stream, text).catch(() => undefined);
}

/** Writes an error for the user: code, message and remedy. */
export async function writeError(io: CliIo, error: PhasewireError): Promise<void> {
  await writeNote(io.stderr, `error ${error.code}: ${error.message}\n  ${error.remedy}\n`);
}

/** Waits until a stream has passed on what was written to it, or cannot. */
export function written(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}

/** Whether an error of a stream only means that its reader has seen enough, such as `head`. */
export function isWithoutReader(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException).code === "EPIPE";
}

/** The `FILE_ACCESS` error for standard output. */
export function outputError(thrown: unknown): PhasewireError {
  return writeAccessError("standard output", thrown);
}
