/** A progress bar over files, on standard error, where it does not disturb other output. */
import { Presets, SingleBar } from "cli-progress";
import type { CliIo } from "./io.js";

export interface Progress {
  /** Shows what is being worked on. */
  update(filesDone: number, file: string, framesDone: number): void;
  /** Shows how much of the frame at work is done, from 0 to 1. */
  updateFrame(share: number): void;
  /** Removes the bar. */
  stop(): void;
}

const silent: Progress = {
  update: () => undefined,
  updateFrame: () => undefined,
  stop: () => undefined,
};

/** A bar if standard error is a terminal that shows nothing else, otherwise none. */
export function createProgress(io: CliIo, files: number): Progress {
  if (!io.stderr.isTTY || io.stdout.isTTY) return silent;
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
