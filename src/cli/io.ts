/** What a command talks to, so that tests can look on. */
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { PhasewireError } from "../errors/index.js";

export interface CliIo {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Set when the user interrupts: the frame under way is finished, files are closed. */
  readonly signal: AbortSignal;
}

/** Exit codes of the command line. */
export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Writes text and waits until the stream takes more. Text for a reader that has gone is dropped. */
export async function writeText(stream: Writable, text: string): Promise<void> {
  if (!stream.writable || stream.write(text)) return;
  try {
    await once(stream, "drain");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EPIPE") throw thrown;
  }
}

/** Tells people about an error: code, message, and what to do. */
export async function writeError(io: CliIo, error: PhasewireError): Promise<void> {
  await writeText(io.stderr, `error ${error.code}: ${error.message}\n  ${error.remedy}\n`);
}
