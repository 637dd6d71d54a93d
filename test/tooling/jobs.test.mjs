import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { collect, sideBySide } from "../../scripts/lib/jobs.mjs";

describe("sideBySide", () => {
  /** Runs jobs with these numbers of cores. Returns their order and the most cores in use at once. */
  async function follow(sizes, cores) {
    const events = [];
    let taken = 0;
    let most = 0;
    const jobs = sizes.map((size, index) => ({
      cores: size,
      async run() {
        events.push(`+${index}`);
        taken += Math.min(size, cores);
        most = Math.max(most, taken);
        await sleep(20 * (index + 1));
        taken -= Math.min(size, cores);
        events.push(`-${index}`);
        return index;
      },
    }));
    const results = await sideBySide(jobs, cores);
    expect(results).toEqual(sizes.map((_, index) => index));
    return { events, most };
  }

  it("runs one job after the other on one core", async () => {
    const { events } = await follow([1, 1, 1], 1);
    expect(events).toEqual(["+0", "-0", "+1", "-1", "+2", "-2"]);
  });

  it("fills the cores and uses no more", async () => {
    const { events, most } = await follow([1, 1, 1, 1], 2);
    expect(events.slice(0, 3)).toEqual(["+0", "+1", "-0"]);
    expect(most).toBe(2);
  });

  it("lets a small job pass one that does not fit, which gets all cores in the end", async () => {
    const { events, most } = await follow([1, 9, 1], 2);
    expect(events).toEqual(["+0", "+2", "-0", "-2", "+1", "-1"]);
    expect(most).toBe(2);
  });
});

describe("collect", () => {
  const run = (code) => collect(process.execPath, ["--eval", code]);

  it("returns the status and the whole output", async () => {
    const { status, output } = await run('console.log("out"); console.error("err"); process.exitCode = 3;');
    expect(status).toBe(3);
    expect(output.split("\n").sort()).toEqual(["", "err", "out"]);
  });

  it("reports a signal, and a program that does not exist", async () => {
    const ended = await run('process.kill(process.pid, "SIGKILL")');
    expect(ended).toEqual({ status: null, output: expect.stringContaining("ended by SIGKILL") });
    expect(await collect("no-such-program", [])).toMatchObject({
      status: null,
      output: expect.stringContaining("could not be started"),
    });
  });
});
