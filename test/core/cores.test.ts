import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { coresGiven } from "../../src/core/cores.js";
import { PhaseCore } from "../../src/core/index.js";
import { nodeHost } from "../../src/core/node-host.js";
import { randomModel } from "./support.js";

/** A file system with these files. */
const files =
  (contents: Record<string, string>) =>
  (path: string): string | null =>
    contents[path] ?? null;

describe("cores given", () => {
  it("are those that the process may be scheduled on if nothing limits it", () => {
    expect(coresGiven(6, files({}))).toBe(6);
    expect(coresGiven()).toBeLessThanOrEqual(availableParallelism());
    expect(coresGiven()).toBeGreaterThanOrEqual(1);
  });

  it.each([
    ["no limit", "max 100000", 8],
    ["two cores", "200000 100000", 2],
    ["two and a half", "250000 100000", 2],
    ["half a core", "50000 100000", 1],
    ["more than there are", "3200000 100000", 8],
    ["something else", "nonsense", 8],
    ["nothing", "", 8],
  ])("are no more than a control group allows: %s", (_, limit, expected) => {
    const read = files({
      "/proc/self/cgroup": "0::/user/job\n",
      "/sys/fs/cgroup/user/job/cpu.max": `${limit}\n`,
    });
    expect(coresGiven(8, read)).toBe(expected);
  });

  it("are at most as many as a parent group allows", () => {
    const read = files({
      "/proc/self/cgroup": "0::/slurm/job:1/step\n",
      "/sys/fs/cgroup/slurm/job:1/step/cpu.max": "max 100000",
      "/sys/fs/cgroup/slurm/job:1/cpu.max": "300000 100000",
      "/sys/fs/cgroup/slurm/cpu.max": "600000 100000",
    });
    expect(coresGiven(8, read)).toBe(3);
  });

  it("in a container are as many as its topmost group allows", () => {
    const read = files({
      "/proc/self/cgroup": "0::/not/seen/here",
      "/sys/fs/cgroup/cpu.max": "400000 100000",
    });
    expect(coresGiven(8, read)).toBe(4);
  });

  it("with version 1 are as many as the cpu controller allows", () => {
    const read = files({
      "/proc/self/cgroup": "5:memory:/job\n3:cpu,cpuacct:/job\n",
      "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
    });
    expect(coresGiven(8, read)).toBe(3);
  });
});

describe("threads by default", () => {
  it.each([
    [1, 0, 1],
    [1, 1, 1],
    [2, 0, 2],
    [2, 1, 1],
    [5, 1, 4],
    [64, 0, 16],
    [17, 1, 16],
  ])("of %i cores with %i to spare: %i", async (cores, spareCores, threads) => {
    const started: number[] = [];
    const host: typeof nodeHost = {
      ...nodeHost,
      cores: () => cores,
      startWorker: ({ worker }) => {
        started.push(worker);
        return { keepAlive: () => undefined, terminate: async () => undefined };
      },
    };
    const core = await PhaseCore.create(randomModel(1, 3), { host, spareCores });
    expect([core.threads, core.cores]).toEqual([threads, cores]);
    expect(started.length).toBe(threads > 1 ? threads : 0);
    await core.dispose();
  });
});
