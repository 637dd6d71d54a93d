/** Streams and signal of a command; tests give their own. */
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { PhasewireError } from "../errors/index.js";

export interface CliIo {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Set when the user interrupts: the current frame finishes, and files are closed. */
  readonly signal: AbortSignal;
}

/** Exit codes of the command line. */
export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Writes text and waits until the stream takes more. Text is dropped once its reader is gone. */
export async function writeText(stream: Writable, text: string): Promise<void> {
  if (!stream.writable || stream.write(text)) return;
  try {
    await once(stream, "drain");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EPIPE") throw thrown;
  }
}

/** Writes an error for the user: code, message and remedy. */
export async function writeError(io: CliIo, error: PhasewireError): Promise<void> {
  await writeText(io.stderr, `error ${error.code}: ${error.message}\n  ${error.remedy}\n`);
}
