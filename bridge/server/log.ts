/** One line per event on standard error: time, level, message, then the known fields as key=value. */
import type { Writable } from "node:stream";

export type LogLevel = "debug" | "info" | "warn" | "error";

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** A logger that writes events of at least this level. */
export function createLogger(
  lowest: LogLevel,
  write = (line: string): unknown => process.stderr.write(line),
): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (levels.indexOf(level) < levels.indexOf(lowest)) return;
      // JSON quoting keeps text from clients on one line and free of control characters.
      const pairs = Object.entries(fields).flatMap(([key, value]) =>
        value === undefined || value === null ? [] : [` ${key}=${JSON.stringify(value)}`],
      );
      write(`${new Date().toISOString()} ${level} ${message}${pairs.join("")}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Most bytes of events that wait for their reader. */
const mostWaitingBytes = 2 ** 18;

/**
 * Writes lines to a stream whose reader may be slow or gone. Lines beyond the bound are dropped and counted,
 * so a log that is not read takes little memory; the count follows when the reader goes on.
 */
export function boundedWriter(stream: Writable): (line: string) => void {
  let dropped = 0;
  return (line) => {
    if (stream.writableLength > mostWaitingBytes) {
      dropped++;
      return;
    }
    if (dropped > 0) stream.write(`${new Date().toISOString()} warn events were dropped count=${dropped}\n`);
    dropped = 0;
    stream.write(line);
  };
}

/** A logger that writes nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
