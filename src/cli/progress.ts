/** A progress bar over files on standard error, where it does not disturb other output. */
import { Presets, SingleBar } from "cli-progress";
import type { CliIo } from "./io.js";

export interface Progress {
  /** Shows the current file. */
  update(filesDone: number, file: string, framesDone: number): void;
  /** Shows the finished share of the current frame, from 0 to 1. */
  updateFrame(share: number): void;
  /** Removes the bar. */
  stop(): void;
}

const silent: Progress = {
  update: () => undefined,
  updateFrame: () => undefined,
  stop: () => undefined,
};

/** Whether a bar can be seen, and disturbs nothing else. */
function isWatched(io: CliIo): boolean {
  return io.stderr.isTTY === true && io.stdout.isTTY !== true;
}

/**
 * A bar for the steps of a long calculation if standard error is a terminal that shows nothing else,
 * otherwise none.
 */
export function createStepProgress(io: CliIo, what: string): { update(share: number): void; stop(): void } {
  if (!isWatched(io)) return { update: () => undefined, stop: () => undefined };
  const format = `{bar} {percentage} %  ${what}`;
  const bar = new SingleBar(
    { stream: io.stderr, format, hideCursor: true, clearOnComplete: true },
    Presets.shades_classic,
  );
  bar.start(1, 0);
  return { update: (share) => bar.update(share), stop: () => bar.stop() };
}

/** A bar if standard error is a terminal that shows nothing else, otherwise none. */
export function createProgress(io: CliIo, files: number): Progress {
  if (!isWatched(io)) return silent;
  const bar = new SingleBar(
    {
      stream: io.stderr,
      format: "{bar} {value}/{total} files  {frames} frames  {file}{share}",
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 10,
    },
    Presets.shades_classic,
  );
  bar.start(files, 0, { file: "", frames: 0, share: "" });
  return {
    update: (filesDone, file, frames) => bar.update(filesDone, { file, frames, share: "" }),
    updateFrame: (share) => bar.update({ share: `  ${Math.round(100 * share)} % of a frame` }),
    stop: () => bar.stop(),
  };
}
