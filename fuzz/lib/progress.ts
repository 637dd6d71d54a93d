/** The progress of a run: a bar on a terminal. */
import { Presets, SingleBar } from "cli-progress";

export interface Progress {
  update(share: number): void;
  stop(): void;
}

/** A bar on standard error; nothing if that is not a terminal. */
export function createProgress(what: string): Progress {
  if (process.stderr.isTTY !== true) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar(
    {
      stream: process.stderr,
      format: `{bar} {percentage} %  ${what}`,
      hideCursor: true,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  bar.start(1, 0);
  return { update: (share) => bar.update(share), stop: () => bar.stop() };
}
