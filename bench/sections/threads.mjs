// The gain from a second thread and from further ones: wall-clock time of one thread over that of several.
import os from "node:os";
import { cellsFor, copper } from "../lib/copper.mjs";
import { openCore, tasks } from "../lib/cores.mjs";
import { ratio, rounds, spread, threadCounts, timed } from "../lib/measure.mjs";

export const threads = {
  name: "threads",
  about: "wall-clock time of one thread over that of several",
  async run({ quick, model, progress }) {
    const frame = copper(cellsFor(quick ? 1500 : 32_000));
    const atoms = frame.positions.length / 3;
    const counts = threadCounts(os.availableParallelism());
    const cores = {};
    try {
      for (const count of counts) cores[count] = await openCore(model, { threads: count });
      const names = Object.keys(tasks).flatMap((task) => counts.map((count) => `${task} ${count}`));
      const measure = (name) => {
        const [task, count] = name.split(" ");
        return timed(() => tasks[task](cores[count], frame));
      };
      progress.say("warming up");
      for (const name of names.filter((name) => !name.startsWith("denoise"))) await measure(name);
      const limits = quick ? { least: 1, most: 1, seconds: 0 } : { least: 5, most: 15, seconds: 30 };
      const series = await rounds(limits, names, measure, { progress: progress.say });
      const each = (form) =>
        Object.fromEntries(
          Object.keys(tasks).map((task) => [
            task,
            Object.fromEntries(counts.map((count) => [count, form(task, count)])),
          ]),
        );
      const perAtom = (seconds) => spread(seconds.map((value) => (1e6 * value) / atoms));
      return {
        atoms,
        build: cores[1].build,
        rounds: series["forward 1"].wall.length,
        counts,
        microsecondsAnAtom: each((task, count) => perAtom(series[`${task} ${count}`].wall)),
        speedup: each((task, count) => ratio(series[`${task} 1`].wall, series[`${task} ${count}`].wall)),
        // The overhead of sharing the work, including waiting.
        cpuOverOneThread: each((task, count) =>
          ratio(series[`${task} ${count}`].cpu, series[`${task} 1`].cpu),
        ),
      };
    } finally {
      for (const core of Object.values(cores)) await core.dispose();
    }
  },
};
