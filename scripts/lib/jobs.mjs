// Runs programs side by side, as many at once as the cores allow. The output of each is kept together.
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { root } from "./paths.mjs";

const limitMs = 30 * 60_000;
// Bytes that a suite of tests with its servers and simulations takes at most.
const memoryPerCore = 2e9;

/** Number of cores that jobs may share: those of this process, or fewer if memory is short. */
export const freeCores = () =>
  Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.totalmem() / memoryPerCore)));

/**
 * Run a program without a terminal.
 *
 * @returns {Promise<{status: number | null, output: string}>} its exit status, or null if it could not be
 *   started or was ended by a signal or the limit; stdout and stderr together, in order of arrival
 */
export function collect(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], timeout: limitMs });
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => chunks.push(chunk));
    const output = () => Buffer.concat(chunks).toString();
    child.on("error", (error) =>
      resolve({ status: null, output: `${path.basename(program)} could not be started: ${error.message}\n` }),
    );
    child.on("close", (status, signal) => {
      if (signal !== null) chunks.push(Buffer.from(`${path.basename(program)} was ended by ${signal}\n`));
      resolve({ status, output: output() });
    });
  });
}

/**
 * Run jobs side by side. They start in order, except that a job for which too few cores are free lets smaller
 * jobs pass. A job that wants more cores than exist gets all of them.
 *
 * @template T
 * @param {{cores: number, run: () => Promise<T>}[]} jobs
 * @param {number} cores number of cores to share
 * @returns {Promise<T[]>} the results in the order of the jobs
 */
export async function sideBySide(jobs, cores) {
  const waiting = jobs.map((job, index) => ({ ...job, index, cores: Math.min(job.cores, cores) }));
  const running = new Set();
  const results = new Array(jobs.length);
  let free = cores;
  while (waiting.length > 0 || running.size > 0) {
    for (const job of [...waiting]) {
      if (job.cores > free) continue;
      waiting.splice(waiting.indexOf(job), 1);
      free -= job.cores;
      const ending = job.run().then((result) => {
        results[job.index] = result;
        running.delete(ending);
        free += job.cores;
      });
      running.add(ending);
    }
    await Promise.race(running);
  }
  return results;
}
